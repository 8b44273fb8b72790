/*! The training loop: draw a batch, step, now and then look how it goes, and never lose anything. */

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::optim::GradientsParams;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::Batch;
use crate::models::{SequenceModel, device_of};
use crate::ops::device::is_cpu;
use crate::train::data_parallel::{Replicas, with_replicas};
use crate::train::prefetch::{Prefetcher, prefetch};
use crate::train::{
    AdamW, DataLoader, Objective, OptimizerSettings, StepContext, Validation, schedule,
};

/// How long, how fast, how careful.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerSettings {
    /// The learning rate at its highest.
    pub learning_rate: f64,
    /// Steps until it is reached.
    pub warmup: u64,
    /// Steps between reports.
    pub report_every: u64,
    /// Reports without a better validation until training stops early; 0: never.
    pub patience: u32,
    /// The optimizer's own.
    pub optimizer: OptimizerSettings,
}

/// How long to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// So many optimizer steps.
    Steps(u64),
    /// So long on this machine; turned into steps once their speed is known.
    Minutes(f64),
}

/// Where a run stands; saved, so that it can go on as if it had never stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Steps done.
    pub step: u64,
    /// Steps in all; `None` until `--minutes` is turned into steps.
    pub total: Option<u64>,
    /// Steps in all as they were planned first: what an objective's course is spread over, however long training goes on.
    #[serde(default)]
    pub planned: Option<u64>,
    /// Whether the objective has changed the network itself (see [`Objective::prepare`]).
    #[serde(default)]
    pub prepared: bool,
    /// Seconds spent, reports included.
    pub seconds: f64,
    /// Tokens scored so far.
    pub tokens: u64,
    /// DataLoader read so far, where several devices read more than one a step; never fewer than steps.
    #[serde(default)]
    pub batches: u64,
    /// The best validation so far, in bits a token, and its step.
    pub best: Option<(f64, u64)>,
    /// Reports since then.
    pub stale: u32,
}

impl TrainState {
    /// At the very beginning.
    pub fn start(length: Budget) -> Self {
        Self {
            step: 0,
            total: match length {
                Budget::Steps(steps) => Some(steps),
                Budget::Minutes(_) => None,
            },
            planned: None,
            prepared: false,
            seconds: 0.0,
            tokens: 0,
            batches: 0,
            best: None,
            stale: 0,
        }
    }

    /// The number of the batch that is read next.
    pub(crate) fn next_batch(&self) -> u64 {
        self.batches.max(self.step)
    }

    /// What an objective goes by.
    pub fn moment(&self) -> StepContext {
        StepContext {
            step: self.step,
            batch: self.next_batch(),
            planned: self.planned,
        }
    }
}

/// A network in training and all it needs to go on.
pub struct Training<N> {
    /// With the weights as they are trained.
    pub net: N,
    /// Moments and averages.
    pub optimizer: AdamW,
    /// How far it is.
    pub standing: TrainState,
}

/// One look at how training goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Steps done.
    pub step: u64,
    /// Steps in all, as far as known.
    pub total: Option<u64>,
    /// Mean training loss since the last report, in bits a token.
    pub train_bits: f64,
    /// Validation with the averaged weights, in bits a token; `None` without held-out data.
    pub validation_bits: Option<f64>,
    /// What validation is made of, where the objective has parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
    /// True for the best validation so far.
    pub best: bool,
    /// Mean global norm of the gradient since the last report.
    pub gradient_norm: f64,
    /// The learning rate now.
    pub learning_rate: f64,
    /// Seconds spent in all.
    pub seconds: f64,
    /// Tokens read a second since the last report, validation not counted.
    pub tokens_per_second: f64,
    /// The share of the time since the last report, from 0 to 1, that training waited for its data; validation not
    /// counted.
    #[serde(default)]
    pub waited: f64,
    /// What the reporter has to say about the sample it wrote.
    pub remark: String,
}

