/*!
Training batches from a dataset of sequences: teacher forcing over windows, each token scored once an epoch.

A sequence no longer than the window is one row. A longer one is cut into segments. A segment that starts inside the
sequence reads real left context that is not scored: the whole receptive field of a network that has one, so that every
scored token is predicted as in the whole sequence, and a part of the past for a recurrent network. A row that begins with
its sequence reads `start` first. Rows of similar length share a batch; shorter rows are padded at the end with `start`,
which is not scored.

The rows of a batch are a function of the seed and the batch's number alone.
*/

use std::sync::Mutex;

use crate::base::rng::rng_stream;
use crate::base::rng::shuffle;
use crate::error::Result;
use crate::models::Batch;
use crate::ops::IGNORED;
use crate::sequence::{Alphabet, ConditionSource, SequenceDataset};

/// How sequences are cut into rows and rows are gathered into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowConfig {
    /// The longest row, in tokens, context included.
    pub window: usize,
    /// Real tokens before the first scored one in rows that start inside a sequence.
    pub context: usize,
    /// The most tokens of a batch, rows × time, unless one row alone has more.
    pub budget: usize,
}

impl WindowConfig {
    /// Context and scored part as multiples of `hop` tokens, so that no row begins inside a hop.
    pub(super) fn aligned(self, hop: usize) -> Self {
        let scored = (self.window - self.context).next_multiple_of(hop);
        let context = self.context.next_multiple_of(hop);
        Self {
            window: context + scored,
            context,
            budget: self.budget,
        }
    }
}

/// One row: the targets `from..to` of a sequence, with context from `read_from` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    sequence: usize,
    read_from: usize,
    from: usize,
    to: usize,
}

impl Segment {
    fn time(&self) -> usize {
        self.to - self.read_from
    }
}

/// A dataset of sequences, cut into batches.
pub struct DataLoader<'a> {
    sequences: &'a dyn SequenceDataset,
    conditions: &'a dyn ConditionSource,
    alphabet: Alphabet,
    cut: WindowConfig,
    seed: u64,
    segments: Vec<Segment>,
    plan: Mutex<Plan>,
}

/// The batches of one epoch, kept until another epoch is needed.
struct Plan {
    epoch: u64,
    /// The number of the epoch's first batch.
    first: u64,
    batches: Vec<Vec<Segment>>,
}

/// How many batches are sorted by length together: enough for rows of similar length, few enough for a random order.
const POOL: usize = 32;

impl<'a> DataLoader<'a> {
    /// Cuts the sequences `members` of the dataset. A sequence without tokens gives no row.
    ///
    /// # Panics
    /// If the context leaves no room in the window.
    pub fn new(
        sequences: &'a dyn SequenceDataset,
        members: &[usize],
        conditions: &'a dyn ConditionSource,
        alphabet: Alphabet,
        cut: WindowConfig,
        seed: u64,
    ) -> Self {
        assert!(
            cut.window > cut.context,
            "a window of {} tokens has only context",
            cut.window
        );
        let cut = cut.aligned(conditions.hop().unwrap_or(1));
        let segments: Vec<Segment> = members
            .iter()
            .flat_map(|&sequence| segments(sequence, sequences.length(sequence), cut))
            .collect();
        let first = batches_of_epoch(&segments, cut, seed, 0);
        Self {
            sequences,
            conditions,
            alphabet,
            cut,
            seed,
            segments,
            plan: Mutex::new(Plan {
                epoch: 0,
                first: 0,
                batches: first,
            }),
        }
    }

