/*! A training run, the same for every medium: begin or resume, train, report, evaluate, save. */

use std::path::{Path, PathBuf};
use std::time::Instant;

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
use crate::models::{Batch, Model, parameters};
use crate::sequence::SequenceDataset;
use crate::train::{
    BatchSource, Budget, DataLoader, Recipe, Report, StateDict, StepReport, StopReason,
    SystemClock, Task, TrainState, Trainer, TrainingObserver, data_parallel,
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

    /// The amount of data of this many sequences and tokens, in the units of the medium.
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
        validation: None,
        int8: None,
        half: false,
        weights_sha256: None,
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
        .with_hint("omit it: --resume reads the data as before")),
        None => Ok(()),
    }
}

/// The most tokens that the evaluation at a report reads.
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
    let budget = args.length()?;
    let recipe = manifest.recipe.clone();
    let sequences = material.sequences();
    let alphabet = manifest.medium.alphabet();
    let cut = |members: &[usize]| {
        DataLoader::new(
            sequences,
            members,
            material.conditions(),
            alphabet,
            recipe.cut(),
            recipe.seed,
        )
    };
    let learned: Vec<usize> = (0..material.training()).collect();
    let held_out: Vec<usize> = (material.training()..sequences.count()).collect();
    let validated = enough(sequences, &held_out);
    let (batches, validation) = (cut(&learned), cut(&validated));
    let mut replicas = Vec::new();
    for device in &devices {
        replicas.push(recipe.task(manifest.build(device)?, Some(&validation))?);
    }
    let mut state = TrainState::start(budget);
    let folder = match resumed {
        Some(folder) => {
            state = folder.resume(&mut *replicas[0])?;
            continue_to(&mut state, args, budget);
            folder
        }
        None => {
            manifest.half = args.half;
            let (out, task, files) = (&args.out, &*replicas[0], material.files()?);
            ModelFolder::create(out, args.force, &mut manifest, &state, task, &files)?
        }
    };
    let size: usize = parameters(&replicas[0].snapshot())
        .iter()
        .map(|p| p.values.len())
        .sum();
    ui.say(format!(
        "{} to learn from, {} to validate with; {} with {} parameters; seed {}",
        material.amount(learned.len(), batches.tokens()),
        material.amount(validated.len(), validation.tokens()),
        recipe.model.name(),
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

    let mut reporter = ModelReporter::new(&folder, manifest.clone(), material, &state, ui)?;
    let run = Run {
        recipe: &recipe,
        budget,
    };
    let end = if let [task] = replicas.as_mut_slice() {
        run.train(
            &mut **task,
            &|number| batches.at(number),
            &mut state,
            &mut reporter,
        )
    } else {
        let count = replicas.len() as u64;
        let several = |number| (number..number + count).map(|n| batches.at(n)).collect();
        data_parallel(replicas, &devices, |task| {
            run.train::<Vec<Batch>>(task, &several, &mut state, &mut reporter)
        })
    };
    let mut trained = reporter.finish();
    let end = end?;
    let net = folder.load(&trained, &device)?;
    if !held_out.is_empty() {
        // Reports evaluate some of them; the model's own validation counts them all.
        let all = cut(&held_out);
        let mut task = recipe.task(net.clone(), Some(&all))?;
        let found = task.evaluate(state.context(0.0))?;
        trained.validation = found.headline;
        if !found.remark.is_empty() {
            ui.say(format!("on all that is held out: {}", found.remark));
        }
    }
    trained.int8 = precision::measure(&net, sequences, &learned, &held_out, material.conditions())?;
    folder.save_manifest(&trained)?;
    let verbs = media::verbs(&trained.medium);
    folder.write_text("README.md", &card::of(&trained, source, &state, verbs))?;
    let unit = trained.medium.unit();
    ui.say(ending(end, &state, &unit));
    ui.say(verbs.invitation(folder.path(), &trained));
    Ok(())
}

/// How a task is trained, whatever its batches are.
struct Run<'a> {
    recipe: &'a Recipe,
    budget: Budget,
}

