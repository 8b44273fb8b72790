/*! `ensuite train sound`: learn from a folder of recordings. */

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::prelude::*;
use indicatif::ProgressBar;
use regex::Regex;
use sha2::{Digest, Sha256};

use super::arguments::labels_of_item;
use super::card;
use super::precision;
use super::sound::{Part, Parts, Recordings};
use super::train::{TrainArgs, parent_of, stop_flag};
use super::ui::{self, Ui};
use crate::audio::{self, Character, ImportSettings, MuLaw, WavSink};
use crate::checkpoint::{Description, FORMAT, ModelFolder, Split};
use crate::error::{Error, Result};
use crate::labels::{Classes, LabelRule, describe};
use crate::measure::{Point, draw_curve};
use crate::medium::{Medium, Sound, SoundCodec};
use crate::nets::SequenceModel;
use crate::network::Network;
use crate::recipe::Recipe;
use crate::sequence::{Codec, Generator, Sampler, Sampling, Sequences};
use crate::train::{
    AdamW, Batches, End, Length, MaximumLikelihood, Report, Reporter, Standing, Stepped, Training,
    fit, likelihood,
};

/// Learn sound from a folder of recordings (WAV, FLAC, MP3, OGG)
///
/// The model folder can be listened to while it trains: samples/ holds what it makes at each report. Ctrl-C saves and
/// ends; --resume goes on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
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
const TRAILING_SILENCE: f32 = 0.2;
/// Validation reads at most so many tokens at a report.
const VALIDATED: u64 = 400_000;
/// Sound made at a report, in samples.
const SAMPLE: usize = 24_000;

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    let device = args.train.device.device.resolve()?;
    let length = args.train.length()?;
    let plan = Plan::new(args)?;
    let parent = parent_of(&args.train.out)?;
    let recordings = Recordings::import(&args.recordings, &plan.settings, &plan.rule, &parent, ui)?;
    let (parts, split) = plan.held_out.split(&recordings, &plan.settings)?;
    plan.check_same_data(&args.recordings, &split)?;
    if !plan.rule.is_some() {
        suggest_labels(&recordings.corpus, ui);
    }
    let members = split.training;
    let description = match &plan.resumed {
        Some((_, description)) => description.clone(),
        None => plan.describe(&recordings, split),
    };
    let (folder, mut training) = plan.begin(args, &description, length, &device)?;
    training.net = training.net.train();

    let sequences = Parts::new(&recordings.corpus, parts);
    let conditions = (0..sequences.count())
        .map(|index| {
            description
                .classes
                .vector(&recordings.labels[sequences.clip(index)])
        })
        .collect::<Result<Vec<_>>>()?;
    let cut = |members: &[usize]| {
        let alphabet = description.medium.alphabet();
        let seed = plan.recipe.seed;
        Batches::new(
            &sequences,
            members,
            &conditions,
            alphabet,
            plan.recipe.cut(),
            seed,
        )
    };
    let learned: Vec<usize> = (0..members).collect();
    let held_out: Vec<usize> = (members..sequences.count()).collect();
    let batches = cut(&learned);
    let validation = cut(&enough(&sequences, &held_out));
    let rate = recordings.corpus.sample_rate();
    let size: usize = crate::nets::parameters(&training.net)
        .iter()
        .map(|p| p.values.len())
        .sum();
    ui.say(format!(
        "{} to learn from, {} to validate with; {} with {} parameters; seed {}",
        time_of(batches.tokens(), rate),
        time_of(validation.tokens(), rate),
        plan.recipe.network.name(),
        ui::count(size as f64),
        plan.recipe.seed,
    ));

    let mut reporter = SoundReporter::new(
        &folder,
        description.clone(),
        &recordings.corpus,
        &training,
        ui,
    )?;
    let end = fit(
        &mut training,
        &batches,
        &validation,
        &MaximumLikelihood,
        &plan.recipe.training,
        length,
        &mut reporter,
        &stop_flag(),
        &device,
    );
    let mut description = reporter.finish();
    let end = end?;
    let net = folder.load(&description, &device)?;
    if !held_out.is_empty() {
        // At reports a part of them is enough; what the model is known by counts them all.
        let all = cut(&held_out);
        description.validation_bits = Some(likelihood(&net, &all, &device)?.bits_per_token());
    }
    description.int8 = precision::measure(&net, &sequences, &learned, &held_out, &conditions)?;
    folder.save_description(&description)?;
    folder.write_text(
        "README.md",
        &card::of_sound(&description, &args.recordings, &training.standing),
    )?;
    say_end(end, &folder, &training.standing, ui);
    Ok(())
}

