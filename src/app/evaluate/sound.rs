/*! Evaluating a sound model: bits a sample beside order-0 entropy and linear prediction. */

use std::fmt;

use serde::Serialize;

use super::options::EvaluateOptions;
use crate::app::import::import_recordings;
use crate::app::{Observer, OpenModel};
use crate::audio::dataset::{ClipRange, TAILS, token_values};
use crate::audio::{ClipDataset, RecordingDataset, SoundFormat};
use crate::base::split::SplitRule;
use crate::error::{Error, Result};
use crate::eval::{LinearPrediction, order_zero};
use crate::sequence::SequenceDataset;
use crate::train::{DataLoader, likelihood};

/// How well a model predicts recordings.
#[derive(Debug, Clone, Serialize)]
pub struct SoundEvaluation {
    /// Recordings.
    pub files: usize,
    /// Samples.
    pub samples: u64,
    /// NLL of the model, bits a sample.
    pub bits_per_sample: f64,
    /// The same in nats.
    pub nats_per_sample: f64,
    /// Entropy of the samples' values.
    pub order_zero_bits: f64,
    /// Linear prediction from 16 samples, fitted to these recordings.
    pub linear_prediction_bits: f64,
}

impl fmt::Display for SoundEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} bits/sample over {} samples of {} recordings\n\
             {:.3} order-0 entropy of the same samples\n\
             {:.3} linear prediction from 16 samples, fitted to them",
            self.bits_per_sample,
            self.samples,
            self.files,
            self.order_zero_bits,
            self.linear_prediction_bits
        )
    }
}

pub(super) fn evaluate(
    model: &OpenModel,
    sound: &SoundFormat,
    options: &EvaluateOptions,
    observer: &mut dyn Observer,
) -> Result<SoundEvaluation> {
    let device = options.device.resolve_one()?;
    let net = model.load(&device)?;
    let manifest = &model.manifest;
    let recordings = import_recordings(
        &options.path,
        &sound.import_settings(),
        &manifest.labels,
        &std::env::temp_dir(),
        observer,
    )?;
    let same_data = recordings.corpus.digest() == manifest.split.hash;
    let tails = manifest.split.rule == TAILS && same_data;
    let held_out = |path: &str| tails || manifest.split.validation.iter().any(|name| name == path);
    let clips: Vec<usize> = (0..recordings.corpus.clips().len())
        .filter(|&clip| !options.held_out || held_out(&recordings.corpus.clips()[clip].path))
        .collect();
    if clips.is_empty() {
        return Err(Error::input(
            &options.path,
            "none of the recordings that were held out in training is here",
        )
        .with_hint("give the folder the model was trained on, or omit --held-out"));
    }
    if !options.held_out && same_data {
        observer.warn(
            "the model was trained on this data; --held-out evaluates on what it has not seen",
        );
    }
    let parts = if options.held_out && manifest.split.rule == TAILS {
        held_out_tails(model, &recordings)?
    } else {
        clips
            .into_iter()
            .map(|clip| recordings.recorded(clip))
            .collect()
    };
    let sequences = ClipDataset::new(&recordings, parts);
    let conditions = sequences.conditions(&manifest.classes)?;
    let members: Vec<usize> = (0..sequences.count()).collect();
    let loader = DataLoader::new(
        &sequences,
        &members,
        &conditions,
        manifest.medium.alphabet(),
        manifest.recipe.cut_to_measure(),
        0,
    );
    let found = likelihood(net.require_sequence()?, &loader, &device)?;
    let (order_zero_bits, linear_prediction_bits) = baselines(&sequences)?;
    Ok(SoundEvaluation {
        files: sequences.count(),
        samples: found.tokens,
        bits_per_sample: found.bits_per_token(),
        nats_per_sample: found.nats_per_token(),
        order_zero_bits,
        linear_prediction_bits,
    })
}

/// The ends of the recordings of a small corpus.
fn held_out_tails(model: &OpenModel, recordings: &RecordingDataset) -> Result<Vec<ClipRange>> {
    let listed = SplitRule::Listed(model.manifest.split.clone());
    let (mut ranges, split) = recordings.split(&listed)?;
    Ok(ranges.split_off(split.training))
}

fn baselines(sequences: &ClipDataset<'_>) -> Result<(f64, f64)> {
    let mut counts = vec![0; 256];
    let mut prediction = LinearPrediction::new(&token_values());
    let mut bytes = Vec::new();
    let mut samples = 0_u64;
    for index in 0..sequences.count() {
        sequences.bytes(index, &mut bytes)?;
        for &byte in &bytes {
            counts[byte as usize] += 1;
        }
        samples += bytes.len() as u64;
        prediction.fit(&bytes);
    }
    prediction.solve();
    let mut nats = 0.0;
    for index in 0..sequences.count() {
        sequences.bytes(index, &mut bytes)?;
        nats += prediction.score(&bytes);
    }
    Ok((
        order_zero(&counts),
        nats / samples as f64 / std::f64::consts::LN_2,
    ))
}
