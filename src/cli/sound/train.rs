/*! `ensuite train sound`: learn from a folder of recordings. */

use std::path::{Path, PathBuf};

use crate::audio;
use crate::audio::{ImportSettings, MuLaw, SoundStatistics, WavSink};
use crate::audio::{SoundCodec, SoundFormat};
use crate::base::labels::{Classes, LabelRule, describe};
use crate::base::split::Split;
use crate::base::split::SplitRule;
use crate::checkpoint::Medium;
use crate::checkpoint::{ModelFolder, ModelManifest, PROMPT};
use crate::cli::arguments::labels_of_item;
use crate::cli::lesson;
use crate::cli::lesson::Material;
use crate::cli::sound::{Part, Parts, Recordings};
use crate::cli::train::{TrainArgs, parent_of};
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::models::Model;
use crate::sequence::{Codec, Generator, Sampler, Sampling, SequenceDataset, Token};
use crate::train::Recipe;

/// Learn sound from a folder of recordings (WAV, FLAC, MP3, OGG)
///
/// The model folder can be listened to while it trains: samples/ holds what it makes at each report. Ctrl-C saves and
/// ends; --resume goes on.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A folder of recordings, with subfolders, or one recording
    recordings: PathBuf,
    #[command(flatten)]
    train: TrainArgs,
    /// Samples a second to work at [default: 16000, or the recordings' own if lower]
    #[arg(long, value_name = "HZ", help_heading = "Recordings")]
    sample_rate: Option<u32>,
    /// Leave each recording as loud as it is
    #[arg(long, help_heading = "Recordings")]
    keep_loudness: bool,
    /// Cut off silence at both ends of each recording
    #[arg(long, help_heading = "Recordings")]
    trim_silence: bool,
    /// Make the first folder of each recording's path its class
    #[arg(long, help_heading = "Recordings", conflicts_with = "label_pattern")]
    label_folders: bool,
    /// Find classes in the recordings' paths: named groups of a regular expression
    #[arg(long, value_name = "REGEX", help_heading = "Recordings")]
    label_pattern: Option<String>,
    /// Hold out the recordings whose path matches [default: one in ten]
    #[arg(long, value_name = "REGEX", help_heading = "Recordings")]
    validation: Option<String>,
}

/// Labelled clips learn how they end.
const TRAILING_SILENCE: f32 = 0.1;
/// The prompt that a model keeps is so long at most.
const PROMPT_SECONDS: f32 = 1.0;
/// It is chosen among about so many recordings.
const LISTENED: usize = 100;
/// Sound made at a report, in samples.
const SAMPLE: usize = 24_000;

pub(in crate::cli) fn run(args: &Args, ui: &Ui) -> Result<()> {
    args.train.check(Recipe::sound, "small", "wavenet")?;
    let plan = Plan::new(args)?;
    let parent = parent_of(&args.train.out)?;
    let recordings = Recordings::import(&args.recordings, &plan.settings, &plan.rule, &parent, ui)?;
    let (parts, split) = split(&plan.held_out, &recordings, &plan.settings)?;
    lesson::check_same_data(plan.resumed.as_ref(), &split, &args.recordings)?;
    if !plan.rule.is_some() {
        suggest_labels(&recordings.corpus, ui);
    }
    let training = split.training;
    let (folder, manifest) = match plan.resumed {
        Some((folder, manifest)) => (Some(folder), manifest),
        None => (None, plan.describe(&recordings, split)),
    };
    let sequences = Parts::new(&recordings.corpus, parts);
    let material = SoundMaterial {
        conditions: sequences.conditions(&recordings, &manifest.classes)?,
        sequences,
        training,
        character: SoundStatistics::of_corpus(&recordings.corpus)?,
        rate: recordings.corpus.sample_rate(),
    };
    lesson::learn(
        &args.train,
        folder,
        manifest,
        &material,
        &args.recordings,
        ui,
    )
}

