/*!
The training loop: batches, steps, reports, saving. It knows a [`Task`] and nothing of what the task trains.
*/

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::Model;
use crate::train::prefetch::{BatchSource, Prefetcher, prefetch};
use crate::train::{
    Losses, Metric, Metrics, OptimizerSettings, StateDict, StepContext, Task, schedule,
};

/// Settings of the loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerSettings {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps until it is reached.
    pub warmup: u64,
    /// Steps between reports.
    pub report_every: u64,
    /// The step of a report before the first regular one; 0 for none.
    #[serde(default)]
    pub first_report: u64,
    /// Reports without a better validation until training stops early, and never before a fifth of all steps went by without
    /// one: a learning rate that has not fallen yet may hide the gain. 0: never.
    pub patience: u32,
    /// The share of the tokens read that are hidden from a sequence network in training.
    #[serde(default)]
    pub word_dropout: f64,
    /// Settings of the optimizer.
    pub optimizer: OptimizerSettings,
}

/// How long to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// This many optimizer steps.
    Steps(u64),
    /// This many minutes on this machine; turned into steps once their speed is known.
    Minutes(f64),
}

/// Where a run is: the trainer's own state, saved beside the task's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Steps done.
    pub step: u64,
    /// Steps in all; `None` until minutes are turned into steps.
    pub total: Option<u64>,
    /// The minutes of which the plan is or will be made; `None` of a number of steps.
    #[serde(default)]
    pub minutes: Option<f64>,
    /// Steps in all as they were planned first. A task's schedule is spread over these, however long training continues.
    #[serde(default)]
    pub planned: Option<u64>,
    /// Seconds spent, reports included.
    pub seconds: f64,
    /// Elements (tokens, pictures) that losses have counted so far.
    #[serde(alias = "tokens")]
    pub scored: u64,
    /// Batches read so far, which several devices read more than one of in a step; never fewer than steps.
    #[serde(default)]
    pub batches: u64,
    /// The best validation so far and its step.
    pub best: Option<(f64, u64)>,
    /// Reports since then.
    pub stale: u32,
}

impl TrainState {
    /// The beginning of a run.
    pub fn start(budget: Budget) -> Self {
        Self {
            step: 0,
            total: match budget {
                Budget::Steps(steps) => Some(steps),
                Budget::Minutes(_) => None,
            },
            minutes: match budget {
                Budget::Steps(_) => None,
                Budget::Minutes(minutes) => Some(minutes),
            },
            planned: None,
            seconds: 0.0,
            scored: 0,
            batches: 0,
            best: None,
            stale: 0,
        }
    }

    /// Whether validation has not improved for so long that training ends.
    fn stalled(&self, settings: &TrainerSettings) -> bool {
        let since = self.step - self.best.map_or(0, |(_, step)| step);
        settings.patience > 0
            && self.stale >= settings.patience
            && self.total.is_some_and(|total| since >= total / SHARE_STALE)
    }

    /// The number of the next batch.
    fn next_batch(&self) -> u64 {
        self.batches.max(self.step)
    }

    /// The context of the next step, with this learning rate.
    pub fn context(&self, learning_rate: f64) -> StepContext {
        StepContext {
            step: self.step,
            batch: self.next_batch(),
            planned: self.planned,
            learning_rate,
        }
    }
}

/// A report on the run: one line of `log.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "AnyReport")]
pub struct Report {
    /// Steps done.
    pub step: u64,
    /// Steps in all, if known.
    pub total: Option<u64>,
    /// The mean losses since the last report, by name.
    pub losses: BTreeMap<String, f64>,
    /// The name of the loss that progress and curves show.
    pub shown: String,
    /// The unit of the losses.
    pub unit: String,
    /// The evaluation of the averaged weights; `None` without held-out data.
    pub validation: Option<Metric>,
    /// What else the evaluation found, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
    /// Whether this is the best validation so far.
    pub best: bool,
    /// The mean global norm of the gradient since the last report.
    pub gradient_norm: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Seconds spent in all.
    pub seconds: f64,
    /// Elements (tokens, pictures) read a second since the last report, without evaluations.
    pub read_per_second: f64,
    /// The share of the time since the last report, from 0 to 1, that training waited for its data, without evaluations.
    pub waited: f64,
    /// What the evaluation and the sample showed, in words.
    pub remark: String,
}

impl Report {
    /// The mean loss that progress and curves show.
    pub fn loss(&self) -> f64 {
        self.losses.get(&self.shown).copied().unwrap_or(f64::NAN)
    }
}

