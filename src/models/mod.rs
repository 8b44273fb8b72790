/*!
Every architecture: a folder each, and [`ModelSpec`] and [`Model`], the only lists of them. To add one: its folder, a
variant in both, a preset in [`crate::train::Recipe`].
*/

mod batch;
mod batched_stepper;
pub mod classifier;
pub mod colorizer;
mod cpu_stepper;
mod dropout;
mod elbo_settings;
pub mod energy;
mod forecast;
mod forecast_step;
pub mod gan;
pub mod image_vae;
mod init;
mod latent_model;
pub(crate) mod layers;
mod parameters;
mod picture_generator;
pub(crate) mod picture_numbers;
mod picture_reader;
mod preset;
pub mod rnn;
pub mod sentence_vae;
mod sequence_model;
#[cfg(test)]
mod stepper_conformance;
#[cfg(test)]
pub(crate) mod testing;
mod vae;
pub mod wavenet;
mod weights;

pub use crate::kernels::RecurrentCell;
pub use batch::{Batch, nll};
pub(crate) use batch::{forecasts, input, nll_of_each, nll_of_logits, nll_per_sequence};
pub(crate) use classifier::likeliest;
pub use classifier::{Classified, Classifier, ClassifierConfig};
pub use colorizer::{Colorizer, ColorizerConfig, ColorizerSettings, color_of, grey_of_color};
pub(crate) use colorizer::{PatchDiscriminator, UNet, coloured, grey_of};
pub use elbo_settings::ElboSettings;
pub(crate) use energy::drawn_by_score;
pub use energy::{Energy, EnergyConfig, EnergySettings};
pub use gan::{AdversarialSettings, Gan, GanConfig, NoiseKind, Objective};
pub(crate) use gan::{Discriminator, Generator, Judged};
pub use image_vae::{ImageDecoder, ImageVae, ImageVaeConfig};
pub use latent_model::LatentModel;
pub use parameters::{parameters, with_values};
pub use picture_generator::PictureGenerator;
pub(crate) use preset::Size;
pub use rnn::{Recurrent, RecurrentConfig};
pub use sentence_vae::{SentenceVae, SentenceVaeConfig};
pub(crate) use sequence_model::values;
pub use sequence_model::{Interface, SequenceInput, SequenceModel, device_of};
pub(crate) use vae::GaussianTensors;
pub use vae::Vae;
pub use wavenet::{WaveNet, WaveNetConfig};

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a model is: its family, with its sizes and what only this family is trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ModelSpec {
    /// An autoregressive network.
    Sequence {
        /// The network.
        network: SequenceConfig,
    },
    /// A recurrent decoder conditioned on a latent code, and its encoder.
    SentenceVae {
        /// The sizes of both.
        network: SentenceVaeConfig,
        /// The schedule of its training.
        elbo: ElboSettings,
    },
    /// An encoder of pictures, and a decoder of their pixels from a latent code.
    ImageVae {
        /// The sizes of both.
        network: ImageVaeConfig,
        /// The schedule of its training.
        elbo: ElboSettings,
    },
    /// A generator of pictures and a discriminator.
    Gan {
        /// The sizes of both.
        network: GanConfig,
        /// How they are trained.
        adversarial: AdversarialSettings,
    },
    /// A classifier of pictures.
    Classifier {
        /// Its sizes.
        network: ClassifierConfig,
    },
    /// A discriminator that makes pictures alone.
    Energy {
        /// Its sizes.
        network: EnergyConfig,
        /// How it makes pictures.
        adversarial: EnergySettings,
    },
    /// A network that colours grey pictures, and a discriminator.
    Colorizer {
        /// The sizes of both.
        network: ColorizerConfig,
        /// How they are trained.
        adversarial: ColorizerSettings,
    },
}

/// An autoregressive network and its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SequenceConfig {
    /// Gated dilated causal convolutions.
    #[serde(rename = "wavenet")]
    WaveNet(WaveNetConfig),
    /// Long short-term memory.
    Lstm(RecurrentConfig),
    /// Gated recurrent units.
    Gru(RecurrentConfig),
}