/// Recordings to learn from.
struct SoundMaterial<'a> {
    sequences: Parts<'a>,
    training: usize,
    conditions: Vec<Vec<f32>>,
    character: SoundStatistics,
    rate: u32,
}

impl Material for SoundMaterial<'_> {
    fn sequences(&self) -> &dyn SequenceDataset {
        &self.sequences
    }

    fn training(&self) -> usize {
        self.training
    }

    fn conditions(&self) -> &[Vec<f32>] {
        &self.conditions
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(vec![(PROMPT, self.prompt()?)])
    }

    fn amount(&self, _sequences: usize, tokens: u64) -> String {
        let seconds = tokens as f64 / f64::from(self.rate);
        if seconds < 120.0 {
            format!("{seconds:.1} s")
        } else {
            format!("{:.1} min", seconds / 60.0)
        }
    }

    fn sample(
        &self,
        net: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String> {
        let seed = manifest.recipe.seed;
        let labels = labels_of_item(&manifest.classes, &[], seed, step);
        let condition = manifest.classes.vector(&labels)?;
        let sampler = Sampler::new(Sampling::default(), seed, step)?;
        let condition = (!labels.is_empty()).then_some(condition.as_slice());
        let tokens: Vec<_> =
            Generator::new(net.require_sequence()?.stepper(1)?, sampler, condition, &[])?
                .take(SAMPLE)
                .collect();
        let sound = MuLaw.decode(&tokens)?;
        let mut sink = WavSink::create(&base.with_extension("wav"), self.rate)?;
        sink.write(&sound)?;
        sink.finish()?;
        audio::spectrogram::write_png(&base.with_extension("png"), &sound, self.rate)?;
        let said = audio::verdict(&SoundStatistics::of(&sound, self.rate), &self.character);
        Ok(if labels.is_empty() {
            said
        } else {
            format!("{} ({})", said, describe(&labels))
        })
    }
}

/// What is decided before any recording is read.
struct Plan {
    resumed: Option<(ModelFolder, ModelManifest)>,
    rule: LabelRule,
    recipe: Recipe,
    settings: ImportSettings,
    held_out: SplitRule,
}

impl Plan {
    fn new(args: &Args) -> Result<Self> {
        let resumed = args.train.resumed("sound")?;
        if let Some((_, manifest)) = &resumed {
            args.refuse_changes()?;
            let Medium::Sound(sound) = &manifest.medium else {
                unreachable!("resumed() asked for sound");
            };
            return Ok(Self {
                rule: manifest.labels.clone(),
                recipe: manifest.recipe.clone(),
                settings: sound.import_settings(),
                held_out: SplitRule::Listed(manifest.split.clone()),
                resumed,
            });
        }
        let rule = args.label_rule()?;
        Ok(Self {
            recipe: args.train.recipe(Recipe::sound, "small", "wavenet")?,
            settings: ImportSettings {
                sample_rate: args.sample_rate,
                even_loudness: !args.keep_loudness,
                trim_silence: args.trim_silence,
                trailing_silence: if rule.is_some() {
                    TRAILING_SILENCE
                } else {
                    0.0
                },
            },
            held_out: SplitRule::new(args.validation.as_deref())?,
            rule,
            resumed,
        })
    }

    fn describe(&self, recordings: &Recordings, split: Split) -> ModelManifest {
        let sound = SoundFormat {
            sample_rate: recordings.corpus.sample_rate(),
            codec: SoundCodec::MuLaw,
            even_loudness: self.settings.even_loudness,
            trim_silence: self.settings.trim_silence,
            trailing_silence: self.settings.trailing_silence,
        };
        let classes = if self.rule.is_some() {
            recordings.classes()
        } else {
            Classes::default()
        };
        lesson::describe(
            Medium::Sound(sound),
            Vec::new(),
            self.rule.clone(),
            classes,
            self.recipe.clone(),
            split,
        )
    }
}

