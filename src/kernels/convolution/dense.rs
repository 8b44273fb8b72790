/*!
Dense layers: convolutions of pictures of one pixel, and their transposes.

A batch has few such rows, and the weights are many: each thread takes a part of the weights and all rows.
*/

use crate::base::simd::InstructionSet;
use crate::kernels::buffer::{Buffer, unwritten};
use crate::kernels::linear::blocks;
use crate::kernels::matmul::{Start, View, multiply, outer};
use crate::kernels::parallel::{carve, each, part, parts};
use std::ops::Range;

/// Columns of each thread, whole cache lines where there are enough.
fn shares(columns: usize) -> Vec<Range<usize>> {
    const LINE: usize = 16;
    let lines = columns.div_ceil(LINE);
    let end = |index: usize| (lines * index / parts() * LINE).min(columns);
    (0..parts())
        .map(|index| end(index)..end(index + 1))
        .collect()
}

/// Writes `left · right` to `out`, `[rows, columns]`: `left` has rows of `depth` floats.
pub(super) fn product(
    level: InstructionSet,
    left: &[f32],
    right: View,
    [rows, depth, columns]: [usize; 3],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let shares = shares(columns);
    let mut parts: Vec<Buffer> = shares
        .iter()
        .map(|own| Buffer::any(rows * own.len()))
        .collect();
    each(parts.iter_mut().collect(), |index, part: &mut Buffer| {
        let own = &shares[index];
        if own.is_empty() {
            return;
        }
        let right = right.from(0, own.start);
        let start = bias.map_or(Start::Zero, |bias| Start::Row(&bias[own.clone()]));
        for block in blocks(&(0..rows)) {
            let left = View::rows(&left[block.start * depth..block.end * depth], depth);
            let out = &mut part[block.start * own.len()..block.end * own.len()];
            multiply(
                level,
                left,
                block.len(),
                right,
                depth,
                own.len(),
                out,
                own.len(),
                start,
            );
        }
    });
    for (own, part) in shares.iter().zip(&parts) {
        if own.is_empty() {
            continue;
        }
        for (out, row) in out
            .chunks_exact_mut(columns)
            .zip(part.chunks_exact(own.len()))
        {
            out[own.clone()].copy_from_slice(row);
        }
    }
}

/// `leftᵀ · right` over all rows, `[wide, narrow]`: the gradient of a weight.
pub(super) fn weight_gradient(
    level: InstructionSet,
    left: &[f32],
    right: &[f32],
    [rows, wide, narrow]: [usize; 3],
) -> Vec<f32> {
    if rows == 0 {
        return vec![0.0; wide * narrow];
    }
    let mut sums = unwritten(wide * narrow);
    let shares: Vec<_> = (0..parts())
        .map(|index| part(wide, parts(), index))
        .collect();
    let pieces = carve(
        &mut sums,
        shares
            .iter()
            .map(|own| own.start * narrow..own.end * narrow),
    );
    each(pieces, |index, sums| {
        let own = &shares[index];
        for block in blocks(&(0..rows)) {
            let left = View::rows(left, wide).from(block.start, own.start);
            let right = View::rows(right, narrow).from(block.start, 0);
            let start = if block.start == 0 {
                Start::Zero
            } else {
                Start::Add
            };
            outer(
                level,
                left,
                right,
                [block.len(), own.len(), narrow],
                sums,
                narrow,
                start,
            );
        }
    });
    sums
}