/// What is decided before any recording is read.
struct Plan {
    resumed: Option<(ModelFolder, Description)>,
    rule: LabelRule,
    recipe: Recipe,
    settings: ImportSettings,
    held_out: HeldOut,
}

impl Plan {
    fn new(args: &Args) -> Result<Self> {
        let resumed = args.train.resumed()?;
        if let Some((_, description)) = &resumed {
            args.refuse_changes()?;
            let Medium::Sound(sound) = &description.medium;
            return Ok(Self {
                rule: description.labels.clone(),
                recipe: description.recipe.clone(),
                settings: sound.import_settings(),
                held_out: HeldOut::Listed(description.split.clone()),
                resumed,
            });
        }
        let rule = args.label_rule()?;
        Ok(Self {
            recipe: args.train.recipe(Recipe::sound, "wavenet")?,
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
            held_out: HeldOut::new(args.validation.as_deref())?,
            rule,
            resumed,
        })
    }

    fn check_same_data(&self, recordings: &Path, split: &Split) -> Result<()> {
        match &self.resumed {
            Some((folder, description)) if description.split.hash != split.hash => {
                Err(Error::model(
                    folder.path(),
                    format!(
                        "it was trained on other recordings than those in {} now",
                        recordings.display()
                    ),
                )
                .with_hint(
                    "go on with the same recordings, or train a new model with another --out",
                ))
            }
            _ => Ok(()),
        }
    }

    fn describe(&self, recordings: &Recordings, split: Split) -> Description {
        Description {
            format: FORMAT,
            program: format!("ensuite {}", env!("CARGO_PKG_VERSION")),
            medium: Medium::Sound(Sound {
                sample_rate: recordings.corpus.sample_rate(),
                codec: SoundCodec::MuLaw,
                even_loudness: self.settings.even_loudness,
                trim_silence: self.settings.trim_silence,
                trailing_silence: self.settings.trailing_silence,
            }),
            lags: Vec::new(),
            labels: self.rule.clone(),
            classes: if self.rule.is_some() {
                recordings.classes()
            } else {
                Classes::default()
            },
            recipe: self.recipe.clone(),
            split,
            step: 0,
            validation_bits: None,
            int8: None,
        }
    }

    /// The model to train: loaded where it was left, or new on disk and in memory.
    fn begin(
        &self,
        args: &Args,
        description: &Description,
        length: Length,
        device: &Device,
    ) -> Result<(ModelFolder, Training<Network>)> {
        if let Some((folder, _)) = &self.resumed {
            let mut training = folder.load_training(description, device)?;
            continue_to(&mut training.standing, args, length);
            return Ok((folder.clone(), training));
        }
        let net = self
            .recipe
            .network
            .build(description.interface(), self.recipe.seed, device)?;
        let training = Training {
            optimizer: AdamW::new(&net),
            standing: Standing::start(length),
            net,
        };
        let folder =
            ModelFolder::create(&args.train.out, args.train.force, description, &training)?;
        Ok((folder, training))
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

    /// A model goes on with the data as it began.
    fn refuse_changes(&self) -> Result<()> {
        for (flag, given) in [
            ("--sample-rate", self.sample_rate.is_some()),
            ("--keep-loudness", self.keep_loudness),
            ("--trim-silence", self.trim_silence),
            ("--label-folders", self.label_folders),
            ("--label-pattern", self.label_pattern.is_some()),
            ("--validation", self.validation.is_some()),
        ] {
            if given {
                return Err(Error::usage(format!(
                    "{flag} cannot change a model that is already in training"
                ))
                .with_hint(
                    "leave it away: --resume reads the recordings as the model did before",
                ));
            }
        }
        Ok(())
    }
}

/// Which recordings are held out, and why those.
enum HeldOut {
    /// Those whose path matches.
    Matching(Regex),
    /// One in ten, chosen by the hashes of their paths.
    OneInTen,
    /// Those a resumed model names.
    Listed(Split),
}

/// Fewer recordings than this are not held out whole: the end of each is.
const FEW: usize = 10;

impl HeldOut {
    fn new(pattern: Option<&str>) -> Result<Self> {
        match pattern {
            None => Ok(Self::OneInTen),
            Some(text) => Regex::new(text).map(Self::Matching).map_err(|error| {
                Error::usage(format!("--validation is no regular expression: {error}"))
            }),
        }
    }

