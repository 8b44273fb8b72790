/*! Training on a folder of recordings. */

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::frames::{FrameTrainingData, shared, train_frames};
use super::options::{Given, TrainOptions, given, refuse_changes};
use super::run::{TrainingData, begun, check_same_data, create_folder, new_manifest, train_model};
use crate::app::import::import_recordings;
use crate::app::sampling::{SamplingOptions, labels_of_item};
use crate::app::tiers::{Steering, codebooks_file};
use crate::app::{FrameChange, FrameSampling, Observer, OpenModel};
use crate::audio::frames::{FrameCodec, FrameDataset, FrameFormat};
use crate::audio::{
    self, ClipDataset, Emphasis, ImportSettings, RecordingDataset, SoundCodec, SoundFormat,
    SoundProfile, WavSink,
};
use crate::base::labels::{Classes, LabelRule, describe};
use crate::base::split::{Split, SplitRule};
use crate::checkpoint::{Medium, ModelManifest, PROMPT};
use crate::error::{Error, IoContext, Result};
use crate::models::Model;
use crate::sequence::{ConditionSource, Item, Sampler, SequenceDataset, SideInputs, generate_many};
use crate::train::Recipe;

/// Recordings to train on, and how they are read.
#[derive(Debug, Clone, Default)]
pub struct SoundTraining {
    /// A folder of recordings, with subfolders, or one recording.
    pub recordings: PathBuf,
    /// Samples a second; 16,000 or the recordings' own if lower, where it is missing.
    pub sample_rate: Option<u32>,
    /// Whether each recording keeps its loudness.
    pub keep_loudness: bool,
    /// Whether silence at both ends of each recording is cut off.
    pub trim_silence: bool,
    /// Whether the first folder of each recording's path is its class.
    pub label_folders: bool,
    /// A regular expression whose named groups find classes in the recordings' paths.
    pub label_pattern: Option<String>,
    /// A regular expression for the paths to hold out; one in ten where it is missing.
    pub validation: Option<String>,
    /// 2 for frames and the samples made from them, 1 for samples alone; 2 where it is missing.
    pub tiers: Option<u8>,
}

impl SoundTraining {
    fn label_rule(&self) -> Result<LabelRule> {
        match &self.label_pattern {
            Some(pattern) => LabelRule::pattern(pattern),
            None if self.label_folders => Ok(LabelRule::Folders),
            None => Ok(LabelRule::None),
        }
    }

    /// Whether the model has a frame tier.
    fn has_frames(&self) -> Result<bool> {
        match self.tiers {
            None | Some(2) => Ok(true),
            Some(1) => Ok(false),
            Some(other) => Err(Error::usage(format!("--tiers {other} is not possible"))
                .with_hint("2 is frames and the samples made from them, 1 is samples alone")),
        }
    }

    fn given(&self) -> Given {
        given(&[
            ("--sample-rate", json!(self.sample_rate)),
            ("--keep-loudness", json!(self.keep_loudness)),
            ("--trim-silence", json!(self.trim_silence)),
            ("--label-folders", json!(self.label_folders)),
            ("--label-pattern", json!(self.label_pattern)),
            ("--validation", json!(self.validation)),
            ("--tiers", json!(self.tiers)),
        ])
    }
}

/// Seconds of silence behind labelled clips, from which a model learns where they end.
const TRAILING_SILENCE: f32 = 0.1;
/// Windows of 5 s in which the recordings are measured for reports.
const WINDOWS: usize = 64;
/// Samples generated at a report.
const SAMPLE: usize = 24_000;