    /// The number of tokens scored in an epoch.
    pub fn tokens(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| (segment.to - segment.from) as u64)
            .sum()
    }

    /// The share of padding in the batches of the current epoch, from 0 to below 1.
    pub fn padding(&self) -> f64 {
        let plan = self
            .plan
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (mut read, mut all) = (0, 0);
        for rows in &plan.batches {
            let time = rows.iter().map(Segment::time).max().unwrap_or(0);
            read += rows.iter().map(Segment::time).sum::<usize>();
            all += rows.len() * time;
        }
        if all == 0 {
            0.0
        } else {
            1.0 - read as f64 / all as f64
        }
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The batch number `number`.
    ///
    /// # Errors
    /// When reading fails.
    ///
    /// # Panics
    /// If there are no sequences.
    pub fn at(&self, number: u64) -> Result<Batch> {
        assert!(!self.is_empty(), "no sequences to train on");
        let (rows, epoch) = {
            let mut plan = self
                .plan
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if number < plan.first {
                *plan = Plan {
                    epoch: 0,
                    first: 0,
                    batches: batches_of_epoch(&self.segments, self.cut, self.seed, 0),
                };
            }
            while number >= plan.first + plan.batches.len() as u64 {
                plan.first += plan.batches.len() as u64;
                plan.epoch += 1;
                plan.batches = batches_of_epoch(&self.segments, self.cut, self.seed, plan.epoch);
            }
            let batch = plan.batches[(number - plan.first) as usize].clone();
            (batch, plan.epoch)
        };
        self.read(&rows, Some(epoch))
    }

    /// All batches of one pass in a fixed order, for an evaluation.
    pub fn pass(&self) -> impl Iterator<Item = Result<Batch>> {
        let mut rows = self.segments.clone();
        rows.sort_by_key(|segment| (segment.time(), segment.sequence, segment.from));
        gather(&rows, self.cut.budget)
            .into_iter()
            .map(|rows| self.read(&rows, None))
    }

    /// The rows as training reads them in this epoch; without an epoch, as they are in the dataset.
    fn read(&self, rows: &[Segment], epoch: Option<u64>) -> Result<Batch> {
        let time = rows.iter().map(Segment::time).max().unwrap_or(0);
        let time = time.next_multiple_of(self.conditions.hop().unwrap_or(1));
        let mut tokens = Vec::with_capacity(rows.len() * time);
        let mut targets = Vec::with_capacity(rows.len() * time);
        let mut piece = Vec::new();
        for row in rows {
            // The first input is the token before the first target, or `start` before the sequence.
            let before = usize::from(row.read_from > 0);
            piece.resize(row.time() + before, 0);
            let range = row.read_from - before..row.to;
            match epoch {
                Some(epoch) => {
                    self.sequences
                        .read_in_epoch(epoch, row.sequence, range, &mut piece)?;
                }
                None => self.sequences.read(row.sequence, range, &mut piece)?,
            }
            let end = tokens.len() + time;
            if before == 0 {
                tokens.push(self.alphabet.start);
            }
            tokens.extend_from_slice(&piece[..piece.len() - 1]);
            tokens.resize(end, self.alphabet.start);
            targets.extend(std::iter::repeat_n(IGNORED, row.from - row.read_from));
            targets.extend(
                piece[before + row.from - row.read_from..]
                    .iter()
                    .map(|&token| token as i32),
            );
            targets.resize(end, IGNORED);
        }
        let condition =
            (self.conditions.width() > 0).then(|| self.conditions_of(rows, time, epoch));
        Ok(Batch {
            rows: rows.len(),
            time,
            tokens,
            targets,
            offsets: rows.iter().map(|row| row.read_from).collect(),
            condition,
        })
    }

    /// The conditions of rows of this many tokens, `[rows, hops, condition]`; zeros for padding.
    fn conditions_of(&self, rows: &[Segment], time: usize, epoch: Option<u64>) -> Vec<f32> {
        let hop = self.conditions.hop();
        let hops = hop.map_or(1, |hop| time / hop) * self.conditions.width();
        let mut conditions = Vec::with_capacity(rows.len() * hops);
        for row in rows {
            let end = conditions.len() + hops;
            let range = hop.map_or(0..1, |hop| row.read_from / hop..row.to.div_ceil(hop));
            let from = conditions.len();
            self.conditions.read(row.sequence, range, &mut conditions);
            if let Some(epoch) = epoch {
                self.sequences
                    .condition_in_epoch(epoch, row.sequence, &mut conditions[from..]);
            }
            conditions.resize(end, 0.0);
        }
        conditions
    }
}

fn segments(sequence: usize, length: usize, cut: WindowConfig) -> impl Iterator<Item = Segment> {
    let mut from = 0;
    std::iter::from_fn(move || {
        if from >= length {
            return None;
        }
        // The first row has no tokens before it.
        let read_from = from.saturating_sub(if from == 0 { 0 } else { cut.context });
        let to = (read_from + cut.window).min(length);
        let segment = Segment {
            sequence,
            read_from,
            from,
            to,
        };
        from = to;
        Some(segment)
    })
}

fn batches_of_epoch(
    segments: &[Segment],
    cut: WindowConfig,
    seed: u64,
    epoch: u64,
) -> Vec<Vec<Segment>> {
    let mut rng = rng_stream(seed, *b"batches ", epoch);
    let mut order = segments.to_vec();
    shuffle(&mut order, &mut rng);
    let longest = order.iter().map(Segment::time).max().unwrap_or(1);
    let pool = POOL * (cut.budget / longest).max(1);
    let mut batches: Vec<_> = order
        .chunks_mut(pool)
        .flat_map(|pool| {
            pool.sort_by_key(Segment::time);
            gather(pool, cut.budget)
        })
        .collect();
    shuffle(&mut batches, &mut rng);
    batches
}

