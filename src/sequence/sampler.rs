/*! Sampling: the choice of the next token from its logits, by temperature, top-k, top-p, min-p and a portable seed. */

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::base::math;
use crate::base::rng::keyed;
use crate::base::simd::{InstructionSet, multiversion};
use crate::error::{Error, Result};
use crate::sequence::Token;
use crate::sequence::grammar::{Cursor, Grammar};

/// Sampling settings.
///
/// The filters apply in this order: temperature, top-k, top-p, min-p. Each sees only the tokens that the one before kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides the logits: below 1 sharpens the distribution, above 1 flattens it, 0 always takes the likeliest token.
    pub temperature: f32,
    /// Keeps the k likeliest tokens.
    pub top_k: Option<usize>,
    /// Nucleus sampling (Holtzman et al. 2020, §3.1): keeps the smallest set of likeliest tokens with this total
    /// probability.
    pub top_p: Option<f32>,
    /// Keeps tokens at least this many times as likely as the likeliest one.
    pub min_p: Option<f32>,
    /// Whether the likeliest token keeps its probability beside min-p, which compares the others with the second likeliest: on a
    /// background, where every other token is unlikely, something begins as often as without a filter.
    pub spares_likeliest: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            spares_likeliest: false,
        }
    }
}

impl Sampling {
    #[cfg(test)]
    pub(crate) fn greedy() -> Self {
        Self {
            temperature: 0.0,
            ..Self::default()
        }
    }

    /// Checks that each setting is in its range.
    ///
    /// # Errors
    /// A usage error that names the setting, its value and the range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |name: &str, value: f32, allowed: &str| {
            Err(Error::usage(format!("{name} {value} is out of range"))
                .with_hint(allowed.to_owned()))
        };
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse(
                "--temperature",
                self.temperature,
                "use a number from 0 up; 1 samples from the distribution as trained",
            );
        }
        if self.top_k == Some(0) {
            return refuse("--top-k", 0.0, "use a whole number from 1 up");
        }
        if let Some(p) = self.top_p
            && !(p > 0.0 && p <= 1.0)
        {
            return refuse("--top-p", p, "use a probability above 0 and at most 1");
        }
        if let Some(p) = self.min_p
            && !(0.0..=1.0).contains(&p)
        {
            return refuse("--min-p", p, "use a fraction from 0 to 1");
        }
        Ok(())
    }
}

/// Weights summed before the sums are summed: a fixed shape keeps the bits the same at every SIMD width.
const BLOCK: usize = 16;

/// Draws tokens by [`Sampling`] settings from a random stream that depends on the seed and the item's index alone.
#[derive(Debug, Clone)]
pub struct Sampler {
    settings: Sampling,
    /// Divides the temperature.
    sharpness: f32,
    rng: ChaCha8Rng,
    grammar: Option<Cursor>,
    /// A token that has the probability of temperature 1 at every other temperature.
    steady: Option<Token>,
    weights: Vec<f32>,
    /// The weights at temperature 1, where a token is steady.
    as_trained: Vec<f32>,
    order: Vec<u32>,
}