/// Trains a sound model.
///
/// # Errors
/// When an option is not possible, no recording can be used, training diverges, or writing fails.
pub fn train_sound(
    data: &SoundTraining,
    options: &TrainOptions,
    observer: &mut dyn Observer,
) -> Result<OpenModel> {
    options.check(Recipe::sound, "small", "wavenet")?;
    let given = options.given(data.given())?;
    let mut plan = Plan::new(data, options, &given)?;
    // The imported tokens are kept in a file beside the model.
    let scratch = parent_of(&options.out)?;
    let recordings = import_recordings(
        &data.recordings,
        &plan.settings,
        &plan.rule,
        &scratch,
        observer,
    )?;
    let (ranges, split) = recordings.split(&plan.held_out)?;
    check_same_data(plan.resumed.as_ref(), &split, &data.recordings)?;
    if !plan.rule.is_some() {
        suggest_labels(&recordings.corpus, observer);
    }
    let training = split.training;
    let sequences = ClipDataset::new(&recordings, ranges);
    let codec = match &plan.resumed {
        Some(model) if model.sound()?.frames.is_some() => Some(model.codebooks()?),
        None if plan.settings.remove_offset => {
            let sounds = (0..training).map(|index| sequences.tokens(index));
            let rate = recordings.corpus.sample_rate();
            let emphasis = plan.settings.emphasis;
            Some(FrameCodec::learn(rate, emphasis, sounds, plan.recipe.seed)?)
        }
        _ => None,
    };
    let frames = codec.as_ref().map(FrameCodec::format);
    let (folder, mut manifest) = begun(plan.resumed.take(), given, || {
        Ok(plan.manifest(&recordings, split, frames))
    })?;
    let classes = sequences.conditions(&manifest.classes)?;
    let frames = match codec {
        Some(codec) => {
            let mut frames = FrameDataset::analyse(Arc::new(codec), &sequences)?;
            // A model that is resumed stays as it was begun.
            if folder.is_none() {
                frames.find_pauses(training);
            }
            Some(frames)
        }
        None => None,
    };
    let conditions = FrameDataset::conditions(frames.as_ref(), &classes);
    let training_data = SoundTrainingData {
        conditions: &*conditions,
        frames: frames.as_ref(),
        profiles: profiles(&sequences, training)?,
        sequences,
        training,
        rate: recordings.corpus.sample_rate(),
        emphasis: plan.settings.emphasis,
    };
    let source = &data.recordings;
    let Some(frames) = &frames else {
        return train_model(options, folder, manifest, &training_data, source, observer);
    };
    let [_, budget] = shared(options)?;
    let of_samples = TrainOptions {
        budget,
        ..options.clone()
    };
    let folder = match folder {
        Some(folder) => folder,
        None => create_folder(&of_samples, &mut manifest, &training_data)?,
    };
    let frame_data = FrameTrainingData {
        frames,
        training,
        classes: &classes,
    };
    observer.info("first of two tiers: frames, which say what sounds every 10 ms");
    train_frames(options, &manifest, &frame_data, source, observer)?;
    if options.stop.load(Ordering::Relaxed) {
        return OpenModel::open(folder.path());
    }
    observer.info("second of two tiers: samples, made from the frames");
    let folder = Some(folder);
    train_model(
        &of_samples,
        folder,
        manifest,
        &training_data,
        source,
        observer,
    )
}

/// The figures of the training recordings and of the held-out ones, where there are any.
fn profiles(sequences: &ClipDataset<'_>, training: usize) -> Result<[SoundProfile; 2]> {
    let all = sequences.count();
    let held_out = if training < all {
        training..all
    } else {
        0..all
    };
    Ok([
        sequences.profile(0..training, WINDOWS)?,
        sequences.profile(held_out, WINDOWS)?,
    ])
}

/// The folder that `out` will lie in, made if it is missing.
fn parent_of(out: &Path) -> Result<PathBuf> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&parent).writing(&parent)?;
    Ok(parent)
}

/// What is decided before any recording is read.
struct Plan {
    resumed: Option<OpenModel>,
    rule: LabelRule,
    recipe: Recipe,
    settings: ImportSettings,
    held_out: SplitRule,
}

impl Plan {
    fn new(data: &SoundTraining, options: &TrainOptions, given: &Given) -> Result<Self> {
        let resumed = options.resumed("sound")?;
        if let Some(model) = &resumed {
            refuse_changes(model, given)?;
            let manifest = &model.manifest;
            return Ok(Self {
                rule: manifest.labels.clone(),
                recipe: manifest.recipe.clone(),
                settings: model.sound()?.import_settings(),
                held_out: SplitRule::Listed(manifest.split.clone()),
                resumed,
            });
        }
        let rule = data.label_rule()?;
        let frames = data.has_frames()?;
        if frames {
            options.frame_recipe()?;
            if let Some(rate) = data.sample_rate {
                FrameCodec::check_rate(rate)?;
            }
        }
        Ok(Self {
            recipe: options.recipe(Recipe::sound, "small", "wavenet")?,
            settings: ImportSettings {
                sample_rate: data.sample_rate,
                even_loudness: !data.keep_loudness,
                trim_silence: data.trim_silence,
                // A frame tier ends sounds itself.
                trailing_silence: if rule.is_some() && !frames {
                    TRAILING_SILENCE
                } else {
                    0.0
                },
                remove_offset: frames,
                emphasis: if frames {
                    Emphasis::USUAL
                } else {
                    Emphasis::NONE
                },
            },
            held_out: SplitRule::new(data.validation.as_deref())?,
            rule,
            resumed,
        })
    }

