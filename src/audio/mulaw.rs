/*!
8-bit µ-law: sound as a sequence of 256 classes.

Companding quantises finely around zero and coarsely at the peaks. A network predicts one of 256 classes a sample, as in
`WaveNet` (van den Oord et al. 2016, §2.2, with µ = 255; the continuous form of ITU-T G.711):

> f(x) = sign(x) · ln(1 + µ|x|) / ln(1 + µ),  class = ⌊(f(x) + 1) / 2 · µ + ½⌋

Class t therefore decodes to f = (2t − 255) / 255, and its lower border lies at f = (2t − 256) / 255. Both are values of
256^(m/255), so that one table of 256 powers gives them all. The compiler computes the table from a single root by
multiplication, and encoding only compares. No logarithm of the system takes part: the same samples give the same tokens
on every machine.
*/

use crate::error::{Error, Result};
use crate::sequence::{Alphabet, Codec, Token};

/// The classes of 8-bit µ-law.
const CLASSES: usize = 256;

/// (256^(m/255) − 1) / 255 for m in 0..=255: the inverse of f at m / 255.
const EXPANDED: [f64; CLASSES] = expanded();

/// The sample that each class decodes to.
static CENTRES: [f32; CLASSES] = centres();

/// `BORDERS[t - 1]` is the smallest sample of class t, for t in 1..=255.
static BORDERS: [f32; CLASSES - 1] = borders();

/// The 8-bit µ-law codec: samples in −1..=1 to the tokens 0..256 and back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MuLaw;

impl MuLaw {
    /// The class of 0.0.
    pub const SILENCE: Token = 128;

    /// The class of one sample. Samples beyond ±1 clip; NaN is silence.
    pub fn encode_sample(sample: f32) -> Token {
        if sample.is_nan() {
            return Self::SILENCE;
        }
        BORDERS.partition_point(|&border| border <= sample) as Token
    }

    /// The sample in −1..=1 that a class decodes to; 0 for a token that is not a class (the start symbol).
    pub fn decode_token(token: Token) -> f32 {
        CENTRES.get(token as usize).copied().unwrap_or(0.0)
    }
}

impl Codec for MuLaw {
    type Media = Vec<f32>;

    /// 256 classes; the start symbol 256 is only an input, and sound has no stop symbol.
    fn alphabet(&self) -> Alphabet {
        Alphabet {
            size: CLASSES,
            start: CLASSES as Token,
            stop: None,
        }
    }

    fn encode(&self, media: &Vec<f32>) -> Result<Vec<Token>> {
        Ok(media.iter().map(|&s| Self::encode_sample(s)).collect())
    }

    fn decode(&self, tokens: &[Token]) -> Result<Vec<f32>> {
        tokens
            .iter()
            .map(|&token| match CENTRES.get(token as usize) {
                Some(&sample) => Ok(sample),
                None => Err(Error::usage(format!(
                    "invalid token {token}: µ-law classes are 0 to 255"
                ))),
            })
            .collect()
    }
}

const fn expanded() -> [f64; CLASSES] {
    /// 256^(1/255) = 2^(8/255).
    const ROOT: f64 = 1.021_983_956_890_934;
    let mut table = [0.0; CLASSES];
    let mut power = 1.0;
    let mut m = 0;
    while m < CLASSES {
        table[m] = (power - 1.0) / 255.0;
        power *= ROOT;
        m += 1;
    }
    table[CLASSES - 1] = 1.0;
    table
}

/// The expanded value of m / 255, with the sign of m.
const fn expand(m: i32) -> f32 {
    let magnitude = EXPANDED[m.unsigned_abs() as usize];
    (if m < 0 { -magnitude } else { magnitude }) as f32
}

const fn centres() -> [f32; CLASSES] {
    let mut table = [0.0; CLASSES];
    let mut t = 0;
    while t < CLASSES {
        table[t] = expand(2 * t as i32 - 255);
        t += 1;
    }
    table
}

const fn borders() -> [f32; CLASSES - 1] {
    let mut table = [0.0; CLASSES - 1];
    let mut t = 1;
    while t < CLASSES {
        table[t - 1] = expand(2 * t as i32 - 256);
        t += 1;
    }
    table
}

#[cfg(test)]
// The values compared for equality are exact.
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    /// The formula of the paper, in f64.
    fn formula(x: f64) -> f64 {
        let f = x.signum() * (255.0 * x.abs()).ln_1p() / 256f64.ln();
        f64::midpoint(f, 1.0) * 255.0 + 0.5
    }

    #[test]
    fn every_class_survives_the_round_trip() {
        for token in 0..256 {
            assert_eq!(MuLaw::encode_sample(MuLaw::decode_token(token)), token);
        }
    }

    #[test]
    fn classes_are_those_of_the_formula() {
        for i in -100_000..=100_000 {
            let x = i as f32 / 100_000.0;
            let exact = formula(f64::from(x));
            if (exact - exact.round()).abs() > 1e-5 {
                let expected = exact.floor().min(255.0) as Token;
                assert_eq!(MuLaw::encode_sample(x), expected, "class of {x}");
            }
        }
    }

    #[test]
    fn centres_are_those_of_the_formula() {
        for token in 0..256_u32 {
            let f = 2.0 * f64::from(token) / 255.0 - 1.0;
            let exact = f.signum() * (256f64.powf(f.abs()) - 1.0) / 255.0;
            assert!((f64::from(MuLaw::decode_token(token)) - exact).abs() < 1e-7);
        }
        assert_eq!(MuLaw::decode_token(255), 1.0);
        assert_eq!(MuLaw::decode_token(0), -1.0);
    }

    #[test]
    fn samples_out_of_range_clip_and_nan_is_silence() {
        assert_eq!(MuLaw::encode_sample(7.5), 255);
        assert_eq!(MuLaw::encode_sample(f32::INFINITY), 255);
        assert_eq!(MuLaw::encode_sample(-1.5), 0);
        assert_eq!(MuLaw::encode_sample(f32::NEG_INFINITY), 0);
        assert_eq!(MuLaw::encode_sample(f32::NAN), MuLaw::SILENCE);
        assert_eq!(MuLaw::encode_sample(0.0), MuLaw::SILENCE);
        assert_eq!(MuLaw::encode_sample(-0.0), MuLaw::SILENCE);
    }

    #[test]
    fn the_start_symbol_is_an_input_and_not_a_sample() {
        let alphabet = MuLaw.alphabet();
        assert!(!alphabet.contains(alphabet.start));
        assert_eq!(alphabet.inputs(), 257);
        assert_eq!(MuLaw::decode_token(alphabet.start), 0.0);
        assert!(MuLaw.decode(&[1, alphabet.start]).is_err());
    }

    #[test]
    fn decoding_errs_by_no_more_than_the_formula_allows() {
        // From a centre to the border 1 + 255|x| grows by 256^(1/255), which is less than 1.022.
        for i in -1000..=1000 {
            let x = i as f32 / 1000.0;
            let decoded = MuLaw::decode_token(MuLaw::encode_sample(x));
            assert!(
                (decoded - x).abs() <= 0.022 * (x.abs() + 1.0 / 255.0),
                "{x} became {decoded}"
            );
        }
    }
}