/// A report as this program writes it, or as it was written before tasks named their losses (`train_bits`,
/// `validation_bits`, `tokens_per_second`).
#[derive(Deserialize)]
struct AnyReport {
    step: u64,
    total: Option<u64>,
    #[serde(default)]
    losses: BTreeMap<String, f64>,
    train_bits: Option<f64>,
    shown: Option<String>,
    unit: Option<String>,
    validation: Option<Metric>,
    validation_bits: Option<f64>,
    #[serde(default)]
    parts: BTreeMap<String, f64>,
    best: bool,
    gradient_norm: f64,
    learning_rate: f64,
    seconds: f64,
    #[serde(alias = "tokens_per_second")]
    read_per_second: f64,
    #[serde(default)]
    waited: f64,
    remark: String,
}

impl From<AnyReport> for Report {
    fn from(mut read: AnyReport) -> Self {
        let shown = read.shown.unwrap_or_else(|| "loss".into());
        let unit = read.unit.unwrap_or_else(|| "bits/token".into());
        if let Some(bits) = read.train_bits {
            read.losses.insert(shown.clone(), bits);
        }
        let bits = read.validation_bits.map(|value| Metric {
            name: "validation".into(),
            value,
            unit: unit.clone(),
            direction: crate::train::Direction::Lower,
        });
        Self {
            step: read.step,
            total: read.total,
            losses: read.losses,
            shown,
            unit,
            validation: read.validation.or(bits),
            parts: read.parts,
            best: read.best,
            gradient_norm: read.gradient_norm,
            learning_rate: read.learning_rate,
            seconds: read.seconds,
            read_per_second: read.read_per_second,
            waited: read.waited,
            remark: read.remark,
        }
    }
}

/// One step, for a progress line.
#[derive(Debug, Clone, Copy)]
pub struct StepReport<'a> {
    /// Steps done.
    pub step: u64,
    /// Steps in all, if known.
    pub total: Option<u64>,
    /// The losses of this step.
    pub losses: &'a Losses,
    /// Elements (tokens, pictures) read a second, lately.
    pub read_per_second: f64,
    /// Seconds until the end, if known.
    pub seconds_left: Option<f64>,
}

/// What surrounds a run: it shows progress, makes samples and saves.
pub trait TrainingObserver {
    /// After every step.
    fn stepped(&mut self, step: &StepReport);

    /// Makes a sample with the averaged weights and describes it in one sentence.
    ///
    /// # Errors
    /// When writing it fails.
    fn sample(&mut self, model: &Model, step: u64) -> Result<String>;

    /// Takes a report. `improved` is true if `model`, with the averaged weights, is the best so far; it always is without
    /// a validation.
    ///
    /// # Errors
    /// When writing fails.
    fn keep(&mut self, report: &Report, model: &Model, improved: bool) -> Result<()>;

    /// Saves what an exact resume needs: about once a minute, after every report and at the end.
    ///
    /// # Errors
    /// When writing fails.
    fn save(&mut self, state: &TrainState, task: &StateDict) -> Result<()>;
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All steps are done.
    Done,
    /// Validation has not improved for some reports.
    Early,
    /// A stop was requested; everything is saved.
    Interrupted,
}

/// Tells the time.
pub trait Clock {
    /// The time since some moment that does not change.
    fn now(&self) -> Duration;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// Starts it.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// This many steps are timed before minutes are turned into steps.
const TIMED: u64 = 50;
/// The share of the remaining time that is planned for steps; the rest is left for reports.
const STEPPING: f64 = 0.95;
/// One part in so many of a run must go by without a better validation before training ends early.
const SHARE_STALE: u64 = 5;
const SAVE_EVERY: Duration = Duration::from_mins(1);

/// Trains a task.
pub struct Trainer<'a, B> {
    /// Learning rate, reports, early stopping.
    pub settings: &'a TrainerSettings,
    /// How long to train.
    pub budget: Budget,
    /// The batches by their numbers. A task that reads several batches a step (see [`Task::batches_per_step`]) is given
    /// the number of the first.
    pub batches: &'a BatchSource<'a, B>,
    /// Ends training after the current step when it is set.
    pub stop: &'a AtomicBool,
    /// Tells the time.
    pub clock: &'a dyn Clock,
}

