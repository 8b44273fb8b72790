/*! Evaluating a sound model: bits a sample beside order-0 entropy and linear prediction, and what it generates. */

use std::fmt;

use serde::Serialize;

use super::generated::{self, SEED, Wanted};
use super::options::EvaluateOptions;
use crate::app::import::import_recordings;
use crate::app::{Generated, Observer, OpenModel};
use crate::audio::dataset::{ClipRange, TAILS, token_values};
use crate::audio::frames::FrameDataset;
use crate::audio::{
    ClipDataset, RecordingDataset, SoundComparison, SoundFormat, SoundProfile, compare,
};
use crate::base::split::SplitRule;
use crate::error::{Error, Result};
use crate::eval::{LinearPrediction, order_zero};
use crate::sequence::SequenceDataset;
use crate::train::{DataLoader, likelihood};

/// The lengths of generated sounds, in seconds; the shortest where the model does not end them itself.
const SHORTEST: f64 = 0.2;
const LONGEST: f64 = 5.0;
/// Recordings are measured in at most this many windows of 5 s: five hours.
const WINDOWS: usize = 3_600;

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
    /// Of these bits, those of the frames, where the model has two tiers. The sum is then a bound: other frames could lead
    /// to the same samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_bits_per_sample: Option<f64>,
    /// Entropy of the tokens, which are those of raised samples where the model has pre-emphasis, as in the figures above.
    pub order_zero_bits: f64,
    /// Linear prediction from 16 samples, fitted to these recordings.
    pub linear_prediction_bits: f64,
    /// With `--generated`: what the model generates, beside held-out recordings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedSounds>,
}

/// Generated sounds beside held-out recordings.
#[derive(Debug, Clone, Serialize)]
pub struct GeneratedSounds {
    /// How many were generated.
    pub sounds: u64,
    /// Their median length; none is longer than 5 s.
    pub seconds: f64,
    /// The same of the first 5 s of held-out recordings.
    pub seconds_real: f64,
    /// The seed of the first ones.
    pub seed: u64,
    /// Held-out recordings.
    pub held_out: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: SoundComparison,
    /// What follows from them.
    pub remark: String,
}

