/*!
An n-gram model of tokens, as a baseline.

Interpolated modified Kneser–Ney smoothing (Chen & Goodman 1999, "An empirical study of smoothing techniques for
language modeling", §3): discounts are subtracted from the counts of n-grams, and the saved mass goes to the shorter
context, which counts the different tokens before an n-gram. N-grams at the beginning of a sequence keep their counts (as in
KenLM, Heafield et al. 2013, §3).
*/

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::sequence::{Alphabet, Likelihood, SequenceDataset, Token};

/// Bits per token of a packed n-gram.
const BITS: u32 = 25;
/// The longest n-gram that fits in 128 bits.
const LONGEST: usize = 5;

/// The discounts for too few n-grams to estimate them.
const DEFAULT_DISCOUNTS: [f64; 3] = [0.5, 1.0, 1.5];

/// An interpolated n-gram model. Contexts do not cross sequences.
pub struct Ngram {
    alphabet: Alphabet,
    /// Element n − 1 has the n-grams of n tokens.
    levels: Vec<Order>,
}

/// The n-grams of one length.
struct Order {
    /// The packed n-grams, ascending, so that those of one context are adjacent.
    grams: Vec<u128>,
    counts: Vec<u32>,
    /// The contexts, ascending: n-grams without their last token.
    contexts: Vec<u128>,
    /// For each context, the sum of its counts and the fraction that goes to the shorter context.
    sums: Vec<(f64, f64)>,
    discounts: [f64; 3],
}

impl Ngram {
    /// Counts all n-grams of up to `order` tokens. Sequences end with `stop` where the end is scored.
    ///
    /// # Errors
    /// A usage error when the order is not 1 to 5; when the alphabet has more than 2²⁵ tokens; when reading fails.
    pub fn train(
        sequences: &dyn SequenceDataset,
        alphabet: Alphabet,
        order: usize,
    ) -> Result<Self> {
        if !(1..=LONGEST).contains(&order) {
            return Err(
                Error::usage(format!("n-gram order {order} is out of range"))
                    .with_hint(format!("use an order from 1 to {LONGEST}")),
            );
        }
        if alphabet.inputs() > 1 << BITS {
            return Err(Error::usage(format!(
                "an alphabet of {} tokens is too large for n-grams",
                alphabet.size
            )));
        }
        // Every occurrence of an n-gram, and of a shorter one only at the beginning of a sequence.
        let mut occurring: Vec<Vec<u128>> = vec![Vec::new(); order];
        for index in 0..sequences.count() {
            let tokens = after_start(sequences, index, alphabet)?;
            let whole = tokens.windows(order).skip(usize::from(order == 1));
            occurring[order - 1].extend(whole.map(pack));
            for length in 2..order.min(tokens.len() + 1) {
                occurring[length - 1].push(pack(&tokens[..length]));
            }
        }
        let mut levels: Vec<Order> = Vec::with_capacity(order);
        for (index, mut grams) in occurring.into_iter().enumerate().rev() {
            // A shorter n-gram counts once for each different token before it.
            if let Some(longer) = levels.last() {
                let without_first = (1_u128 << (BITS * (index as u32 + 1))) - 1;
                grams.extend(longer.grams.iter().map(|gram| gram & without_first));
            }
            levels.push(Order::count(grams));
        }
        levels.reverse();
        Ok(Self { alphabet, levels })
    }

    /// The probability of a token after `history`, which begins with `start`.
    pub fn probability(&self, history: &[Token], token: Token) -> f64 {
        let mut probability = 1.0 / self.alphabet.size as f64;
        for (length, level) in self.levels.iter().enumerate() {
            let Some(begin) = history.len().checked_sub(length) else {
                break;
            };
            // If a context never occurred, no longer context did.
            match level.look_up(pack(&history[begin..]), token) {
                Some((share, rest)) => probability = share + rest * probability,
                None => break,
            }
        }
        probability
    }

    /// The NLL of each token of a sequence in nats; `start` is prepended and not scored. Pass `stop` as the last token to
    /// score the end.
    pub fn nll_per_token(&self, tokens: &[Token]) -> Vec<f64> {
        let mut history = vec![self.alphabet.start];
        tokens
            .iter()
            .map(|&token| {
                let recent = history.len().saturating_sub(self.levels.len());
                let nats = -self.probability(&history[recent..], token).ln();
                history.push(token);
                nats
            })
            .collect()
    }

