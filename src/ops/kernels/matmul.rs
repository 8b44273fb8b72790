/*!
Products of small matrices against weights that are packed once and used many times.

The general libraries repack the weights at every call, and training calls with the same weights for every time
step or block of rows; on an AVX-512 core `gemm` reaches about 125 GFLOP/s on a block of 512 rows and 40 on
the 32 rows of a recurrent step. So the weights are packed here, once per operation, and one register tile does
the rest: the right-hand panel lies in the first-level cache, the left-hand rows are read where they are.

Every output is one chain of fused multiply-adds over the inner dimension in index order: the same bits at any vector
width and for any split into row blocks.
*/

use super::buffer::Buffer;
use crate::simd::{Level, multiversion};

/// Rows of the register tile: with [`Lanes::PANEL`] vectors beside it, the accumulators fill the registers.
const TILE_ROWS: usize = 6;
/// Inner steps per pass, so that a panel of this depth (32 kB at most) stays in the first-level cache.
const DEPTH: usize = 128;
/// Rows per pass when both matrices are read by rows: those of the left one want a place in the cache too.
const OUTER_DEPTH: usize = 64;
/// Columns of the widest panel of any level.
const WIDEST: usize = 64;

/// One vector register, or its scalar twin.
trait Lanes: Copy {
    /// Floats in a vector.
    const WIDTH: usize;
    /// Vectors in the widest panel.
    const PANEL: usize;
    /// # Safety
    /// `WIDTH` floats are readable at `from`; the processor has the vector's instructions.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `WIDTH` floats are writable at `to`; the processor has the vector's instructions.
    unsafe fn store(self, to: *mut f32);
    /// # Safety
    /// The processor has the vector's instructions.
    unsafe fn splat(value: f32) -> Self;
    /// `self + a·b`, rounded once.
    ///
    /// # Safety
    /// The processor has the vector's instructions.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
}

impl Lanes for [f32; 4] {
    const WIDTH: usize = 4;
    const PANEL: usize = 2;
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises four readable floats; arrays of f32 have no stricter alignment.
        unsafe { from.cast::<Self>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises four writable floats.
        unsafe { to.cast::<Self>().write(self) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|i| a[i].mul_add(b[i], self[i]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    macro_rules! lanes {
        ($vector:ty, $width:literal, $panel:literal, $load:ident, $store:ident, $splat:ident, $fma:ident) => {
            impl Lanes for $vector {
                const WIDTH: usize = $width;
                const PANEL: usize = $panel;
                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: the caller promises readable floats and the instruction set.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: the caller promises writable floats and the instruction set.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $fma(a, b, self) }
                }
            }
        };
    }
    lanes!(
        __m256,
        8,
        2,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
    lanes!(
        __m512,
        16,
        4,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );
}

/// Floats in a vector of this level.
fn width(level: Level) -> usize {
    match level {
        Level::Avx512 => 16,
        Level::Avx2 => 8,
        Level::Scalar => 4,
    }
}

/// Columns in the widest panel of this level.
fn panel(level: Level) -> usize {
    match level {
        Level::Avx512 => 64,
        Level::Avx2 => 16,
        Level::Scalar => 8,
    }
}

/// A matrix read with strides: row `r`, column `c` is `data[r * row + c * column]`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The floats, first element first.
    pub data: &'a [f32],
    /// Distance between rows.
    pub row: usize,
    /// Distance between columns.
    pub column: usize,
}

impl<'a> View<'a> {
    /// Rows of `width` floats lying behind one another.
    pub fn rows(data: &'a [f32], width: usize) -> Self {
        Self {
            data,
            row: width,
            column: 1,
        }
    }

    /// The same matrix with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            row: self.column,
            column: self.row,
        }
    }

    /// The part that begins at a row and a column.
    fn from(self, row: usize, column: usize) -> Self {
        let at = row * self.row + column * self.column;
        Self {
            data: &self.data[at.min(self.data.len())..],
            ..self
        }
    }

    /// True when `rows × columns` elements can be read.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// What the outputs start from.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Nothing: the product alone.
    Zero,
    /// What is there already: the product is added.
    Add,
    /// One row, added to every row of the product.
    Row(&'a [f32]),
}

/// A right-hand matrix `[depth, columns]` in the order the register tile reads it: panels of a few vectors, each
/// with its rows behind one another, the last one filled up with zeros.
#[derive(Debug, Clone)]
pub struct Packed {
    level: Level,
    depth: usize,
    columns: usize,
    data: Vec<f32>,
}

