/*! Divides the rows of a stack into slabs of time, a slab into parts for the threads, and a part into blocks. */

use crate::kernels::parallel::{carve, chunks, part, parts};
use crate::kernels::wavenet::Shape;
use std::ops::Range;

/// Rows that go through a layer together in one thread; their pre-activations stay in the second-level cache.
pub(crate) const BLOCK: usize = 128;
/// Rows of a slab for each thread.
const SLAB_ROWS: usize = 1024;
/// The smallest number of time steps in a slab.
const SLAB_STEPS: usize = 64;

/// A range of time of all sequences.
pub(crate) struct Slab(Range<usize>);

impl Slab {
    /// Equal ranges of time whose rows fit the cache, in the order of time.
    pub(crate) fn all(shape: Shape) -> Vec<Self> {
        let steps = (parts() * SLAB_ROWS / shape.batch.max(1)).max(SLAB_STEPS);
        let count = shape.time.div_ceil(steps);
        (0..count)
            .map(|index| Self(part(shape.time, count, index)))
            .collect()
    }

    /// The rows of the slab, divided among the threads.
    pub(crate) fn parts(&self, shape: Shape) -> Parts {
        let steps = self.0.len();
        let count = parts();
        let segments = (0..count).map(|index| {
            let rows = part(shape.batch * steps, count, index);
            let sequences = rows.start / steps..rows.end.div_ceil(steps);
            sequences
                .map(|sequence| {
                    let from = rows.start.max(sequence * steps) - sequence * steps;
                    let to = rows.end.min((sequence + 1) * steps) - sequence * steps;
                    Segment {
                        sequence,
                        times: self.0.start + from..self.0.start + to,
                    }
                })
                .filter(|segment| !segment.times.is_empty())
                .collect()
        });
        Parts {
            shape,
            segments: segments.collect(),
        }
    }
}

/// A range of time of one sequence.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) sequence: usize,
    pub(crate) times: Range<usize>,
}

impl Segment {
    /// The rows of the segment among all rows.
    pub(crate) fn rows(&self, shape: Shape) -> Range<usize> {
        let first = self.sequence * shape.time;
        first + self.times.start..first + self.times.end
    }

    /// Ranges of at most [`BLOCK`] time steps.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (start, end) = (self.times.start, self.times.end);
        let count = (end - start).div_ceil(BLOCK);
        (0..count).map(move |index| {
            let block = part(end - start, count, index);
            start + block.start..start + block.end
        })
    }
}

/// The parts of a range of time that lie in one hop each: the number of the hop and the part.
pub(crate) fn by_hop(
    times: Range<usize>,
    hop: usize,
) -> impl Iterator<Item = (usize, Range<usize>)> {
    let hops = times.start / hop..times.end.div_ceil(hop);
    hops.map(move |index| {
        let start = times.start.max(index * hop);
        (index, start..times.end.min((index + 1) * hop))
    })
}

/// The rows of a slab, divided among the threads.
pub(crate) struct Parts {
    shape: Shape,
    pub(crate) segments: Vec<Vec<Segment>>,
}

impl Parts {
    /// Rows of the slab.
    pub(crate) fn rows(&self) -> usize {
        let lengths = self.segments.iter().flatten().map(|s| s.times.len());
        lengths.sum()
    }

    /// The pieces of a `[rows, width]` array over all rows that belong to each part's segments.
    pub(crate) fn carve<'a>(&self, data: &'a mut [f32], width: usize) -> Vec<Vec<&'a mut [f32]>> {
        let ranges = self.segments.iter().flatten().map(|segment| {
            let rows = segment.rows(self.shape);
            rows.start * width..rows.end * width
        });
        let mut pieces = carve(data, ranges).into_iter();
        let counts = self.segments.iter().map(Vec::len);
        counts
            .map(|count| pieces.by_ref().take(count).collect())
            .collect()
    }

    /// An empty piece for each segment.
    pub(crate) fn nothing<'a>(&self) -> Vec<Vec<&'a mut [f32]>> {
        let counts = self.segments.iter().map(Vec::len);
        counts
            .map(|count| (0..count).map(|_| &mut [][..]).collect())
            .collect()
    }

    /// The part's share of a `[rows of the slab, width]` array.
    pub(crate) fn chunks<'a>(&self, data: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
        let lengths = self.segments.iter().map(|segments| {
            let rows: usize = segments.iter().map(|s| s.times.len()).sum();
            rows * width
        });
        chunks(data, lengths)
    }
}