    /// The NLL of every sequence.
    ///
    /// # Errors
    /// When reading fails.
    pub fn score(&self, sequences: &(dyn SequenceDataset + Sync)) -> Result<Vec<Likelihood>> {
        (0..sequences.count())
            .into_par_iter()
            .map(|index| {
                let tokens = after_start(sequences, index, self.alphabet)?;
                let mut likelihood = Likelihood::default();
                for nats in self.nll_per_token(&tokens[1..]) {
                    likelihood.score(nats);
                }
                Ok(likelihood)
            })
            .collect()
    }
}

impl Order {
    /// Counts n-grams given in any order.
    fn count(mut occurring: Vec<u128>) -> Self {
        occurring.par_sort_unstable();
        let mut level = Self {
            grams: Vec::new(),
            counts: Vec::new(),
            contexts: Vec::new(),
            sums: Vec::new(),
            discounts: DEFAULT_DISCOUNTS,
        };
        for same in occurring.chunk_by(|a, b| a == b) {
            level.grams.push(same[0]);
            level.counts.push(same.len() as u32);
        }
        level.discounts = discounts(&level.counts);
        let mut counts = level.counts.iter();
        for same in level.grams.chunk_by(|a, b| a >> BITS == b >> BITS) {
            let (mut sum, mut saved) = (0.0, 0.0);
            for &count in counts.by_ref().take(same.len()) {
                sum += f64::from(count);
                saved += discount(&level.discounts, count);
            }
            level.contexts.push(same[0] >> BITS);
            level.sums.push((sum, saved / sum));
        }
        level
    }

    /// The discounted frequency of a token after a context, and the fraction for the shorter context; none for a context
    /// that did not occur.
    fn look_up(&self, context: u128, token: Token) -> Option<(f64, f64)> {
        let place = self.contexts.binary_search(&context).ok()?;
        let (sum, rest) = self.sums[place];
        let share = match self
            .grams
            .binary_search(&(context << BITS | u128::from(token)))
        {
            Ok(place) => {
                let count = self.counts[place];
                (f64::from(count) - discount(&self.discounts, count)) / sum
            }
            Err(_) => 0.0,
        };
        Some((share, rest))
    }
}

fn discount(discounts: &[f64; 3], count: u32) -> f64 {
    discounts[count.clamp(1, 3) as usize - 1]
}

/// The discounts of counts 1, 2 and 3 or more (Chen & Goodman 1999, eq. 26), from the number of n-grams with each count; the
/// default ones if an estimate is not between 0 and its count.
fn discounts(counts: &[u32]) -> [f64; 3] {
    let mut having = [0.0_f64; 4];
    for &count in counts {
        if let Some(having) = having.get_mut(count as usize - 1) {
            *having += 1.0;
        }
    }
    let y = having[0] / (having[0] + 2.0 * having[1]);
    let estimated = [1, 2, 3].map(|count| {
        let next = having[count] / having[count - 1];
        count as f64 - (count + 1) as f64 * y * next
    });
    let possible =
        |(index, discount): (usize, &f64)| *discount > 0.0 && *discount <= index as f64 + 1.0;
    if estimated.iter().enumerate().all(possible) {
        estimated
    } else {
        DEFAULT_DISCOUNTS
    }
}

/// Packs tokens, the last in the lowest bits.
fn pack(tokens: &[Token]) -> u128 {
    tokens
        .iter()
        .fold(0, |packed, &token| packed << BITS | u128::from(token))
}

