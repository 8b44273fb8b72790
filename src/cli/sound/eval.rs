/*! `ensuite eval` on sound. */

use serde::Serialize;

use crate::audio::SoundFormat;
use crate::base::split::SplitRule;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::eval::Args;
use crate::cli::sound::train::{TAILS, split};
use crate::cli::sound::{Part, Parts, Recordings, token_values};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::eval::{LinearPrediction, order_zero};
use crate::sequence::SequenceDataset;
use crate::train::{DataLoader, likelihood};

#[derive(Serialize)]
struct Measures {
    files: usize,
    samples: u64,
    bits_per_sample: f64,
    nats_per_sample: f64,
    order_zero_bits: f64,
    linear_prediction_bits: f64,
}

pub(super) fn run(
    args: &Args,
    sound: &SoundFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let device = args.device.device.resolve_one()?;
    let net = folder.load(manifest, &device)?;
    let recordings = Recordings::import(
        &args.path,
        &sound.import_settings(),
        &manifest.labels,
        &std::env::temp_dir(),
        ui,
    )?;
    let tails = manifest.split.rule == TAILS && recordings.corpus.digest() == manifest.split.hash;
    let held_out = |path: &str| tails || manifest.split.validation.iter().any(|name| name == path);
    let clips: Vec<usize> = (0..recordings.corpus.clips().len())
        .filter(|&clip| !args.held_out || held_out(&recordings.corpus.clips()[clip].path))
        .collect();
    if clips.is_empty() {
        return Err(Error::input(
            &args.path,
            "none of the recordings that were held out in training is here",
        )
        .with_hint("give the folder the model was trained on, or leave --held-out away"));
    }
    if !args.held_out && recordings.corpus.digest() == manifest.split.hash {
        ui.warn("this is the very data the model was trained on; --held-out measures what it has not seen");
    }
    let parts = if args.held_out && manifest.split.rule == TAILS {
        held_out_tails(manifest, &recordings, sound)?
    } else {
        let settings = sound.import_settings();
        let recorded = |clip| recordings.recorded(clip, &settings);
        clips.into_iter().map(recorded).collect()
    };
    let sequences = Parts::new(&recordings.corpus, parts);
    let conditions = sequences.conditions(&recordings, &manifest.classes)?;
    let members: Vec<usize> = (0..sequences.count()).collect();
    let batches = DataLoader::new(
        &sequences,
        &members,
        &conditions,
        manifest.medium.alphabet(),
        manifest.recipe.cut_to_measure(),
        0,
    );
    let found = likelihood(net.require_sequence()?, &batches, &device)?;
    let (order_zero_bits, linear_prediction_bits) = baselines(&sequences)?;
    let measures = Measures {
        files: sequences.count(),
        samples: found.tokens,
        bits_per_sample: found.bits_per_token(),
        nats_per_sample: found.nats_per_token(),
        order_zero_bits,
        linear_prediction_bits,
    };
    if args.json {
        return ui::print_json(&measures);
    }
    ui::print(&format!(
        "{:.3} bits/sample over {} samples of {} recordings",
        measures.bits_per_sample, measures.samples, measures.files
    ))?;
    ui::print(&format!(
        "{order_zero_bits:.3} order-0 entropy of the same samples"
    ))?;
    ui::print(&format!(
        "{linear_prediction_bits:.3} linear prediction from 16 samples, fitted to them"
    ))
}

/// The ends of the recordings of a small corpus.
fn held_out_tails(
    manifest: &ModelManifest,
    recordings: &Recordings,
    sound: &SoundFormat,
) -> Result<Vec<Part>> {
    let listed = SplitRule::Listed(manifest.split.clone());
    let (mut parts, split) = split(&listed, recordings, &sound.import_settings())?;
    Ok(parts.split_off(split.training))
}

fn baselines(sequences: &Parts<'_>) -> Result<(f64, f64)> {
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