impl Packed {
    /// Packs `matrix` (`depth` rows, `columns` columns) for `level`.
    ///
    /// # Panics
    /// If the view does not hold that many elements.
    pub fn new(level: Level, matrix: View, depth: usize, columns: usize) -> Self {
        let level = level.min(Level::detect());
        let padded = columns.next_multiple_of(width(level));
        let mut data = vec![0.0; depth * padded];
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

/// Lays `matrix` out in panels; `out` holds `depth` rows of the columns rounded up to whole vectors.
fn pack(level: Level, matrix: View, depth: usize, columns: usize, out: &mut [f32]) {
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
            pack_columns(level, part.data, part.row, part.column, filled, target, wide);
        }
        rest = after;
        first += filled;
    }
}

multiversion! {
    /// One panel of a matrix whose columns are one apart.
    fn pack_rows(data: &[f32], row: usize, filled: usize, target: &mut [f32], wide: usize) {
        for (index, target) in target.chunks_exact_mut(wide).enumerate() {
            let from = &data[index * row..][..filled];
            // The usual panel's length is known here, so that it is a few moves and no call.
            match (from.first_chunk::<WIDEST>(), target.first_chunk_mut::<WIDEST>()) {
                (Some(from), Some(target)) => *target = *from,
                _ => {
                    target[..filled].copy_from_slice(from);
                    target[filled..].fill(0.0);
                }
            }
        }
    }
}

multiversion! {
    /// One panel of any other matrix.
    fn pack_columns(data: &[f32], row: usize, column: usize, filled: usize, target: &mut [f32], wide: usize) {
        for (index, target) in target.chunks_exact_mut(wide).enumerate() {
            for (nth, target) in target[..filled].iter_mut().enumerate() {
                *target = data[index * row + nth * column];
            }
            target[filled..].fill(0.0);
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
    };
    job.run(right.level, &right.data, out, start);
}

/// `out (+)= left · right` for weights used once: panels of `right` `[depth, columns]` are packed on the way. Meant
/// for up to some hundred rows at a time, so that the left rows stay in the second-level cache.
///
/// # Panics
/// If a slice is too short for the dimensions.
#[allow(clippy::too_many_arguments)]
pub fn multiply(
    level: Level,
    left: View,
    rows: usize,
    right: View,
    depth: usize,
    columns: usize,
    out: &mut [f32],
    out_row: usize,
    start: Start,
) {
    /// Inner steps for which a whole row of panels is done before the next ones.
    const CHUNK: usize = 512;
    let level = level.min(Level::detect());
    assert!(right.holds(depth, columns), "right matrix too small");
    let mut packed = Buffer::any(CHUNK * WIDEST);
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
            };
            job.run(level, packed, &mut out[column..], start);
        }
    }
}

/// `out += leftᵀ · right` over `depth` rows of both: `left` `[depth, rows]`, `right` `[depth, columns]`. This is the
/// gradient of a weight. Meant for up to some hundred rows at a time.
///
/// # Panics
/// If a slice is too short for the dimensions.
#[allow(clippy::too_many_arguments)]
pub fn add_outer(
    level: Level,
    left: View,
    right: View,
    depth: usize,
    rows: usize,
    columns: usize,
    out: &mut [f32],
    out_row: usize,
) {
    let level = level.min(Level::detect());
    if depth == 0 || rows == 0 {
        return;
    }
    let mut packed = [0.0; OUTER_DEPTH * WIDEST];
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
            };
            job.run(level, packed, &mut out[column..], Start::Add);
        }
    }
}

/// The dimensions of one product.
#[derive(Clone, Copy)]
struct Job<'a> {
    rows: usize,
    depth: usize,
    columns: usize,
    left: View<'a>,
    out_row: usize,
}

impl Job<'_> {
    /// Checks every bound, then runs the tile loop compiled for `level`.
    fn run(self, level: Level, packed: &[f32], out: &mut [f32], start: Start) {
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        let padded = self.columns.next_multiple_of(width(level));
        assert!(
            self.left.holds(self.rows, self.depth),
            "left matrix too small"
        );
        assert!(
            packed.len() >= self.depth * padded,
            "packed matrix too small"
        );
        assert!(
            self.out_row >= self.columns || self.rows == 1,
            "output rows overlap"
        );
        assert!(
            (self.rows - 1) * self.out_row + self.columns <= out.len(),
            "output too small"
        );
        if let Start::Row(row) = start {
            assert!(row.len() >= self.columns, "start row too short");
        }
        // SAFETY: the bounds were just checked; `level` was clamped to what the processor has when packing.
        unsafe {
            match level.min(Level::detect()) {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => run_avx512(self, packed, out, start),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => run_avx2(self, packed, out, start),
                _ => run_panels::<[f32; 4]>(self, packed, out, start),
            }
        }
    }
}

