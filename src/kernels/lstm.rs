/*! The cell of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates), with PyTorch's gates in PyTorch's order. */

use crate::base::math::{sigmoid, tanh};
use crate::base::simd::multiversion;
use crate::kernels::recurrent::{Cell, SLOTS, Step};
use crate::kernels::step::blocks::Block;

/// ```text
/// i, f, g, o = σ, σ, tanh, σ of (x_t + h_{t−1} U)        c_t = f c_{t−1} + i g        h_t = o tanh(c_t)
/// ```
///
/// Slots, and column blocks of x and of U `[H, 4H]`: i, f, g, o.
pub(crate) struct Lstm;

impl Cell for Lstm {
    const GATES: usize = 4;
    const INPUTS: &'static [usize] = &[0, 1, 2, 3];
    const BIAS: Option<usize> = None;
    const CELLS: bool = true;

    fn forward(step: &Step, slots: &mut [f32], cells_after: &mut [f32], hidden_after: &mut [f32]) {
        let units = step.units;
        let states = cells_after
            .chunks_exact_mut(units)
            .zip(hidden_after.chunks_exact_mut(units));
        let states = step.cells_before.chunks_exact(units).zip(states);
        for (slots, (before, (cell, hidden))) in slots.chunks_exact_mut(SLOTS * units).zip(states) {
            let (i, rest) = slots.split_at_mut(units);
            let (f, rest) = rest.split_at_mut(units);
            let (g, o) = rest.split_at_mut(units);
            advance(step.level, i, f, g, o, before, cell, hidden);
        }
    }

    fn backward(
        step: &Step,
        slots: &mut [f32],
        cells_after: &[f32],
        dh: &mut [f32],
        dc: &mut [f32],
    ) {
        let units = step.units;
        let states = step
            .cells_before
            .chunks_exact(units)
            .zip(cells_after.chunks_exact(units));
        let gradients = dh.chunks_exact_mut(units).zip(dc.chunks_exact_mut(units));
        let rows = states.zip(gradients);
        for (slots, ((before, after), (dh, dc))) in slots.chunks_exact_mut(SLOTS * units).zip(rows)
        {
            let (i, rest) = slots.split_at_mut(units);
            let (f, rest) = rest.split_at_mut(units);
            let (g, o) = rest.split_at_mut(units);
            retreat(step.level, i, f, g, o, before, after, dh, dc);
        }
    }
}

multiversion! {
    /// One step of one sequence; the pre-activations become the gates' values.
    fn advance(
        i: &mut [f32],
        f: &mut [f32],
        g: &mut [f32],
        o: &mut [f32],
        before: &[f32],
        cell: &mut [f32],
        hidden: &mut [f32],
    ) {
        let gates = i.iter_mut().zip(f).zip(g.iter_mut().zip(o));
        let states = before.iter().zip(cell.iter_mut().zip(hidden));
        for (((i, f), (g, o)), (before, (cell, hidden))) in gates.zip(states) {
            *i = sigmoid(*i);
            *f = sigmoid(*f);
            *g = tanh(*g);
            *o = sigmoid(*o);
            *cell = f.mul_add(*before, *i * *g);
            *hidden = *o * tanh(*cell);
        }
    }
}

multiversion! {
    /// One step of one sequence backward; the gates' values become the gradients of their pre-activations.
    fn retreat(
        i: &mut [f32],
        f: &mut [f32],
        g: &mut [f32],
        o: &mut [f32],
        before: &[f32],
        after: &[f32],
        dh: &mut [f32],
        dc: &mut [f32],
    ) {
        let gates = i.iter_mut().zip(f).zip(g.iter_mut().zip(o));
        let states = before.iter().zip(after);
        let gradients = dh.iter_mut().zip(dc);
        for (((i, f), (g, o)), ((before, after), (dh, dc))) in gates.zip(states.zip(gradients)) {
            let tanh_c = tanh(*after);
            let d = *dc + *dh * *o * (1.0 - tanh_c * tanh_c);
            *o = *dh * tanh_c * *o * (1.0 - *o);
            let (di, df, dg) = (d * *g, d * *before, d * *i);
            *dc = d * *f;
            *i = di * *i * (1.0 - *i);
            *f = df * *f * (1.0 - *f);
            *g = dg * (1.0 - *g * *g);
            *dh = 0.0;
        }
    }
}

/// One step of inference for one lane.
///
/// * `sums`: for each block of units, the pre-activations of i, f, g and o; `condition` is added to them.
/// * `output`, `memory`: h and c.
#[inline(always)]
pub(crate) fn update(
    sums: &[Block],
    condition: &[Block],
    output: &mut [Block],
    memory: &mut [Block],
) {
    let sums = sums
        .as_chunks::<4>()
        .0
        .iter()
        .zip(condition.as_chunks::<4>().0);
    for ((sums, added), (output, memory)) in sums.zip(output.iter_mut().zip(memory)) {
        let i = sums[0].add(&added[0]).0;
        let f = sums[1].add(&added[1]).0;
        let g = sums[2].add(&added[2]).0;
        let o = sums[3].add(&added[3]).0;
        for unit in 0..Block::WIDTH {
            let kept = sigmoid(i[unit]) * tanh(g[unit]);
            let cell = sigmoid(f[unit]).mul_add(memory.0[unit], kept);
            memory.0[unit] = cell;
            output.0[unit] = sigmoid(o[unit]) * tanh(cell);
        }
    }
}