    fn manifest(
        &self,
        recordings: &RecordingDataset,
        split: Split,
        frames: Option<FrameFormat>,
    ) -> ModelManifest {
        let sound = SoundFormat {
            sample_rate: recordings.corpus.sample_rate(),
            codec: SoundCodec::MuLaw,
            even_loudness: self.settings.even_loudness,
            trim_silence: self.settings.trim_silence,
            trailing_silence: self.settings.trailing_silence,
            remove_offset: self.settings.remove_offset,
            emphasis: self.settings.emphasis,
            frames,
        };
        let classes = if self.rule.is_some() {
            recordings.classes()
        } else {
            Classes::default()
        };
        new_manifest(
            Medium::Sound(sound),
            SideInputs::default(),
            self.rule.clone(),
            classes,
            self.recipe.clone(),
            split,
        )
    }
}

/// Recordings as training data.
struct SoundTrainingData<'a> {
    sequences: ClipDataset<'a>,
    training: usize,
    conditions: &'a dyn ConditionSource,
    frames: Option<&'a FrameDataset>,
    /// Of the training recordings and of the held-out ones.
    profiles: [SoundProfile; 2],
    rate: u32,
    emphasis: Emphasis,
}

impl TrainingData for SoundTrainingData<'_> {
    fn sequences(&self) -> &dyn SequenceDataset {
        &self.sequences
    }

    fn training(&self) -> usize {
        self.training
    }

    fn conditions(&self) -> &dyn ConditionSource {
        self.conditions
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut files = vec![(PROMPT, self.sequences.prompt(self.training)?)];
        files.extend(self.frames.map(|frames| codebooks_file(frames.codec())));
        Ok(files)
    }

    fn describe(&self, _sequences: usize, tokens: u64) -> String {
        let seconds = tokens as f64 / f64::from(self.rate);
        if seconds < 120.0 {
            format!("{seconds:.1} s")
        } else {
            format!("{:.1} min", seconds / 60.0)
        }
    }

    fn sample(
        &self,
        model: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String> {
        let seed = manifest.recipe.seed;
        let labels = labels_of_item(&manifest.classes, &[], seed, step);
        let condition = manifest.condition(&labels)?;
        let sampling = SamplingOptions::default().settings(manifest);
        let mut item = Item {
            sampler: Sampler::new(sampling, seed, step)?,
            condition,
            stream: None,
            prompt: Vec::new(),
        };
        if self.frames.is_some() {
            let folder = base.parent().and_then(Path::parent).unwrap_or(base);
            let tiers = OpenModel::open(folder)?.tiers()?;
            let how = Steering {
                sampling: FrameSampling::default(),
                seed,
                change: FrameChange::default(),
                fill: true,
            };
            if let Some(tiers) = tiers {
                tiers.steer(std::slice::from_mut(&mut item), &how, SAMPLE)?;
            }
        }
        let mut tokens = Vec::new();
        let mut stepper = model.require_sequence()?.stepper(1)?;
        generate_many(&mut *stepper, &mut [item], SAMPLE, &mut |_, token| {
            tokens.push(token);
            Ok(())
        })?;
        let sound = self.emphasis.decode(&tokens, self.rate);
        let mut sink = WavSink::create(&base.with_extension("wav"), self.rate)?;
        sink.write(&sound)?;
        sink.finish()?;
        audio::spectrogram::write_png(&base.with_extension("png"), &sound, self.rate)?;
        let mut made = SoundProfile::new(self.rate);
        made.add(&sound);
        let [learned, held_out] = &self.profiles;
        let said = audio::compare(&made, held_out, learned).summary();
        Ok(if labels.is_empty() {
            said
        } else {
            format!("{} ({})", said, describe(&labels))
        })
    }
}

/// Suggests classes where there are several subfolders.
fn suggest_labels(corpus: &audio::Corpus, observer: &mut dyn Observer) {
    let mut folders: Vec<&str> = corpus
        .clips()
        .iter()
        .filter_map(|clip| Some(clip.path.split_once('/')?.0))
        .collect();
    folders.dedup();
    if folders.len() > 1 {
        observer.info(format!(
            "{} subfolders found ({}, …): --label-folders would make them classes to choose from",
            folders.len(),
            folders[0]
        ));
    }
}
