/*!
The only list of networks. To add one: a variant here, its module in `nets` with its lanes for a card, its stepper in
`engine`.
*/

mod batch;
mod batched_stepper;
mod cpu_stepper;
mod dropout;
mod init;
mod parameters;
mod preset;
pub mod rnn;
pub mod sentence_vae;
mod sequence_model;
#[cfg(test)]
mod stepper_conformance;
#[cfg(test)]
pub(crate) mod testing;
pub mod wavenet;
mod weights;

pub use crate::kernels::RecurrentCell;
pub use batch::{Batch, nll};
pub(crate) use batch::{inputs, nll_of_logits};
pub use parameters::{Parameter, parameters, with_values};
pub use rnn::{Recurrent, RecurrentConfig};
pub(crate) use sentence_vae::{DECODER, GaussianTensors};
pub use sentence_vae::{SentenceVae, SentenceVaeConfig};
pub use sequence_model::{Interface, SequenceModel, device_of};
pub(crate) use sequence_model::{sources, values};
pub use wavenet::{WaveNet, WaveNetConfig};

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::models::wavenet::Calibration;
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

    fn net(&self) -> &dyn SequenceModel {
        match self {
            Self::WaveNet(net) => net,
            Self::Recurrent(net) => net,
            Self::SentenceVae(net) => net,
        }
    }
}

impl SequenceModel for Model {
    fn interface(&self) -> &Interface {
        self.net().interface()
    }

    fn logits(&self, tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Tensor<3> {
        self.net().logits(tokens, condition)
    }

    fn training_logits(
        &self,
        tokens: Tensor<2, Int>,
        condition: Option<Tensor<2>>,
        seed: u64,
    ) -> Tensor<3> {
        self.net().training_logits(tokens, condition, seed)
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.net().stepper(lanes)
    }

    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.net().batched_stepper(lanes)
    }

    fn multiply_adds_per_step(&self) -> usize {
        self.net().multiply_adds_per_step()
    }

    fn calibrate(&self, sequences: &[(&[Token], Option<&[f32]>)]) -> Result<Option<Calibration>> {
        self.net().calibrate(sequences)
    }

    fn int8_stepper(&self, calibration: &Calibration, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.net().int8_stepper(calibration, lanes)
    }
}