/// What one step gave, for a progress line.
#[derive(Debug, Clone, Copy)]
pub struct StepReport {
    /// Steps done.
    pub step: u64,
    /// Steps in all, as far as known.
    pub total: Option<u64>,
    /// This step's loss, in bits a token.
    pub bits: f64,
    /// Tokens read a second, of late.
    pub tokens_per_second: f64,
    /// Seconds until the end, as far as known.
    pub seconds_left: Option<f64>,
}

/// The world around a run: it shows, samples and saves. Implemented above this floor.
pub trait Reporter<N> {
    /// After every step.
    fn stepped(&mut self, stepped: &StepReport);

    /// Makes a sample with the averaged network and says one sentence about it.
    ///
    /// # Errors
    /// When writing fails.
    fn sample(&mut self, averaged: &N, step: u64) -> Result<String>;

    /// Keeps a report. `improved` says whether the averaged network is the best so far (always without validation).
    ///
    /// # Errors
    /// When writing fails.
    fn keep(
        &mut self,
        report: &Report,
        training: &Training<N>,
        averaged: &N,
        improved: bool,
    ) -> Result<()>;

    /// Saves what is needed to go on; called about once a minute and at the end.
    ///
    /// # Errors
    /// When writing fails.
    fn save(&mut self, training: &Training<N>) -> Result<()>;
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All steps are done.
    Done,
    /// Validation has not become better for a while.
    Early,
    /// Someone asked to stop; everything is saved.
    Interrupted,
}

/// A loss above the uniform guess by this factor is an explosion.
const EXPLODED: f64 = 4.0;
/// So many steps are timed before `--minutes` becomes steps.
const TIMED: u64 = 50;
/// So many steps before these are not, on a card: it compiles and tries its kernels meanwhile.
const WARMING: u64 = 30;
const SAVE_EVERY: Duration = Duration::from_mins(1);

/// Trains until the length is reached, validation stops getting better, or `stop` is set. Several `devices`, the network
/// on the first of them, each take a batch a step.
///
/// # Errors
/// [`Error::Diverged`] when the loss explodes or is no number (what was saved before stays), or when reading or
/// writing fails.
#[allow(clippy::too_many_arguments)]
pub fn fit<N: Module + SequenceModel>(
    training: &mut Training<N>,
    batches: &DataLoader,
    validation: &DataLoader,
    objective: &dyn Objective<N>,
    settings: &TrainerSettings,
    length: Budget,
    reporter: &mut dyn Reporter<N>,
    stop: &AtomicBool,
    devices: &[Device],
) -> Result<StopReason> {
    let first = training.standing.next_batch();
    let optimizer = &settings.optimizer;
    with_replicas(
        training,
        objective,
        optimizer,
        devices,
        |training, others| {
            prefetch(batches, first, devices.len(), |ahead| {
                run(
                    training,
                    ahead,
                    others,
                    validation,
                    objective,
                    settings,
                    length,
                    reporter,
                    stop,
                    &devices[0],
                )
            })
        },
    )
}