impl Sampler {
    /// A sampler on ChaCha stream `item` of `seed`.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: Sampling, seed: u64, item: u64) -> Result<Self> {
        settings.validate()?;
        Ok(Self {
            settings,
            sharpness: 1.0,
            rng: rng_stream(seed, item),
            grammar: None,
            steady: None,
            weights: Vec::new(),
            as_trained: Vec::new(),
            order: Vec::new(),
        })
    }

    /// Chooses only tokens that the grammar allows; `None` allows every token.
    ///
    /// A token that is not allowed is drawn again with the logits of all such tokens at −∞. Draws that are allowed at
    /// once are the same as without a grammar.
    #[must_use]
    pub fn with_grammar(mut self, grammar: Option<Arc<dyn Grammar>>) -> Self {
        self.set_grammar(grammar);
        self
    }

    /// [`with_grammar`](Self::with_grammar) for an existing sampler, before its first token.
    pub fn set_grammar(&mut self, grammar: Option<Arc<dyn Grammar>>) {
        self.grammar = grammar.map(Cursor::new);
    }

    /// Draws a token with the probability of temperature 1 at every temperature above 0, and no filter removes it: a cooler `stop`,
    /// which is seldom the likeliest token, would make sequences longer.
    #[must_use]
    pub fn with_steady(mut self, token: Option<Token>) -> Self {
        self.steady = token;
        self
    }

    /// Changes the settings from the next token on; the random stream continues.
    ///
    /// # Errors
    /// When a setting is out of range; the old settings stay.
    pub fn set_settings(&mut self, settings: Sampling) -> Result<()> {
        settings.validate()?;
        self.settings = settings;
        Ok(())
    }

    /// Divides the temperature of the tokens that follow by `sharpness`, above 0.
    pub(super) fn set_sharpness(&mut self, sharpness: f32) {
        self.sharpness = sharpness;
    }

    /// Starts another random stream; the settings stay.
    pub fn reseed(&mut self, seed: u64, item: u64) {
        self.rng = rng_stream(seed, item);
    }

    /// Chooses a token by its logits, `[alphabet.size]`.
    pub fn choose(&mut self, logits: &[f32]) -> Token {
        self.choose_within(logits, usize::MAX)
    }

    /// Chooses a token that at most `remaining` more will follow.
    pub(super) fn choose_within(&mut self, logits: &[f32], remaining: usize) -> Token {
        let mut token = self.sample(logits);
        if let Some(mut cursor) = self.grammar.take() {
            if !cursor.allows(token, remaining) {
                token = self.sample_allowed(logits, |token| cursor.allows(token, remaining));
            }
            cursor.push(token);
            self.grammar = Some(cursor);
        }
        token
    }

    /// Tells the grammar that a sequence begins.
    pub(super) fn begin(&mut self) {
        if let Some(cursor) = &mut self.grammar {
            cursor.restart();
        }
    }

    /// Tells the grammar about a token of the prompt.
    pub(super) fn observe(&mut self, token: Token) {
        if let Some(cursor) = &mut self.grammar {
            cursor.push(token);
        }
    }

    fn sample(&mut self, logits: &[f32]) -> Token {
        let best = likeliest(logits);
        if self.settings.temperature == 0.0 {
            return best as Token;
        }
        self.weigh(logits, logits[best]);
        self.filter(best);
        self.steady(logits, logits[best]);
        self.draw(best)
    }

    fn sample_allowed(&mut self, logits: &[f32], allowed: impl Fn(Token) -> bool) -> Token {
        let masked: Vec<f32> = (0..)
            .zip(logits)
            .map(|(token, &logit)| {
                if allowed(token) {
                    logit
                } else {
                    f32::NEG_INFINITY
                }
            })
            .collect();
        let best = likeliest(&masked);
        if masked[best].is_nan() || masked[best] == f32::NEG_INFINITY {
            // No allowed logit is a number above −∞.
            return (0..masked.len() as Token)
                .find(|&token| allowed(token))
                .unwrap_or(best as Token);
        }
        if self.settings.temperature == 0.0 {
            return best as Token;
        }
        self.weigh(&masked, masked[best]);
        for (weight, &logit) in self.weights.iter_mut().zip(&masked) {
            // `math::exp` is never quite 0.
            if logit == f32::NEG_INFINITY {
                *weight = 0.0;
            }
        }
        self.filter(best);
        self.steady(&masked, masked[best]);
        self.draw(best)
    }

    /// Sets the unnormalised probabilities; the likeliest token has 1.
    fn weigh(&mut self, logits: &[f32], highest: f32) {
        let inverse_temperature = self.sharpness / self.settings.temperature;
        weights(logits, highest, inverse_temperature, &mut self.weights);
    }

    /// Gives the steady token its probability beside the tokens that are left.
    fn steady(&mut self, logits: &[f32], highest: f32) {
        let Some(steady) = self.steady.map(|token| token as usize) else {
            return;
        };
        if logits[steady] == f32::NEG_INFINITY {
            return;
        }
        weights(logits, highest, 1.0, &mut self.as_trained);
        // The others alone are summed: beside a likely token, a difference would round them to 0.
        let own = std::mem::take(&mut self.as_trained[steady]);
        let kept = std::mem::take(&mut self.weights[steady]);
        let [now, as_trained] = [&self.weights, &self.as_trained].map(|weights| total(weights));
        self.weights[steady] = if as_trained > 0.0 {
            own * now / as_trained
        } else {
            kept
        };
    }

    /// Sets the weights of dropped tokens to 0; `best` is the likeliest one.
    fn filter(&mut self, best: usize) {
        let Sampling {
            top_k,
            top_p,
            min_p,
            spares_likeliest,
            ..
        } = self.settings;
        if top_k.is_some() || top_p.is_some_and(|p| p < 1.0) {
            self.order.clear();
            self.order.extend(0..self.weights.len() as u32);
            let weights = &self.weights;
            // The lower token wins a tie, so that the order is the same everywhere.
            self.order.sort_unstable_by(|&a, &b| {
                weights[b as usize]
                    .total_cmp(&weights[a as usize])
                    .then(a.cmp(&b))
            });
            let mut keep = top_k.unwrap_or(usize::MAX).min(self.order.len());
            if let Some(p) = top_p {
                keep = self.nucleus(p, keep);
            }
            for &token in &self.order[keep..] {
                self.weights[token as usize] = 0.0;
            }
        }
        match min_p {
            Some(share) if spares_likeliest => self.drop_alternatives(best, share),
            Some(least) => drop_below(least, &mut self.weights),
            None => {}
        }
    }

    /// Drops tokens less likely than `share` of the likeliest one beside `best`, which keeps its probability.
    fn drop_alternatives(&mut self, best: usize, share: f32) {
        let own = std::mem::take(&mut self.weights[best]);
        let before = total(&self.weights);
        let second = self.weights.iter().copied().fold(0.0, f32::max);
        drop_below(share * second, &mut self.weights);
        self.weights[best] = if before > 0.0 {
            own * total(&self.weights) / before
        } else {
            own
        };
    }

    /// The number of likeliest tokens that together have the fraction `p` of the probability of the `keep` likeliest.
    fn nucleus(&self, p: f32, keep: usize) -> usize {
        let kept = || {
            self.order[..keep]
                .iter()
                .map(|&token| self.weights[token as usize])
        };
        let wanted = p * kept().sum::<f32>();
        let mut held = 0.0;
        for (count, weight) in kept().enumerate() {
            held += weight;
            if held >= wanted {
                return count + 1;
            }
        }
        keep
    }

    /// Inverts the cumulative distribution at one uniform number.
    fn draw(&mut self, best: usize) -> Token {
        let total = total(&self.weights);
        // An f32 holds 24 bits.
        let uniform = (self.rng.next_u32() >> 8) as f32 / 16_777_216.0;
        let mut left = uniform * total;
        for (index, block) in self.weights.chunks(BLOCK).enumerate() {
            let sum = block_sum(block);
            if left >= sum {
                left -= sum;
                continue;
            }
            for (offset, &weight) in block.iter().enumerate() {
                if left < weight {
                    return (index * BLOCK + offset) as Token;
                }
                left -= weight;
            }
        }
        // Rounding can leave a remainder behind the last weight.
        best as Token
    }
}