/// Groups rows, sorted by length, so that rows × longest row stays within the budget.
fn gather(rows: &[Segment], budget: usize) -> Vec<Vec<Segment>> {
    let mut batches = Vec::new();
    let mut batch: Vec<Segment> = Vec::new();
    for &row in rows {
        if !batch.is_empty() && (batch.len() + 1) * row.time() > budget {
            batches.push(std::mem::take(&mut batch));
        }
        batch.push(row);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::Token;
    use std::collections::HashMap;
    use std::ops::Range;

    const ALPHABET: Alphabet = Alphabet {
        size: 1000,
        start: 1000,
        stop: None,
    };

    /// Sequence s has the tokens s·100 + (position mod 100).
    struct Numbered(Vec<usize>);

    impl Numbered {
        fn token(sequence: usize, position: usize) -> Token {
            (sequence * 100 + position % 100) as Token
        }
    }

    impl SequenceDataset for Numbered {
        fn count(&self) -> usize {
            self.0.len()
        }
        fn length(&self, index: usize) -> usize {
            self.0[index]
        }
        fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
            assert!(range.end <= self.0[index]);
            for (out, position) in out.iter_mut().zip(range) {
                *out = Self::token(index, position);
            }
            Ok(())
        }
    }

    const CUT: WindowConfig = WindowConfig {
        window: 50,
        context: 20,
        budget: 120,
    };

    fn check(lengths: &[usize], batches: impl Iterator<Item = Batch>) {
        let mut scored: HashMap<Token, usize> = HashMap::new();
        for batch in batches {
            assert_eq!(batch.tokens.len(), batch.rows * batch.time);
            assert_eq!(batch.targets.len(), batch.tokens.len());
            assert!(
                batch.time <= CUT.window
                    && (batch.rows == 1 || batch.rows * batch.time <= CUT.budget)
            );
            let condition = batch.condition.as_ref().unwrap();
            for row in 0..batch.rows {
                let range = row * batch.time..(row + 1) * batch.time;
                let (tokens, targets) = (&batch.tokens[range.clone()], &batch.targets[range]);
                let first = targets
                    .iter()
                    .position(|&t| t >= 0)
                    .expect("a row without a target");
                let sequence = targets[first] as usize / 100;
                assert_eq!(
                    condition[row], sequence as f32,
                    "a row with the condition of another sequence"
                );
                assert_eq!(
                    (batch.offsets[row] + first) % 100,
                    targets[first] as usize % 100,
                    "a row with the offset of another"
                );
                let starts = tokens[0] == ALPHABET.start;
                assert!(
                    first == if starts { 0 } else { CUT.context },
                    "context {first}, starts {starts}"
                );
                for (t, &target) in targets.iter().enumerate() {
                    if target >= 0 {
                        *scored.entry(target as Token).or_default() += 1;
                        if t > 0 {
                            // The input is the token before the target in the same sequence.
                            assert_eq!(tokens[t] as usize % 100, (target as usize + 99) % 100);
                            assert_eq!(tokens[t] as usize / 100, sequence);
                        }
                    }
                }
            }
        }
        for (sequence, &length) in lengths.iter().enumerate() {
            for residue in 0..100.min(length) {
                let times = (length - residue).div_ceil(100);
                assert_eq!(
                    scored[&Numbered::token(sequence, residue)],
                    times,
                    "sequence {sequence}"
                );
            }
        }
    }

    #[test]
    fn every_token_is_scored_once_an_epoch_after_its_true_past() {
        let lengths = [7, 50, 51, 333, 1, 49, 90];
        let dataset = Numbered(lengths.to_vec());
        let members: Vec<usize> = (0..lengths.len()).collect();
        let conditions: Vec<Vec<f32>> = members.iter().map(|&m| vec![m as f32]).collect();
        let batches = DataLoader::new(&dataset, &members, &conditions, ALPHABET, CUT, 5);
        assert_eq!(batches.tokens(), lengths.iter().sum::<usize>() as u64);
        check(&lengths, batches.pass().map(Result::unwrap));
        let epoch = batches_of_epoch(&batches.segments, CUT, 5, 0).len() as u64;
        check(&lengths, (0..epoch).map(|step| batches.at(step).unwrap()));
    }

    #[test]
    fn a_batch_is_a_function_of_the_seed_and_its_number() {
        let dataset = Numbered(vec![60; 40]);
        let members: Vec<usize> = (0..10).collect();
        let conditions = vec![Vec::new(); 40];
        let make = |seed| DataLoader::new(&dataset, &members, &conditions, ALPHABET, CUT, seed);
        let (a, b, other) = (make(1), make(1), make(2));
        let ahead: Vec<Batch> = (0..60).map(|step| a.at(step).unwrap()).collect();
        for step in [59, 3, 40, 0] {
            assert_eq!(b.at(step).unwrap(), ahead[step as usize], "step {step}");
        }
        assert!((0..20).any(|step| other.at(step).unwrap() != ahead[step as usize]));
        assert!(ahead[0].condition.is_none());
    }
}