/// # Safety
/// As [`run_panels`]; the processor has AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn run_avx512(job: Job, packed: &[f32], out: &mut [f32], start: Start) {
    // SAFETY: passed on.
    unsafe { run_panels::<std::arch::x86_64::__m512>(job, packed, out, start) }
}

/// # Safety
/// As [`run_panels`]; the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2(job: Job, packed: &[f32], out: &mut [f32], start: Start) {
    // SAFETY: passed on.
    unsafe { run_panels::<std::arch::x86_64::__m256>(job, packed, out, start) }
}

/// Panel by panel, [`DEPTH`] inner steps at a time, tile by tile.
///
/// # Safety
/// The bounds in [`Job::run`] hold, and the processor has the instructions of `V`.
#[inline(always)]
unsafe fn run_panels<V: Lanes>(job: Job, packed: &[f32], out: &mut [f32], start: Start) {
    let wide = V::WIDTH * V::PANEL;
    let (mut first, mut offset) = (0, 0);
    while first < job.columns {
        let filled = wide.min(job.columns - first);
        let vectors = filled.div_ceil(V::WIDTH);
        let panel = &packed[offset..offset + job.depth * vectors * V::WIDTH];
        let out = &mut out[first..];
        // The first pass sets the start, the later ones go on from what it wrote; an empty sum is the start itself.
        let mut from = 0;
        loop {
            let steps = DEPTH.min(job.depth - from);
            let start = match start {
                _ if from > 0 => Start::Add,
                Start::Row(row) => Start::Row(&row[first..]),
                other => other,
            };
            let part = Part {
                steps,
                filled,
                left: job.left.from(0, from).data,
                left_row: job.left.row,
                left_step: job.left.column,
                panel: &panel[from * vectors * V::WIDTH..],
                out_row: job.out_row,
                start,
            };
            // SAFETY: passed on; `vectors` is in 1..=PANEL, and PANEL is at most 4.
            unsafe {
                match vectors {
                    1 => part.rows::<V, 1>(job.rows, out),
                    2 => part.rows::<V, 2>(job.rows, out),
                    3 => part.rows::<V, 3>(job.rows, out),
                    _ => part.rows::<V, 4>(job.rows, out),
                }
            }
            from += steps;
            if from >= job.depth {
                break;
            }
        }
        first += filled;
        offset += job.depth * vectors * V::WIDTH;
    }
}

/// One panel and one range of inner steps.
struct Part<'a> {
    steps: usize,
    filled: usize,
    left: &'a [f32],
    left_row: usize,
    left_step: usize,
    panel: &'a [f32],
    out_row: usize,
    start: Start<'a>,
}

