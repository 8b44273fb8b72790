/*! Memory in blocks of one cache line, a multiple of every vector width. */

use std::ops::Range;

/// Sixteen floats, on a cache line of their own.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Block(pub [f32; Block::WIDTH]);

impl Block {
    /// Floats in a block.
    pub const WIDTH: usize = 16;
    /// Sixteen zeros.
    pub const ZERO: Self = Self([0.0; Self::WIDTH]);

    /// Up to sixteen values, padded with zeros.
    pub fn from_slice(values: &[f32]) -> Self {
        let mut block = Self::ZERO;
        block.0[..values.len()].copy_from_slice(values);
        block
    }

    /// How many blocks hold `n` floats.
    pub const fn count(n: usize) -> usize {
        n.div_ceil(Self::WIDTH)
    }

    /// Element-wise sum.
    #[inline(always)]
    pub fn add(mut self, other: &Self) -> Self {
        for (sum, term) in self.0.iter_mut().zip(&other.0) {
            *sum += term;
        }
        self
    }
}

/// The floats of `blocks`.
#[inline(always)]
pub(crate) fn floats(blocks: &[Block]) -> &[f32] {
    // SAFETY: a `Block` is exactly sixteen initialised floats without padding.
    unsafe {
        std::slice::from_raw_parts(blocks.as_ptr().cast::<f32>(), blocks.len() * Block::WIDTH)
    }
}

/// The floats of `blocks`, to write.
#[inline(always)]
fn floats_mut(blocks: &mut [Block]) -> &mut [f32] {
    let length = blocks.len() * Block::WIDTH;
    // SAFETY: as in `floats`; the borrow is exclusive, and every bit pattern is a float.
    unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast::<f32>(), length) }
}

/// Element-wise `numbers += more`. (Over floats: the compiler would vectorise a loop over blocks with gathers.)
#[inline(always)]
pub(crate) fn add(numbers: &mut [Block], more: &[Block]) {
    for (number, more) in floats_mut(numbers).iter_mut().zip(floats(more)) {
        *number += more;
    }
}

/// The ReLU.
#[inline(always)]
pub(crate) fn rectify(numbers: &mut [Block]) {
    for number in floats_mut(numbers) {
        *number = number.max(0.0);
    }
}

/// Sixty-four bytes, on a cache line of their own: quantised activations.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Bytes(pub [u8; Bytes::WIDTH]);

impl Bytes {
    /// Bytes in a block.
    pub const WIDTH: usize = 64;

    /// How many blocks hold `n` bytes.
    pub const fn count(n: usize) -> usize {
        n.div_ceil(Self::WIDTH)
    }
}

/// Sixteen integers, on a cache line of their own: sums of products of bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Ints(pub [i32; Block::WIDTH]);

impl Ints {
    /// Sixteen zeros.
    pub const ZERO: Self = Self([0; Block::WIDTH]);
}

/// Four weights for each of sixteen outputs, on a cache line of their own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Weights(pub [i8; Weights::INPUTS * Block::WIDTH]);

impl Weights {
    /// Inputs multiplied at a time.
    pub const INPUTS: usize = 4;
    /// Sixty-four zeros.
    pub const ZERO: Self = Self([0; Self::INPUTS * Block::WIDTH]);
}

/// Rows of blocks: the state of several lanes.
#[derive(Debug, Clone)]
pub(crate) struct Rows<B> {
    blocks: Vec<B>,
    stride: usize,
}

impl<B: Copy> Rows<B> {
    /// `rows` rows of `stride` blocks each.
    pub fn filled(rows: usize, stride: usize, block: B) -> Self {
        Self {
            blocks: vec![block; rows * stride],
            stride,
        }
    }

    /// `rows` times the same row.
    pub fn repeated(rows: usize, row: &[B]) -> Self {
        Self {
            blocks: row.repeat(rows),
            stride: row.len(),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.blocks.len() / self.stride
    }

    /// The blocks of row `i`.
    #[inline(always)]
    pub fn blocks(&self, i: usize) -> &[B] {
        &self.blocks[i * self.stride..][..self.stride]
    }

    /// The blocks of row `i`, to write.
    #[inline(always)]
    pub fn blocks_mut(&mut self, i: usize) -> &mut [B] {
        &mut self.blocks[i * self.stride..][..self.stride]
    }

    /// The rows from `first` on, to read.
    #[inline(always)]
    pub fn view(&self, first: usize) -> View<'_, B> {
        View {
            blocks: &self.blocks[first * self.stride..],
            stride: self.stride,
        }
    }

