/*! The negative log likelihood (NLL) of given sequences, in nats and in bits per token. */

use crate::sequence::{Conditions, Stepper, Token};

/// The NLL summed over scored tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Likelihood {
    /// −ln of the probability of all scored tokens.
    pub nats: f64,
    /// The number of scored tokens.
    pub tokens: u64,
}

impl Likelihood {
    /// Adds one token with an NLL of `nats`.
    pub fn score(&mut self, nats: f64) {
        self.nats += nats;
        self.tokens += 1;
    }

    /// Adds the tokens of `other`.
    pub fn add(&mut self, other: Self) {
        self.nats += other.nats;
        self.tokens += other.tokens;
    }

    /// The mean NLL of a token in nats; NaN without tokens.
    pub fn nats_per_token(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    /// The mean NLL of a token in bits: bits per sample of sound, bits per pixel of a picture. NaN without tokens.
    pub fn bits_per_token(&self) -> f64 {
        self.nats_per_token() / std::f64::consts::LN_2
    }
}

/// −ln softmax(logits)\[token\], in nats.
fn nll_of_token(logits: &[f32], token: Token) -> f64 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|l| f64::from(l - highest).exp()).sum();
    total.ln() - f64::from(logits[token as usize] - highest)
}

/// The NLL of each of `tokens` in nats. Lane 0 is reset and fed `start`, which is not scored. Pass `stop` as the last
/// token to score the end.
pub fn nll_per_token(
    stepper: &mut dyn Stepper,
    conditions: Conditions,
    tokens: &[Token],
) -> Vec<f64> {
    let alphabet = stepper.alphabet();
    stepper.reset(0, conditions.first());
    let mut inputs = vec![alphabet.start; stepper.lanes()];
    tokens
        .iter()
        .enumerate()
        .map(|(position, &token)| {
            if let Some(condition) = conditions.at(position).filter(|_| position > 0) {
                stepper.recondition(0, Some(condition));
            }
            let nats = nll_of_token(&stepper.step(&inputs)[..alphabet.size], token);
            inputs[0] = token;
            nats
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::toy::Toy;

    #[test]
    fn equal_logits_give_the_logarithm_of_the_alphabet_size() {
        let nats = nll_of_token(&[0.3; 256], 17);
        assert!((nats - 256_f64.ln()).abs() < 1e-9);
        let likelihood = Likelihood {
            nats: nats * 10.0,
            tokens: 10,
        };
        assert!((likelihood.bits_per_token() - 8.0).abs() < 1e-9);
    }

    #[test]
    fn probabilities_of_all_continuations_sum_to_one() {
        let toy = Toy::new();
        let size = Toy::alphabet().size as Token;
        let mut stepper = toy.stepper(2);
        let mut total = 0.0;
        for first in 0..size {
            for second in 0..size {
                let nats: f64 =
                    nll_per_token(&mut stepper, Conditions::default(), &[first, second])
                        .iter()
                        .sum();
                total += (-nats).exp();
            }
        }
        assert!((total - 1.0).abs() < 1e-6, "{total}");
    }

    #[test]
    fn likelihoods_of_parts_add_up() {
        let mut whole = Likelihood::default();
        for nats in [1.0, 2.0, 4.5] {
            whole.score(nats);
        }
        let mut first = Likelihood {
            nats: 1.0,
            tokens: 1,
        };
        first.add(Likelihood {
            nats: 6.5,
            tokens: 2,
        });
        assert_eq!(whole, first);
    }
}
