/*! Divides work into fixed parts for rayon's current pool. */

use rayon::prelude::*;
use std::ops::Range;

/// The number of parts: one for each thread of the current pool.
pub fn parts() -> usize {
    rayon::current_num_threads()
}

/// The `index`-th of `parts` ranges of nearly equal length that together cover `0..items`.
pub fn part(items: usize, parts: usize, index: usize) -> Range<usize> {
    items * index / parts..items * (index + 1) / parts
}

/// The pieces of a slice at disjoint ascending ranges.
///
/// # Panics
/// If the ranges overlap, descend or leave the slice.
pub fn carve<T>(data: &mut [T], ranges: impl IntoIterator<Item = Range<usize>>) -> Vec<&mut [T]> {
    let (mut rest, mut at) = (data, 0);
    let mut pieces = Vec::new();
    for range in ranges {
        let (_, from) = std::mem::take(&mut rest).split_at_mut(range.start - at);
        let (piece, after) = from.split_at_mut(range.len());
        pieces.push(piece);
        rest = after;
        at = range.end;
    }
    pieces
}

/// Splits a slice into pieces of these lengths.
///
/// # Panics
/// If their sum is longer than the slice.
pub fn chunks<T>(data: &mut [T], lengths: impl IntoIterator<Item = usize>) -> Vec<&mut [T]> {
    let mut end = 0;
    let ranges = lengths.into_iter().map(|length| {
        end += length;
        end - length..end
    });
    carve(data, ranges)
}

/// Runs `work` for all tasks in parallel; a single task runs on the current thread.
pub fn each<T: Send>(tasks: Vec<T>, work: impl Fn(usize, T) + Sync) {
    if tasks.len() == 1 {
        tasks
            .into_iter()
            .enumerate()
            .for_each(|(index, task)| work(index, task));
    } else {
        tasks
            .into_par_iter()
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, task)| work(index, task));
    }
}

/// Runs `work` on a thread of the pool, so that its many short parallel sections start without a wake-up from outside.
pub fn on_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Adds `others`, in order, to `sum`.
///
/// # Panics
/// If one of them is shorter than `sum`.
pub fn add_in_order(sum: &mut [f32], others: &[&[f32]]) {
    const CHUNK: usize = 1 << 14;
    sum.par_chunks_mut(CHUNK)
        .enumerate()
        .for_each(|(index, sum)| {
            for other in others {
                let other = &other[index * CHUNK..][..sum.len()];
                for (sum, other) in sum.iter_mut().zip(other) {
                    *sum += other;
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        for items in [0, 1, 5, 64, 1001] {
            for count in [1, 2, 3, 7] {
                let joined: Vec<usize> = (0..count).flat_map(|i| part(items, count, i)).collect();
                assert_eq!(joined, (0..items).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn carved_pieces_are_the_ranges() {
        let mut data: Vec<usize> = (0..10).collect();
        let pieces = carve(&mut data, [1..3, 3..4, 8..10]);
        assert_eq!(pieces, [&[1, 2][..], &[3], &[8, 9]]);
    }

    #[test]
    fn sums_are_added_in_order() {
        // In f32 these three give another result in any other order.
        let mut sum = vec![1.0e8_f32; 20_000];
        let (a, b) = (vec![-1.0e8_f32; 20_000], vec![1.0_f32; 20_000]);
        add_in_order(&mut sum, &[&a, &b]);
        assert!(sum.iter().all(|&x| x == 1.0));
    }
}
