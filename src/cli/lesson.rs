/*! The course of a training run, the same for every medium: begin or go on, fit, report, measure, keep. */

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::prelude::*;
use indicatif::ProgressBar;

use crate::base::labels::{Classes, LabelRule};
use crate::base::split::Split;
use crate::checkpoint::Medium;
use crate::checkpoint::{FORMAT, ModelFolder, ModelManifest};
use crate::cli::card;
use crate::cli::media;
use crate::cli::precision;
use crate::cli::train::{TrainArgs, stop_flag};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::eval::{Point, draw_curve};
use crate::models::Model;
use crate::models::parameters;
use crate::sequence::SequenceDataset;
use crate::train::Recipe;
use crate::train::{
    AdamW, Budget, DataLoader, Report, Reporter, StepReport, StopReason, TrainState, Training, fit,
};

/// What a medium brings to its training.
pub(super) trait Material {
    /// All sequences: those to learn from first, then those held out.
    fn sequences(&self) -> &dyn SequenceDataset;

    /// How many sequences train.
    fn training(&self) -> usize;

    /// One condition vector for each sequence; empty vectors for none.
    fn conditions(&self) -> &[Vec<f32>];

    /// Files of the medium's own that belong to the model: name and content.
    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>>;

    /// How much so many sequences with so many tokens are, in the medium's own words.
    fn amount(&self, sequences: usize, tokens: u64) -> String;

    /// Makes something with the network, writes it to `base` with the medium's own extension, and says one sentence
    /// about it.
    fn sample(
        &self,
        net: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String>;
}

/// A description of a model that is yet to be trained.
pub(super) fn describe(
    medium: Medium,
    lags: Vec<usize>,
    labels: LabelRule,
    classes: Classes,
    recipe: Recipe,
    split: Split,
) -> ModelManifest {
    ModelManifest {
        format: FORMAT,
        program: format!("ensuite {}", env!("CARGO_PKG_VERSION")),
        medium,
        lags,
        labels,
        classes,
        recipe,
        split,
        step: 0,
        validation_bits: None,
        int8: None,
        half: false,
    }
}

/// Refuses to go on with other data than the model began with.
pub(super) fn check_same_data(
    resumed: Option<&(ModelFolder, ModelManifest)>,
    split: &Split,
    source: &Path,
) -> Result<()> {
    match resumed {
        Some((folder, manifest)) if manifest.split.hash != split.hash => Err(Error::model(
            folder.path(),
            format!(
                "it was trained on other data than what is in {} now",
                source.display()
            ),
        )
        .with_hint("go on with the same data, or train a new model with another --out")),
        _ => Ok(()),
    }
}

/// Refuses flags that would change what a resumed model learns from; each with whether it was given.
pub(super) fn refuse_changes(flags: &[(&str, bool)]) -> Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Error::usage(format!(
            "{flag} cannot change a model that is already in training"
        ))
        .with_hint("leave it away: --resume reads the data as the model did before")),
        None => Ok(()),
    }
}

/// Validation reads at most so many tokens at a report.
const VALIDATED: u64 = 400_000;

