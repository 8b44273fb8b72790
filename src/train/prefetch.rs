/*! Batches read ahead on a thread, so that training seldom waits for them. */

use std::sync::mpsc::{Receiver, sync_channel};

use crate::error::Result;

/// How many steps' batches are read ahead.
const AHEAD: usize = 2;

/// A source of batches by their numbers.
pub type BatchSource<'a, B> = dyn Fn(u64) -> Result<B> + Sync + 'a;

/// One batch after the other.
pub(crate) struct Prefetcher<B>(Receiver<Result<B>>);

/// Runs `work` while the batches number `first`, `first + stride` and so on are read on another thread.
pub(crate) fn prefetch<B: Send, T>(
    source: &BatchSource<B>,
    first: u64,
    stride: u64,
    work: impl FnOnce(&mut Prefetcher<B>) -> T,
) -> T {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for number in (first..).step_by(stride as usize) {
                if sender.send(source(number)).is_err() {
                    return;
                }
            }
        });
        // When the work is done the receiver is dropped, and the thread ends.
        work(&mut Prefetcher(receiver))
    })
}

impl<B> Prefetcher<B> {
    /// The next batch.
    ///
    /// # Errors
    /// When reading it failed.
    pub(crate) fn next(&mut self) -> Result<B> {
        self.0.recv().expect("the reading thread runs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn batches_come_in_order_from_the_first_number_on() {
        let read = prefetch(&|number| Ok(10 * number), 3, 2, |ahead| -> Vec<u64> {
            (0..20).map(|_| ahead.next().unwrap()).collect()
        });
        let expected: Vec<u64> = (0..20).map(|step| 10 * (3 + 2 * step)).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn an_error_comes_at_its_batch_and_nothing_hangs() {
        let source = |number| match number {
            2 => Err(Error::usage("broken")),
            _ => Ok(number),
        };
        let failed = prefetch(&source, 0, 1, |ahead| -> Vec<bool> {
            (0..4).map(|_| ahead.next().is_err()).collect()
        });
        assert_eq!(failed, [false, false, true, false]);
    }
}
