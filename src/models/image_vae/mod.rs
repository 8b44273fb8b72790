/*!
A variational autoencoder of pictures (Kingma & Welling 2014, "Auto-encoding variational Bayes"). Dense layers map a picture
to a Gaussian over latent codes, and a code to a distribution over the colours of each pixel. Given the code, the pixels are
independent, so that the likelihood has the units of any pixel model.
*/

mod presets;
mod stepper;

use burn::module::Param;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::models::init::Init;
use crate::models::vae::{GaussianTensors, Vae};
use crate::models::weights::{check_sizes, check_width};
use crate::models::{Batch, Interface, Model, SequenceInput, SequenceModel, values};
use crate::ops::{embedding, linear};
use crate::sequence::{SideInputs, Stepper};
use stepper::{PictureStepper, PictureWeights};

/// The size of an image VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageVaeConfig {
    /// Pixels of a picture.
    pub pixels: usize,
    /// Dimensions of the latent code.
    pub latent: usize,
    /// Features of a pixel: of its colour in the encoder, and before its colour in the decoder. One fewer than there are
    /// colours tell all of them apart; more are not used.
    pub embedding: usize,
    /// Units of each of the two hidden layers, in the encoder and in the decoder.
    pub hidden: usize,
}

impl ImageVaeConfig {
    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("pixels", self.pixels, 1 << 20),
            ("latent", self.latent, 8192),
            ("embedding", self.embedding, 1024),
            ("hidden", self.hidden, 8192),
        ];
        check_sizes("an image VAE", &sizes)
    }
}

/// Encoder and decoder. As a [`SequenceModel`] it is its decoder, conditioned on the classes and then the latent code; it
/// ignores the pixels that it reads.
#[derive(Module, Debug)]
pub struct ImageVae {
    encoder: Encoder,
    decoder: Decoder,
    #[module(skip)]
    config: ImageVaeConfig,
    #[module(skip)]
    interface: Interface,
}

/// A dense layer: `[inputs, outputs]` and `[outputs]`.
#[derive(Module, Debug)]
struct Dense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// The pixels' colours, then two hidden layers, then the Gaussian.
#[derive(Module, Debug)]
struct Encoder {
    /// `[colours, embedding]`.
    colors: Param<Tensor<2>>,
    first: Dense,
    second: Dense,
    mean: Dense,
    log_variance: Dense,
}

/// The condition, then two hidden layers, then the features of each pixel, then its colour.
#[derive(Module, Debug)]
struct Decoder {
    first: Dense,
    second: Dense,
    /// `[hidden, pixels · embedding]`.
    features: Dense,
    /// `[embedding, colours]`.
    colors: Dense,
}

impl Dense {
    fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        Self {
            weight: init.dense([inputs, outputs], inputs),
            bias: init.zeros([outputs]),
        }
    }

    /// The layer, with the ReLU before it where `relu` is set.
    fn of(&self, x: Tensor<2>, relu: bool) -> Tensor<2> {
        linear(x, self.weight.val(), self.bias.val(), relu)
    }

    fn numbers(&self) -> [Vec<f32>; 2] {
        [values(self.weight.val()), values(self.bias.val())]
    }
}

/// Separates the encoder's stream of initial weights from the decoder's.
const ENCODER: u64 = 0x656E_636F_6465_7200;

impl ImageVae {
    /// A new network with weights drawn from `seed`. The condition of `interface` is that of the classes.
    ///
    /// # Errors
    /// A usage error when a size is invalid.
    pub fn new(
        config: ImageVaeConfig,
        interface: Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (colors, classes) = (interface.alphabet.size, interface.condition);
        check_width("the number of colours", colors)?;
        let config = ImageVaeConfig {
            embedding: config.embedding.min(colors - 1).max(1),
            ..config
        };
        let ImageVaeConfig {
            pixels,
            latent,
            embedding,
            hidden,
        } = config;
        let condition = classes + latent;
        let mut init = Init::new(seed ^ ENCODER, device);
        let encoder = Encoder {
            colors: init.embedding([colors, embedding]),
            first: Dense::new(&mut init, pixels * embedding + classes, hidden),
            second: Dense::new(&mut init, hidden, hidden),
            mean: Dense::new(&mut init, hidden, latent),
            log_variance: Dense::new(&mut init, hidden, latent),
        };
        let mut init = Init::new(seed, device);
        let decoder = Decoder {
            first: Dense::new(&mut init, condition, hidden),
            second: Dense::new(&mut init, hidden, hidden),
            features: Dense::new(&mut init, hidden, pixels * embedding),
            colors: Dense::new(&mut init, embedding, colors),
        };
        Ok(Self {
            encoder,
            decoder,
            config,
            interface: Interface {
                side_inputs: SideInputs::default(),
                condition,
                ..interface
            },
        })
    }

    fn weights(&self) -> PictureWeights {
        let Decoder {
            first,
            second,
            features,
            colors,
        } = &self.decoder;
        PictureWeights {
            alphabet: self.interface.alphabet,
            condition: self.interface.condition,
            hidden: self.config.hidden,
            embedding: self.config.embedding,
            pixels: self.config.pixels,
            first: first.numbers(),
            second: second.numbers(),
            features: features.numbers(),
            colors: colors.numbers(),
        }
    }
}

impl Vae for ImageVae {
    const ITEM: &'static str = "picture";

    fn latent(&self) -> usize {
        self.config.latent
    }

