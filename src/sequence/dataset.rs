/*! Datasets of token sequences. */

use std::ops::Range;

use crate::error::Result;
use crate::sequence::Token;

/// Sequences of tokens, read in parts so that they need not fit in memory.
pub trait SequenceDataset: Sync {
    /// The number of sequences.
    fn count(&self) -> usize;

    /// The number of tokens in sequence `index`.
    fn length(&self, index: usize) -> usize;

    /// Reads the tokens `range` of sequence `index` to `out`, which has the length of the range.
    ///
    /// # Errors
    /// When reading fails.
    ///
    /// # Panics
    /// If the range exceeds the sequence.
    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()>;

    /// [`read`](Self::read) in training epoch `epoch`. A dataset that draws its tokens in each epoch (dynamic
    /// binarisation) draws them as a function of the index and the epoch.
    ///
    /// # Errors
    /// When reading fails.
    ///
    /// # Panics
    /// If the range exceeds the sequence.
    fn read_in_epoch(
        &self,
        _epoch: u64,
        index: usize,
        range: Range<usize>,
        out: &mut [Token],
    ) -> Result<()> {
        self.read(index, range, out)
    }

    /// Changes the condition vector of sequence `index` to that of what [`read_in_epoch`](Self::read_in_epoch) reads.
    fn condition_in_epoch(&self, _epoch: u64, _index: usize, _condition: &mut [f32]) {}
}
