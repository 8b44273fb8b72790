/*! DataLoader read ahead on a thread of their own, so that training seldom waits for them. */

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::models::Batch;
use crate::train::DataLoader;

/// So many steps' batches wait to be trained on.
const WAITING: usize = 2;

/// One batch after the other.
pub(crate) struct Prefetcher {
    batches: Receiver<Result<Batch>>,
    waited: Duration,
}

/// Does `work` while the batches from number `first` on are read beside it; a step takes `each` of them.
pub(crate) fn prefetch<T>(
    batches: &DataLoader,
    first: u64,
    each: usize,
    work: impl FnOnce(&mut Prefetcher) -> T,
) -> T {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING * each);
        scope.spawn(move || {
            for number in first.. {
                if sender.send(batches.at(number)).is_err() {
                    return;
                }
            }
        });
        // When the work is done the receiver goes, and with it the thread.
        work(&mut Prefetcher {
            batches: receiver,
            waited: Duration::ZERO,
        })
    })
}

impl Prefetcher {
    /// The next batch.
    ///
    /// # Errors
    /// When reading it failed.
    pub(crate) fn next(&mut self) -> Result<Batch> {
        let begun = Instant::now();
        let batch = self.batches.recv().expect("the reading thread lives on");
        self.waited += begun.elapsed();
        batch
    }

    /// How long was waited since this was asked last.
    pub(crate) fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::sequence::{Alphabet, SequenceDataset, Token};
    use crate::train::WindowConfig;

    /// Eight sequences of one token each, the token its number; reading the last one fails where it is broken.
    struct Numbers {
        broken: bool,
    }

    impl SequenceDataset for Numbers {
        fn count(&self) -> usize {
            8
        }

        fn length(&self, _: usize) -> usize {
            1
        }

        fn read(&self, index: usize, _: std::ops::Range<usize>, out: &mut [Token]) -> Result<()> {
            if self.broken && index == 7 {
                return Err(Error::usage("broken"));
            }
            out.fill(index as Token);
            Ok(())
        }
    }

    fn batches<'a>(sequences: &'a Numbers, conditions: &'a [Vec<f32>]) -> DataLoader<'a> {
        let alphabet = Alphabet {
            size: 8,
            start: 8,
            stop: None,
        };
        let cut = WindowConfig {
            window: 4,
            context: 0,
            budget: 2,
        };
        let members: Vec<usize> = (0..8).collect();
        DataLoader::new(sequences, &members, conditions, alphabet, cut, 1)
    }

    #[test]
    fn it_gives_what_reading_in_turn_gives() {
        let sequences = Numbers { broken: false };
        let conditions = vec![Vec::new(); 8];
        let batches = batches(&sequences, &conditions);
        let ahead = prefetch(&batches, 3, 1, |ahead| -> Vec<Batch> {
            (0..20).map(|_| ahead.next().unwrap()).collect()
        });
        let in_turn: Vec<Batch> = (3..23).map(|step| batches.at(step).unwrap()).collect();
        assert_eq!(ahead, in_turn);
    }

    #[test]
    fn an_error_comes_at_its_step_and_nothing_hangs() {
        let sequences = Numbers { broken: true };
        let conditions = vec![Vec::new(); 8];
        let batches = batches(&sequences, &conditions);
        let fails: Vec<bool> = (0..4).map(|step| batches.at(step).is_err()).collect();
        assert_eq!(fails.iter().filter(|&&fails| fails).count(), 1);
        let seen = prefetch(&batches, 0, 2, |ahead| -> Vec<bool> {
            (0..4).map(|_| ahead.next().is_err()).collect()
        });
        assert_eq!(seen, fails);
    }
}
