/*!
The contract between the [`Trainer`](crate::train::Trainer) and what it trains. A task owns its networks, its optimizers and
its held-out data; the trainer sees batches, named losses, metrics and a state of named tensors.
*/

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::{Batch, Model};
use crate::train::StateDict;
use crate::train::all_reduce::AllReduce;

/// What is trained, by one optimizer or several.
pub trait Task {
    /// What one step reads.
    type Batch: Send;

    /// Takes one optimizer step, or one of each optimizer. Everything random in it is a function of the task's seed and
    /// `at.batch`.
    ///
    /// # Errors
    /// When a device fails.
    fn step(&mut self, batch: Self::Batch, at: StepContext) -> Result<Losses>;

    /// Evaluates the averaged weights on held-out data.
    ///
    /// # Errors
    /// When reading the data fails.
    fn evaluate(&mut self, at: StepContext) -> Result<Metrics>;

    /// Everything that an exact resume needs.
    fn state(&self) -> StateDict;

    /// Continues from a state of [`state`](Self::state).
    ///
    /// # Errors
    /// When a tensor is missing, has another shape or is unknown; the task must not be used afterwards.
    fn load_state(&mut self, state: StateDict) -> Result<()>;

    /// The model with its averaged weights, on a plain device: the one that is kept and that makes samples.
    fn snapshot(&self) -> Model;

    /// Whether training has diverged, by the losses of the step at `at`.
    fn diverged(&self, losses: &Losses, _at: StepContext) -> bool {
        !losses.are_finite()
    }

    /// How many batches one step reads.
    fn batches_per_step(&self) -> u64 {
        1
    }

    /// How many first steps are no measure of the speed, because a GPU compiles and tunes its kernels in them.
    fn untimed_steps(&self) -> u64 {
        0
    }

    /// From now on every step uses the mean of several devices' gradients (see
    /// [`data_parallel`](crate::train::data_parallel)).
    ///
    /// # Errors
    /// When the task can train on one device only.
    fn share_gradients(&mut self, _exchange: Arc<dyn AllReduce>) -> Result<()> {
        Err(
            Error::usage("this kind of model is trained on one device only")
                .with_hint("name one device, as in --device cuda:0"),
        )
    }
}

/// A task of any kind with this batch.
pub type BoxedTask<'a, B> = Box<dyn Task<Batch = B> + Send + 'a>;

/// Where a run is: what schedules and random streams depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepContext {
    /// Steps done.
    pub step: u64,
    /// The number of the step's first batch among all batches read.
    pub batch: u64,
    /// Steps in all as they were planned first; `None` while that is unknown.
    pub planned: Option<u64>,
    /// The learning rate of this step.
    pub learning_rate: f64,
}

/// The outcome of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// The losses before the step, by name. The first is the one that progress shows.
    pub values: Vec<(&'static str, f64)>,
    /// Their unit, such as `bits/token`.
    pub unit: &'static str,
    /// The global norm of the gradient before clipping; the largest one of several optimizers.
    pub gradient_norm: f64,
    /// How many elements the losses are means over: tokens, pictures.
    pub scored: u64,
    /// How many elements the step read, padding included. Speed counts these.
    pub read: u64,
}

impl Losses {
    /// Those of a step on whole pictures: all pixels of the batch count.
    pub(super) fn of_pictures(
        batch: &Batch,
        values: Vec<(&'static str, f64)>,
        unit: &'static str,
        gradient_norm: f64,
    ) -> Self {
        let pixels = (batch.rows * batch.time) as u64;
        Self {
            values,
            unit,
            gradient_norm,
            scored: pixels,
            read: pixels,
        }
    }

    /// The value of the first loss; NaN without one.
    pub fn shown(&self) -> f64 {
        self.values.first().map_or(f64::NAN, |(_, value)| *value)
    }

    /// Whether all losses and the gradient are finite.
    pub fn are_finite(&self) -> bool {
        self.gradient_norm.is_finite() && self.values.iter().all(|(_, value)| value.is_finite())
    }
}

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Lower is better.
    Lower,
    /// Higher is better.
    Higher,
}

impl Direction {
    /// Whether `a` is better than `b`.
    pub fn is_better(self, a: f64, b: f64) -> bool {
        match self {
            Self::Lower => a < b,
            Self::Higher => a > b,
        }
    }
}

/// The number that a model is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its name, such as `nll`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit, such as `bits/token`; empty without one.
    pub unit: String,
    /// Which way it improves.
    pub direction: Direction,
}

impl Metric {
    /// The Fréchet distance of pictures.
    pub(super) fn frechet(value: f64) -> Self {
        Self {
            name: "frechet".into(),
            value,
            unit: String::new(),
            direction: Direction::Lower,
        }
    }
}

/// The outcome of an evaluation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// What decides which weights are the best; `None` without held-out data.
    pub headline: Option<Metric>,
    /// What else there is to watch, by name.
    pub parts: BTreeMap<String, f64>,
    /// The same in words; empty where there is nothing to add.
    pub remark: String,
}