impl ModelSpec {
    /// A new model with weights drawn from `seed`.
    ///
    /// # Errors
    /// A usage error when the sizes cannot work.
    pub fn build(&self, interface: Interface, seed: u64, device: &Device) -> Result<Model> {
        match self {
            Self::Sequence { network } => network.build(interface, seed, device),
            Self::SentenceVae { network, .. } => {
                SentenceVae::new(network.clone(), interface, seed, device).map(Model::SentenceVae)
            }
            Self::ImageVae { network, .. } => {
                ImageVae::new(network.clone(), interface, seed, device).map(Model::ImageVae)
            }
            Self::Gan {
                network,
                adversarial,
            } => Gan::new(network.clone(), adversarial, &interface, seed, device).map(Model::Gan),
            Self::Classifier { network } => {
                Classifier::new(network.clone(), &interface, seed, device).map(Model::Classifier)
            }
            Self::Energy {
                network,
                adversarial,
            } => Energy::new(network.clone(), *adversarial, &interface, seed, device)
                .map(Model::Energy),
            Self::Colorizer { network, .. } => {
                Colorizer::new(network.clone(), seed, device).map(Model::Colorizer)
            }
        }
    }

    /// Refuses sizes and settings that cannot work.
    ///
    /// # Errors
    /// A usage error naming the setting, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Sequence { network } => network.validate(),
            Self::SentenceVae { network, elbo } => {
                network.validate()?;
                elbo.validate()
            }
            Self::ImageVae { network, elbo } => {
                network.validate()?;
                elbo.validate()
            }
            Self::Gan {
                network,
                adversarial,
            } => {
                network.validate()?;
                adversarial.validate()
            }
            Self::Classifier { network } => network.validate(),
            Self::Energy {
                network,
                adversarial,
            } => {
                network.validate()?;
                adversarial.validate()
            }
            Self::Colorizer {
                network,
                adversarial,
            } => {
                network.validate()?;
                adversarial.validate()
            }
        }
    }

    /// The name of the network on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sequence { network } => network.name(),
            Self::SentenceVae { .. } => "sentence-vae",
            Self::ImageVae { .. } => "image-vae",
            Self::Gan { .. } => "gan",
            Self::Classifier { .. } => "classifier",
            Self::Energy { .. } => "energy",
            Self::Colorizer { .. } => "colorizer",
        }
    }

    /// How many tokens, the current one included, one prediction depends on; `None` where it depends on all.
    pub fn receptive_field(&self) -> Option<usize> {
        match self {
            Self::Sequence { network } => network.receptive_field(),
            Self::SentenceVae { .. } => None,
            Self::ImageVae { .. }
            | Self::Gan { .. }
            | Self::Energy { .. }
            | Self::Classifier { .. }
            | Self::Colorizer { .. } => Some(0),
        }
    }

    /// Tokens that one step of a recurrent network reads; 1 for every other model.
    pub fn stride(&self) -> usize {
        match self {
            Self::Sequence { network } => network.stride(),
            _ => 1,
        }
    }

    /// Whether it makes whole pictures from noise, so that no token is drawn.
    pub fn makes_pictures_from_noise(&self) -> bool {
        matches!(self, Self::Gan { .. } | Self::Energy { .. })
    }

    /// Whether the pixels of a picture are independent given a code.
    pub fn has_independent_pixels(&self) -> bool {
        matches!(self, Self::ImageVae { network, .. } if network.has_independent_pixels())
    }

    /// Dimensions of a latent code, or of the noise of a GAN; `None` for models without a latent space.
    pub fn latent(&self) -> Option<usize> {
        match self {
            Self::Sequence { .. } | Self::Classifier { .. } | Self::Colorizer { .. } => None,
            Self::Gan { network, .. } => Some(network.noise),
            Self::Energy { network, .. } => Some(network.numbers()),
            Self::SentenceVae { network, .. } => Some(network.latent),
            Self::ImageVae { network, .. } => Some(network.latent),
        }
    }

    /// How a VAE is trained; `None` of other families.
    pub fn elbo(&self) -> Option<&ElboSettings> {
        match self {
            Self::SentenceVae { elbo, .. } | Self::ImageVae { elbo, .. } => Some(elbo),
            _ => None,
        }
    }
}