impl<B: Send> Trainer<'_, B> {
    /// Trains until the budget is used up, validation stops improving, or a stop is requested.
    ///
    /// # Errors
    /// [`Error::Diverged`] (what was saved before remains), or when a device, reading or writing fails.
    pub fn run(
        &self,
        task: &mut dyn Task<Batch = B>,
        state: &mut TrainState,
        observer: &mut dyn TrainingObserver,
    ) -> Result<StopReason> {
        let stride = task.batches_per_step();
        prefetch(self.batches, state.next_batch(), stride, |batches| {
            let mut run = Run {
                timer: Timer::new(self.clock, state.seconds),
                recent: Recent::default(),
                trainer: self,
                task,
                state,
                observer,
                batches,
            };
            let end = run.steps()?;
            run.state.seconds = run.timer.seconds();
            run.save()?;
            Ok(end)
        })
    }
}

/// A run in progress.
struct Run<'a, 'b, B> {
    trainer: &'a Trainer<'b, B>,
    task: &'a mut dyn Task<Batch = B>,
    state: &'a mut TrainState,
    observer: &'a mut dyn TrainingObserver,
    batches: &'a mut Prefetcher<B>,
    timer: Timer<'a>,
    recent: Recent,
}

impl<B: Send> Run<'_, '_, B> {
    fn steps(&mut self) -> Result<StopReason> {
        let settings = self.trainer.settings;
        loop {
            if self.trainer.stop.load(Ordering::Relaxed) {
                return Ok(StopReason::Interrupted);
            }
            if self
                .state
                .total
                .is_some_and(|total| self.state.step >= total)
            {
                return Ok(StopReason::Done);
            }
            let learning_rate = self.step()?;
            let last = self.state.total == Some(self.state.step);
            let due = self.state.step.is_multiple_of(settings.report_every)
                || self.state.step == settings.first_report;
            if last || due {
                self.report(learning_rate)?;
                if !last && self.state.stalled(settings) {
                    return Ok(StopReason::Early);
                }
            } else if self.timer.save_is_due() {
                self.save()?;
            }
        }
    }

    /// Takes one step; returns its learning rate.
    fn step(&mut self) -> Result<f64> {
        let settings = self.trainer.settings;
        self.state.planned = self.state.planned.or(self.state.total);
        let total = self.state.total.unwrap_or(u64::MAX);
        let share = schedule::share(self.state.step, total, settings.warmup);
        let at = self.state.context(settings.learning_rate * share);
        let waiting = self.trainer.clock.now();
        let batch = self.batches.next()?;
        let waited = self.trainer.clock.now().saturating_sub(waiting);
        let losses = self.task.step(batch, at)?;
        if self.task.diverged(&losses, at) {
            return Err(diverged(&losses, at.step));
        }
        self.state.step += 1;
        self.state.scored += losses.scored;
        self.state.batches = at.batch + self.task.batches_per_step();
        let took = self.timer.stepped(losses.read);
        if self.timer.steps == self.task.untimed_steps() {
            self.timer.forget();
        }
        self.recent.add(&losses, waited, took);
        turn_minutes_into_steps(self.state, self.trainer.budget, &self.timer);
        self.state.seconds = self.timer.seconds();
        let (step, total) = (self.state.step, self.state.total);
        let left = total.map(|total| (total - step) as f64 * self.timer.seconds_a_step());
        self.observer.stepped(&StepReport {
            step,
            total,
            losses: &losses,
            read_per_second: self.timer.speed(),
            seconds_left: left,
        });
        Ok(at.learning_rate)
    }