#[allow(clippy::too_many_arguments)]
fn run<N: Module + SequenceModel>(
    training: &mut Training<N>,
    ahead: &mut Prefetcher,
    others: &Replicas,
    validation: &DataLoader,
    objective: &dyn Objective<N>,
    settings: &TrainerSettings,
    length: Budget,
    reporter: &mut dyn Reporter<N>,
    stop: &AtomicBool,
    device: &Device,
) -> Result<StopReason> {
    let device = device.clone().autodiff();
    let uniform = (training.net.interface().alphabet.size as f64).log2();
    let mut clock = Clock::new(training.standing.seconds);
    let mut recent = Recent::default();
    let mut ended = None;
    while ended.is_none() {
        if stop.load(Ordering::Relaxed) {
            ended = Some(StopReason::Interrupted);
            break;
        }
        let step = training.standing.step;
        if training.standing.total.is_some_and(|total| step >= total) {
            ended = Some(StopReason::Done);
            break;
        }
        training.standing.planned = training.standing.planned.or(training.standing.total);
        let rate = settings.learning_rate
            * schedule::share(
                step,
                training.standing.total.unwrap_or(u64::MAX),
                settings.warmup,
            );
        let mut batches = Vec::with_capacity(1 + others.count());
        for _ in 0..=others.count() {
            batches.push(ahead.next()?);
        }
        let scored: usize = batches.iter().map(Batch::scored).sum();
        let read: usize = batches.iter().map(|batch| batch.rows * batch.time).sum();
        let before = training.standing.clone();
        if !training.standing.prepared {
            training.standing.prepared = objective.prepare(training)?;
        }
        // From here on nothing may fail before the gradient is shared: the others would wait for it.
        let after = before.next_batch() + batches.len() as u64;
        let batch = batches.remove(0);
        others.begin(&before, batches, rate);
        let (bits, norm) = one_step(
            training,
            objective,
            &batch,
            rate,
            &settings.optimizer,
            &device,
        );
        let exploded = step > 0 && bits > EXPLODED * uniform;
        if !bits.is_finite() || !norm.is_finite() || exploded {
            let loss = if bits.is_finite() && !exploded {
                norm
            } else {
                bits * std::f64::consts::LN_2
            };
            return Err(Error::Diverged { step, loss });
        }
        training.standing.step += 1;
        training.standing.tokens += scored as u64;
        training.standing.batches = after;
        let took = clock.stepped(read);
        if clock.steps == WARMING && !is_cpu(&device) {
            clock.forget();
        }
        recent.add(bits, norm, ahead.take_waited(), took);
        turn_minutes_into_steps(&mut training.standing, length, &clock);
        training.standing.seconds = clock.seconds();
        reporter.stepped(&StepReport {
            step: training.standing.step,
            total: training.standing.total,
            bits,
            tokens_per_second: clock.speed(),
            seconds_left: training
                .standing
                .total
                .map(|total| (total - training.standing.step) as f64 * clock.seconds_a_step()),
        });
        let step = training.standing.step;
        let last = training.standing.total == Some(step);
        if last || step.is_multiple_of(settings.report_every) {
            report(
                training,
                validation,
                objective,
                rate,
                &mut recent,
                &mut clock,
                reporter,
            )?;
            if settings.patience > 0 && training.standing.stale >= settings.patience && !last {
                ended = Some(StopReason::Early);
            }
        } else if clock.save_is_due() {
            reporter.save(training)?;
        }
    }
    training.standing.seconds = clock.seconds();
    reporter.save(training)?;
    Ok(ended.unwrap_or(StopReason::Done))
}

/// Takes a step; gives the loss before it in bits a token and the gradient's norm.
pub(crate) fn one_step<N: Module>(
    training: &mut Training<N>,
    objective: &dyn Objective<N>,
    batch: &Batch,
    learning_rate: f64,
    settings: &OptimizerSettings,
    device: &Device,
) -> (f64, f64) {
    let loss = objective.loss(&training.net, batch, training.standing.moment(), device);
    let gradients = GradientsParams::from_grads(loss.clone().backward(), &training.net);
    let net = training.net.clone();
    let (net, norm) = training
        .optimizer
        .step(net, gradients, learning_rate, settings);
    training.net = net;
    // Read last, so that a card is not kept waiting for it.
    let bits = f64::from(loss.into_scalar::<f32>()) / std::f64::consts::LN_2;
    (bits, norm)
}

fn report<N: Module>(
    training: &mut Training<N>,
    validation: &DataLoader,
    objective: &dyn Objective<N>,
    rate: f64,
    recent: &mut Recent,
    clock: &mut Clock,
    reporter: &mut dyn Reporter<N>,
) -> Result<()> {
    let tokens_per_second = clock.speed();
    clock.pause();
    let averaged = training.optimizer.averaged(&training.net);
    let plain = device_of(&averaged);
    let validated = if validation.is_empty() {
        None
    } else {
        let now = training.standing.moment();
        Some(objective.validate(&averaged, validation, now, &plain)?)
    };
    let validation_bits = validated.as_ref().map(|v| v.likelihood.bits_per_token());
    let step = training.standing.step;
    let improved = match (validation_bits, training.standing.best) {
        (Some(bits), Some((best, _))) => bits < best,
        _ => true,
    };
    if improved {
        training.standing.best = validation_bits.map(|bits| (bits, step));
        training.standing.stale = 0;
    } else {
        training.standing.stale += 1;
    }
    let mut remark = reporter.sample(&averaged, step)?;
    let Validation {
        parts,
        remark: more,
        ..
    } = validated.unwrap_or_default();
    if !more.is_empty() {
        remark = format!("{more}; {remark}");
    }
    let Recent {
        bits,
        norm,
        steps,
        waited,
        took,
    } = std::mem::take(recent);
    training.standing.seconds = clock.seconds();
    let report = Report {
        step,
        total: training.standing.total,
        train_bits: bits / steps,
        validation_bits,
        parts,
        best: improved && validation_bits.is_some(),
        gradient_norm: norm / steps,
        learning_rate: rate,
        seconds: training.standing.seconds,
        tokens_per_second,
        waited: waited / took,
        remark,
    };
    reporter.keep(&report, training, &averaged, improved)?;
    clock.resume();
    Ok(())
}

