/*!
Products of small matrices against weights that are packed once and used many times.

General libraries pack the weights at every call, but training multiplies by the same weights for every time step or block of
rows (`cargo bench --bench gemm` compares). Here an operation packs its weights once. One register tile reads the right-hand
panel from the first-level cache and the left-hand rows in place.

Every output is one chain of fused multiply-adds over the inner dimension in index order: the same bits at any vector
width and for any split into row blocks.
*/

mod tile;
mod view;

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::{Buffer, LINE};
use crate::kernels::matmul::tile::Job;
use crate::kernels::registers::{panel, width};
use std::cell::Cell;
pub use view::{Start, View};

/// Rows of both matrices per pass of [`add_outer`], so that they fit into the first-level cache.
const OUTER_DEPTH: usize = 64;
/// Columns of the widest panel of any instruction set.
const WIDEST: usize = 64;

/// A right-hand matrix `[depth, columns]` in the order in which the register tile reads it: panels of a few registers, row
/// after row. The last panel is padded with zeros to whole registers.
#[derive(Debug)]
pub struct Packed {
    level: InstructionSet,
    depth: usize,
    columns: usize,
    data: Buffer,
}

impl Packed {
    /// Packs `matrix` (`depth` rows, `columns` columns) for `level`.
    ///
    /// # Panics
    /// If the view is smaller than the matrix.
    pub fn new(level: InstructionSet, matrix: View, depth: usize, columns: usize) -> Self {
        let level = level.min(InstructionSet::detect());
        let padded = columns.next_multiple_of(width(level));
        let mut data = Buffer::any(depth * padded);
        pack(level, matrix, depth, columns, &mut data);
        Self {
            level,
            depth,
            columns,
            data,
        }
    }

