/*! A library of sequences that need not fit into memory. */

use std::ops::Range;

use crate::error::Result;
use crate::sequence::Token;

/// Many sequences of tokens, read piece by piece.
pub trait SequenceDataset: Sync {
    /// How many sequences there are.
    fn count(&self) -> usize;

    /// How many tokens sequence `index` has.
    fn length(&self, index: usize) -> usize;

    /// Writes the tokens `range` of sequence `index` to `out`, which has the length of the range.
    ///
    /// # Errors
    /// When reading fails.
    ///
    /// # Panics
    /// If the range is not inside the sequence.
    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()>;

    /// The same, as training sees it in epoch `epoch`: where a library draws its tokens anew each time (dynamic
    /// binarisation), they are a function of the index and the epoch.
    ///
    /// # Errors
    /// When reading fails.
    ///
    /// # Panics
    /// If the range is not inside the sequence.
    fn read_in_epoch(
        &self,
        _epoch: u64,
        index: usize,
        range: Range<usize>,
        out: &mut [Token],
    ) -> Result<()> {
        self.read(index, range, out)
    }
}