/// After the timed steps, or earlier when they alone use up the time.
fn turn_minutes_into_steps(standing: &mut TrainState, length: Budget, clock: &Clock) {
    let Budget::Minutes(minutes) = length else {
        return;
    };
    if standing.total.is_some() {
        return;
    }
    let left = minutes * 60.0 - clock.seconds();
    if left <= 0.0 {
        standing.total = Some(standing.step);
    } else if clock.timed >= TIMED {
        // A twentieth is left for reports.
        standing.total = Some(standing.step + (0.95 * left / clock.seconds_a_step()) as u64);
    }
}

/// Sums since the last report.
#[derive(Default)]
struct Recent {
    bits: f64,
    norm: f64,
    steps: f64,
    /// Seconds.
    waited: f64,
    took: f64,
}

impl Recent {
    fn add(&mut self, bits: f64, norm: f64, waited: Duration, took: Duration) {
        self.bits += bits;
        self.norm += norm;
        self.steps += 1.0;
        self.waited += waited.as_secs_f64();
        self.took += took.as_secs_f64();
    }
}

/// Wall-clock of a run, over all its sittings; steps are timed without the reports between them.
struct Clock {
    before: f64,
    begun: Instant,
    stepping: Instant,
    saved: Instant,
    /// Seconds and tokens of the steps of late, fading.
    late_seconds: f64,
    late_tokens: f64,
    late_steps: f64,
    /// Steps in this sitting, and those that count for the speed.
    steps: u64,
    timed: u64,
}

impl Clock {
    /// So much of the past counts: about this many steps.
    const FADE: f64 = 0.98;

    fn new(before: f64) -> Self {
        let now = Instant::now();
        Self {
            before,
            begun: now,
            stepping: now,
            saved: now,
            late_seconds: 0.0,
            late_tokens: 0.0,
            late_steps: 0.0,
            steps: 0,
            timed: 0,
        }
    }

    /// A step is done; gives how long it took.
    fn stepped(&mut self, tokens: usize) -> Duration {
        let now = Instant::now();
        let took = now - self.stepping;
        self.late_seconds = Self::FADE * self.late_seconds + took.as_secs_f64();
        self.late_tokens = Self::FADE * self.late_tokens + tokens as f64;
        self.late_steps = Self::FADE * self.late_steps + 1.0;
        self.steps += 1;
        self.timed += 1;
        self.stepping = now;
        took
    }

    /// What was slow at the beginning says nothing of what comes.
    fn forget(&mut self) {
        self.late_seconds = 0.0;
        self.late_tokens = 0.0;
        self.late_steps = 0.0;
        self.timed = 0;
    }

    fn pause(&mut self) {
        self.saved = Instant::now();
    }

    fn resume(&mut self) {
        self.stepping = Instant::now();
        self.saved = self.stepping;
    }

    fn save_is_due(&mut self) -> bool {
        let due = self.saved.elapsed() > SAVE_EVERY;
        if due {
            self.saved = Instant::now();
        }
        due
    }

    fn seconds(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    fn speed(&self) -> f64 {
        self.late_tokens / self.late_seconds
    }

    fn seconds_a_step(&self) -> f64 {
        self.late_seconds / self.late_steps
    }
}
