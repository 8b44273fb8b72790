/*! A training run, the same for every medium: create or resume, train, report, calibrate, keep. */

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::model_card::model_card;
use super::options::{Given, TrainOptions};
use crate::app::{Event, Observer, OpenModel, next_step, precision, short_count, short_duration};
use crate::base::labels::{Classes, LabelRule};
use crate::base::split::{Split, evenly};
use crate::checkpoint::{FORMAT, Medium, ModelFolder, ModelManifest};
use crate::error::{Error, Result};
use crate::eval::{Line, draw_lines};
use crate::models::{Batch, Model, parameters};
use crate::sequence::{ConditionSource, SequenceDataset, SideInputs};
use crate::train::{
    BatchSource, Budget, DataLoader, Recipe, Report, StateDict, StepReport, StopReason,
    SystemClock, Task, TrainState, Trainer, TrainingObserver, data_parallel,
};

/// What a medium contributes to its training.
pub(super) trait TrainingData {
    /// All sequences: those to train on first, then those held out.
    fn sequences(&self) -> &dyn SequenceDataset;

    /// How many sequences train.
    fn training(&self) -> usize;

    /// The conditions of each sequence.
    fn conditions(&self) -> &dyn ConditionSource;

    /// Files of the medium that belong to the model: name and content.
    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>>;

    /// An amount of data in the medium's own unit.
    fn describe(&self, sequences: usize, tokens: u64) -> String;

    /// Files that are made of the trained model: name and content.
    fn made_of(
        &self,
        _model: &Model,
        _manifest: &ModelManifest,
    ) -> Result<Vec<(&'static str, String)>> {
        Ok(Vec::new())
    }