impl Args {
    fn label_rule(&self) -> Result<LabelRule> {
        match &self.label_pattern {
            Some(pattern) => LabelRule::pattern(pattern),
            None if self.label_folders => Ok(LabelRule::Folders),
            None => Ok(LabelRule::None),
        }
    }

    fn refuse_changes(&self) -> Result<()> {
        lesson::refuse_changes(&[
            ("--sample-rate", self.sample_rate.is_some()),
            ("--keep-loudness", self.keep_loudness),
            ("--trim-silence", self.trim_silence),
            ("--label-folders", self.label_folders),
            ("--label-pattern", self.label_pattern.is_some()),
            ("--validation", self.validation.is_some()),
        ])
    }
}

impl SoundMaterial<'_> {
    /// A little of a recording of middling loudness, as a WAV file.
    fn prompt(&self) -> Result<Vec<u8>> {
        let mut loudness = Vec::new();
        let mut tokens = Vec::new();
        for index in (0..self.training).step_by(self.training.div_ceil(LISTENED)) {
            let sound = self.beginning(index, &mut tokens)?;
            let energy: f32 = sound.iter().map(|s| s * s).sum();
            loudness.push((energy / sound.len().max(1) as f32, index));
        }
        loudness.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (_, middle) = loudness[loudness.len() / 2];
        let sound = self.beginning(middle, &mut tokens)?;
        audio::wav_bytes(&sound, self.rate)
    }

    fn beginning(&self, index: usize, tokens: &mut Vec<Token>) -> Result<Vec<f32>> {
        let wanted = (PROMPT_SECONDS * self.rate as f32) as usize;
        tokens.resize(self.sequences.length(index).min(wanted), 0);
        let end = tokens.len();
        self.sequences.read(index, 0..end, tokens)?;
        MuLaw.decode(tokens)
    }
}

/// Fewer recordings than this are not held out whole: the end of each is.
const FEW: usize = 10;
/// The rule of the split of so few recordings.
pub(super) const TAILS: &str = "the last tenth of each recording";

/// Parts to train on, then parts held out, and the record of it.
pub(super) fn split(
    held_out: &SplitRule,
    recordings: &Recordings,
    settings: &ImportSettings,
) -> Result<(Vec<Part>, Split)> {
    let clips = recordings.corpus.clips();
    let by_tails = match held_out {
        SplitRule::Matching(_) => false,
        SplitRule::OneInTen => clips.len() < FEW,
        SplitRule::Listed(split) => split.rule == TAILS,
    };
    let hash = recordings.corpus.digest();
    if !by_tails {
        let names: Vec<String> = clips.iter().map(|clip| clip.path.clone()).collect();
        let (order, split) = held_out.split(&names, hash)?;
        let (training, out) = order.split_at(split.training);
        let training = training.iter().map(|&clip| (clip, 0..clips[clip].len));
        let out = out.iter().map(|&clip| recordings.recorded(clip, settings));
        return Ok((training.chain(out).collect(), split));
    }
    let (mut training, mut out) = (Vec::new(), Vec::new());
    for index in 0..clips.len() {
        let (_, recorded) = recordings.recorded(index, settings);
        let border = recorded.end - recorded.end / 10;
        training.push((index, 0..border));
        if border < recorded.end {
            out.push((index, border..recorded.end));
        }
    }
    let split = Split {
        rule: TAILS.into(),
        training: training.len(),
        validation: Vec::new(),
        hash: hash.to_owned(),
    };
    training.extend(out);
    Ok((training, split))
}

/// A person with several folders may not know that they can become classes.
fn suggest_labels(corpus: &audio::Corpus, ui: &Ui) {
    let mut folders: Vec<&str> = corpus
        .clips()
        .iter()
        .filter_map(|clip| Some(clip.path.split_once('/')?.0))
        .collect();
    folders.dedup();
    if folders.len() > 1 {
        ui.say(format!(
            "{} subfolders found ({}, …): --label-folders would make them classes to choose from",
            folders.len(),
            folders[0]
        ));
    }
}
