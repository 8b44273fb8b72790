/*!
Recurrent layers composed of burn's tensor operations, with their own backpropagation through time, for a GPU.

With autodiff, the slice of the input at each step would get a gradient as large as the whole input.
*/

use burn::prelude::*;
use burn::tensor::activation::{sigmoid, tanh};

use crate::kernels::RecurrentCell;
use crate::ops::composed;
use crate::ops::composed::ComposedOp;
use crate::ops::recurrence::Recurrence;

/// A layer over `batch` sequences of `time` steps.
///
/// * `rows`: `[batch · time, G·H]`, what enters the gates at each step, the condition included.
/// * `initial`: `[batch, H]`.
/// * gives the hidden states `[batch · time, H]`, row `b · time + t`.
pub(super) fn unrolled(
    recurrence: &Recurrence,
    rows: Tensor<2>,
    initial: Tensor<2>,
    time: usize,
) -> Tensor<2> {
    let weight = recurrence.weight.clone();
    match recurrence.cell {
        RecurrentCell::Lstm => composed::apply(Lstm { time }, [rows, weight, initial]),
        RecurrentCell::Gru => {
            let bias = recurrence.bias().unsqueeze();
            composed::apply(Gru { time }, [rows, weight, initial, bias])
        }
    }
}

/// One step of a layer in each of several lanes.
///
/// * `x`: `[lanes, G·H]`, what enters the gates beside the past.
/// * `state`: the hidden state and the cell, `[lanes, H]` each; a GRU leaves the cell as it is.
pub fn recurrent_step(
    recurrence: &Recurrence,
    x: Tensor<2>,
    state: [Tensor<2>; 2],
) -> [Tensor<2>; 2] {
    let weight = &recurrence.weight;
    match recurrence.cell {
        RecurrentCell::Lstm => LstmStep::run(x, state, weight).0,
        RecurrentCell::Gru => {
            let [h, unused] = state;
            let bias = recurrence.bias().unsqueeze();
            [GruStep::run(x, h, weight, &bias).0, unused]
        }
    }
}

/// Rows `[batch · time, width]` to `[time, batch, width]`.
fn by_time(rows: Tensor<2>, time: usize) -> Tensor<3> {
    let [count, width] = rows.dims();
    rows.reshape([count / time, time, width]).swap_dims(0, 1)
}

/// One tensor `[batch, width]` per step to rows `[batch · time, width]`.
fn to_rows(steps: Vec<Tensor<2>>) -> Tensor<2> {
    let time = steps.len();
    let [batch, width] = steps[0].dims();
    let stacked = Tensor::stack::<3>(steps, 0).swap_dims(0, 1);
    stacked.reshape([batch * time, width])
}

/// Runs `advance` step after step over rows `[batch · time, width]`. It takes the input and the last state and returns the
/// hidden state, the next state and what backward needs. Returns the hidden states as rows, and what backward needs if
/// `train` is set.
fn unroll<P, S>(
    rows: Tensor<2>,
    time: usize,
    first: P,
    train: bool,
    mut advance: impl FnMut(Tensor<2>, P) -> (Tensor<2>, P, S),
) -> (Tensor<2>, Vec<S>) {
    let inputs = by_time(rows, time);
    let mut past = first;
    let (mut states, mut steps) = (Vec::with_capacity(time), Vec::new());
    for t in 0..time {
        let (state, next, made) = advance(step(&inputs, t), past);
        states.push(state);
        past = next;
        if train {
            steps.push(made);
        }
    }
    (to_rows(states), steps)
}

/// Step `t` of `[time, batch, width]`.
fn step(steps: &Tensor<3>, t: usize) -> Tensor<2> {
    steps.clone().narrow(0, t, 1).squeeze_dim(0)
}

/// Gate `index` of pre-activations `[batch, G·H]`.
fn gate(from: &Tensor<2>, index: usize, hidden: usize) -> Tensor<2> {
    from.clone().narrow(1, index * hidden, hidden)
}

/// σ′ as a function of σ.
fn sigmoid_slope(y: &Tensor<2>) -> Tensor<2> {
    y.clone() * (y.clone().neg() + 1.0)
}

/// tanh′ as a function of tanh.
fn tanh_slope(y: &Tensor<2>) -> Tensor<2> {
    (y.clone() * y.clone()).neg() + 1.0
}

/// The recurrent weights' gradient in one product: the hidden state before each step `[batch, H]` times the gradient of its
/// gates `[batch, G·H]`.
fn outer(pasts: Vec<Tensor<2>>, gates: Vec<Tensor<2>>) -> Tensor<2> {
    Tensor::cat(pasts, 0)
        .transpose()
        .matmul(Tensor::cat(gates, 0))
}

#[derive(Debug)]
struct Lstm {
    time: usize,
}

/// What backward needs of one step of an LSTM.
struct LstmStep {
    /// The hidden state and the cell before it.
    past: [Tensor<2>; 2],
    /// i, f, g and o.
    gates: [Tensor<2>; 4],
    /// tanh of the cell after it.
    cell: Tensor<2>,
}

impl LstmStep {
    /// The hidden state and the cell after input `x` `[batch, 4H]`.
    fn run(x: Tensor<2>, past: [Tensor<2>; 2], recurrent: &Tensor<2>) -> ([Tensor<2>; 2], Self) {
        let [h, c] = past.clone();
        let [_, hidden] = h.dims();
        let p = x + h.matmul(recurrent.clone());
        let i = sigmoid(gate(&p, 0, hidden));
        let f = sigmoid(gate(&p, 1, hidden));
        let g = tanh(gate(&p, 2, hidden));
        let o = sigmoid(gate(&p, 3, hidden));
        let c = f.clone() * c + i.clone() * g.clone();
        let cell = tanh(c.clone());
        let h = o.clone() * cell.clone();
        let gates = [i, f, g, o];
        ([h, c], Self { past, gates, cell })
    }
}

