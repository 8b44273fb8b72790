/*!
Pre-emphasis: a filter before companding, and its inverse behind it.

The tokens that a model draws err about equally at all frequencies, and sound has little power at the high ones: what one hears of the
errors is hiss. With the high frequencies raised before, the errors fall with frequency as sound does.
*/

use serde::{Deserialize, Serialize};

use crate::audio::MuLaw;
use crate::audio::frames::offset_pole;
use crate::sequence::Token;

/// How much of the last sample is taken from each before companding: y_t = x_t − a · x_{t−1} (LPCNet, Valin & Skoglund 2019,
/// §3.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Emphasis(f32);

impl Emphasis {
    /// Samples are companded as they are.
    pub const NONE: Self = Self(0.0);
    /// That of new models of two tiers.
    pub const USUAL: Self = Self(0.85);

    /// Whether samples are companded as they are.
    // Serde passes a reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// The tokens of samples in −1..=1. Companding clips what the filter raises above that.
    pub fn encode(self, samples: &[f32]) -> Vec<Token> {
        let mut last = 0.0;
        let token = |&sample: &f32| {
            let raised = sample - self.0 * last;
            last = sample;
            MuLaw::encode_sample(raised)
        };
        samples.iter().map(token).collect()
    }

    /// The samples of tokens that follow one another; a token that is no class of µ-law is a 0.
    pub fn decode(self, tokens: &[Token], rate: u32) -> Vec<f32> {
        let mut filter = self.inverse(rate);
        tokens.iter().map(|&token| filter.token(token)).collect()
    }

    /// What makes samples of `rate` Hz from tokens, before the first.
    pub fn inverse(self, rate: u32) -> Deemphasis {
        Deemphasis {
            emphasis: self,
            pole: offset_pole(rate) as f32,
            last: 0.0,
            without_offset: [HighPass::default(); 2],
        }
    }
}

impl TryFrom<f32> for Emphasis {
    type Error = String;

    fn try_from(share: f32) -> std::result::Result<Self, String> {
        if (0.0..1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(format!("a pre-emphasis of {share}"))
        }
    }
}

impl From<Emphasis> for f32 {
    fn from(emphasis: Emphasis) -> Self {
        emphasis.0
    }
}

/// x_t = y_t + a · x_{t−1}, sample by sample, and then no offset: errors that add up to a rumble are raised most.
#[derive(Debug, Clone)]
pub struct Deemphasis {
    emphasis: Emphasis,
    pole: f32,
    last: f32,
    without_offset: [HighPass; 2],
}

impl Deemphasis {
    /// The sample of a token; a token that is no class of µ-law is a 0.
    pub fn token(&mut self, token: Token) -> f32 {
        let raised = MuLaw::decode_token(token);
        if self.emphasis.is_none() {
            return raised;
        }
        self.last = raised + self.emphasis.0 * self.last;
        let filters = self.without_offset.iter_mut();
        filters.fold(self.last, |sample, filter| filter.next(sample, self.pole))
    }

    /// Goes on as before the first sample.
    pub fn restart(&mut self) {
        self.last = 0.0;
        self.without_offset = [HighPass::default(); 2];
    }
}

/// Removes what is below a frequency.
#[derive(Debug, Clone, Copy, Default)]
struct HighPass {
    last: f32,
    output: f32,
}

impl HighPass {
    fn next(&mut self, sample: f32, pole: f32) -> f32 {
        self.output = sample - self.last + pole * self.output;
        self.last = sample;
        self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::sequence::Codec;

    const RATE: u32 = 8_000;

    fn noise(count: usize) -> Vec<f32> {
        Lcg(3).values(count, 0.1)
    }

    /// The error of a sound that was coded and decoded, in two halves of the spectrum: mean squares of the sums and of the
    /// differences of neighbours.
    fn errors(emphasis: Emphasis, sound: &[f32]) -> [f32; 2] {
        let coded = emphasis.decode(&emphasis.encode(sound), RATE);
        let errors: Vec<f32> = sound.iter().zip(&coded).map(|(x, y)| x - y).collect();
        let mean = |of: fn(f32, f32) -> f32| {
            let squares = errors.windows(2).map(|pair| of(pair[0], pair[1]).powi(2));
            squares.sum::<f32>() / errors.len() as f32
        };
        [mean(|a, b| a + b), mean(|a, b| a - b)]
    }

    #[test]
    fn none_is_companding_alone() {
        let sound = noise(1_000);
        let tokens = MuLaw.encode(&sound).unwrap();
        assert!(Emphasis::NONE.is_none());
        assert_eq!(Emphasis::NONE.encode(&sound), tokens);
        let samples = MuLaw.decode(&tokens).unwrap();
        assert_eq!(Emphasis::NONE.decode(&tokens, RATE), samples);
    }

    #[test]
    fn a_token_is_the_change_from_what_it_was() {
        let tokens = Emphasis::USUAL.encode(&[0.1, 0.1, 0.2, -0.3]);
        let changes = [0.1, 0.015, 0.115, -0.47].map(MuLaw::encode_sample);
        assert_eq!(tokens, changes);
    }

    #[test]
    fn errors_fall_with_the_frequency() {
        let sound = noise(20_000);
        let [low, high] = errors(Emphasis::USUAL, &sound);
        assert!(high < 0.1 * low, "{low} {high}");
        let [low, high] = errors(Emphasis::NONE, &sound);
        assert!(high > 0.5 * low, "{low} {high}");
    }

    #[test]
    fn a_tone_comes_back_and_an_error_that_stays_does_not() {
        let tone: Vec<f32> = (0..8_000).map(|i| 0.3 * (0.3 * i as f32).sin()).collect();
        let mean = |sound: &[f32]| sound.iter().sum::<f32>() / sound.len() as f32;
        let power = |sound: &[f32]| mean(&sound.iter().map(|x| x * x).collect::<Vec<_>>());
        let tokens = Emphasis::USUAL.encode(&tone);
        let same = Emphasis::USUAL.decode(&tokens, RATE);
        assert!((power(&same) / power(&tone) - 1.0).abs() < 0.05);
        // Every token is one class too high.
        let higher: Vec<Token> = tokens.iter().map(|token| token + 1).collect();
        let heard = &Emphasis::USUAL.decode(&higher, RATE)[4_000..];
        assert!(mean(heard).abs() < 1e-3, "{}", mean(heard));
    }

    #[test]
    fn a_factor_of_one_or_more_is_refused() {
        for share in ["1.0", "-0.1", "3.0"] {
            assert!(serde_json::from_str::<Emphasis>(share).is_err(), "{share}");
        }
        let usual = serde_json::to_string(&Emphasis::USUAL).unwrap();
        assert_eq!(
            serde_json::from_str::<Emphasis>(&usual).unwrap(),
            Emphasis::USUAL
        );
    }
}