impl Run<'_> {
    fn train<B: Send>(
        &self,
        task: &mut dyn Task<Batch = B>,
        batches: &BatchSource<B>,
        state: &mut TrainState,
        reporter: &mut ModelReporter,
    ) -> Result<StopReason> {
        let trainer = Trainer {
            settings: &self.recipe.training,
            budget: self.budget,
            batches,
            stop: &stop_flag(),
            clock: &SystemClock::start(),
        };
        trainer.run(task, state, reporter)
    }
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

/// Sets the end of a resumed run: as planned, or further where the flags say so.
fn continue_to(state: &mut TrainState, args: &TrainArgs, budget: Budget) {
    let finished = state.total == Some(state.step);
    match budget {
        Budget::Steps(steps) => state.total = Some(steps.max(state.step)),
        // More minutes after the end; before it, the plan stands.
        Budget::Minutes(_) if finished && args.minutes_given() => state.total = None,
        Budget::Minutes(_) => {}
    }
}

fn ending(end: StopReason, state: &TrainState, unit: &str) -> String {
    let best = state
        .best
        .map(|(value, step)| format!("; best validation {value:.3} {unit} at step {step}"))
        .unwrap_or_default();
    match end {
        StopReason::Done => format!(
            "done: {} steps in {}{best}",
            state.step,
            ui::duration(state.seconds)
        ),
        StopReason::Early => format!(
            "stopped early at step {}: validation has not improved for a while{best}",
            state.step
        ),
        StopReason::Interrupted => format!(
            "stopped at step {} and saved; go on with --resume{best}",
            state.step
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
        state: &TrainState,
        ui: &'a Ui,
    ) -> Result<Self> {
        let reports = folder.reports(state.step)?;
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

impl TrainingObserver for ModelReporter<'_> {
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
            .and_then(|report| report.validation.as_ref())
            .map_or(String::new(), |metric| {
                format!("  validation {:.3}", metric.value)
            });
        self.live.set_message(format!(
            "step {}{total}  {:.3} {}{validation}  {} {}{left}",
            s.step,
            s.losses.shown(),
            self.manifest.medium.unit(),
            ui::count(s.read_per_second),
            self.tokens(),
        ));
    }

    fn sample(&mut self, model: &Model, step: u64) -> Result<String> {
        let base: PathBuf = self.folder.samples().join(format!("step-{step:07}"));
        self.material.sample(model, &self.manifest, &base, step)
    }

    fn keep(&mut self, report: &Report, model: &Model, improved: bool) -> Result<()> {
        if improved {
            self.manifest.step = report.step;
            self.manifest.validation.clone_from(&report.validation);
            // The calibration belongs to other weights.
            self.manifest.int8 = None;
            self.folder.save_model(&mut self.manifest, model)?;
        }
        self.folder.log(report)?;
        self.reports.push(report.clone());
        let points: Vec<Point> = self
            .reports
            .iter()
            .map(|r| Point {
                step: r.step,
                train: r.loss(),
                validation: r.validation.as_ref().map(|metric| metric.value),
            })
            .collect();
        let unit = self.manifest.medium.unit();
        draw_curve(&points, &unit, &self.folder.samples().join("curve.png"))?;
        let validation = report.validation.as_ref().map_or(String::new(), |metric| {
            format!(", validation {:.3}", metric.value)
        });
        let waited = if report.waited > WORTH_SAYING {
            format!(", {:.0} % of it waiting for data", 100.0 * report.waited)
        } else {
            String::new()
        };
        let line = format!(
            "step {}: {:.3} {unit}{validation}, {} {}, {}{waited}; {}",
            report.step,
            report.loss(),
            ui::count(report.read_per_second),
            self.tokens(),
            ui::duration(report.seconds),
            report.remark
        );
        self.live.suspend(|| self.ui.say(line));
        Ok(())
    }

    fn save(&mut self, state: &TrainState, task: &StateDict) -> Result<()> {
        self.folder.save_training(state, task)
    }
}
