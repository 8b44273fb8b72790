/*! The register tile, and the loops around it. */

use crate::base::simd::InstructionSet;
use crate::kernels::buffer::LINE;
use crate::kernels::matmul::view::{Start, View};
use crate::kernels::registers::{F32Registers, F32Work, width, with_f32};

/// Rows of the register tile: its sums of [`F32Registers::PANEL`] vectors per row fill the registers.
const TILE_ROWS: usize = 6;
/// Inner steps per pass, so that a panel of this depth (32 kB at most) stays in the first-level cache.
const DEPTH: usize = 128;

/// The dimensions of one product.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    pub left: View<'a>,
    pub out_row: usize,
    /// Whether the memory behind each panel is needed next.
    pub ahead: bool,
}

impl Job<'_> {
    /// Checks every bound, then runs the tile loop compiled for `level`.
    pub(crate) fn run(self, level: InstructionSet, packed: &[f32], out: &mut [f32], start: Start) {
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
        let product = Product {
            job: self,
            packed,
            out,
            start,
        };
        with_f32(level, product);
    }
}

/// A [`Job`] whose bounds were checked.
struct Product<'a> {
    job: Job<'a>,
    packed: &'a [f32],
    out: &'a mut [f32],
    start: Start<'a>,
}

impl F32Work for Product<'_> {
    #[inline(always)]
    fn run<R: F32Registers>(self, registers: R) {
        // SAFETY: [`Job::run`] has checked the bounds.
        unsafe { run_panels(registers, self.job, self.packed, self.out, self.start) }
    }
}

/// Panel by panel, [`DEPTH`] inner steps at a time, tile by tile.
///
/// # Safety
/// The bounds in [`Job::run`] hold, and the processor has the instructions of `V`.
#[inline(always)]
unsafe fn run_panels<R: F32Registers>(
    registers: R,
    job: Job,
    packed: &[f32],
    out: &mut [f32],
    start: Start,
) {
    let wide = R::WIDTH * R::PANEL;
    let (mut first, mut offset) = (0, 0);
    while first < job.columns {
        let filled = wide.min(job.columns - first);
        let vectors = filled.div_ceil(R::WIDTH);
        let panel = &packed[offset..offset + job.depth * vectors * R::WIDTH];
        let out = &mut out[first..];
        // The first pass begins with the start, the later ones with the sums so far; an empty sum is the start itself.
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
                ahead: if job.ahead { LINE } else { 0 },
                left: job.left.from(0, from).data,
                left_row: job.left.row,
                left_step: job.left.column,
                panel: &panel[from * vectors * R::WIDTH..],
                out_row: job.out_row,
                start,
            };
            // SAFETY: passed on; `vectors` is in 1..=PANEL, and PANEL is at most 4.
            unsafe {
                match vectors {
                    1 => part.rows::<R, 1>(registers, job.rows, out),
                    2 => part.rows::<R, 2>(registers, job.rows, out),
                    3 => part.rows::<R, 3>(registers, job.rows, out),
                    _ => part.rows::<R, 4>(registers, job.rows, out),
                }
            }
            from += steps;
            if from >= job.depth {
                break;
            }
        }
        first += filled;
        offset += job.depth * vectors * R::WIDTH;
    }
}

/// One panel and one range of inner steps.
struct Part<'a> {
    steps: usize,
    /// Columns of the panel that exist.
    filled: usize,
    /// Distance between the prefetches of two steps, in floats; 0 for no prefetch.
    ahead: usize,
    left: &'a [f32],
    left_row: usize,
    left_step: usize,
    panel: &'a [f32],
    out_row: usize,
    start: Start<'a>,
}