    /// Generates with the model, writes the result to `base` with the medium's own extension, and gives one sentence
    /// about it.
    fn sample(
        &self,
        model: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String>;
}

/// The manifest of a model that is not trained yet.
pub(super) fn new_manifest(
    medium: Medium,
    side_inputs: SideInputs,
    labels: LabelRule,
    classes: Classes,
    recipe: Recipe,
    split: Split,
) -> ModelManifest {
    ModelManifest {
        format: FORMAT,
        program: format!("ensuite {}", env!("CARGO_PKG_VERSION")),
        medium,
        lags: side_inputs.lags,
        clocks: side_inputs.clocks,
        labels,
        classes,
        recipe,
        split,
        options: BTreeMap::new(),
        step: 0,
        validation: None,
        int8: None,
        half: false,
        weights_sha256: None,
    }
}

/// The folder and the manifest of a model that is resumed, or the manifest of one that begins with these options.
pub(super) fn begun(
    resumed: Option<OpenModel>,
    options: Given,
    manifest: impl FnOnce() -> Result<ModelManifest>,
) -> Result<(Option<ModelFolder>, ModelManifest)> {
    match resumed {
        Some(model) => Ok((Some(model.folder), model.manifest)),
        None => Ok((
            None,
            ModelManifest {
                options,
                ..manifest()?
            },
        )),
    }
}

/// Refuses to resume on other data than the model was trained on.
pub(super) fn check_same_data(
    resumed: Option<&OpenModel>,
    split: &Split,
    source: &Path,
) -> Result<()> {
    match resumed {
        Some(model) if model.manifest.split.hash != split.hash => Err(Error::model(
            model.folder.path(),
            format!(
                "it was trained on other data than what is in {} now",
                source.display()
            ),
        )
        .with_hint("resume with the same data, or train a new model with another --out")),
        _ => Ok(()),
    }
}

/// Makes the folder of a new model, with its initial weights.
pub(super) fn create_folder(
    options: &TrainOptions,
    manifest: &mut ModelManifest,
    data: &dyn TrainingData,
) -> Result<ModelFolder> {
    let devices = options.device.resolve_all()?;
    let task = manifest.recipe.task(manifest.build(&devices[0])?, None)?;
    let state = TrainState::start(options.checked_budget()?);
    manifest.half = options.half;
    let (out, files) = (&options.out, data.files()?);
    ModelFolder::create(out, options.force, manifest, &state, &*task, &files)
}

/// Trains a new model, or resumes one, to its end. `source` is where the data came from.
pub(super) fn train_model(
    options: &TrainOptions,
    resumed: Option<ModelFolder>,
    mut manifest: ModelManifest,
    data: &dyn TrainingData,
    source: &Path,
    observer: &mut dyn Observer,
) -> Result<OpenModel> {
    let devices = options.device.resolve_all()?;
    let recipe = manifest.recipe.clone();
    let sequences = data.sequences();
    let alphabet = manifest.medium.alphabet();
    let loader = |members: &[usize]| {
        DataLoader::new(
            sequences,
            members,
            data.conditions(),
            alphabet,
            recipe.cut(),
            recipe.seed,
        )
    };
    let training: Vec<usize> = (0..data.training()).collect();
    let held_out: Vec<usize> = (data.training()..sequences.count()).collect();
    let validated = enough(sequences, &held_out, recipe.validated());
    let (batches, validation) = (loader(&training), loader(&validated));
    let mut replicas = Vec::new();
    for device in &devices {
        replicas.push(recipe.task(manifest.build(device)?, Some(&validation))?);
    }
    let folder = match resumed {
        Some(folder) => folder,
        None => create_folder(options, &mut manifest, data)?,
    };
    let mut state = folder.resume(&mut *replicas[0])?;
    let budget = extend(&mut state, options)?;
    if state.step > 0 && state.total == Some(state.step) {
        let step = state.step;
        observer.info(format!(
            "it has reached step {step} already: more --steps or --minutes go on"
        ));
    }
    let size: usize = parameters(&replicas[0].snapshot())
        .iter()
        .map(|p| p.values.len())
        .sum();
    observer.info(format!(
        "{} to train on, {} to validate on; {} with {} parameters; seed {}",
        data.describe(training.len(), batches.tokens()),
        data.describe(validated.len(), validation.tokens()),
        recipe.model.name(),
        short_count(size as f64),
        recipe.seed,
    ));
    let padding = batches.padding();
    if padding > 0.1 {
        observer.info(format!(
            "{:.0} % of each batch is padding, since sequences differ in length",
            100.0 * padding
        ));
    }
    let mut reporter = ModelReporter::new(&folder, manifest.clone(), data, &state, observer)?;
    let run = Run {
        recipe: &recipe,
        budget,
        stop: &options.stop,
    };
    let end = if let [task] = replicas.as_mut_slice() {
        let one = |number| batches.at(number);
        run.train(&mut **task, &one, &mut state, &mut reporter)
    } else {
        let count = replicas.len() as u64;
        let several = |number| (number..number + count).map(|n| batches.at(n)).collect();
        data_parallel(replicas, &devices, |task| {
            run.train::<Vec<Batch>>(task, &several, &mut state, &mut reporter)
        })
    };
    let mut trained = reporter.finish();
    let end = end?;
    let model = folder.load(&trained, &devices[0])?;
    if !held_out.is_empty() {
        // Reports validate on a part; the figure that the model keeps counts all held-out data.
        let all = loader(&held_out);
        let mut task = recipe.task(model.clone(), Some(&all))?;
        let found = task.evaluate(state.context(0.0))?;
        trained.validation = found.headline;
        if !found.remark.is_empty() {
            observer.info(format!("on all held-out data: {}", found.remark));
        }
    }
    trained.int8 = precision::measure(&model, sequences, &training, &held_out, data.conditions())?;
    folder.save_manifest(&trained)?;
    for (name, text) in data.made_of(&model, &trained)? {
        folder.write_text(name, &text)?;
    }
    folder.write_text("README.md", &model_card(&trained, source, &state))?;
    observer.info(describe_end(end, &state, &trained.unit()));
    observer.info(next_step(&trained, folder.path()));
    Ok(OpenModel {
        folder,
        manifest: trained,
    })
}

/// How a task is trained, whatever its batches are.
struct Run<'a> {
    recipe: &'a Recipe,
    budget: Budget,
    stop: &'a AtomicBool,
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
            stop: self.stop,
            clock: &SystemClock::start(),
        };
        trainer.run(task, state, reporter)
    }
}

/// Held-out sequences of at most so many tokens, spread evenly.
fn enough(sequences: &dyn SequenceDataset, members: &[usize], most: u64) -> Vec<usize> {
    let total: u64 = members
        .iter()
        .map(|&member| sequences.length(member) as u64)
        .sum();
    let all = members.len();
    let kept = (all as u64 * most / total.max(1)).clamp(1, all.max(1) as u64) as usize;
    evenly(kept.min(all), all).map(|at| members[at]).collect()
}

/// The budget of this run. Minutes that were planned stand; a finished run goes on where more are given than before.
fn extend(state: &mut TrainState, options: &TrainOptions) -> Result<Budget> {
    let given = options.checked_budget()?;
    match (given, state.minutes) {
        (Budget::Steps(steps), _) => state.total = Some(steps.max(state.step)),
        (Budget::Minutes(_), Some(planned)) if options.budget.is_none() => {
            return Ok(Budget::Minutes(planned));
        }
        (Budget::Minutes(minutes), planned) => {
            let finished = state.total == Some(state.step);
            let more = planned.is_none_or(|planned| minutes > planned);
            if finished && more && options.budget.is_some() {
                state.total = None;
            }
            if state.total.is_none() {
                state.minutes = Some(minutes);
            }
        }
    }
    Ok(given)
}

