/*!
The networks, in their training form (burn modules). None knows which medium it reads: it is given an [`Interface`].

Each network has a making form in [`crate::engine`] with the same weights and the same logits.
*/

mod init;
mod parameters;
mod wavenet;

use burn::prelude::*;

use crate::error::Result;
use crate::sequence::{Alphabet, Stepper};

pub use parameters::{Parameter, parameters, with_values};
pub use wavenet::{WaveNet, WaveNetConfig};

/// What a network is asked to read and to foresee: the same for every architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The tokens.
    pub alphabet: Alphabet,
    /// Earlier tokens that enter beside the current one, as distances; `[width]` is the pixel above.
    pub lags: Vec<usize>,
    /// Length of the condition vector; 0 for none.
    pub condition: usize,
}

/// The training view of an autoregressive network.
pub trait SequenceModel: Module {
    /// What it reads and foresees.
    fn interface(&self) -> &Interface;

    /// Tokens `[batch, time]` to logits `[batch, time, alphabet.size]`; position t sees the tokens 0..=t only.
    /// `condition` is `[batch, condition]`; `None` stands for zeros.
    fn logits(&self, tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Tensor<3>;

    /// The same network one step at a time, with its weights as they are now.
    ///
    /// # Errors
    /// When the weights do not fit together, as after loading a damaged file.
    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>>;
}

/// The row-major values of a tensor.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().into_vec::<f32>().expect("networks are f32")
}