fn rng_stream(seed: u64, item: u64) -> ChaCha8Rng {
    keyed(&[seed.to_le_bytes()], item)
}

/// Unnormalised probabilities, of which the likeliest is 1, and zeros up to whole blocks.
fn weights(logits: &[f32], highest: f32, inverse_temperature: f32, out: &mut Vec<f32>) {
    out.clear();
    out.extend_from_slice(logits);
    exponentiate(InstructionSet::detect(), out, highest, inverse_temperature);
    out.resize(logits.len().next_multiple_of(BLOCK), 0.0);
}

fn drop_below(least: f32, weights: &mut [f32]) {
    for weight in weights {
        if *weight < least {
            *weight = 0.0;
        }
    }
}

fn total(weights: &[f32]) -> f32 {
    weights.chunks(BLOCK).map(block_sum).sum()
}

fn block_sum(block: &[f32]) -> f32 {
    block.iter().fold(0.0, |sum, weight| sum + weight)
}

/// The index of the highest logit, the lowest among equals; 0 if all are NaN.
// The highest is one of them.
#[allow(clippy::float_cmp)]
fn likeliest(logits: &[f32]) -> usize {
    let highest = highest(InstructionSet::detect(), logits);
    let place = logits.iter().position(|&logit| logit == highest);
    place.unwrap_or(0)
}