impl SequenceConfig {
    /// A new network with weights drawn from `seed`.
    ///
    /// # Errors
    /// A usage error when the sizes cannot work.
    pub fn build(&self, interface: Interface, seed: u64, device: &Device) -> Result<Model> {
        let recurrent = |unit, config: &RecurrentConfig, interface| {
            Recurrent::new(unit, config.clone(), interface, seed, device).map(Model::Recurrent)
        };
        match self {
            Self::WaveNet(config) => {
                WaveNet::new(config.clone(), interface, seed, device).map(Model::WaveNet)
            }
            Self::Lstm(config) => recurrent(RecurrentCell::Lstm, config, interface),
            Self::Gru(config) => recurrent(RecurrentCell::Gru, config, interface),
        }
    }

    fn validate(&self) -> Result<()> {
        match self {
            Self::WaveNet(config) => config.validate(),
            Self::Lstm(config) | Self::Gru(config) => config.validate(),
        }
    }

    /// Tokens that one step reads.
    fn stride(&self) -> usize {
        match self {
            Self::WaveNet(_) => 1,
            Self::Lstm(config) | Self::Gru(config) => config.stride,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::WaveNet(_) => "wavenet",
            Self::Lstm(_) => "lstm",
            Self::Gru(_) => "gru",
        }
    }

    fn receptive_field(&self) -> Option<usize> {
        match self {
            Self::WaveNet(config) => Some(config.receptive_field()),
            Self::Lstm(_) | Self::Gru(_) => None,
        }
    }
}

/// A model of any family.
#[derive(Module, Debug)]
pub enum Model {
    /// Gated dilated causal convolutions.
    WaveNet(WaveNet),
    /// LSTM or GRU layers.
    Recurrent(Recurrent),
    /// A recurrent decoder conditioned on a latent code, and its encoder.
    SentenceVae(SentenceVae),
    /// An encoder of pictures, and a decoder of their pixels from a latent code.
    ImageVae(ImageVae),
    /// A generator of pictures and a discriminator.
    Gan(Gan),
    /// A classifier of pictures.
    Classifier(Classifier),
    /// A discriminator that makes pictures alone.
    Energy(Energy),
    /// A network that colours grey pictures, and a discriminator.
    Colorizer(Colorizer),
}

impl Model {
    /// The model as one that predicts the next token, if it is one; a VAE is its decoder, and the latent code is
    /// (the end of) the condition.
    pub fn sequence(&self) -> Option<&dyn SequenceModel> {
        Some(match self {
            Self::WaveNet(net) => net,
            Self::Recurrent(net) => net,
            Self::SentenceVae(net) => net,
            Self::ImageVae(net) => net,
            Self::Gan(_) | Self::Energy(_) | Self::Classifier(_) | Self::Colorizer(_) => {
                return None;
            }
        })
    }

    /// As [`sequence`](Self::sequence), for what only a sequence model can do.
    ///
    /// # Errors
    /// When it is not a sequence model.
    pub fn require_sequence(&self) -> Result<&dyn SequenceModel> {
        self.sequence().ok_or_else(|| {
            Error::usage("this model does not predict sequences token by token")
                .with_hint("show what a model is: ensuite info MODEL")
        })
    }

    /// The model as one with a latent space, if it has one.
    pub fn latent(&self) -> Option<&dyn LatentModel> {
        match self {
            Self::SentenceVae(vae) => Some(vae),
            Self::ImageVae(vae) => Some(vae),
            _ => None,
        }
    }

    /// Multiply-adds of a token.
    pub fn multiply_adds_per_token(&self) -> usize {
        match self {
            Self::Classifier(net) => net.multiply_adds().div_ceil(net.pixels()),
            Self::Colorizer(net) => net.multiply_adds().div_ceil(net.pixels()),
            Self::Gan(gan) => gan.multiply_adds_per_pixel(),
            Self::Energy(net) => net.multiply_adds_per_pixel(),
            _ => self
                .sequence()
                .map_or(0, SequenceModel::multiply_adds_per_step),
        }
    }

    /// The model as one that makes whole pictures from noise, if it is one.
    pub fn pictures(&self) -> Option<&dyn PictureGenerator> {
        match self {
            Self::Gan(gan) => Some(gan),
            Self::Energy(net) => Some(net),
            _ => None,
        }
    }
}
