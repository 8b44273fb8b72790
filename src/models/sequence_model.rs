/*! What every sequence model can do, whatever its architecture. None knows which medium it reads: it is given an [`Interface`]. */

use burn::prelude::*;

use crate::error::Result;
use crate::models::wavenet::Calibration;
use crate::sequence::{Alphabet, Stepper, Token};

/// What a model reads and predicts: the same for every architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The tokens.
    pub alphabet: Alphabet,
    /// Earlier tokens that the model reads beside the current one, as distances; `[width]` is the pixel above.
    pub lags: Vec<usize>,
    /// Length of the condition vector; 0 for none.
    pub condition: usize,
}

/// A model that predicts the next token of a sequence.
pub trait SequenceModel {
    /// What it reads and predicts.
    fn interface(&self) -> &Interface;

    /// Tokens `[batch, time]` to logits `[batch, time, alphabet.size]`; position t sees the tokens 0..=t only.
    /// `condition` is `[batch, condition]`; `None` stands for zeros.
    fn logits(&self, tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Tensor<3>;

    /// The logits in training: as [`logits`](Self::logits), with dropout whose masks are a function of `seed`.
    fn training_logits(
        &self,
        tokens: Tensor<2, Int>,
        condition: Option<Tensor<2>>,
        _seed: u64,
    ) -> Tensor<3> {
        self.logits(tokens, condition)
    }

    /// The model one step at a time on the CPU, with a copy of its current weights.
    ///
    /// # Errors
    /// Without a lane, or when the weights do not fit together, as after loading a damaged file.
    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>>;

    /// The same as burn tensors on the model's device: for hundreds of lanes or more on a GPU.
    ///
    /// # Errors
    /// Without a lane.
    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>>;

    /// Multiply-adds of one step in one lane.
    fn multiply_adds_per_step(&self) -> usize;

    /// The ranges of its activations on these sequences, each with its condition; `None` where the architecture has no
    /// int8 stepper.
    ///
    /// # Errors
    /// When a token is outside the alphabet, a condition has another length, or there is no token at all.
    fn calibrate(&self, _sequences: &[(&[Token], Option<&[f32]>)]) -> Result<Option<Calibration>> {
        Ok(None)
    }

    /// The model one step at a time with int8 weights; f32 where the architecture has no int8 stepper.
    ///
    /// # Errors
    /// As [`stepper`](Self::stepper), and when the calibration belongs to another network.
    fn int8_stepper(&self, _calibration: &Calibration, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.stepper(lanes)
    }
}

/// The rows of the embedding tables that each position reads, `[batch · time]` for the current token and then for each lag;
/// positions before the first token read `start`.
pub(crate) fn sources(tokens: Tensor<2, Int>, interface: &Interface) -> Vec<Tensor<1, Int>> {
    let [batch, time] = tokens.dims();
    let inputs = interface.alphabet.inputs();
    let mut sources = vec![tokens.clone().reshape([batch * time])];
    for (index, &lag) in interface.lags.iter().enumerate() {
        let missing = lag.min(time);
        let start = Tensor::full([batch, missing], interface.alphabet.start, &tokens.device());
        let earlier = if missing == time {
            start
        } else {
            Tensor::cat(vec![start, tokens.clone().narrow(1, 0, time - missing)], 1)
        };
        sources.push(earlier.reshape([batch * time]) + ((index + 1) * inputs) as i32);
    }
    sources
}

/// The device of a module's parameters, without autodiff.
pub fn device_of<M: Module>(net: &M) -> Device {
    let device = net.devices().into_iter().next();
    device.unwrap_or_else(Device::flex).inner()
}

/// The row-major values of a tensor.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .expect("parameters and activations are f32")
}