multiversion! {
    /// The highest logit that is not NaN.
    pub(super) fn highest(logits: &[f32]) -> f32 {
        let higher = |a: f32, b: f32| if b > a { b } else { a };
        let mut parts = [f32::NEG_INFINITY; BLOCK];
        let (blocks, rest) = logits.as_chunks::<BLOCK>();
        for block in blocks {
            for (part, &logit) in parts.iter_mut().zip(block) {
                *part = higher(*part, logit);
            }
        }
        parts.iter().chain(rest).copied().fold(f32::NEG_INFINITY, higher)
    }
}

multiversion! {
    pub(super) fn exponentiate(values: &mut [f32], highest: f32, inverse_temperature: f32) {
        for value in values {
            *value = math::exp((*value - highest) * inverse_temperature);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::GrammarState;

    const LOGITS: [f32; 8] = [1.0, 2.5, -3.0, 0.0, 2.0, 1.0, -0.5, -30.0];

    fn frequencies(settings: Sampling, draws: u32) -> Vec<f64> {
        let mut sampler = Sampler::new(settings, 7, 0).unwrap();
        let mut counts = vec![0.0; LOGITS.len()];
        for _ in 0..draws {
            counts[sampler.choose(&LOGITS) as usize] += 1.0;
        }
        counts
            .iter()
            .map(|count| count / f64::from(draws))
            .collect()
    }

    fn softmax(temperature: f64) -> Vec<f64> {
        let weights: Vec<f64> = LOGITS
            .iter()
            .map(|&l| (f64::from(l) / temperature).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|w| w / total).collect()
    }

    /// χ² with 7 degrees of freedom exceeds 24.3 with probability 0.001.
    fn chi_square(observed: &[f64], expected: &[f64], draws: u32) -> f64 {
        observed
            .iter()
            .zip(expected)
            .filter(|(_, e)| **e > 1e-9)
            .map(|(o, e)| f64::from(draws) * (o - e).powi(2) / e)
            .sum()
    }

    #[test]
    fn frequencies_match_the_softmax() {
        for temperature in [0.5, 1.0, 2.0] {
            let settings = Sampling {
                temperature,
                ..Sampling::default()
            };
            let observed = frequencies(settings, 100_000);
            let statistic = chi_square(&observed, &softmax(f64::from(temperature)), 100_000);
            assert!(
                statistic < 24.3,
                "χ² = {statistic} at temperature {temperature}"
            );
        }
    }

    #[test]
    fn a_likeliest_token_that_is_spared_keeps_its_probability_and_the_others_their_ratios() {
        let probabilities = [0.0002f32, 0.9, 0.07, 0.0298];
        let logits = probabilities.map(f32::ln);
        let settings = Sampling {
            min_p: Some(0.1),
            spares_likeliest: true,
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(settings, 3, 0).unwrap();
        let mut counts = [0u32; 4];
        for _ in 0..100_000 {
            counts[sampler.choose(&logits) as usize] += 1;
        }
        assert_eq!(counts[0], 0);
        for (count, expected) in
            counts
                .iter()
                .zip([0.0, 0.9, 0.1 * 0.07 / 0.0998, 0.1 * 0.0298 / 0.0998])
        {
            let deviation = (expected * (1.0 - expected) / 1e5f64).sqrt();
            let observed = f64::from(*count) / 1e5;
            assert!(
                (observed - expected).abs() <= 4.0 * deviation,
                "{observed}, not {expected}"
            );
        }
        // A share of 0 drops nothing.
        sampler
            .set_settings(Sampling {
                min_p: Some(0.0),
                ..settings
            })
            .unwrap();
        assert!((0..100_000).any(|_| sampler.choose(&logits) == 0));
    }

    #[test]
    fn a_steady_token_has_the_probability_of_temperature_1() {
        let likely = [10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for (logits, token, temperature, min_p) in [
            (LOGITS, 1, 0.5, None),
            (LOGITS, 4, 0.3, None),
            (LOGITS, 6, 2.0, None),
            // A filter that would remove it.
            (LOGITS, 3, 1.0, Some(0.2)),
            // Beside it, the others' weights are all but 0.
            (likely, 0, 0.2, None),
        ] {
            let settings = Sampling {
                temperature,
                min_p,
                ..Sampling::default()
            };
            let sampler = Sampler::new(settings, 7, 0).unwrap();
            let mut sampler = sampler.with_steady(Some(token as Token));
            let drawn = (0..100_000).filter(|_| sampler.choose(&logits) == token as Token);
            let observed = drawn.count() as f64 / 1e5;
            let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            let expected = f64::from(logits[token]).exp() / total;
            let deviation = (expected * (1.0 - expected) / 1e5).sqrt();
            let off = (observed - expected).abs();
            assert!(off < 4.0 * deviation + 1e-4, "{observed}, not {expected}");
        }
    }

    #[test]
    fn the_others_beside_a_steady_token_keep_their_proportions() {
        let settings = Sampling {
            temperature: 0.5,
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(settings, 7, 0).unwrap().with_steady(Some(1));
        let mut observed = vec![0.0; LOGITS.len()];
        for _ in 0..100_000 {
            observed[sampler.choose(&LOGITS) as usize] += 1e-5;
        }
        let (kept, cool) = (softmax(1.0)[1], softmax(0.5));
        let share = (1.0 - kept) / (1.0 - cool[1]);
        let mut expected: Vec<f64> = cool.iter().map(|p| share * p).collect();
        expected[1] = kept;
        assert!(chi_square(&observed, &expected, 100_000) < 24.3);
    }

    #[test]
    fn a_steady_token_that_is_not_allowed_is_not_drawn() {
        /// Allows all tokens but 1.
        #[derive(Debug)]
        struct Without;
        impl Grammar for Without {
            fn next(&self, state: GrammarState, token: Token) -> Option<GrammarState> {
                (token != 1).then_some(state)
            }
            fn tokens_to_end(&self, _: GrammarState) -> usize {
                0
            }
        }
        let sampler = Sampler::new(Sampling::default(), 7, 0).unwrap();
        let sampler = sampler.with_grammar(Some(Arc::new(Without)));
        let mut sampler = sampler.with_steady(Some(1));
        assert!((0..10_000).all(|_| sampler.choose(&LOGITS) != 1));
    }

    #[test]
    fn filters_keep_the_right_tokens_in_the_right_proportion() {
        let check = |settings: Sampling, kept: &[usize]| {
            let observed = frequencies(settings, 50_000);
            let full = softmax(1.0);
            let held: f64 = kept.iter().map(|&i| full[i]).sum();
            for (index, share) in observed.iter().enumerate() {
                let expected = if kept.contains(&index) {
                    full[index] / held
                } else {
                    0.0
                };
                assert!(
                    (share - expected).abs() < 0.01,
                    "{settings:?}: token {index} {share} vs {expected}"
                );
            }
        };
        let base = Sampling::default();
        check(
            Sampling {
                top_k: Some(1),
                ..base
            },
            &[1],
        );
        check(
            Sampling {
                top_k: Some(3),
                ..base
            },
            &[1, 4, 0],
        ); // a tie of 0 and 5: the lower token
        check(
            Sampling {
                top_k: Some(100),
                ..base
            },
            &[0, 1, 2, 3, 4, 5, 6, 7],
        );
        check(
            Sampling {
                top_p: Some(0.6),
                ..base
            },
            &[1, 4],
        );
        check(
            Sampling {
                top_p: Some(1.0),
                ..base
            },
            &[0, 1, 2, 3, 4, 5, 6, 7],
        );
        check(
            Sampling {
                min_p: Some(0.2),
                ..base
            },
            &[0, 1, 4, 5],
        );
        check(
            Sampling {
                top_k: Some(2),
                min_p: Some(0.9),
                ..base
            },
            &[1],
        );
    }

    #[test]
    fn temperature_zero_takes_the_likeliest_token() {
        assert!(frequencies(Sampling::greedy(), 100)[1] == 1.0);
        let mut sampler = Sampler::new(Sampling::greedy(), 1, 0).unwrap();
        assert_eq!(sampler.choose(&[f32::NAN, 1.0, 1.0]), 1);
    }

    #[test]
    fn seed_and_item_fix_every_draw() {
        let draw = |seed, item| {
            let mut sampler = Sampler::new(Sampling::default(), seed, item).unwrap();
            (0..64).map(|_| sampler.choose(&LOGITS)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let base = Sampling::default();
        for settings in [
            Sampling {
                temperature: -1.0,
                ..base
            },
            Sampling {
                temperature: f32::NAN,
                ..base
            },
            Sampling {
                top_k: Some(0),
                ..base
            },
            Sampling {
                top_p: Some(2.0),
                ..base
            },
            Sampling {
                top_p: Some(0.0),
                ..base
            },
            Sampling {
                min_p: Some(-0.1),
                ..base
            },
        ] {
            let error = Sampler::new(settings, 0, 0).unwrap_err();
            assert!(error.is_usage() && error.hint().is_some(), "{settings:?}");
        }
    }

    /// Allows only even tokens.
    #[derive(Debug)]
    struct Even;

    impl Grammar for Even {
        fn next(&self, state: GrammarState, token: Token) -> Option<GrammarState> {
            token.is_multiple_of(2).then_some(state)
        }

        fn tokens_to_end(&self, _: GrammarState) -> usize {
            0
        }
    }

    #[test]
    fn a_grammar_renormalises_over_the_allowed_tokens() {
        let full = softmax(1.0);
        let total: f64 = full.iter().step_by(2).sum();
        let base = Sampling::default();
        let mut sampler = Sampler::new(base, 7, 0)
            .unwrap()
            .with_grammar(Some(Arc::new(Even)));
        let mut counts = [0.0; 8];
        for _ in 0..50_000 {
            counts[sampler.choose(&LOGITS) as usize] += 1.0 / 50_000.0;
        }
        for (index, &share) in counts.iter().enumerate() {
            let expected = if index % 2 == 0 {
                full[index] / total
            } else {
                0.0
            };
            assert!(
                (share - expected).abs() < 0.01,
                "token {index}: {share}, not {expected}"
            );
        }
        for settings in [
            Sampling::greedy(),
            Sampling {
                top_k: Some(1),
                ..base
            },
            Sampling {
                min_p: Some(1.0),
                ..base
            },
        ] {
            let sampler = Sampler::new(settings, 7, 0).unwrap();
            assert_eq!(
                sampler.with_grammar(Some(Arc::new(Even))).choose(&LOGITS),
                4
            );
        }
    }

    #[test]
    fn a_grammar_holds_for_damaged_logits() {
        for logit in [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, f32::MIN] {
            for others in [0.0, f32::NAN, f32::INFINITY] {
                for settings in [Sampling::greedy(), Sampling::default()] {
                    let sampler = Sampler::new(settings, 7, 0).unwrap();
                    let logits = [others, logit, others, logit];
                    let token = sampler.with_grammar(Some(Arc::new(Even))).choose(&logits);
                    assert!(token.is_multiple_of(2), "{logits:?}");
                    let sampler = Sampler::new(settings, 7, 0).unwrap();
                    let logits = [logit, others, logit, others];
                    let token = sampler.with_grammar(Some(Arc::new(Even))).choose(&logits);
                    assert!(token.is_multiple_of(2), "{logits:?}");
                }
            }
        }
    }

    #[test]
    fn a_grammar_changes_no_token_that_it_allows() {
        let free = |grammar| {
            let mut sampler = Sampler::new(Sampling::default(), 3, 1)
                .unwrap()
                .with_grammar(grammar);
            let mut tokens = Vec::new();
            for _ in 0..64 {
                tokens.push(sampler.choose(&LOGITS));
            }
            tokens
        };
        let (without, with) = (free(None), free(Some(Arc::new(Even) as Arc<dyn Grammar>)));
        let first_odd = without.iter().position(|token| token % 2 == 1).unwrap();
        assert_eq!(without[..first_odd], with[..first_odd]);
    }
}