/// Trains a new model, or goes on with one, until its end. `source` is where the material came from.
pub(super) fn learn(
    args: &TrainArgs,
    resumed: Option<ModelFolder>,
    mut manifest: ModelManifest,
    material: &dyn Material,
    source: &Path,
    ui: &Ui,
) -> Result<()> {
    let devices = args.device.device.resolve_all()?;
    let device = devices[0].clone();
    let length = args.length()?;
    let (folder, mut training) = match resumed {
        Some(folder) => {
            let mut training = folder.load_training(&manifest, &device)?;
            continue_to(&mut training.standing, args, length);
            (folder, training)
        }
        None => {
            manifest.half = args.half;
            begin(args, &manifest, &material.files()?, length, &device)?
        }
    };
    training.net = training.net.train();

    let recipe = manifest.recipe.clone();
    let sequences = material.sequences();
    let cut = |members: &[usize]| {
        DataLoader::new(
            sequences,
            members,
            material.conditions(),
            manifest.medium.alphabet(),
            recipe.cut(),
            recipe.seed,
        )
    };
    let learned: Vec<usize> = (0..material.training()).collect();
    let held_out: Vec<usize> = (material.training()..sequences.count()).collect();
    let validated = enough(sequences, &held_out);
    let (batches, validation) = (cut(&learned), cut(&validated));
    let size: usize = parameters(&training.net)
        .iter()
        .map(|p| p.values.len())
        .sum();
    ui.say(format!(
        "{} to learn from, {} to validate with; {} with {} parameters; seed {}",
        material.amount(learned.len(), batches.tokens()),
        material.amount(validated.len(), validation.tokens()),
        recipe.network.name(),
        ui::count(size as f64),
        recipe.seed,
    ));
    let padding = batches.padding();
    if padding > 0.1 {
        ui.say(format!(
            "{:.0} % of each batch is padding, since sequences differ in length",
            100.0 * padding
        ));
    }

    let objective = recipe.objective();
    let mut reporter = ModelReporter::new(&folder, manifest.clone(), material, &training, ui)?;
    let end = fit(
        &mut training,
        &batches,
        &validation,
        &*objective,
        &recipe.training,
        length,
        &mut reporter,
        &stop_flag(),
        &devices,
    );
    let mut trained = reporter.finish();
    let end = end?;
    let net = folder.load(&trained, &device)?;
    if !held_out.is_empty() {
        // At reports a part of them is enough; what the model is known by counts them all.
        let all = cut(&held_out);
        let now = training.standing.moment();
        let found = objective.validate(&net, &all, now, &device)?;
        trained.validation_bits = Some(found.likelihood.bits_per_token());
        if !found.remark.is_empty() {
            ui.say(format!("on all that is held out: {}", found.remark));
        }
    }
    trained.int8 = precision::measure(&net, sequences, &learned, &held_out, material.conditions())?;
    folder.save_manifest(&trained)?;
    let verbs = media::verbs(&trained.medium);
    folder.write_text(
        "README.md",
        &card::of(&trained, source, &training.standing, verbs),
    )?;
    let unit = trained.medium.unit();
    ui.say(ending(end, &training.standing, &unit));
    ui.say(verbs.invitation(folder.path(), &trained));
    Ok(())
}

/// A new model on disk and in memory.
fn begin(
    args: &TrainArgs,
    manifest: &ModelManifest,
    files: &[(&str, Vec<u8>)],
    length: Budget,
    device: &Device,
) -> Result<(ModelFolder, Training<Model>)> {
    let recipe = &manifest.recipe;
    let net = recipe
        .network
        .build(manifest.interface(), recipe.seed, device)?;
    let training = Training {
        optimizer: AdamW::new(&net),
        standing: TrainState::start(length),
        net,
    };
    let folder = ModelFolder::create(&args.out, args.force, manifest, &training, files)?;
    Ok((folder, training))
}

/// As many held-out sequences as a report has time for, spread evenly.
fn enough(sequences: &dyn SequenceDataset, members: &[usize]) -> Vec<usize> {
    let total: u64 = members
        .iter()
        .map(|&member| sequences.length(member) as u64)
        .sum();
    let every = total.div_ceil(VALIDATED).max(1) as usize;
    members.iter().copied().step_by(every).collect()
}

/// How far a resumed run goes: as planned, or further where the person says so.
fn continue_to(standing: &mut TrainState, args: &TrainArgs, length: Budget) {
    let finished = standing.total == Some(standing.step);
    match length {
        Budget::Steps(steps) => standing.total = Some(steps.max(standing.step)),
        // More minutes after the end; before it, the plan stands.
        Budget::Minutes(_) if finished && args.minutes_given() => standing.total = None,
        Budget::Minutes(_) => {}
    }
}

