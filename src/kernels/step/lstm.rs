/*! The LSTM unit (Hochreiter and Schmidhuber 1997), with PyTorch's gates in PyTorch's order. */

use crate::base::math::{sigmoid, tanh};
use crate::kernels::step::blocks::Block;

/// c' = f · c + i · g and h = o · tanh(c'), for one lane.
///
/// `sums` and `condition` hold, block of units by block, the pre-activations of i, f, g, o and what is added to them.
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
