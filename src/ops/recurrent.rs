/*! Recurrent layers over whole sequences: one operation, not one a time step. */

use burn::prelude::*;

use crate::kernels::RecurrentCell;
use crate::kernels::buffer::unwritten;
use crate::kernels::lstm as kernel;
use crate::kernels::{gru, lstm};
use crate::ops::embedding::embedding;
use crate::ops::fused;
use crate::ops::fused::FusedOp;
use crate::ops::unrolled::unrolled;

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

/// What enters the G gates at each step beside the past, biases included.
#[derive(Debug, Clone)]
pub enum GateInput {
    /// `[batch · time, G·H]`.
    Rows(Tensor<2>),
    /// A row of a table for each token: `[entries, G·H]` and tokens `[batch · time]`.
    Table(Tensor<2>, Tensor<1, Int>),
}

/// Runs a layer over `batch` sequences from the hidden state `initial` `[batch, H]` (and an empty cell).
///
/// * `condition`: `[batch, G·H]`, added at every step of its sequence.
/// * gives the hidden states `[batch · time, H]`, row `b · time + t`.
pub fn recurrent(
    recurrence: &Recurrence,
    input: GateInput,
    condition: Option<Tensor<2>>,
    initial: Tensor<2>,
    time: usize,
) -> Tensor<2> {
    let (input, tokens) = match input {
        // Rows take the condition before they come in: they exist anyway.
        GateInput::Rows(rows) => {
            return run(
                recurrence,
                steered(rows, condition.as_ref(), time),
                None,
                None,
                initial,
                time,
            );
        }
        GateInput::Table(table, tokens) => (table, tokens),
    };
    run(recurrence, input, Some(tokens), condition, initial, time)
}

fn run(
    recurrence: &Recurrence,
    input: Tensor<2>,
    tokens: Option<Tensor<1, Int>>,
    condition: Option<Tensor<2>>,
    initial: Tensor<2>,
    time: usize,
) -> Tensor<2> {
    let [batch, hidden] = initial.dims();
    let inputs = (|| {
        let first = fused::input(&input)?;
        // Nothing is an empty tensor to the kernels.
        let device = input.device();
        let steering = match &condition {
            Some(condition) => condition.clone(),
            None => Tensor::zeros([0, 0], &device),
        };
        Some([
            first,
            fused::input(&steering)?,
            fused::input(&recurrence.weight)?,
            fused::input(&recurrence.bias())?,
            fused::input(&initial)?,
        ])
    })();
    let Some(inputs) = inputs else {
        let rows = match tokens {
            Some(tokens) => embedding(input, vec![tokens]),
            None => input,
        };
        let rows = steered(rows, condition.as_ref(), time);
        return unrolled(recurrence, rows, initial, time);
    };
    let op = Recurrent {
        shape: kernel::Shape {
            batch,
            time,
            hidden,
        },
        lstm: recurrence.cell == RecurrentCell::Lstm,
        tokens: tokens.map(|tokens| tokens.into_data().iter::<i32>().collect()),
        cells: vec![0.0; batch * hidden],
    };
    fused::apply(op, inputs)
}

/// Each sequence's condition added to all its rows.
pub(super) fn steered(rows: Tensor<2>, condition: Option<&Tensor<2>>, time: usize) -> Tensor<2> {
    let Some(condition) = condition else {
        return rows;
    };
    let [batch, width] = condition.dims();
    let sum = rows.reshape([batch, time, width]) + condition.clone().reshape([batch, 1, width]);
    sum.reshape([batch * time, width])
}

#[derive(Debug)]
struct Recurrent {
    shape: kernel::Shape,
    lstm: bool,
    /// Where the input is a table.
    tokens: Option<Vec<i32>>,
    /// The cells before the first step: zeros.
    cells: Vec<f32>,
}

impl Recurrent {
    fn input<'a>(&'a self, input: &'a [f32], condition: &'a [f32]) -> kernel::Input<'a> {
        match &self.tokens {
            None => kernel::Input::Rows(input),
            Some(tokens) => kernel::Input::Table {
                tokens,
                table: input,
                condition: (!condition.is_empty()).then_some(condition),
            },
        }
    }
}

impl FusedOp<5> for Recurrent {
    type Saved = kernel::Saved;

    fn shape(&self) -> Vec<usize> {
        vec![self.shape.batch * self.shape.time, self.shape.hidden]
    }

    fn forward(
        &self,
        [input, condition, recurrent, bias, initial]: [&[f32]; 5],
        train: bool,
    ) -> (Vec<f32>, Option<kernel::Saved>) {
        let mut output = unwritten(self.shape.batch * self.shape.time * self.shape.hidden);
        let input = self.input(input, condition);
        let saved = if self.lstm {
            lstm::forward(
                self.shape,
                &input,
                recurrent,
                initial,
                &self.cells,
                &mut output,
            )
        } else {
            gru::forward(self.shape, &input, recurrent, bias, initial, &mut output)
        };
        (output, train.then_some(saved))
    }

    fn backward(
        &self,
        [input, condition, recurrent, _, _]: [&[f32]; 5],
        saved: kernel::Saved,
        gradient: &[f32],
        _wanted: [bool; 5],
    ) -> [Vec<f32>; 5] {
        let input = self.input(input, condition);
        let (input, recurrent, bias, hidden) = if self.lstm {
            let g = lstm::backward(self.shape, &input, recurrent, saved, gradient);
            (g.input, g.recurrent, Vec::new(), g.hidden)
        } else {
            let g = gru::backward(self.shape, &input, recurrent, saved, gradient);
            (g.input, g.recurrent, g.bias, g.hidden)
        };
        let (input, condition) = match input {
            kernel::InputGradient::Rows(rows) => (rows, Vec::new()),
            kernel::InputGradient::Table { table, condition } => {
                (table, condition.unwrap_or_default())
            }
        };
        [input, condition, recurrent, bias, hidden]
    }
}