fn ending(end: StopReason, standing: &TrainState, unit: &str) -> String {
    let best = standing
        .best
        .map(|(bits, step)| format!("; best validation {bits:.3} {unit} at step {step}"))
        .unwrap_or_default();
    match end {
        StopReason::Done => format!(
            "done: {} steps in {}{best}",
            standing.step,
            ui::duration(standing.seconds)
        ),
        StopReason::Early => format!(
            "stopped early at step {}: validation has not become better for a while{best}",
            standing.step
        ),
        StopReason::Interrupted => format!(
            "stopped at step {} and saved; go on with --resume{best}",
            standing.step
        ),
    }
}

/// A larger share of the time waiting for data than this is worth a word.
const WORTH_SAYING: f64 = 0.02;

/// Shows, samples and saves a run.
struct ModelReporter<'a> {
    folder: &'a ModelFolder,
    manifest: ModelManifest,
    material: &'a dyn Material,
    reports: Vec<Report>,
    live: ProgressBar,
    ui: &'a Ui,
    shown: Instant,
}

impl<'a> ModelReporter<'a> {
    fn new(
        folder: &'a ModelFolder,
        manifest: ModelManifest,
        material: &'a dyn Material,
        training: &Training<Model>,
        ui: &'a Ui,
    ) -> Result<Self> {
        let reports = folder.reports(training.standing.step)?;
        folder.rewrite_log(&reports)?;
        Ok(Self {
            folder,
            manifest,
            material,
            reports,
            live: ui.live(),
            ui,
            shown: Instant::now(),
        })
    }

    /// Clears the live line; gives the description of the model that was kept.
    fn finish(self) -> ModelManifest {
        self.live.finish_and_clear();
        self.manifest
    }

    fn tokens(&self) -> String {
        format!("{}s/s", self.manifest.medium.token_name())
    }
}

impl Reporter<Model> for ModelReporter<'_> {
    fn stepped(&mut self, s: &StepReport) {
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
            "step {}{total}  {:.3} {}{validation}  {} {}{left}",
            s.step,
            s.bits,
            self.manifest.medium.unit(),
            ui::count(s.tokens_per_second),
            self.tokens(),
        ));
    }

    fn sample(&mut self, averaged: &Model, step: u64) -> Result<String> {
        let base: PathBuf = self.folder.samples().join(format!("step-{step:07}"));
        self.material.sample(averaged, &self.manifest, &base, step)
    }

    fn keep(
        &mut self,
        report: &Report,
        training: &Training<Model>,
        averaged: &Model,
        improved: bool,
    ) -> Result<()> {
        // First the model, then the state that remembers it as the best.
        if improved {
            self.manifest.step = report.step;
            self.manifest.validation_bits = report.validation_bits;
            // What was calibrated on other weights.
            self.manifest.int8 = None;
            self.folder.save_model(&self.manifest, averaged)?;
        }
        self.folder.save_training(training)?;
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
        let unit = self.manifest.medium.unit();
        draw_curve(&points, &unit, &self.folder.samples().join("curve.png"))?;
        let validation = report
            .validation_bits
            .map_or(String::new(), |bits| format!(", validation {bits:.3}"));
        let waited = if report.waited > WORTH_SAYING {
            format!(", {:.0} % of it waiting for data", 100.0 * report.waited)
        } else {
            String::new()
        };
        let line = format!(
            "step {}: {:.3} {unit}{validation}, {} {}, {}{waited}; {}",
            report.step,
            report.train_bits,
            ui::count(report.tokens_per_second),
            self.tokens(),
            ui::duration(report.seconds),
            report.remark
        );
        self.live.suspend(|| self.ui.say(line));
        Ok(())
    }

    fn save(&mut self, training: &Training<Model>) -> Result<()> {
        self.folder.save_training(training)
    }
}