    /// Parts to train on, then parts held out, and the record of it.
    fn split(
        &self,
        recordings: &Recordings,
        settings: &ImportSettings,
    ) -> Result<(Vec<Part>, Split)> {
        let clips = recordings.corpus.clips();
        let lowest = lowest_tenth(clips);
        let tail_rule = "the last tenth of each recording";
        let by_tails = match self {
            Self::Matching(_) => false,
            Self::OneInTen => clips.len() < FEW,
            Self::Listed(split) => split.rule == tail_rule,
        };
        let (mut training, mut held_out) = (Vec::new(), Vec::new());
        for (index, clip) in clips.iter().enumerate() {
            if by_tails {
                let (_, recorded) = recordings.recorded(index, settings);
                let border = recorded.end - recorded.end / 10;
                training.push((index, 0..border));
                if border < recorded.end {
                    held_out.push((index, border..recorded.end));
                }
                continue;
            }
            let out = match self {
                Self::Matching(regex) => regex.is_match(&clip.path),
                Self::OneInTen => lowest.contains(&index),
                Self::Listed(split) => split.validation.contains(&clip.path),
            };
            if out {
                held_out.push(recordings.recorded(index, settings));
            } else {
                training.push((index, 0..clip.len));
            }
        }
        if training.is_empty() {
            return Err(Error::usage(
                "--validation holds out every recording, so that none is left to learn from",
            ));
        }
        if held_out.is_empty() && matches!(self, Self::Matching(_)) {
            return Err(Error::usage("--validation matches no recording"));
        }
        let split = Split {
            rule: match self {
                Self::Matching(regex) => format!("paths matching {regex}"),
                Self::OneInTen if by_tails => tail_rule.into(),
                Self::OneInTen => {
                    "the tenth of the recordings whose paths have the lowest hashes".into()
                }
                Self::Listed(split) => split.rule.clone(),
            },
            training: training.len(),
            validation: if by_tails {
                Vec::new()
            } else {
                held_out
                    .iter()
                    .map(|(clip, _)| clips[*clip].path.clone())
                    .collect()
            },
            hash: recordings.corpus.digest().to_owned(),
        };
        training.extend(held_out);
        Ok((training, split))
    }
}

/// The tenth of the clips whose paths have the lowest hashes: scattered, and the same on every machine.
fn lowest_tenth(clips: &[audio::Clip]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..clips.len()).collect();
    order.sort_by_key(|&index| Sha256::digest(clips[index].path.as_bytes()));
    order.truncate(clips.len().div_ceil(10));
    order
}