impl Part<'_> {
    /// All rows, in tiles whose heights differ by at most one. Each step may also prefetch a cache line of the next panel,
    /// so that weights outside the cache arrive during the arithmetic.
    ///
    /// # Safety
    /// As [`run_panels`].
    #[inline(always)]
    unsafe fn rows<R: F32Registers, const VECTORS: usize>(
        &self,
        registers: R,
        rows: usize,
        out: &mut [f32],
    ) {
        let mut row = 0;
        let mut ahead = self.panel.as_ptr();
        if self.ahead > 0 {
            ahead = ahead.wrapping_add(self.steps * VECTORS * R::WIDTH);
        }
        let mut tiles = rows.div_ceil(TILE_ROWS);
        while tiles > 0 {
            let height = (rows - row).div_ceil(tiles);
            // SAFETY: passed on; `height` is in 1..=TILE_ROWS.
            unsafe {
                match height {
                    1 => self.tile::<R, 1, VECTORS>(registers, row, ahead, out),
                    2 => self.tile::<R, 2, VECTORS>(registers, row, ahead, out),
                    3 => self.tile::<R, 3, VECTORS>(registers, row, ahead, out),
                    4 => self.tile::<R, 4, VECTORS>(registers, row, ahead, out),
                    5 => self.tile::<R, 5, VECTORS>(registers, row, ahead, out),
                    _ => self.tile::<R, TILE_ROWS, VECTORS>(registers, row, ahead, out),
                }
            }
            ahead = ahead.wrapping_add(self.steps * self.ahead);
            row += height;
            tiles -= 1;
        }
    }

    /// `ROWS` rows by one panel, held in registers over all steps.
    ///
    /// # Safety
    /// As [`run_panels`]; `row + ROWS` is at most the number of rows, and `filled` floats need all `VECTORS`.
    #[inline(always)]
    unsafe fn tile<R: F32Registers, const ROWS: usize, const VECTORS: usize>(
        &self,
        registers: R,
        row: usize,
        mut ahead: *const f32,
        out: &mut [f32],
    ) {
        let out = out.as_mut_ptr().wrapping_add(row * self.out_row);
        // SAFETY: `run` has checked that all rows × steps of the left matrix, steps × the vectors' floats of the panel
        // and all rows × `filled` of the output exist; the last vector is partial if the panel ends inside it.
        unsafe {
            let mut sums = [[registers.splat(0.0); VECTORS]; ROWS];
            match self.start {
                Start::Zero => {}
                Start::Add => {
                    for (r, sums) in sums.iter_mut().enumerate() {
                        *sums =
                            self.load::<R, VECTORS>(registers, out.wrapping_add(r * self.out_row));
                    }
                }
                Start::Row(start) => {
                    sums = [self.load::<R, VECTORS>(registers, start.as_ptr()); ROWS];
                }
            }
            let mut left = self.left.as_ptr().wrapping_add(row * self.left_row);
            let mut panel = self.panel.as_ptr();
            for _ in 0..self.steps {
                registers.prefetch(ahead);
                ahead = ahead.wrapping_add(self.ahead);
                let mut right = [registers.splat(0.0); VECTORS];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = registers.load(panel.add(v * R::WIDTH));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let factor = registers.splat(*left.add(r * self.left_row));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = registers.mul_add(factor, right, *sum);
                    }
                }
                left = left.wrapping_add(self.left_step);
                panel = panel.wrapping_add(VECTORS * R::WIDTH);
            }
            for (r, sums) in sums.into_iter().enumerate() {
                self.store(registers, sums, out.wrapping_add(r * self.out_row));
            }
        }
    }

    /// Loads one row of the panel's width; the last vector may be partial.
    ///
    /// # Safety
    /// `filled` floats are readable at `from`, and they need all `VECTORS`.
    #[inline(always)]
    unsafe fn load<R: F32Registers, const VECTORS: usize>(
        &self,
        registers: R,
        from: *const f32,
    ) -> [R::Register; VECTORS] {
        let last = (VECTORS - 1) * R::WIDTH;
        // SAFETY: passed on.
        unsafe {
            let mut vectors = [registers.splat(0.0); VECTORS];
            for (v, vector) in vectors.iter_mut().take(VECTORS - 1).enumerate() {
                *vector = registers.load(from.add(v * R::WIDTH));
            }
            vectors[VECTORS - 1] = if self.filled == last + R::WIDTH {
                registers.load(from.add(last))
            } else {
                registers.load_first(from.add(last), self.filled - last)
            };
            vectors
        }
    }

    /// Stores what [`Part::load`] loads.
    ///
    /// # Safety
    /// `filled` floats are writable at `to`, and they need all `VECTORS`.
    #[inline(always)]
    unsafe fn store<R: F32Registers, const VECTORS: usize>(
        &self,
        registers: R,
        vectors: [R::Register; VECTORS],
        to: *mut f32,
    ) {
        let last = (VECTORS - 1) * R::WIDTH;
        // SAFETY: passed on.
        unsafe {
            for (v, vector) in vectors.into_iter().take(VECTORS - 1).enumerate() {
                registers.store(vector, to.add(v * R::WIDTH));
            }
            if self.filled == last + R::WIDTH {
                registers.store(vectors[VECTORS - 1], to.add(last));
            } else {
                registers.store_first(vectors[VECTORS - 1], to.add(last), self.filled - last);
            }
        }
    }
}
