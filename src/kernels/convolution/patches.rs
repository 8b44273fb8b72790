/*! Which pixels of a source each pixel of a result is computed from: by a convolution, and by its transpose. */

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::Buffer;
use crate::kernels::convolution::shape::Shape;
use crate::kernels::matmul::{Packed, View};
use std::ops::Range;

/// Pixels of the result that read the same taps of the kernel: all of them in a convolution; in its transpose every
/// `stride`-th of a row and of a column.
pub(super) struct Phase {
    /// Height and width of the source, and its channels.
    sides: [usize; 2],
    channels: usize,
    /// The first pixel of the result, and the distance to the next one.
    pub(super) first: [usize; 2],
    pub(super) step: usize,
    /// Pixels in a row of the result's pictures.
    width: usize,
    /// Pixels of this phase in a column and in a row of them.
    pub(super) count: [usize; 2],
    /// The first pixel of the source for the first pixel of the result, and how far it moves from one to the next.
    origin: [isize; 2],
    advance: usize,
    /// Pixels of the source in a column and in a row.
    taps: [usize; 2],
}

impl Phase {
    /// From wide pictures to narrow ones.
    pub(super) fn of_convolution(shape: Shape) -> Self {
        let padding = shape.padding as isize;
        Self {
            sides: shape.sides,
            channels: shape.channels[0],
            first: [0; 2],
            step: 1,
            width: shape.narrow()[1],
            count: shape.narrow(),
            origin: [-padding; 2],
            advance: shape.stride,
            taps: [shape.kernel; 2],
        }
    }

    /// From narrow pictures to wide ones, each with its weights `[taps · narrow channels, wide channels]`.
    pub(super) fn of_transpose(
        level: InstructionSet,
        shape: Shape,
        weight: &[f32],
    ) -> Vec<(Self, Packed)> {
        let stride = shape.stride;
        let along = |first: usize, side: usize| {
            let (whole, rest) = (
                (first + shape.padding) / stride,
                (first + shape.padding) % stride,
            );
            let taps = shape.kernel.saturating_sub(rest).div_ceil(stride);
            let origin = whole as isize + 1 - taps as isize;
            // The taps by falling place in the kernel, which is by rising pixel of the source.
            let places: Vec<usize> = (0..taps).rev().map(|tap| rest + tap * stride).collect();
            (origin, places, side.saturating_sub(first).div_ceil(stride))
        };
        let [wide, narrow] = shape.channels;
        let mut phases = Vec::new();
        for first in (0..stride * stride).map(|phase| [phase / stride, phase % stride]) {
            let (top, rows, height) = along(first[0], shape.sides[0]);
            let (left, columns, width) = along(first[1], shape.sides[1]);
            let depth = rows.len() * columns.len() * narrow;
            let mut weights = Buffer::any(depth * wide);
            let places = rows
                .iter()
                .flat_map(|row| columns.iter().map(move |column| (row, column)));
            for ((row, column), target) in places.zip(weights.chunks_exact_mut(narrow * wide)) {
                let tap = &weight[(row * shape.kernel + column) * wide * narrow..][..wide * narrow];
                for (channel, target) in target.chunks_exact_mut(wide).enumerate() {
                    for (target, from) in target.iter_mut().zip(tap.chunks_exact(narrow)) {
                        *target = from[channel];
                    }
                }
            }
            let phase = Self {
                sides: shape.narrow(),
                channels: narrow,
                first,
                step: stride,
                width: shape.sides[1],
                count: [height, width],
                origin: [top, left],
                advance: 1,
                taps: [rows.len(), columns.len()],
            };
            let packed = Packed::new(level, View::rows(&weights, wide), depth, wide);
            phases.push((phase, packed));
        }
        phases
    }

    /// Floats that a pixel of the result is computed from.
    pub(super) fn depth(&self) -> usize {
        self.taps[0] * self.taps[1] * self.channels
    }

    /// Floats from one row of gathered pixels to the next: rows a power of two apart would share a few lines of the
    /// first-level cache.
    pub(super) fn stride(&self) -> usize {
        self.depth().next_multiple_of(16) + 16
    }

    /// Pixels of this phase in a picture.
    pub(super) fn pixels(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// Writes what the pixels `rows` of the result are computed from, `depth` floats every `stride`: the source after a leaky ReLU with
    /// this slope, and zeros outside of it. The rows count through all pictures of the source.
    pub(super) fn gather(
        &self,
        level: InstructionSet,
        source: &[f32],
        rows: Range<usize>,
        slope: f32,
        patches: &mut [f32],
    ) {
        gather(level, self, source, rows, slope, patches);
    }

    /// Puts results `[rows, channels]` where they belong in the pictures.
    pub(super) fn scatter(
        &self,
        rows: Range<usize>,
        results: &[f32],
        channels: usize,
        floats: usize,
        pictures: &mut [f32],
    ) {
        for (row, result) in rows.zip(results.chunks_exact(channels)) {
            let (picture, pixel) = (row / self.pixels(), row % self.pixels());
            let [i, j] = [pixel / self.count[1], pixel % self.count[1]];
            let place =
                (self.first[0] + self.step * i) * self.width + self.first[1] + self.step * j;
            pictures[picture * floats + place * channels..][..channels].copy_from_slice(result);
        }
    }
}

multiversion! {
    fn gather(phase: &Phase, source: &[f32], rows: Range<usize>, slope: f32, patches: &mut [f32]) {
        let ([height, width], channels) = (phase.sides, phase.channels);
        let run = phase.taps[1] * channels;
        let depth = phase.depth();
        for (row, patch) in rows.zip(patches.chunks_exact_mut(phase.stride())) {
            let mut runs = patch[..depth].chunks_exact_mut(run.max(1));
            let (picture, pixel) = (row / phase.pixels(), row % phase.pixels());
            let picture = &source[picture * height * width * channels..][..height * width * channels];
            let [i, j] = [pixel / phase.count[1], pixel % phase.count[1]];
            let top = phase.origin[0] + (phase.advance * i) as isize;
            let left = phase.origin[1] + (phase.advance * j) as isize;
            let before = left.min(0).unsigned_abs() * channels;
            let inside = (left + phase.taps[1] as isize).min(width as isize).max(0) as usize;
            let from = left.max(0) as usize;
            let length = inside.saturating_sub(from) * channels;
            for tap in 0..phase.taps[0] {
                let Some(to) = runs.next() else { return };
                let y = top + tap as isize;
                if y < 0 || y >= height as isize || length == 0 {
                    to.fill(0.0);
                    continue;
                }
                let from = &picture[(y as usize * width + from) * channels..][..length];
                if length < run {
                    to[..before].fill(0.0);
                    to[before + length..].fill(0.0);
                }
                let to = &mut to[before..before + length];
                if slope == 1.0 {
                    to.copy_from_slice(from);
                } else {
                    for (to, &x) in to.iter_mut().zip(from) {
                        *to = if x > 0.0 { x } else { slope * x };
                    }
                }
            }
        }
    }
}
