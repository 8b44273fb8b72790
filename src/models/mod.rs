/*!
The only list of networks. To add one: a variant here, its module in `nets` with its lanes for a card, its stepper in
`engine`.
*/

mod batch;
mod batched_stepper;
mod dropout;
mod init;
mod parameters;
pub mod rnn;
pub mod sentence_vae;
mod sequence_model;
#[cfg(test)]
mod stepper_conformance;
pub mod wavenet;
mod weights;

pub use crate::kernels::RecurrentCell;
pub use batch::{Batch, nll};
pub(crate) use batch::{inputs, nll_of_logits};
pub use parameters::{Parameter, parameters, with_values};
pub use rnn::{Recurrent, RecurrentConfig};
pub use sentence_vae::{DECODER, Encoded, SentenceVae, SentenceVaeConfig};
#[cfg(test)]
pub(crate) use sequence_model::testing;
pub use sequence_model::{Interface, SequenceModel, device_of};
pub(crate) use sequence_model::{sources, values};
pub use wavenet::{WaveNet, WaveNetConfig};

use std::sync::Arc;

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::models::wavenet::{Calibration, WaveNetInt8Engine};
use crate::sequence::{Stepper, Token};

/// Which network, and how large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NetworkConfig {
    /// Gated dilated causal convolutions.
    #[serde(rename = "wavenet")]
    WaveNet(WaveNetConfig),
    /// Long short-term memory.
    Lstm(RecurrentConfig),
    /// Gated recurrent units.
    Gru(RecurrentConfig),
    /// A recurrent decoder of codes, and the encoder that says them.
    SentenceVae(SentenceVaeConfig),
}

impl NetworkConfig {
    /// A new network with first weights drawn from `seed`.
    ///
    /// # Errors
    /// When the sizes make no network.
    pub fn build(&self, interface: Interface, seed: u64, device: &Device) -> Result<Model> {
        let recurrent = |unit, config: &RecurrentConfig| {
            Recurrent::new(unit, config.clone(), interface.clone(), seed, device)
                .map(Model::Recurrent)
        };
        match self {
            Self::WaveNet(config) => {
                WaveNet::new(config.clone(), interface, seed, device).map(Model::WaveNet)
            }
            Self::Lstm(config) => recurrent(RecurrentCell::Lstm, config),
            Self::Gru(config) => recurrent(RecurrentCell::Gru, config),
            Self::SentenceVae(config) => {
                SentenceVae::new(config.clone(), interface, seed, device).map(Model::SentenceVae)
            }
        }
    }

    /// Refuses sizes that make no network.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::WaveNet(config) => config.validate(),
            Self::Lstm(config) | Self::Gru(config) => config.validate(),
            Self::SentenceVae(config) => config.validate(),
        }
    }

    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WaveNet(_) => "wavenet",
            Self::Lstm(_) => "lstm",
            Self::Gru(_) => "gru",
            Self::SentenceVae(_) => "sentence-vae",
        }
    }

    /// How many tokens, the current one included, reach one prediction; `None` where all do.
    pub fn receptive_field(&self) -> Option<usize> {
        match self {
            Self::WaveNet(config) => Some(config.receptive_field()),
            Self::Lstm(_) | Self::Gru(_) | Self::SentenceVae(_) => None,
        }
    }
}

/// Any network.
#[derive(Module, Debug)]
pub enum Model {
    /// Gated dilated causal convolutions.
    WaveNet(WaveNet),
    /// LSTM or GRU layers.
    Recurrent(Recurrent),
    /// A recurrent decoder of codes, and the encoder that says them.
    SentenceVae(SentenceVae),
}

impl Model {
    /// The sentence VAE, if it is one.
    pub fn vae(&self) -> Option<&SentenceVae> {
        match self {
            Self::SentenceVae(vae) => Some(vae),
            _ => None,
        }
    }

    /// Multiply-adds of one step in one lane.
    pub fn multiply_adds(&self) -> usize {
        match self {
            Self::WaveNet(net) => net.weights().multiply_adds_per_step(),
            Self::Recurrent(net) => net.weights().multiply_adds_per_step(),
            Self::SentenceVae(net) => net.decoder().weights().multiply_adds_per_step(),
        }
    }
}

impl Model {
    /// The sizes of its activations on these sequences, each with its condition; `None` for networks that are not made
    /// for eight-bit weights.
    ///
    /// # Errors
    /// When a sequence is not of the alphabet.
    pub fn calibrate(
        &self,
        sequences: &[(&[Token], Option<&[f32]>)],
    ) -> Result<Option<Calibration>> {
        match self {
            Self::WaveNet(net) => {
                Calibration::collect(&Arc::new(net.weights()), sequences).map(Some)
            }
            Self::Recurrent(_) | Self::SentenceVae(_) => Ok(None),
        }
    }

    /// The network one step at a time with eight-bit weights; f32 for networks that are not made for them.
    ///
    /// # Errors
    /// When the calibration is another network's.
    pub fn int8_stepper(
        &self,
        calibration: &Calibration,
        lanes: usize,
    ) -> Result<Box<dyn Stepper>> {
        match self {
            Self::WaveNet(net) => Ok(Box::new(WaveNetInt8Engine::new(
                Arc::new(net.weights()),
                calibration,
                lanes,
            )?)),
            Self::Recurrent(_) | Self::SentenceVae(_) => self.stepper(lanes),
        }
    }
}

impl SequenceModel for Model {
    fn interface(&self) -> &Interface {
        match self {
            Self::WaveNet(net) => net.interface(),
            Self::Recurrent(net) => net.interface(),
            Self::SentenceVae(net) => net.interface(),
        }
    }

    fn logits(&self, tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Tensor<3> {
        match self {
            Self::WaveNet(net) => net.logits(tokens, condition),
            Self::Recurrent(net) => net.logits(tokens, condition),
            Self::SentenceVae(net) => net.logits(tokens, condition),
        }
    }

    fn training_logits(
        &self,
        tokens: Tensor<2, Int>,
        condition: Option<Tensor<2>>,
        seed: u64,
    ) -> Tensor<3> {
        match self {
            Self::WaveNet(net) => net.training_logits(tokens, condition, seed),
            Self::Recurrent(net) => net.training_logits(tokens, condition, seed),
            Self::SentenceVae(net) => net.training_logits(tokens, condition, seed),
        }
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        match self {
            Self::WaveNet(net) => net.stepper(lanes),
            Self::Recurrent(net) => net.stepper(lanes),
            Self::SentenceVae(net) => net.stepper(lanes),
        }
    }

    fn lanes(&self, count: usize) -> Result<Box<dyn Stepper>> {
        match self {
            Self::WaveNet(net) => net.lanes(count),
            Self::Recurrent(net) => net.lanes(count),
            Self::SentenceVae(net) => net.lanes(count),
        }
    }
}
