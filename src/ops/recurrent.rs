/*! Recurrent layers over whole sequences, as one operation. */

use burn::prelude::*;

use crate::base::simd::InstructionSet;
use crate::kernels::RecurrentCell;
use crate::kernels::buffer::unwritten;
use crate::kernels::gru::Gru;
use crate::kernels::lstm::Lstm;
use crate::kernels::recurrent as kernel;
use crate::ops::embedding::embedding;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;
use crate::ops::recurrence::{GateInput, Recurrence};
use crate::ops::unrolled::unrolled;

/// Runs a layer over `batch` sequences from the hidden state `initial` `[batch, H]`; an LSTM's cell state starts at zero.
///
/// * `condition`: `[batch · hops, G·H]`, each added at `time / hops` steps of its sequence. With several hops the input
///   must be rows.
/// * gives the hidden states `[batch · time, H]`, row `b · time + t`.
pub fn recurrent(
    recurrence: &Recurrence,
    input: GateInput,
    condition: Option<Tensor<2>>,
    initial: Tensor<2>,
    time: usize,
) -> Tensor<2> {
    let held = condition
        .as_ref()
        .is_some_and(|condition| condition.dims()[0] > initial.dims()[0]);
    let input = match input {
        // The table's kernel reads one condition of each sequence.
        GateInput::Table(table, tokens) if held => GateInput::Rows(embedding(table, vec![tokens])),
        other => other,
    };
    let (input, tokens) = match input {
        // Adding the condition to the rows costs no further memory, because the rows exist.
        GateInput::Rows(rows) => {
            return run(
                recurrence,
                conditioned(rows, condition.as_ref()),
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
    let device = input.device();
    if !has_kernels(&device) {
        let rows = match tokens {
            Some(tokens) => embedding(input, vec![tokens]),
            None => input,
        };
        let rows = conditioned(rows, condition.as_ref());
        return unrolled(recurrence, rows, initial, time);
    }
    let [batch, hidden] = initial.dims();
    // To the kernels an empty tensor means that there is no condition or bias.
    let condition = condition.unwrap_or_else(|| Tensor::zeros([0, 0], &device));
    let inputs = [
        fused::input(&input),
        fused::input(&condition),
        fused::input(&recurrence.weight),
        fused::input(&recurrence.bias()),
        fused::input(&initial),
    ];
    let op = Recurrent {
        shape: kernel::Shape {
            batch,
            time,
            hidden,
        },
        lstm: recurrence.cell == RecurrentCell::Lstm,
        tokens: tokens.map(|tokens| tokens.into_data().iter::<i32>().collect()),
    };
    fused::apply(op, inputs)
}

/// Adds each of the conditions, which follow each other, to an equal share of the rows.
pub(super) fn conditioned(rows: Tensor<2>, condition: Option<&Tensor<2>>) -> Tensor<2> {
    let Some(condition) = condition else {
        return rows;
    };
    let ([count, _], [conditions, width]) = (rows.dims(), condition.dims());
    let by_condition = rows.reshape([conditions, count / conditions, width]);
    let sum = by_condition + condition.clone().reshape([conditions, 1, width]);
    sum.reshape([count, width])
}

#[derive(Debug)]
struct Recurrent {
    shape: kernel::Shape,
    lstm: bool,
    /// `[batch · time]`, if the input is a table.
    tokens: Option<Vec<i32>>,
}

impl Recurrent {
    fn layer<'a>(
        &'a self,
        input: &'a [f32],
        condition: &'a [f32],
        recurrent: &'a [f32],
    ) -> kernel::Layer<'a> {
        let input = match &self.tokens {
            None => kernel::Input::Rows(input),
            Some(tokens) => kernel::Input::Table {
                tokens,
                table: input,
                condition: (!condition.is_empty()).then_some(condition),
            },
        };
        kernel::Layer {
            level: InstructionSet::detect(),
            shape: self.shape,
            input,
            recurrent,
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
        let layer = self.layer(input, condition, recurrent);
        let saved = if self.lstm {
            layer.forward::<Lstm>(initial, bias, &mut output)
        } else {
            layer.forward::<Gru>(initial, bias, &mut output)
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
        let layer = self.layer(input, condition, recurrent);
        let g = if self.lstm {
            layer.backward::<Lstm>(saved, gradient)
        } else {
            layer.backward::<Gru>(saved, gradient)
        };
        let (input, condition) = match g.input {
            kernel::InputGradient::Rows(rows) => (rows, Vec::new()),
            kernel::InputGradient::Table { table, condition } => {
                (table, condition.unwrap_or_default())
            }
        };
        [input, condition, g.recurrent, g.bias, g.initial]
    }
}