/// A sequence after `start`.
fn after_start(
    sequences: &dyn SequenceDataset,
    index: usize,
    alphabet: Alphabet,
) -> Result<Vec<Token>> {
    let length = sequences.length(index);
    let mut tokens = vec![alphabet.start; length + 1];
    sequences.read(index, 0..length, &mut tokens[1..])?;
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    struct List(Vec<Vec<Token>>);

    impl SequenceDataset for List {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn length(&self, index: usize) -> usize {
            self.0[index].len()
        }

        fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
            out.copy_from_slice(&self.0[index][range]);
            Ok(())
        }
    }

    fn alphabet(size: usize) -> Alphabet {
        Alphabet {
            size,
            start: size as Token,
            stop: Some(size as Token - 1),
        }
    }

    /// 400 predictable sequences over 30 tokens, of which token 20 never occurs.
    fn sequences() -> List {
        let mut state = 5_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 12) % below
        };
        let sequence = |_| {
            let mut last = 0;
            let mut tokens: Vec<Token> = (0..random(9))
                .map(|_| {
                    last = (last * 3 + random(3) * random(5)) % 20;
                    last
                })
                .collect();
            tokens.push(29);
            tokens
        };
        List((0..400).map(sequence).collect())
    }

    #[test]
    fn probabilities_sum_to_one_after_any_history() {
        let data = sequences();
        for order in 1..=LONGEST {
            let model = Ngram::train(&data, alphabet(30), order).unwrap();
            let mut histories = vec![
                vec![30],
                vec![30, 20],
                vec![30, 3, 20, 1, 2, 7],
                vec![30, 29, 29],
            ];
            histories.extend(
                data.0[..40]
                    .iter()
                    .map(|tokens| [&[30], &tokens[..tokens.len() - 1]].concat()),
            );
            for history in histories {
                let probabilities = (0..30).map(|token| model.probability(&history, token));
                assert!(probabilities.clone().all(|p| p > 0.0 && p < 1.0));
                let sum: f64 = probabilities.sum();
                assert!(
                    (sum - 1.0).abs() < 1e-9,
                    "order {order} after {history:?}: {sum}"
                );
            }
        }
    }

    /// "a b", "a c" with a, b, c, stop = 0, 1, 2, 3. The n-grams are too few to estimate discounts.
    #[test]
    fn two_sentences_give_the_probabilities_computed_by_hand() {
        let data = List(vec![vec![0, 1, 3], vec![0, 2, 3]]);
        let model = Ngram::train(&data, alphabet(4), 2).unwrap();
        // Different tokens before: a 1, b 1, c 1, stop 2, of 5; the discounts 3·½ + 1 save half of the mass.
        let (a, b, stop) = (0.5 / 5.0 + 0.5 / 4.0, 0.225, 1.0 / 5.0 + 0.5 / 4.0);
        let expected = [
            (vec![4], 0, (2.0 - 1.0) / 2.0 + 0.5 * a),
            (vec![4, 0], 1, (1.0 - 0.5) / 2.0 + 0.5 * b),
            (vec![4, 0, 1], 3, (1.0 - 0.5) / 1.0 + 0.5 * stop),
            (vec![4, 0, 1], 0, 0.5 * a),
            // Nothing occurred after stop.
            (vec![4, 3], 3, stop),
        ];
        for (history, token, expected) in &expected {
            let found = model.probability(history, *token);
            assert!(
                (found - expected).abs() < 1e-12,
                "{token} after {history:?}"
            );
        }
        let whole = model.nll_per_token(&[0, 1, 3]);
        assert_eq!(whole.len(), 3);
        assert!((whole.iter().sum::<f64>() + (0.6125_f64 * 0.3625 * 0.6625).ln()).abs() < 1e-12);
    }

    #[test]
    fn n_grams_at_the_beginning_keep_their_counts() {
        // "a b" begins three sequences and "a c" one; only `start` occurs before both.
        let data = List(vec![
            vec![0, 1, 3],
            vec![0, 1, 3],
            vec![0, 1, 3],
            vec![0, 2, 3],
        ]);
        let model = Ngram::train(&data, alphabet(4), 4).unwrap();
        assert!(model.probability(&[4, 0], 1) > 1.4 * model.probability(&[4, 0], 2));
    }

    #[test]
    fn discounts_are_those_of_the_paper() {
        let mut counts = Vec::new();
        for (count, having) in [(1, 100), (2, 50), (3, 30), (4, 20), (9, 7)] {
            counts.extend(vec![count; having]);
        }
        let found = discounts(&counts);
        for (found, expected) in found.iter().zip([0.5, 1.1, 3.0 - 4.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert_eq!(discounts(&[1, 1, 2]), DEFAULT_DISCOUNTS);
        assert_eq!(discounts(&[]), DEFAULT_DISCOUNTS);
    }

    #[test]
    fn longer_contexts_predict_better() {
        let (training, test) = (sequences(), List(sequences().0[..100].to_vec()));
        let nats = |order| -> f64 {
            let model = Ngram::train(&training, alphabet(30), order).unwrap();
            let scores = model.score(&test).unwrap();
            assert_eq!(scores.len(), 100);
            assert_eq!(scores[7].tokens, test.0[7].len() as u64);
            scores.iter().map(|score| score.nats).sum()
        };
        assert!(nats(1) > 1.1 * nats(2) && nats(2) > nats(3));
    }

    #[test]
    fn bad_orders_and_alphabets_are_refused() {
        let data = sequences();
        assert!(
            Ngram::train(&data, alphabet(30), 0)
                .err()
                .unwrap()
                .is_usage()
        );
        assert!(
            Ngram::train(&data, alphabet(30), 6)
                .err()
                .unwrap()
                .is_usage()
        );
        assert!(
            Ngram::train(&data, alphabet(1 << 26), 3)
                .err()
                .unwrap()
                .is_usage()
        );
        let none = Ngram::train(&List(Vec::new()), alphabet(30), 3).unwrap();
        assert!((none.probability(&[30], 4) - 1.0 / 30.0).abs() < 1e-12);
    }
}
