/*! The gated recurrent unit (Cho et al. 2014), in PyTorch's form: the reset gate scales the recurrent product. */

use super::blocks::Block;
use crate::math::{sigmoid, tanh};

/// Which of the gates r, z, n is the new one: its recurrent part stands apart, as r multiplies that part alone.
pub(super) const NEW: usize = 2;

/// n = tanh(x_n + r · u_n), then h' = (1 - z) · n + z · h, for one lane.
///
/// Block of units by block: `sums` holds the pre-activations of r and z and the recurrent part u_n; `below` has the
/// input part x_n in n's place; `condition` is added to r, z and x_n + r · u_n.
#[inline(always)]
pub(super) fn update(sums: &[Block], below: &[Block], condition: &[Block], output: &mut [Block]) {
    let sums = sums.as_chunks::<3>().0.iter().zip(below.as_chunks::<3>().0);
    for ((sums, below), (added, output)) in
        sums.zip(condition.as_chunks::<3>().0.iter().zip(output))
    {
        let r = sums[0].add(&added[0]).0;
        let z = sums[1].add(&added[1]).0;
        for unit in 0..Block::WIDTH {
            let candidate = sigmoid(r[unit]).mul_add(sums[NEW].0[unit], below[NEW].0[unit]);
            let new = tanh(candidate + added[NEW].0[unit]);
            output.0[unit] = sigmoid(z[unit]).mul_add(output.0[unit] - new, new);
        }
    }
}
