/*! What every sequence model can do, whatever its architecture. None knows which medium it reads: it is given an [`Interface`]. */

use burn::prelude::*;

use crate::error::Result;
use crate::models::wavenet::Calibration;
use crate::sequence::{Alphabet, Conditions, Forecast, SideInputs, Stepper, Token};

/// What a model reads and predicts: the same for every architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// The tokens.
    pub alphabet: Alphabet,
    /// What the model reads beside the current token.
    pub side_inputs: SideInputs,
    /// Length of the condition vector; 0 for none.
    pub condition: usize,
}

/// Sequences, as a model reads them in parallel.
#[derive(Debug, Clone)]
pub struct SequenceInput {
    /// `[batch, time]`.
    pub tokens: Tensor<2, Int>,
    /// The position of each row's first token in its sequence, `[batch]`; empty if every row starts a sequence.
    pub offsets: Vec<usize>,
    /// `[batch · hops, condition]`, each held for `time / hops` positions; `None` stands for zeros.
    pub condition: Option<Tensor<2>>,
    /// What the prediction says at each position, `[batch · time]`; empty without a prediction.
    pub forecasts: Vec<Forecast>,
}

impl SequenceInput {
    /// Whole sequences from their first token on.
    #[cfg(test)]
    pub fn new(tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Self {
        Self {
            tokens,
            offsets: Vec::new(),
            condition,
            forecasts: Vec::new(),
        }
    }

    /// The rows of the embedding that each position reads, `[batch · time]` for each source in the order of
    /// [`SideInputs`]. Before the first token of a row, a lag reads `start`.
    pub(crate) fn rows(&self, interface: &Interface) -> Vec<Tensor<1, Int>> {
        let tokens = &self.tokens;
        let ([batch, time], device) = (tokens.dims(), tokens.device());
        let inputs = interface.alphabet.inputs();
        let mut rows = vec![tokens.clone().reshape([batch * time])];
        for (index, &lag) in interface.side_inputs.lags.iter().enumerate() {
            let missing = lag.min(time);
            let start = Tensor::full([batch, missing], interface.alphabet.start, &device);
            let earlier = if missing == time {
                start
            } else {
                Tensor::cat(vec![start, tokens.clone().narrow(1, 0, time - missing)], 1)
            };
            rows.push(earlier.reshape([batch * time]) + ((index + 1) * inputs) as i32);
        }
        let mut clocks = vec![Vec::with_capacity(batch * time); interface.side_inputs.clocks.len()];
        for row in 0..batch {
            let offset = self.offsets.get(row).copied().unwrap_or(0);
            for position in offset..offset + time {
                let at = interface.side_inputs.clock_rows(inputs, position);
                clocks
                    .iter_mut()
                    .zip(at)
                    .for_each(|(rows, at)| rows.push(at as i32));
            }
        }
        if interface.side_inputs.prediction.is_some() {
            let forecasts = self.forecasts.iter();
            let both = forecasts.map(|f| interface.side_inputs.forecast_rows(inputs, *f));
            let (classes, levels) = both
                .map(|[class, level]| (class as i32, level as i32))
                .unzip();
            clocks.extend([classes, levels]);
        }
        rows.extend(
            clocks
                .into_iter()
                .map(|rows| Tensor::from_data(TensorData::new(rows, [batch * time]), &device)),
        );
        rows
    }
}

/// A model that predicts the next token of a sequence.
pub trait SequenceModel {
    /// What it reads and predicts.
    fn interface(&self) -> &Interface;

    /// Logits `[batch, time, alphabet.size]`; position t sees the tokens 0..=t only.
    fn logits(&self, input: SequenceInput) -> Tensor<3>;

    /// The logits in training: as [`logits`](Self::logits), with dropout whose masks are a function of `seed`.
    fn training_logits(&self, input: SequenceInput, _seed: u64) -> Tensor<3> {
        self.logits(input)
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

    /// The ranges of its activations on these sequences, each with its conditions; `None` where the architecture has no
    /// int8 stepper.
    ///
    /// # Errors
    /// When a token is outside the alphabet, a condition has another length, or there is no token at all.
    fn calibrate(&self, _sequences: &[(&[Token], Conditions)]) -> Result<Option<Calibration>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{ALPHABET, with_clocks};

    #[test]
    fn a_row_that_starts_inside_a_sequence_reads_the_clocks_of_its_positions() {
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: with_clocks(vec![2]),
            condition: 0,
        };
        let rows = |offset: usize, time: usize| -> Vec<Vec<i32>> {
            let tokens = Tensor::zeros([1, time], &Device::flex());
            let input = SequenceInput {
                offsets: vec![offset],
                ..SequenceInput::new(tokens, None)
            };
            let rows = input.rows(&interface);
            let clocks = rows.into_iter().skip(2);
            clocks
                .map(|rows| rows.into_data().iter::<i32>().collect())
                .collect()
        };
        let (whole, part) = (rows(0, 20), rows(7, 13));
        assert_eq!(part.len(), interface.side_inputs.clocks.len());
        for (whole, part) in whole.iter().zip(&part) {
            assert_eq!(whole[7..], part[..]);
        }
    }
}
