/*! Classification, the task of a classifier: the cross entropy of each picture's classes. */

use burn::prelude::*;

use crate::error::Result;
use crate::models::{Batch, Classifier, Model, likeliest};
use crate::train::learner::Learner;
use crate::train::picture_batch::PictureNumbers;
use crate::train::{
    DataLoader, Direction, Losses, Metric, Metrics, OptimizerSettings, StateDict, StepContext, Task,
};

/// Trains a classifier.
pub struct ClassificationTask<'a> {
    learner: Learner<Classifier>,
    numbers: PictureNumbers,
    seed: u64,
    held_out: Option<&'a DataLoader<'a>>,
}

impl<'a> ClassificationTask<'a> {
    /// Trains `classifier`, which is on a plain device. `seed` is the seed of everything random in training.
    pub fn new(
        classifier: Classifier,
        optimizer: OptimizerSettings,
        seed: u64,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> Self {
        let colors = classifier.config().colors.clone();
        let learner = Learner::new(classifier, optimizer, "");
        Self {
            numbers: PictureNumbers::new(&colors, learner.device()),
            learner,
            seed,
            held_out,
        }
    }
}

/// The parts of the classes `[rows, classes]` that belong to each group.
fn split(classes: &Tensor<2>, groups: &[usize]) -> Vec<Tensor<2>> {
    let mut first = 0;
    let part = |&count: &usize| {
        first += count;
        classes.clone().narrow(1, first - count, count)
    };
    groups.iter().map(part).collect()
}

impl Task for ClassificationTask<'_> {
    type Batch = Batch;

    fn step(&mut self, batch: Batch, at: StepContext) -> Result<Losses> {
        let net = &self.learner.net;
        let pictures = self.numbers.of(&batch, 0..batch.rows);
        let classes = pictures.classes.expect("a classifier has classes");
        let features = net.features_in_training(&pictures.pixels, self.seed ^ at.batch);
        let found = net.log_probabilities(features).into_iter();
        let right = split(&classes, &net.config().groups);
        let losses = found
            .zip(right)
            .map(|(found, right)| (found * right).sum().neg());
        let loss = losses.reduce(|a, b| a + b).expect("a group") / batch.rows as f64;
        let norm = self.learner.step(&loss, at.learning_rate);
        Ok(Losses::of_pictures(
            &batch,
            vec![("cross_entropy", f64::from(loss.into_scalar::<f32>()))],
            "nats",
            norm,
        ))
    }

    fn evaluate(&mut self, _at: StepContext) -> Result<Metrics> {
        let Some(held_out) = self.held_out else {
            return Ok(Metrics::default());
        };
        let net = self.learner.averaged();
        let colors = &net.config().colors;
        let numbers = PictureNumbers::new(colors, crate::models::device_of(&net));
        let (mut right, mut all) = (0, 0);
        for batch in held_out.pass() {
            let batch = batch?;
            let pictures = numbers.of(&batch, 0..batch.rows);
            let classes = pictures.classes.expect("a classifier has classes");
            let found = net.log_probabilities(net.features(&pictures.pixels));
            for (found, asked) in found.into_iter().zip(split(&classes, &net.config().groups)) {
                let (found, asked) = (likeliest(found), likeliest(asked));
                right += found.iter().zip(&asked).filter(|(a, b)| a == b).count();
                all += found.len();
            }
        }
        Ok(Metrics {
            headline: Some(Metric {
                name: "accuracy".into(),
                value: 100.0 * right as f64 / all as f64,
                unit: "%".into(),
                direction: Direction::Higher,
            }),
            ..Metrics::default()
        })
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::default();
        self.learner.save(&mut state);
        state
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        self.learner.load(&mut state)?;
        state.expect_empty()
    }

    fn snapshot(&self) -> Model {
        Model::Classifier(self.learner.averaged())
    }
}