    /// Inner dimension.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of the matrix that was packed.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Inner steps that all panels complete before the next ones begin.
const CHUNK: usize = 512;

thread_local! {
    /// Memory for a panel of [`CHUNK`] steps.
    static PANEL: Cell<Option<Buffer>> = const { Cell::new(None) };
}

/// Writes `matrix` in panels to `out`, which holds `depth` rows of the columns rounded up to whole registers.
fn pack(level: InstructionSet, matrix: View, depth: usize, columns: usize, out: &mut [f32]) {
    assert!(
        matrix.holds(depth, columns),
        "the view is smaller than the matrix"
    );
    let (mut rest, mut first) = (out, 0);
    while first < columns {
        let filled = panel(level).min(columns - first);
        let wide = filled.next_multiple_of(width(level));
        let (target, after) = rest.split_at_mut(depth * wide);
        let part = matrix.from(0, first);
        if matrix.column == 1 {
            pack_rows(level, part.data, part.row, filled, target, wide);
        } else {
            pack_columns(
                level,
                part.data,
                part.row,
                part.column,
                filled,
                target,
                wide,
            );
        }
        rest = after;
        first += filled;
    }
}

multiversion! {
    /// One panel of a matrix whose columns are one apart.
    fn pack_rows(data: &[f32], row: usize, filled: usize, target: &mut [f32], wide: usize) {
        for (index, target) in target.chunks_exact_mut(wide).enumerate() {
            // A copy of a constant length compiles to a few moves instead of a call.
            let (from, from_rest) = data[index * row..][..filled].as_chunks::<LINE>();
            let (target, rest) = target.split_at_mut(from.len() * LINE);
            for (target, from) in target.as_chunks_mut::<LINE>().0.iter_mut().zip(from) {
                *target = *from;
            }
            if !rest.is_empty() {
                let (copied, padding) = rest.split_at_mut(from_rest.len());
                copied.copy_from_slice(from_rest);
                padding.fill(0.0);
            }
        }
    }
}

multiversion! {
    /// One panel of any other matrix.
    fn pack_columns(data: &[f32], row: usize, column: usize, filled: usize, target: &mut [f32], wide: usize) {
        // One cache line of a column at a time, for matrices whose rows are one apart.
        for (block, target) in target.chunks_mut(LINE * wide).enumerate() {
            for nth in 0..filled {
                let from = &data[block * LINE * row + nth * column..];
                for (index, target) in target.chunks_exact_mut(wide).enumerate() {
                    target[nth] = from[index * row];
                }
            }
            for target in target.chunks_exact_mut(wide) {
                target[filled..].fill(0.0);
            }
        }
    }
}

/// `out (+)= left · right`: `rows` rows of `left` (columns one apart), `out` with rows `out_row` floats apart.
///
/// # Panics
/// If a slice is too short for the dimensions.
pub fn product(
    left: View,
    rows: usize,
    right: &Packed,
    out: &mut [f32],
    out_row: usize,
    start: Start,
) {
    let job = Job {
        rows,
        depth: right.depth,
        columns: right.columns,
        left,
        out_row,
        ahead: true,
    };
    job.run(right.level, &right.data, out, start);
}

/// `out (+)= left · right` for weights used once: packs `right` `[depth, columns]` panel by panel. Call it with at most some
/// hundred rows, so that the left rows stay in the second-level cache.
///
/// # Panics
/// If a slice is too short for the dimensions.
#[allow(clippy::too_many_arguments)]
pub fn multiply(
    level: InstructionSet,
    left: View,
    rows: usize,
    right: View,
    depth: usize,
    columns: usize,
    out: &mut [f32],
    out_row: usize,
    start: Start,
) {
    let level = level.min(InstructionSet::detect());
    assert!(right.holds(depth, columns), "right matrix too small");
    let mut packed = PANEL.take().unwrap_or_else(|| Buffer::any(CHUNK * WIDEST));
    for first in (0..depth.max(1)).step_by(CHUNK) {
        let steps = CHUNK.min(depth - first);
        for column in (0..columns).step_by(panel(level)) {
            let wide = panel(level).min(columns - column);
            let packed = &mut packed[..steps * wide.next_multiple_of(width(level))];
            pack(level, right.from(first, column), steps, wide, packed);
            let start = match start {
                _ if first > 0 => Start::Add,
                Start::Row(row) => Start::Row(&row[column..]),
                other => other,
            };
            let job = Job {
                rows,
                depth: steps,
                columns: wide,
                left: left.from(0, first),
                out_row,
                ahead: false,
            };
            job.run(level, packed, &mut out[column..], start);
        }
    }
    PANEL.set(Some(packed));
}

/// `out += leftᵀ · right` over `depth` rows of both: `left` `[depth, rows]`, `right` `[depth, columns]`. This is the
/// gradient of a weight. Call it with a depth of at most some hundred.
///
/// # Panics
/// If a slice is too short for the dimensions.
#[allow(clippy::too_many_arguments)]
pub fn add_outer(
    level: InstructionSet,
    left: View,
    right: View,
    depth: usize,
    rows: usize,
    columns: usize,
    out: &mut [f32],
    out_row: usize,
) {
    let sizes = [depth, rows, columns];
    outer(level, left, right, sizes, out, out_row, Start::Add);
}

/// As [`add_outer`] for `[depth, rows, columns]`, with other initial values.
///
/// # Panics
/// If a slice is too short for the dimensions.
pub fn outer(
    level: InstructionSet,
    left: View,
    right: View,
    [depth, rows, columns]: [usize; 3],
    out: &mut [f32],
    out_row: usize,
    start: Start,
) {
    let level = level.min(InstructionSet::detect());
    if depth == 0 || rows == 0 {
        return;
    }
    let mut packed = PANEL.take().unwrap_or_else(|| Buffer::any(CHUNK * WIDEST));
    for column in (0..columns).step_by(panel(level)) {
        let wide = panel(level).min(columns - column);
        for first in (0..depth).step_by(OUTER_DEPTH) {
            let steps = OUTER_DEPTH.min(depth - first);
            let packed = &mut packed[..steps * wide.next_multiple_of(width(level))];
            pack(level, right.from(first, column), steps, wide, packed);
            let job = Job {
                rows,
                depth: steps,
                columns: wide,
                left: left.from(first, 0).transposed(),
                out_row,
                ahead: false,
            };
            let start = match start {
                _ if first > 0 => Start::Add,
                Start::Row(row) => Start::Row(&row[column..]),
                other => other,
            };
            job.run(level, packed, &mut out[column..], start);
        }
    }
    PANEL.set(Some(packed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise};

    /// Rows, depth, columns: less than a tile, whole panels, and beyond every block.
    const SIZES: [(usize, usize, usize); 6] = [
        (1, 1, 1),
        (5, 3, 7),
        (6, 64, 64),
        (13, 300, 131),
        (32, 0, 5),
        (2, 1100, 17),
    ];

    fn reference(
        left: View,
        right: View,
        (rows, depth, columns): (usize, usize, usize),
    ) -> Vec<f64> {
        let at = |m: View, r: usize, c: usize| f64::from(m.data[r * m.row + c * m.column]);
        let element = |r, c| (0..depth).map(|k| at(left, r, k) * at(right, k, c)).sum();
        (0..rows * columns)
            .map(|i| element(i / columns, i % columns))
            .collect()
    }

    /// The first `columns` of rows that are `wide` apart.
    fn cut(rows: &[f32], wide: usize, columns: usize) -> Vec<f32> {
        rows.chunks(wide)
            .flat_map(|row| row[..columns].to_vec())
            .collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        for size in SIZES {
            let (rows, depth, columns) = size;
            let (a, b, row) = (
                noise(1, rows * depth),
                noise(2, depth * columns),
                noise(3, columns),
            );
            let left = View::rows(&a, depth);
            for right in [View::rows(&b, columns), View::rows(&b, depth).transposed()] {
                let sums = reference(left, right, size);
                let out_row = columns + 3;
                for level in InstructionSet::available() {
                    let packed = Packed::new(level, right, depth, columns);
                    let before = noise(4, rows * out_row);
                    let starts = [Start::Zero, Start::Add, Start::Row(&row)];
                    for start in starts {
                        let initial = |i: usize| match start {
                            Start::Zero => 0.0,
                            Start::Add => before[i / columns * out_row + i % columns],
                            Start::Row(row) => row[i % columns],
                        };
                        let expected: Vec<f64> = sums
                            .iter()
                            .enumerate()
                            .map(|(i, sum)| sum + f64::from(initial(i)))
                            .collect();
                        let mut once = before.clone();
                        product(left, rows, &packed, &mut once, out_row, start);
                        let found = cut(&once, out_row, columns);
                        close(&found, &expected, 2e-6, "product");
                        let mut also = before.clone();
                        multiply(
                            level, left, rows, right, depth, columns, &mut also, out_row, start,
                        );
                        assert_eq!(once, also);
                        for (row, old) in once.chunks(out_row).zip(before.chunks(out_row)) {
                            assert_eq!(row[columns..], old[columns..], "beside the output");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn outer_products_are_those_of_the_definition() {
        for size in SIZES {
            let (rows, depth, columns) = size;
            let (a, b) = (noise(1, depth * rows), noise(2, depth * columns));
            let (left, right) = (View::rows(&a, rows), View::rows(&b, columns));
            let before = noise(3, rows * columns);
            let sums = reference(left.transposed(), right, size);
            let expected: Vec<f64> = sums
                .iter()
                .zip(&before)
                .map(|(sum, &x)| sum + f64::from(x))
                .collect();
            for level in InstructionSet::available() {
                let mut out = before.clone();
                add_outer(level, left, right, depth, rows, columns, &mut out, columns);
                close(&out, &expected, 2e-6, "outer");
            }
        }
    }

    #[test]
    fn instruction_sets_and_row_blocks_give_the_same_bits() {
        let (rows, depth, columns) = (23, 150, 70);
        let (a, b) = (noise(1, rows * depth), noise(2, depth * columns));
        let right = View::rows(&b, columns);
        let run = |level, block: usize| {
            let packed = Packed::new(level, right, depth, columns);
            let mut out = vec![0.0; rows * columns];
            for (out, a) in out.chunks_mut(block * columns).zip(a.chunks(block * depth)) {
                let rows = a.len() / depth;
                product(
                    View::rows(a, depth),
                    rows,
                    &packed,
                    out,
                    columns,
                    Start::Zero,
                );
            }
            out
        };
        let expected = run(InstructionSet::Scalar, rows);
        for level in InstructionSet::available() {
            for block in [1, 4, rows] {
                assert_eq!(run(level, block), expected, "{level:?} {block}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "output too small")]
    fn a_short_output_is_refused() {
        let packed = Packed::new(InstructionSet::detect(), View::rows(&[1.0; 6], 3), 2, 3);
        product(
            View::rows(&[1.0; 4], 2),
            2,
            &packed,
            &mut [0.0; 5],
            3,
            Start::Zero,
        );
    }
}