    /// Regroups the rows of each slot of `parents.len()` consecutive rows: row i becomes row `parents[i]`.
    pub fn gather(&mut self, parents: &[usize]) {
        let mut before = Vec::with_capacity(parents.len() * self.stride);
        for slot in self.blocks.chunks_exact_mut(parents.len() * self.stride) {
            before.clear();
            before.extend_from_slice(slot);
            for (lane, &parent) in parents.iter().enumerate() {
                if parent != lane {
                    slot[lane * self.stride..][..self.stride]
                        .copy_from_slice(&before[parent * self.stride..][..self.stride]);
                }
            }
        }
    }
}

impl Rows<Block> {
    /// `rows` rows of at least `width` zeros.
    pub fn zeros(rows: usize, width: usize) -> Self {
        Self::filled(rows, Block::count(width), Block::ZERO)
    }

    /// Writes the rows without their padding, one after the other.
    #[inline(always)]
    pub fn copy_to(&self, dense: &mut [f32]) {
        let width = dense.len() / (self.blocks.len() / self.stride);
        for (row, dense) in dense.chunks_exact_mut(width).enumerate() {
            dense.copy_from_slice(&self.view(row).floats(0)[..width]);
        }
    }

    /// The floats of row `i`, padding included, to write.
    #[inline(always)]
    pub fn floats_mut(&mut self, i: usize) -> &mut [f32] {
        floats_mut(self.blocks_mut(i))
    }
}

impl Rows<Bytes> {
    /// The bytes of row `i`, padding included, to write.
    #[inline(always)]
    pub fn bytes_mut(&mut self, i: usize) -> &mut [u8] {
        let blocks = self.blocks_mut(i);
        // SAFETY: a `Bytes` is exactly sixty-four initialised bytes without padding.
        unsafe {
            std::slice::from_raw_parts_mut(
                blocks.as_mut_ptr().cast::<u8>(),
                blocks.len() * Bytes::WIDTH,
            )
        }
    }
}

/// Rows of blocks to read: those of [`Rows`] from any row on, or one row for all indices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a, B> {
    blocks: &'a [B],
    stride: usize,
}

impl<'a, B> View<'a, B> {
    /// The same row for every index.
    #[inline(always)]
    pub fn same(row: &'a [B]) -> Self {
        Self {
            blocks: row,
            stride: 0,
        }
    }

    /// Every row without its first `blocks` blocks.
    #[inline(always)]
    pub fn skip(self, blocks: usize) -> Self {
        Self {
            blocks: &self.blocks[blocks..],
            stride: self.stride,
        }
    }

    /// The blocks from row `i` on.
    #[inline(always)]
    pub fn blocks(self, i: usize) -> &'a [B] {
        &self.blocks[i * self.stride..]
    }
}

impl<'a> View<'a, Block> {
    /// The floats from row `i` on, padding included.
    #[inline(always)]
    pub fn floats(self, i: usize) -> &'a [f32] {
        floats(self.blocks(i))
    }
}

impl<'a> View<'a, Bytes> {
    /// The bytes from row `i` on, padding included.
    #[inline(always)]
    pub fn bytes(self, i: usize) -> &'a [u8] {
        let blocks = self.blocks(i);
        // SAFETY: a `Bytes` is exactly sixty-four initialised bytes without padding.
        unsafe {
            std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), blocks.len() * Bytes::WIDTH)
        }
    }
}

/// Blocks of outputs in the widest panel: the sums of its rows fill the registers.
const PANEL: usize = 6;

/// Divides `blocks` blocks of outputs into panels of nearly equal width and yields the widths.
#[inline(always)]
pub(crate) fn panels(blocks: usize) -> impl Iterator<Item = usize> {
    let panels = blocks.div_ceil(PANEL);
    (0..panels).map(move |i| (i + 1) * blocks / panels - i * blocks / panels)
}

/// The columns `range`, divided into blocks.
pub(crate) fn columns(range: Range<usize>) -> impl Iterator<Item = Range<usize>> + Clone {
    range
        .clone()
        .step_by(Block::WIDTH)
        .map(move |c| c..range.end.min(c + Block::WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gather_regroups_every_slot() {
        let mut rows = Rows::zeros(6, 1);
        for r in 0..6 {
            rows.blocks_mut(r)[0].0[0] = r as f32;
        }
        rows.gather(&[2, 0, 0]);
        let seen: Vec<f32> = (0..6).map(|r| rows.blocks(r)[0].0[0]).collect();
        assert_eq!(seen, [2.0, 0.0, 0.0, 5.0, 3.0, 3.0]);
    }
}