impl fmt::Display for SoundEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bits) = self.frame_bits_per_sample {
            writeln!(
                f,
                "{bits:.3} bits/sample for the frames and {:.3} for the samples given them: the sum is a bound",
                self.bits_per_sample - bits
            )?;
        }
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
        )?;
        match &self.generated {
            Some(generated) => write!(f, "\n\n{generated}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for GeneratedSounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.figures;
        write!(
            f,
            "{} sounds generated from seed {}, beside {} held-out recordings\n{:<24} {:>12} {:>12}",
            self.sounds, self.seed, self.held_out, "", "generated", "held-out"
        )?;
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let decibels = |db: f64| format!("{db:.1} dB");
        let seconds = |length: f64| format!("{length:.2} s");
        let known =
            |floor: Option<f64>, show: &dyn Fn(f64) -> String| floor.map_or("-".into(), show);
        for (name, ours, real) in [
            (
                "length, the median",
                seconds(self.seconds),
                seconds(self.seconds_real),
            ),
            (
                "frames with a pitch",
                percent(found.tonal),
                percent(found.tonal_real),
            ),
            (
                "silence",
                percent(found.silence),
                percent(found.silence_real),
            ),
            (
                "loudness",
                decibels(found.loudness),
                decibels(found.loudness_real),
            ),
        ] {
            write!(f, "\n{name:<24} {ours:>12} {real:>12}")?;
        }
        write!(f, "\n{:<24} {:>12} {:>12}", "", "", "floor")?;
        let plain = |distance: f64| format!("{distance:.1}");
        for (name, ours, floor) in [
            (
                "Fréchet distance",
                plain(found.frechet),
                known(found.frechet_floor, &plain),
            ),
            (
                "spectrum",
                decibels(found.spectrum_db),
                known(found.spectrum_floor, &decibels),
            ),
            (
                "foreign tones",
                percent(found.foreign),
                known(found.foreign_floor, &percent),
            ),
            (
                "copies of training data",
                known(found.copies, &percent),
                known(found.copies_floor, &percent),
            ),
        ] {
            write!(f, "\n{name:<24} {ours:>12} {floor:>12}")?;
        }
        write!(f, "\n{}", self.remark)
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
    let classes = sequences.conditions(&manifest.classes)?;
    let members: Vec<usize> = (0..sequences.count()).collect();
    let tiers = model.tiers()?;
    let frames = match &tiers {
        Some(tiers) => Some(FrameDataset::analyse(tiers.codec.clone(), &sequences)?),
        None => None,
    };
    let conditions = FrameDataset::conditions(frames.as_ref(), &classes);
    let loader = DataLoader::new(
        &sequences,
        &members,
        &*conditions,
        manifest.medium.alphabet(),
        manifest.recipe.cut_to_measure(),
        0,
    );
    let found = likelihood(net.require_sequence()?, &loader, &device)?;
    let frame_bits = match (&tiers, &frames) {
        (Some(tiers), Some(frames)) => {
            let manifest = &tiers.frames.manifest;
            let (alphabet, cut) = (manifest.medium.alphabet(), manifest.recipe.cut_to_measure());
            let loader = DataLoader::new(frames, &members, &classes, alphabet, cut, 0);
            let net = tiers.frames.load(&device)?;
            let nats = likelihood(net.require_sequence()?, &loader, &device)?.nats;
            Some(nats / std::f64::consts::LN_2 / found.tokens as f64)
        }
        _ => None,
    };
    let (order_zero_bits, linear_prediction_bits) = baselines(&sequences)?;
    let generated = match options.generated {
        None => None,
        Some(number) if same_data => {
            let listed = SplitRule::Listed(manifest.split.clone());
            let (ranges, split) = recordings.split(&listed)?;
            let all = ClipDataset::new(&recordings, ranges);
            Some(judge(
                model,
                &all,
                split.training,
                number,
                options,
                observer,
            )?)
        }
        // What trained the model is not known: there is no floor.
        Some(number) => Some(judge(model, &sequences, 0, number, options, observer)?),
    };
    Ok(SoundEvaluation {
        files: sequences.count(),
        samples: found.tokens,
        bits_per_sample: found.bits_per_token() + frame_bits.unwrap_or(0.0),
        nats_per_sample: found.nats_per_token()
            + frame_bits.unwrap_or(0.0) * std::f64::consts::LN_2,
        frame_bits_per_sample: frame_bits,
        order_zero_bits,
        linear_prediction_bits,
        generated,
    })
}

/// Generates sounds, of the median length of the held-out recordings unless the model ends them itself, and compares them with
/// these. The first `training` sequences trained the model.
fn judge(
    model: &OpenModel,
    sequences: &ClipDataset<'_>,
    training: usize,
    number: u64,
    options: &EvaluateOptions,
    observer: &mut dyn Observer,
) -> Result<GeneratedSounds> {
    let held_out = training..sequences.count();
    if held_out.is_empty() {
        return Err(
            Error::input(&options.path, "no recording was held out in training")
                .with_hint("omit --generated, or give other recordings of the same kind"),
        );
    }
    let rate = model.sound()?.sample_rate;
    let median = |mut lengths: Vec<usize>| {
        lengths.sort_unstable();
        (lengths[lengths.len() / 2] as f64 / f64::from(rate)).min(LONGEST)
    };
    let seconds_real = median(held_out.clone().map(|i| sequences.length(i)).collect());
    let labels: Vec<_> = held_out.clone().map(|i| sequences.labels(i)).collect();
    let wanted = Wanted {
        number,
        labels: &labels,
        // A frame tier ends sounds itself.
        seconds: (!model.has_frames()).then_some(seconds_real.max(SHORTEST)),
        device: &options.device,
        sampling: options.sampling,
        codes: options.codes,
        frames: options.frames,
    };
    let (mut made, mut lengths) = (SoundProfile::new(rate), Vec::new());
    for (_, batch) in generated::generate(model, &wanted, observer)? {
        if let Generated::Sound { sounds, .. } = batch {
            for sound in sounds {
                made.add(&sound);
                lengths.push(sound.len());
            }
        }
    }
    let real = sequences.profile(held_out.clone(), WINDOWS)?;
    let learned = sequences.profile(0..training, WINDOWS)?;
    let figures = compare(&made, &real, &learned);
    Ok(GeneratedSounds {
        sounds: number,
        seconds: median(lengths),
        seconds_real,
        seed: SEED,
        held_out: held_out.len(),
        remark: figures.remark(),
        figures,
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
