/*!
Large temporary buffers that are reused instead of freed: the first access to a new page costs several times the work done on
it, and each training step needs the same sizes.
*/

use std::ops::{Deref, DerefMut, Range};
use std::sync::{Mutex, PoisonError};

/// Floats in a cache line.
pub(crate) const LINE: usize = 16;
/// Floats kept in free buffers at most: 512 MiB.
const KEPT_FLOATS: usize = 1 << 27;

/// Free buffers; the first has been unused for the longest time.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A slice of floats aligned to a cache line, so that no vector spans two of them. Dropping it returns its memory to a
/// process-wide free list.
#[derive(Debug)]
pub struct Buffer {
    /// One cache line longer than `range`.
    data: Vec<f32>,
    range: Range<usize>,
}

impl Buffer {
    /// `length` floats with unspecified values.
    pub fn any(length: usize) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let room = room(length + LINE);
        let fitting = free.iter().rposition(|data| data.len() == room);
        let reused = fitting.map(|index| free.remove(index));
        drop(free);
        let data = reused.unwrap_or_else(|| vec![0.0; room]);
        let start = data
            .as_ptr()
            .align_offset(LINE * size_of::<f32>())
            .min(LINE);
        Self {
            data,
            range: start..start + length,
        }
    }

    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut buffer = Self::any(length);
        buffer.fill(0.0);
        buffer
    }
}

/// The length rounded up by at most an eighth, so that batches of similar sizes share buffers. Otherwise memory would grow
/// with every new size.
fn room(length: usize) -> usize {
    let grain = (length.next_power_of_two() / 16).max(LINE);
    length.next_multiple_of(grain)
}

/// A vector with unspecified values, for results that are written completely.
#[allow(clippy::uninit_vec)]
pub fn unwritten(length: usize) -> Vec<f32> {
    let mut vector = Vec::with_capacity(length);
    // SAFETY: the capacity suffices, every bit pattern is a float, and callers write each element before they read it.
    // Clearing the memory would cost more than some of the operations that fill it.
    unsafe { vector.set_len(length) };
    vector
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.range.clone()]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.range.clone()]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(std::mem::take(&mut self.data));
        let mut kept: usize = free.iter().map(Vec::len).sum();
        while kept > KEPT_FLOATS {
            kept -= free.remove(0).len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_alike_share_their_buffers() {
        for length in [1, 15, 16, 17, 1000, 12_345, 1 << 20, (1 << 20) + 1] {
            let room = room(length);
            assert!(
                room >= length && room <= length + (length / 8).max(LINE),
                "{length}: {room}"
            );
        }
        let rooms: std::collections::BTreeSet<usize> = (100_000..200_000).map(room).collect();
        assert!(rooms.len() <= 20, "{} sizes", rooms.len());
    }

    #[test]
    fn a_dropped_buffer_is_taken_again_and_zeros_are_zeros() {
        let length = 12_347;
        let mut first = Buffer::any(length);
        first.fill(7.0);
        let address = first.as_ptr();
        drop(first);
        let second = Buffer::zeros(length);
        assert_eq!(second.as_ptr(), address);
        assert!(second.iter().all(|&x| x == 0.0));
        let third = Buffer::any(length);
        assert_eq!(third.len(), length);
        assert_ne!(third.as_ptr(), address);
        for buffer in [&second, &third] {
            assert_eq!(buffer.as_ptr().align_offset(64), 0, "not at a cache line");
        }
    }
}