struct Saved<S> {
    recurrent: Tensor<2>,
    steps: Vec<S>,
}

impl ComposedOp<3> for Lstm {
    type Saved = Saved<LstmStep>;

    fn forward(
        &self,
        [rows, recurrent, initial]: [Tensor<2>; 3],
        train: bool,
    ) -> (Tensor<2>, Option<Self::Saved>) {
        let first = [initial.clone(), initial.zeros_like()];
        let (states, steps) = unroll(rows, self.time, first, train, |x, past| {
            let (next, made) = LstmStep::run(x, past, &recurrent);
            (next[0].clone(), next, made)
        });
        (states, train.then_some(Saved { recurrent, steps }))
    }

    fn backward(
        &self,
        Saved { recurrent, steps }: Self::Saved,
        gradient: Tensor<2>,
        _wanted: [bool; 3],
    ) -> [Option<Tensor<2>>; 3] {
        let gradients = by_time(gradient, self.time);
        let back = recurrent.transpose();
        let mut dh = step(&gradients, self.time - 1);
        let mut dc = dh.zeros_like();
        let (mut inputs, mut pasts) = (Vec::new(), Vec::new());
        for (t, LstmStep { past, gates, cell }) in steps.into_iter().enumerate().rev() {
            let [h, c] = past;
            let [i, f, g, o] = gates;
            let d_cell = dc + dh.clone() * o.clone() * tanh_slope(&cell);
            let d = Tensor::cat(
                vec![
                    d_cell.clone() * g.clone() * sigmoid_slope(&i),
                    d_cell.clone() * c * sigmoid_slope(&f),
                    d_cell.clone() * i * tanh_slope(&g),
                    dh * cell * sigmoid_slope(&o),
                ],
                1,
            );
            dc = d_cell * f;
            dh = d.clone().matmul(back.clone());
            if t > 0 {
                dh = dh + step(&gradients, t - 1);
            }
            inputs.push(d);
            pasts.push(h);
        }
        let d_recurrent = outer(pasts, inputs.clone());
        inputs.reverse();
        [Some(to_rows(inputs)), Some(d_recurrent), Some(dh)]
    }
}

#[derive(Debug)]
struct Gru {
    time: usize,
}

/// What backward needs of one step of a GRU.
struct GruStep {
    /// The hidden state before it.
    past: Tensor<2>,
    /// r, z and n.
    gates: [Tensor<2>; 3],
    /// h U_n + bias, which r scales.
    candidate: Tensor<2>,
}

impl GruStep {
    /// The hidden state after input `x` `[batch, 3H]`.
    fn run(
        x: Tensor<2>,
        past: Tensor<2>,
        recurrent: &Tensor<2>,
        bias: &Tensor<2>,
    ) -> (Tensor<2>, Self) {
        let [_, hidden] = past.dims();
        let p = past.clone().matmul(recurrent.clone());
        let r = sigmoid(gate(&x, 0, hidden) + gate(&p, 0, hidden));
        let z = sigmoid(gate(&x, 1, hidden) + gate(&p, 1, hidden));
        let candidate = gate(&p, 2, hidden) + bias.clone();
        let n = tanh(gate(&x, 2, hidden) + r.clone() * candidate.clone());
        let h = n.clone() + z.clone() * (past.clone() - n.clone());
        let gates = [r, z, n];
        let step = Self {
            past,
            gates,
            candidate,
        };
        (h, step)
    }
}

impl ComposedOp<4> for Gru {
    type Saved = Saved<GruStep>;

    fn forward(
        &self,
        [rows, recurrent, initial, bias]: [Tensor<2>; 4],
        train: bool,
    ) -> (Tensor<2>, Option<Self::Saved>) {
        let (states, steps) = unroll(rows, self.time, initial, train, |x, past| {
            let (next, made) = GruStep::run(x, past, &recurrent, &bias);
            (next.clone(), next, made)
        });
        (states, train.then_some(Saved { recurrent, steps }))
    }

    fn backward(
        &self,
        Saved { recurrent, steps }: Self::Saved,
        gradient: Tensor<2>,
        _wanted: [bool; 4],
    ) -> [Option<Tensor<2>>; 4] {
        let gradients = by_time(gradient, self.time);
        let back = recurrent.transpose();
        let mut dh = step(&gradients, self.time - 1);
        let (mut inputs, mut fed_back, mut pasts) = (Vec::new(), Vec::new(), Vec::new());
        let mut candidates = Vec::new();
        for (t, at) in steps.into_iter().enumerate().rev() {
            let [r, z, n] = at.gates;
            let d_n = dh.clone() * (z.clone().neg() + 1.0) * tanh_slope(&n);
            let d_z = dh.clone() * (at.past.clone() - n) * sigmoid_slope(&z);
            let d_r = d_n.clone() * at.candidate * sigmoid_slope(&r);
            let d_candidate = d_n.clone() * r;
            inputs.push(Tensor::cat(vec![d_r.clone(), d_z.clone(), d_n], 1));
            let d = Tensor::cat(vec![d_r, d_z, d_candidate.clone()], 1);
            dh = dh * z + d.clone().matmul(back.clone());
            if t > 0 {
                dh = dh + step(&gradients, t - 1);
            }
            fed_back.push(d);
            candidates.push(d_candidate);
            pasts.push(at.past);
        }
        inputs.reverse();
        [
            Some(to_rows(inputs)),
            Some(outer(pasts, fed_back)),
            Some(dh),
            Some(Tensor::cat(candidates, 0).sum_dim(0)),
        ]
    }
}
