/*! f32 or int8 weights: what int8 costs a model, and which are used. */

use crate::checkpoint::{Int8, ModelManifest};
use crate::error::{Error, Result};
use crate::models::{LatentModel, Model};
use crate::sequence::{
    ConditionSource, Conditions, Likelihood, SequenceDataset, Stepper, Token, nll_per_token,
};

/// The numbers of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they were trained.
    F32,
    /// Eight bits: several times as fast.
    Int8,
}

/// The stepper of this precision; without one, int8 where the model predicts nearly as well with it.
pub(crate) fn stepper(
    net: &Model,
    manifest: &ModelManifest,
    precision: Option<Precision>,
    lanes: usize,
) -> Result<Box<dyn Stepper>> {
    match (precision, &manifest.int8) {
        (Some(Precision::Int8), None) => Err(Error::usage("this model has no int8 weights")
            .with_hint("omit --precision; a WaveNet gets them at the end of its training")),
        (Some(Precision::Int8), Some(int8)) => net
            .require_sequence()?
            .int8_stepper(&int8.calibration, lanes),
        (None, Some(int8)) if int8.is_good() => net
            .require_sequence()?
            .int8_stepper(&int8.calibration, lanes),
        _ => net.require_sequence()?.stepper(lanes),
    }
}

/// Tokens for calibration, and as many for the comparison.
const TOKENS: usize = 40_000;

/// Calibrates on training sequences and compares both precisions on held-out ones (on training ones where none are
/// held out).
pub(crate) fn measure(
    net: &Model,
    sequences: &dyn SequenceDataset,
    training: &[usize],
    held_out: &[usize],
    conditions: &dyn ConditionSource,
) -> Result<Option<Int8>> {
    let latent = net.latent();
    let Some(net) = net.sequence() else {
        return Ok(None);
    };
    if let Ok(None) = net.calibrate(&[]) {
        // No ranges are needed to know that the architecture has no int8.
        return Ok(None);
    }
    let some = |members| -> Result<Vec<Sample>> {
        let mut samples = some(sequences, members, conditions)?;
        if let Some(latent) = latent {
            add_codes(latent, &mut samples);
        }
        Ok(samples)
    };
    let known = some(training)?;
    let views: Vec<_> = known
        .iter()
        .map(|sample| (sample.tokens.as_slice(), sample.conditions()))
        .collect();
    let Some(calibration) = net.calibrate(&views)? else {
        return Ok(None);
    };
    let asked = if held_out.is_empty() {
        known
    } else {
        some(held_out)?
    };
    let bits = |mut stepper: Box<dyn Stepper>| {
        let mut total = Likelihood::default();
        for sample in &asked {
            for nats in nll_per_token(&mut *stepper, sample.conditions(), &sample.tokens) {
                total.score(nats);
            }
        }
        total.bits_per_token()
    };
    let f32_bits = bits(net.stepper(1)?);
    let int8_bits = bits(net.int8_stepper(&calibration, 1)?);
    Ok(Some(Int8 {
        calibration,
        f32_bits,
        int8_bits,
    }))
}

/// A sequence and its conditions.
struct Sample {
    tokens: Vec<Token>,
    /// `[hops, width]`.
    conditions: Vec<f32>,
    width: usize,
    hop: Option<usize>,
}

impl Sample {
    fn conditions(&self) -> Conditions<'_> {
        Conditions::held(&self.conditions, self.width, self.hop)
    }
}

/// Adds the latent code of each sequence, the mean of its posterior, to its condition.
fn add_codes(latent: &dyn LatentModel, samples: &mut [Sample]) {
    /// Sequences at once.
    const TOGETHER: usize = 64;
    for samples in samples.chunks_mut(TOGETHER) {
        let tokens: Vec<&[Token]> = samples.iter().map(|one| &one.tokens[..]).collect();
        let classes: Vec<&[f32]> = samples.iter().map(|one| &one.conditions[..]).collect();
        let posteriors = latent.encode(&tokens, &classes);
        let codes = posteriors.means().chunks_exact(latent.latent());
        for (sample, code) in samples.iter_mut().zip(codes) {
            sample.conditions.extend(code);
            sample.width = sample.conditions.len();
        }
    }
}

/// Whole sequences spread over the members, up to [`TOKENS`] in all; a very long one is cut.
fn some(
    sequences: &dyn SequenceDataset,
    members: &[usize],
    conditions: &dyn ConditionSource,
) -> Result<Vec<Sample>> {
    let total: usize = members.iter().map(|&member| sequences.length(member)).sum();
    let every = total.div_ceil(TOKENS).max(1);
    members
        .iter()
        .step_by(every.min(members.len().max(1)))
        .map(|&member| {
            let mut tokens = vec![0; sequences.length(member).min(TOKENS)];
            let end = tokens.len();
            sequences.read(member, 0..end, &mut tokens)?;
            Ok(Sample {
                conditions: conditions.read_first(member, end),
                width: conditions.width(),
                hop: conditions.hop(),
                tokens,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Posteriors;

    /// Encodes an item to its first token and its class.
    struct Echo;

    impl LatentModel for Echo {
        fn latent(&self) -> usize {
            2
        }

        fn encode(&self, items: &[&[Token]], classes: &[&[f32]]) -> Posteriors {
            let mut found = Posteriors::new(2);
            for (item, class) in items.iter().zip(classes) {
                found.extend(&[f32::from(item[0] as u8), class[0]], &[0.0; 2]);
            }
            found
        }
    }

    #[test]
    fn calibration_is_told_the_class_and_then_the_code() {
        let sample = |number: u32| Sample {
            tokens: vec![number as Token; 3],
            conditions: vec![0.5],
            width: 1,
            hop: None,
        };
        let mut samples: Vec<Sample> = (0..100).map(sample).collect();
        add_codes(&Echo, &mut samples);
        for (number, sample) in samples.iter().enumerate() {
            assert_eq!(sample.conditions, [0.5, number as f32, 0.5]);
            assert_eq!(sample.width, 3);
        }
    }
}