fn describe_end(end: StopReason, state: &TrainState, unit: &str) -> String {
    let best = state
        .best
        .map(|(value, step)| format!("; best validation {value:.3} {unit} at step {step}"))
        .unwrap_or_default();
    match end {
        StopReason::Done => format!(
            "done: {} steps in {}{best}",
            state.step,
            short_duration(state.seconds)
        ),
        StopReason::Early => format!(
            "stopped early at step {}: validation has not improved for a while{best}",
            state.step
        ),
        StopReason::Interrupted => format!(
            "stopped at step {} and saved; continue with the same command and --resume{best}",
            state.step
        ),
    }
}

/// Reports to the observer, samples and saves.
struct ModelReporter<'a> {
    folder: &'a ModelFolder,
    manifest: ModelManifest,
    data: &'a dyn TrainingData,
    reports: Vec<Report>,
    observer: &'a mut dyn Observer,
}

impl<'a> ModelReporter<'a> {
    fn new(
        folder: &'a ModelFolder,
        manifest: ModelManifest,
        data: &'a dyn TrainingData,
        state: &TrainState,
        observer: &'a mut dyn Observer,
    ) -> Result<Self> {
        let reports = folder.reports(state.step)?;
        folder.rewrite_log(&reports)?;
        Ok(Self {
            folder,
            manifest,
            data,
            reports,
            observer,
        })
    }

    /// The manifest of the model that was kept.
    fn finish(self) -> ModelManifest {
        self.observer.event(Event::ProgressDone);
        self.manifest
    }

    /// Draws the reports: loss and validation on one axis, as they have one unit; of a task with several losses these are apart.
    fn draw_curves(&self) -> Result<()> {
        let samples = self.folder.samples();
        let (curve, unit) = (samples.join("curve.png"), self.manifest.unit());
        let line = |name, of: &dyn Fn(&Report) -> Option<f64>| Line {
            name,
            points: self
                .reports
                .iter()
                .filter_map(|report| Some((report.step as f64, of(report)?)))
                .collect(),
        };
        let validation = line("validation", &|r| Some(r.validation.as_ref()?.value));
        let Some(first) = self.reports.first().filter(|first| first.losses.len() > 1) else {
            let mut lines = vec![line("training", &|r| Some(r.loss())), validation];
            lines.retain(|line| !line.points.is_empty());
            return draw_lines(&lines, "step", &unit, &curve);
        };
        draw_lines(&[validation], "step", &unit, &curve)?;
        let names = first.losses.keys();
        let losses: Vec<Line> = names
            .map(|name| line(name, &|r| r.losses.get(name).copied()))
            .collect();
        draw_lines(
            &losses,
            "step",
            "loss and score",
            &samples.join("losses.png"),
        )
    }
}

impl TrainingObserver for ModelReporter<'_> {
    fn stepped(&mut self, step: &StepReport) {
        let last = self.reports.last();
        self.observer.event(Event::Step {
            step,
            token: self.manifest.medium.token_name(),
            validation: last.and_then(|report| Some(report.validation.as_ref()?.value)),
        });
    }

    fn sample(&mut self, model: &Model, step: u64) -> Result<String> {
        let base = self.folder.samples().join(format!("step-{step:07}"));
        self.data.sample(model, &self.manifest, &base, step)
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
        self.draw_curves()?;
        self.observer.event(Event::Report {
            report,
            token: self.manifest.medium.token_name(),
        });
        Ok(())
    }

    fn save(&mut self, state: &TrainState, task: &StateDict) -> Result<()> {
        self.folder.save_training(state, task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_run_goes_on_only_where_more_is_given() {
        let resumed = |budget| TrainOptions {
            budget,
            resume: true,
            ..TrainOptions::new("model")
        };
        let minutes = |minutes| resumed(Some(Budget::Minutes(minutes)));
        let mut finished = TrainState::start(Budget::Minutes(10.0));
        (finished.step, finished.total) = (500, Some(500));
        for (options, total, planned) in [
            (resumed(None), Some(500), 10.0),
            (minutes(10.0), Some(500), 10.0),
            (minutes(12.0), None, 12.0),
            (resumed(Some(Budget::Steps(400))), Some(500), 10.0),
            (resumed(Some(Budget::Steps(600))), Some(600), 10.0),
        ] {
            let mut state = finished.clone();
            extend(&mut state, &options).unwrap();
            assert_eq!((state.total, state.minutes), (total, Some(planned)));
        }
        // Before the end the plan stands, and before there is one the minutes are those of the first command.
        finished.step = 300;
        extend(&mut finished, &minutes(12.0)).unwrap();
        assert_eq!((finished.total, finished.minutes), (Some(500), Some(10.0)));
        let mut fresh = TrainState::start(Budget::Minutes(10.0));
        let budget = extend(&mut fresh, &resumed(None)).unwrap();
        assert_eq!((budget, fresh.total), (Budget::Minutes(10.0), None));
    }
}