/// As many held-out sequences as a report has time for, spread evenly.
fn enough(sequences: &Parts<'_>, members: &[usize]) -> Vec<usize> {
    let total: u64 = members
        .iter()
        .map(|&member| sequences.length(member) as u64)
        .sum();
    let every = total.div_ceil(VALIDATED).max(1) as usize;
    members.iter().copied().step_by(every).collect()
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

/// How far a resumed run goes: as planned, or further where the person says so.
fn continue_to(standing: &mut Standing, args: &Args, length: Length) {
    let finished = standing.total == Some(standing.step);
    match length {
        Length::Steps(steps) => standing.total = Some(steps.max(standing.step)),
        // More minutes after the end; before it, the plan stands.
        Length::Minutes(_) if finished && args.train.minutes_given() => standing.total = None,
        Length::Minutes(_) => {}
    }
}

fn time_of(count: u64, rate: u32) -> String {
    let seconds = count as f64 / f64::from(rate);
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

fn say_end(end: End, folder: &ModelFolder, standing: &Standing, ui: &Ui) {
    let path = folder.path().display();
    let best = standing
        .best
        .map(|(bits, step)| format!("; best validation {bits:.3} bits/sample at step {step}"))
        .unwrap_or_default();
    ui.say(match end {
        End::Done => format!(
            "done: {} steps in {}{best}",
            standing.step,
            ui::duration(standing.seconds)
        ),
        End::Early => format!(
            "stopped early at step {}: validation has not become better for a while{best}",
            standing.step
        ),
        End::Interrupted => format!(
            "stopped at step {} and saved; go on with --resume{best}",
            standing.step
        ),
    });
    ui.say(format!(
        "make sound with: ensuite generate {path} -o more.wav"
    ));
}

/// Shows, samples and saves a run on sound.
struct SoundReporter<'a> {
    folder: &'a ModelFolder,
    description: Description,
    corpus: Character,
    sample_rate: u32,
    reports: Vec<Report>,
    live: ProgressBar,
    ui: &'a Ui,
    shown: Instant,
}

impl<'a> SoundReporter<'a> {
    fn new(
        folder: &'a ModelFolder,
        description: Description,
        corpus: &audio::Corpus,
        training: &Training<Network>,
        ui: &'a Ui,
    ) -> Result<Self> {
        let reports = folder.reports(training.standing.step)?;
        folder.rewrite_log(&reports)?;
        Ok(Self {
            folder,
            description,
            corpus: Character::of_corpus(corpus)?,
            sample_rate: corpus.sample_rate(),
            reports,
            live: ui.live(),
            ui,
            shown: Instant::now(),
        })
    }

    /// Clears the live line; gives the description of the model that was kept.
    fn finish(self) -> Description {
        self.live.finish_and_clear();
        self.description
    }
}

impl Reporter<Network> for SoundReporter<'_> {
    fn stepped(&mut self, s: &Stepped) {
        if self.shown.elapsed().as_millis() < 200 {
            return;
        }
        self.shown = Instant::now();
        let total = s
            .total
            .map_or(String::new(), |total| format!(" of {total}"));
        let left = s.seconds_left.map_or(String::new(), |left| {
            format!("  {} left", ui::duration(left))
        });
        let validation = self
            .reports
            .last()
            .and_then(|report| report.validation_bits)
            .map_or(String::new(), |bits| format!("  validation {bits:.3}"));
        self.live.set_message(format!(
            "step {}{total}  {:.3} bits/sample{validation}  {} samples/s{left}",
            s.step,
            s.bits,
            ui::count(s.tokens_per_second)
        ));
    }

    fn sample(&mut self, averaged: &Network, step: u64) -> Result<String> {
        let labels = labels_of_item(
            &self.description.classes,
            &[],
            self.description.recipe.seed,
            step,
        );
        let condition = self.description.classes.vector(&labels)?;
        let sampler = Sampler::new(Sampling::default(), self.description.recipe.seed, step)?;
        let condition = (!labels.is_empty()).then_some(condition.as_slice());
        let tokens: Vec<_> = Generator::new(averaged.stepper(1)?, sampler, condition, &[])?
            .take(SAMPLE)
            .collect();
        let sound = MuLaw.decode(&tokens)?;
        let base = self.folder.samples().join(format!("step-{step:07}"));
        let mut sink = WavSink::create(&base.with_extension("wav"), self.sample_rate)?;
        sink.write(&sound)?;
        sink.finish()?;
        audio::spectrogram::write_png(&base.with_extension("png"), &sound, self.sample_rate)?;
        let said = audio::judge(&Character::of(&sound, self.sample_rate), &self.corpus);
        Ok(if labels.is_empty() {
            said
        } else {
            format!("{} ({})", said, describe(&labels))
        })
    }

    fn keep(
        &mut self,
        report: &Report,
        training: &Training<Network>,
        averaged: &Network,
        improved: bool,
    ) -> Result<()> {
        self.folder.save_training(training)?;
        if improved {
            self.description.step = report.step;
            self.description.validation_bits = report.validation_bits;
            self.folder.save_model(&self.description, averaged)?;
        }
        self.folder.log(report)?;
        self.reports.push(report.clone());
        let points: Vec<Point> = self
            .reports
            .iter()
            .map(|r| Point {
                step: r.step,
                train: r.train_bits,
                validation: r.validation_bits,
            })
            .collect();
        draw_curve(
            &points,
            "bits/sample",
            &self.folder.samples().join("curve.png"),
        )?;
        let validation = report
            .validation_bits
            .map_or(String::new(), |bits| format!(", validation {bits:.3}"));
        let line = format!(
            "step {}: {:.3} bits/sample{validation}, {} samples/s, {}; {}",
            report.step,
            report.train_bits,
            ui::count(report.tokens_per_second),
            ui::duration(report.seconds),
            report.remark
        );
        self.live.suspend(|| self.ui.say(line));
        Ok(())
    }

    fn save(&mut self, training: &Training<Network>) -> Result<()> {
        self.folder.save_training(training)
    }
}
