/*! The gated recurrent unit (Cho et al. 2014), in PyTorch's form: the reset gate scales the recurrent product. */

use crate::base::math::{sigmoid, tanh};
use crate::kernels::step::blocks::Block;

/// Which of the gates r, z, n is the new one: its recurrent part stands apart, as r multiplies that part alone.
pub(crate) const NEW: usize = 2;

/// Moves the input part of the new gate from `below` to `apart` and leaves the bias of its recurrent part.
#[inline(always)]
pub(crate) fn set_apart(below: &mut [Block], bias: &[Block], apart: &mut [Block]) {
    let units = below.as_chunks_mut::<3>().0.iter_mut();
    for ((below, bias), apart) in units.zip(bias.as_chunks::<3>().0).zip(apart) {
        (*apart, below[NEW]) = (below[NEW], bias[NEW]);
    }
}

/// n = tanh(x_n + r · u_n), then h' = (1 - z) · n + z · h, for one lane.
///
/// Block of units by block: `sums` holds the pre-activations of r and z and the recurrent part u_n, `apart` the
/// input part x_n; `condition` is added to r, z and x_n + r · u_n.
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