    fn posteriors(&self, batch: &Batch) -> GaussianTensors {
        let (encoder, pixels) = (&self.encoder, self.config.pixels);
        let device = encoder.colors.val().device();
        assert_eq!(batch.time, pixels, "whole pictures");
        // A pixel that is not scored has no colour; no picture has one.
        let colors: Vec<i32> = batch.targets.iter().map(|&color| color.max(0)).collect();
        let colors = Tensor::from_data(TensorData::new(colors, [batch.rows * pixels]), &device);
        let read = embedding(encoder.colors.val(), vec![colors]);
        let read = read.reshape([batch.rows, pixels * self.config.embedding]);
        let read = match &batch.condition {
            None => read,
            Some(classes) => {
                let shape = [batch.rows, classes.len() / batch.rows];
                let classes = TensorData::new(classes.clone(), shape);
                Tensor::cat(vec![read, Tensor::from_data(classes, &device)], 1)
            }
        };
        let hidden = encoder.second.of(encoder.first.of(read, false), true);
        GaussianTensors {
            mean: encoder.mean.of(hidden.clone(), true),
            log_variance: encoder.log_variance.of(hidden, true),
        }
    }

    fn reinitialised(&self, seed: u64, device: &Device) -> Result<Self> {
        let interface = Interface {
            condition: self.interface.condition - self.config.latent,
            ..self.interface.clone()
        };
        Self::new(self.config.clone(), interface, seed, device)
    }

    fn into_model(self) -> Model {
        Model::ImageVae(self)
    }
}

impl SequenceModel for ImageVae {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn logits(&self, input: SequenceInput) -> Tensor<3> {
        let [batch, time] = input.tokens.dims();
        let (pixels, size) = (self.config.pixels, self.interface.alphabet.size);
        let decoder = &self.decoder;
        let condition = input.condition.unwrap_or_else(|| {
            Tensor::zeros([batch, self.interface.condition], &input.tokens.device())
        });
        let hidden = decoder.second.of(decoder.first.of(condition, false), true);
        let features = decoder.features.of(hidden, true);
        let features = features.reshape([batch * pixels, self.config.embedding]);
        let logits = decoder.colors.of(features, false);
        let logits: Tensor<3> = logits.reshape([batch, pixels, size]);
        assert!(time <= pixels, "a picture has {pixels} pixels, not {time}");
        logits.narrow(1, 0, time)
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(PictureStepper::new(&self.weights(), lanes)?))
    }

    /// The CPU's: a picture is computed at once, when its condition is set.
    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.stepper(lanes)
    }

    fn multiply_adds_per_step(&self) -> usize {
        let ImageVaeConfig {
            pixels,
            embedding,
            hidden,
            ..
        } = self.config;
        let of_picture = hidden * (self.interface.condition + hidden + pixels * embedding);
        of_picture / pixels + embedding * self.interface.alphabet.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{ALPHABET, scrambled, with_batched_stepper, with_cpu_stepper};
    use crate::sequence::conformance;

    fn net(classes: usize) -> ImageVae {
        let config = ImageVaeConfig {
            pixels: 64,
            latent: 3,
            embedding: 5,
            hidden: 9,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: SideInputs::default(),
            condition: classes,
        };
        scrambled(ImageVae::new(config, interface, 1, &Device::flex()).unwrap())
    }

    #[test]
    fn its_decoder_passes_every_law_of_a_sequence_model() {
        for classes in [0, 2] {
            conformance::check_all_without_tokens(&with_cpu_stepper(net(classes)));
            conformance::check_all_without_tokens(&with_batched_stepper(net(classes)));
        }
    }

    fn batch(pictures: &[Vec<u32>], classes: &[Vec<f32>]) -> Batch {
        let views: Vec<&[u32]> = pictures.iter().map(Vec::as_slice).collect();
        let classes: Vec<&[f32]> = classes.iter().map(Vec::as_slice).collect();
        Batch::of(&views, &classes, ALPHABET)
    }

    #[test]
    fn a_posterior_depends_on_its_picture_and_class_and_on_nothing_else() {
        let net = net(2);
        let mut random = crate::base::rng::testing::Lcg(5);
        let pictures: Vec<Vec<u32>> = (0..3).map(|_| random.tokens(64, ALPHABET.size)).collect();
        let classes = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 0.0]];
        let means = |batch: &Batch| values(net.posteriors(batch).mean);
        let all = means(&batch(&pictures, &classes));
        let alone = means(&batch(&pictures[1..2], &classes[1..2]));
        assert_eq!(all[3..6], alone[..]);
        let other_class = means(&batch(&pictures[1..2], &classes[..1]));
        assert_ne!(alone, other_class);
        let mut changed = pictures[1].clone();
        changed[63] = (changed[63] + 1) % ALPHABET.size as u32;
        assert_ne!(alone, means(&batch(&[changed], &classes[1..2])));
    }

    #[test]
    fn a_picture_depends_on_its_code_and_on_its_class() {
        let net = net(2);
        let logits = |condition: [f32; 5]| {
            let mut stepper = net.stepper(1).unwrap();
            stepper.reset(0, Some(&condition));
            stepper.step(&[ALPHABET.start]).to_vec()
        };
        let first = logits([1.0, 0.0, 0.5, 0.5, 0.5]);
        assert_ne!(first, logits([0.0, 1.0, 0.5, 0.5, 0.5]));
        for code in [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]] {
            assert_ne!(first, logits([1.0, 0.0, code[0], code[1], code[2]]));
        }
    }
}
