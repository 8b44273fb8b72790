/*! What a recurrent layer is given. */

use burn::prelude::*;

use crate::kernels::RecurrentCell;

/// The recurrent part of a layer of H units with G gates each.
#[derive(Debug, Clone)]
pub struct Recurrence {
    /// Its cell, with G gates.
    pub cell: RecurrentCell,
    /// `[H, G·H]`.
    pub weight: Tensor<2>,
    /// `[H]`: the bias inside the reset gate of a GRU; `None` for an LSTM.
    pub bias: Option<Tensor<1>>,
}

impl Recurrence {
    /// `[H]` for a GRU, `[0]` for an LSTM.
    pub(super) fn bias(&self) -> Tensor<1> {
        match (&self.bias, self.cell) {
            (Some(bias), RecurrentCell::Gru) => bias.clone(),
            (_, RecurrentCell::Lstm) => Tensor::zeros([0], &self.weight.device()),
            (None, RecurrentCell::Gru) => {
                Tensor::zeros([self.weight.dims()[0]], &self.weight.device())
            }
        }
    }
}

/// The input of the G gates at each step, biases included, without the recurrent product.
#[derive(Debug, Clone)]
pub enum GateInput {
    /// `[batch · time, G·H]`.
    Rows(Tensor<2>),
    /// One row of a table for each token: `[entries, G·H]` and tokens `[batch · time]`.
    Table(Tensor<2>, Tensor<1, Int>),
}
