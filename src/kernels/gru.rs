/*! The cell of a GRU (Cho et al. 2014), in PyTorch's form: the reset gate scales the recurrent product. */

use crate::base::math::{sigmoid, tanh};
use crate::base::simd::multiversion;
use crate::kernels::recurrent::{Cell, SLOTS, Step};
use crate::kernels::step::blocks::Block;

/// ```text
/// r, z = σ of (x_t + h_{t−1} U)        n = tanh(x_n + r (h_{t−1} U_n + b))        h_t = (1 − z) n + z h_{t−1}
/// ```
///
/// Column blocks of x and of U `[H, 3H]`: r, z, n. Slots: r, z, the recurrent product of n, and n.
pub(crate) struct Gru;

impl Cell for Gru {
    const GATES: usize = 3;
    const INPUTS: &'static [usize] = &[0, 1, 3];
    const BIAS: Option<usize> = Some(2);
    const CELLS: bool = false;

    fn forward(step: &Step, slots: &mut [f32], _: &mut [f32], hidden_after: &mut [f32]) {
        let units = step.units;
        let states = step
            .hidden_before
            .chunks_exact(units)
            .zip(hidden_after.chunks_exact_mut(units));
        for (slots, (before, after)) in slots.chunks_exact_mut(SLOTS * units).zip(states) {
            let (r, rest) = slots.split_at_mut(units);
            let (z, rest) = rest.split_at_mut(units);
            let (u, n) = rest.split_at_mut(units);
            advance(step.level, r, z, u, n, before, after);
        }
    }

    fn backward(step: &Step, slots: &mut [f32], _: &[f32], dh: &mut [f32], _: &mut [f32]) {
        let units = step.units;
        let states = step
            .hidden_before
            .chunks_exact(units)
            .zip(dh.chunks_exact_mut(units));
        for (slots, (before, dh)) in slots.chunks_exact_mut(SLOTS * units).zip(states) {
            let (r, rest) = slots.split_at_mut(units);
            let (z, rest) = rest.split_at_mut(units);
            let (u, n) = rest.split_at_mut(units);
            retreat(step.level, r, z, u, n, before, dh);
        }
    }
}

multiversion! {
    /// One step of one sequence; `u` is the recurrent product of n. The pre-activations become the gates' values.
    fn advance(r: &mut [f32], z: &mut [f32], u: &[f32], n: &mut [f32], before: &[f32], after: &mut [f32]) {
        let gates = r.iter_mut().zip(z).zip(u.iter().zip(n));
        let states = before.iter().zip(after);
        for (((r, z), (u, n)), (before, after)) in gates.zip(states) {
            *r = sigmoid(*r);
            *z = sigmoid(*z);
            *n = tanh(r.mul_add(*u, *n));
            *after = z.mul_add(*before - *n, *n);
        }
    }
}

multiversion! {
    /// One step of one sequence backward; the values become the gradients of the pre-activations.
    fn retreat(r: &mut [f32], z: &mut [f32], u: &mut [f32], n: &mut [f32], before: &[f32], dh: &mut [f32]) {
        let gates = r.iter_mut().zip(z).zip(u.iter_mut().zip(n));
        let states = before.iter().zip(dh);
        for (((r, z), (u, n)), (before, dh)) in gates.zip(states) {
            let dn = *dh * (1.0 - *z) * (1.0 - *n * *n);
            let dz = *dh * (*before - *n) * *z * (1.0 - *z);
            let dr = dn * *u * *r * (1.0 - *r);
            *dh *= *z;
            *u = dn * *r;
            *n = dn;
            *z = dz;
            *r = dr;
        }
    }
}

/// The index of n among the gates r, z, n. Its recurrent part is kept apart, because r multiplies that part alone.
pub(crate) const NEW: usize = 2;

/// Moves the input part of n from `below` to `apart` and replaces it by the bias of its recurrent part.
#[inline(always)]
pub(crate) fn set_apart(below: &mut [Block], bias: &[Block], apart: &mut [Block]) {
    let units = below.as_chunks_mut::<3>().0.iter_mut();
    for ((below, bias), apart) in units.zip(bias.as_chunks::<3>().0).zip(apart) {
        (*apart, below[NEW]) = (below[NEW], bias[NEW]);
    }
}

/// One step of inference for one lane.
///
/// * `sums`: for each block of units, the pre-activations of r and z, and the recurrent part of n.
/// * `apart`: the input part of n, x_n.
/// * `condition`: added to r, to z and to x_n + r (h U_n + b).
/// * `output`: h.
#[inline(always)]
pub(crate) fn update(sums: &[Block], apart: &[Block], condition: &[Block], output: &mut [Block]) {
    let gates = sums
        .as_chunks::<3>()
        .0
        .iter()
        .zip(condition.as_chunks::<3>().0);
    for ((sums, added), (apart, output)) in gates.zip(apart.iter().zip(output)) {
        let r = sums[0].add(&added[0]).0;
        let z = sums[1].add(&added[1]).0;
        for unit in 0..Block::WIDTH {
            let candidate = sigmoid(r[unit]).mul_add(sums[NEW].0[unit], apart.0[unit]);
            let new = tanh(candidate + added[NEW].0[unit]);
            output.0[unit] = sigmoid(z[unit]).mul_add(output.0[unit] - new, new);
        }
    }
}