impl Part<'_> {
    /// All rows, in tiles whose heights differ by at most one.
    ///
    /// # Safety
    /// As [`run_panels`].
    #[inline(always)]
    unsafe fn rows<V: Lanes, const VECTORS: usize>(&self, rows: usize, out: &mut [f32]) {
        let mut row = 0;
        let mut tiles = rows.div_ceil(TILE_ROWS);
        while tiles > 0 {
            let height = (rows - row).div_ceil(tiles);
            // SAFETY: passed on; `height` is in 1..=TILE_ROWS.
            unsafe {
                match height {
                    1 => self.tile::<V, 1, VECTORS>(row, out),
                    2 => self.tile::<V, 2, VECTORS>(row, out),
                    3 => self.tile::<V, 3, VECTORS>(row, out),
                    4 => self.tile::<V, 4, VECTORS>(row, out),
                    5 => self.tile::<V, 5, VECTORS>(row, out),
                    _ => self.tile::<V, TILE_ROWS, VECTORS>(row, out),
                }
            }
            row += height;
            tiles -= 1;
        }
    }

    /// `ROWS` rows by one panel, held in registers over all steps.
    ///
    /// # Safety
    /// As [`run_panels`]; `row + ROWS` is at most the number of rows.
    #[inline(always)]
    unsafe fn tile<V: Lanes, const ROWS: usize, const VECTORS: usize>(
        &self,
        row: usize,
        out: &mut [f32],
    ) {
        let wide = VECTORS * V::WIDTH;
        let whole = self.filled == wide;
        let mut edge = [0.0f32; TILE_ROWS * WIDEST];
        // SAFETY: `run` has checked that all rows × steps of the left matrix, steps × wide of the panel and all rows ×
        // `filled` of the output exist; where the panel is wider than `filled`, the tile works in `edge`.
        unsafe {
            let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
            match self.start {
                Start::Zero => {}
                Start::Add => {
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let from = out.as_ptr().add((row + r) * self.out_row);
                        let from = if whole {
                            from
                        } else {
                            let edge = edge.as_mut_ptr().add(r * wide);
                            edge.copy_from_nonoverlapping(from, self.filled);
                            edge
                        };
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = V::load(from.add(v * V::WIDTH));
                        }
                    }
                }
                Start::Row(start) => {
                    let from = if whole {
                        start.as_ptr()
                    } else {
                        edge.as_mut_ptr()
                            .copy_from_nonoverlapping(start.as_ptr(), self.filled);
                        edge.as_ptr()
                    };
                    for v in 0..VECTORS {
                        let vector = V::load(from.add(v * V::WIDTH));
                        for sums in &mut sums {
                            sums[v] = vector;
                        }
                    }
                }
            }
            let mut left = self.left.as_ptr().wrapping_add(row * self.left_row);
            let mut panel = self.panel.as_ptr();
            for _ in 0..self.steps {
                let mut right = [V::splat(0.0); VECTORS];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = V::load(panel.add(v * V::WIDTH));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(*left.add(r * self.left_row));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = sum.plus_product(factor, right);
                    }
                }
                left = left.wrapping_add(self.left_step);
                panel = panel.wrapping_add(wide);
            }
            for (r, sums) in sums.iter().enumerate() {
                let to = out.as_mut_ptr().add((row + r) * self.out_row);
                if whole {
                    for (v, sum) in sums.iter().enumerate() {
                        sum.store(to.add(v * V::WIDTH));
                    }
                } else {
                    for (v, sum) in sums.iter().enumerate() {
                        sum.store(edge.as_mut_ptr().add(v * V::WIDTH));
                    }
                    to.copy_from_nonoverlapping(edge.as_ptr(), self.filled);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, noise};
    use super::*;

    /// Rows, depth, columns: less than a tile, whole panels, and beyond every block.
    const SIZES: [(usize, usize, usize); 6] =
        [(1, 1, 1), (5, 3, 7), (6, 64, 64), (13, 300, 131), (32, 0, 5), (2, 1100, 17)];

    fn reference(left: View, right: View, (rows, depth, columns): (usize, usize, usize)) -> Vec<f64> {
        let at = |m: View, r: usize, c: usize| f64::from(m.data[r * m.row + c * m.column]);
        let element = |r, c| (0..depth).map(|k| at(left, r, k) * at(right, k, c)).sum();
        (0..rows * columns).map(|i| element(i / columns, i % columns)).collect()
    }

    /// The first `columns` of rows that are `wide` apart.
    fn cut(rows: &[f32], wide: usize, columns: usize) -> Vec<f32> {
        rows.chunks(wide).flat_map(|row| row[..columns].to_vec()).collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        for size in SIZES {
            let (rows, depth, columns) = size;
            let (a, b, row) = (noise(1, rows * depth), noise(2, depth * columns), noise(3, columns));
            let left = View::rows(&a, depth);
            for right in [View::rows(&b, columns), View::rows(&b, depth).transposed()] {
                let sums = reference(left, right, size);
                let out_row = columns + 3;
                for level in Level::available() {
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
                        multiply(level, left, rows, right, depth, columns, &mut also, out_row, start);
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
            let expected: Vec<f64> =
                sums.iter().zip(&before).map(|(sum, &x)| sum + f64::from(x)).collect();
            for level in Level::available() {
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
                product(View::rows(a, depth), rows, &packed, out, columns, Start::Zero);
            }
            out
        };
        let expected = run(Level::Scalar, rows);
        for level in Level::available() {
            for block in [1, 4, rows] {
                assert_eq!(run(level, block), expected, "{level:?} {block}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "output too small")]
    fn a_short_output_is_refused() {
        let packed = Packed::new(Level::detect(), View::rows(&[1.0; 6], 3), 2, 3);
        product(View::rows(&[1.0; 4], 2), 2, &packed, &mut [0.0; 5], 3, Start::Zero);
    }
}