    fn report(&mut self, learning_rate: f64) -> Result<()> {
        let read_per_second = self.timer.speed();
        let step = self.state.step;
        let Metrics {
            headline,
            parts,
            mut remark,
        } = self.task.evaluate(self.state.context(learning_rate))?;
        let improved = match (&headline, self.state.best) {
            (Some(metric), Some((best, _))) => metric.direction.is_better(metric.value, best),
            _ => true,
        };
        if improved {
            self.state.best = headline.as_ref().map(|metric| (metric.value, step));
            self.state.stale = 0;
        } else {
            self.state.stale += 1;
        }
        let model = self.task.snapshot();
        let sample = self.observer.sample(&model, step)?;
        if !remark.is_empty() {
            remark += "; ";
        }
        remark += &sample;
        self.state.seconds = self.timer.seconds();
        let recent = std::mem::take(&mut self.recent);
        let mean = |(name, sum): &(&'static str, f64)| ((*name).to_owned(), sum / recent.steps);
        let report = Report {
            step,
            total: self.state.total,
            losses: recent.losses.iter().map(mean).collect(),
            shown: recent
                .losses
                .first()
                .map_or("", |(name, _)| name)
                .to_owned(),
            unit: recent.unit.to_owned(),
            best: improved && headline.is_some(),
            validation: headline,
            parts,
            gradient_norm: recent.gradient_norm / recent.steps,
            learning_rate,
            seconds: self.state.seconds,
            read_per_second,
            waited: recent.waited / recent.took,
            remark,
        };
        // First the model, then the state that remembers it as the best.
        self.observer.keep(&report, &model, improved)?;
        self.save()?;
        self.timer.resume();
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.observer.save(self.state, &self.task.state())
    }
}

fn diverged(losses: &Losses, step: u64) -> Error {
    let loss = if losses.shown().is_finite() && !losses.gradient_norm.is_finite() {
        losses.gradient_norm
    } else {
        losses.shown()
    };
    Error::Diverged { step, loss }
}

/// After the timed steps, or earlier when they alone use up the time.
fn turn_minutes_into_steps(state: &mut TrainState, budget: Budget, timer: &Timer) {
    let Budget::Minutes(minutes) = budget else {
        return;
    };
    if state.total.is_some() {
        return;
    }
    let left = minutes * 60.0 - timer.seconds();
    if left <= 0.0 {
        state.total = Some(state.step);
    } else if timer.timed >= TIMED {
        state.total = Some(state.step + (STEPPING * left / timer.seconds_a_step()) as u64);
    }
}

/// Sums since the last report.
#[derive(Default)]
struct Recent {
    losses: Vec<(&'static str, f64)>,
    unit: &'static str,
    gradient_norm: f64,
    steps: f64,
    /// Seconds.
    waited: f64,
    took: f64,
}

impl Recent {
    fn add(&mut self, losses: &Losses, waited: Duration, took: Duration) {
        for &(name, value) in &losses.values {
            match self.losses.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += value,
                None => self.losses.push((name, value)),
            }
        }
        self.unit = losses.unit;
        self.gradient_norm += losses.gradient_norm;
        self.steps += 1.0;
        self.waited += waited.as_secs_f64();
        self.took += took.as_secs_f64();
    }
}

/// The time of a run, with the time before it was resumed; steps are timed without the reports between them.
struct Timer<'a> {
    clock: &'a dyn Clock,
    /// Seconds of the run before `started`.
    before: f64,
    started: Duration,
    last_step: Duration,
    saved: Duration,
    /// Exponentially decaying sums over steps: seconds, elements, steps.
    recent_seconds: f64,
    recent_elements: f64,
    recent_steps: f64,
    /// Steps since `started`, and those among them that count for the speed.
    steps: u64,
    timed: u64,
}

impl<'a> Timer<'a> {
    /// The decay of the sums in each step.
    const DECAY: f64 = 0.98;

    fn new(clock: &'a dyn Clock, before: f64) -> Self {
        let now = clock.now();
        Self {
            clock,
            before,
            started: now,
            last_step: now,
            saved: now,
            recent_seconds: 0.0,
            recent_elements: 0.0,
            recent_steps: 0.0,
            steps: 0,
            timed: 0,
        }
    }

    /// Ends a step; returns its duration.
    fn stepped(&mut self, elements: u64) -> Duration {
        let now = self.clock.now();
        let took = now.saturating_sub(self.last_step);
        self.recent_seconds = Self::DECAY * self.recent_seconds + took.as_secs_f64();
        self.recent_elements = Self::DECAY * self.recent_elements + elements as f64;
        self.recent_steps = Self::DECAY * self.recent_steps + 1.0;
        self.steps += 1;
        self.timed += 1;
        self.last_step = now;
        took
    }

    /// Begins to measure the speed again.
    fn forget(&mut self) {
        self.recent_seconds = 0.0;
        self.recent_elements = 0.0;
        self.recent_steps = 0.0;
        self.timed = 0;
    }

    /// Leaves the time since the last step out.
    fn resume(&mut self) {
        self.last_step = self.clock.now();
        self.saved = self.last_step;
    }

    fn save_is_due(&mut self) -> bool {
        let now = self.clock.now();
        let due = now.saturating_sub(self.saved) > SAVE_EVERY;
        if due {
            self.saved = now;
        }
        due
    }

    fn seconds(&self) -> f64 {
        let since = self.clock.now().saturating_sub(self.started);
        self.before + since.as_secs_f64()
    }

    fn speed(&self) -> f64 {
        self.recent_elements / self.recent_seconds
    }

    fn seconds_a_step(&self) -> f64 {
        self.recent_seconds / self.recent_steps
    }
}

#[cfg(test)]
mod tests;
