/*!
Adversarial training, the task of a GAN (Goodfellow et al. 2014, algorithm 1): some updates of the discriminator with the
generator fixed, then one of the generator with the discriminator fixed.
*/

mod losses;
mod penalty;

use std::cell::OnceCell;

use burn::prelude::*;
use burn::tensor::activation::softplus;

use crate::base::picture_features::FeatureSet;
use crate::base::rng::rng_stream;
use crate::error::Result;
use crate::latent::Normals;
use crate::models::{
    AdversarialSettings, Batch, Discriminator, Gan, Generator, Judged, Model, Objective,
    PictureGenerator, parameters, with_values,
};
use crate::train::learner::Learner;
use crate::train::{
    DataLoader, Direction, Losses, Metric, Metrics, OptimizerSettings, StateDict, StepContext, Task,
};
use penalty::Penalty;

/// Pictures that are made for an evaluation.
const JUDGED: usize = 1000;
/// The equilibrium of BEGAN: the error of made pictures over that of real ones (Berthelot et al. 2017, §3.3).
const EQUILIBRIUM: f64 = 0.75;
/// How fast its balance follows.
const FOLLOW: f64 = 1e-3;
/// The counter that keeps its balance, in 2⁻⁵² of one.
const BALANCE: &str = "balance";
const UNIT: f64 = (1_u64 << 52) as f64;

/// Trains a GAN. A batch has the pictures of all updates of the discriminator, one after another.
pub struct AdversarialTask<'a> {
    gan: Gan,
    generator: Learner<Generator>,
    discriminator: Learner<Discriminator>,
    settings: AdversarialSettings,
    /// κ of BEGAN.
    balance: f64,
    seed: u64,
    held_out: Option<&'a DataLoader<'a>>,
    /// Of held-out pictures, with the classes of each.
    real: OnceCell<(FeatureSet, Vec<Vec<f32>>)>,
    /// The numbers of each token, `[tokens, planes]`.
    brightness: Vec<f32>,
    device: Device,
}

/// One batch on the device.
struct Pictures {
    /// `[rows, height · width · planes]`.
    pixels: Tensor<2>,
    /// `[rows, classes]`; `None` without classes.
    classes: Option<Tensor<2>>,
    rows: usize,
}

impl<'a> AdversarialTask<'a> {
    /// Trains `gan`, which is on a plain device. `seed` is the seed of everything random in training.
    pub fn new(
        gan: Gan,
        settings: AdversarialSettings,
        optimizer: OptimizerSettings,
        seed: u64,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> Self {
        let generator = Learner::new(gan.generator.clone(), optimizer, "generator.");
        let discriminator = Learner::new(gan.discriminator.clone(), optimizer, "discriminator.");
        Self {
            device: generator.device(),
            brightness: gan.config().brightness(),
            gan,
            generator,
            discriminator,
            settings,
            balance: 0.0,
            seed,
            held_out,
            real: OnceCell::new(),
        }
    }

    /// The `index`-th of `parts` parts of a batch.
    fn part(&self, batch: &Batch, index: usize, parts: usize) -> Pictures {
        let rows = batch.rows / parts;
        let first = index * rows;
        let planes = self.gan.config().planes();
        let targets = &batch.targets[first * batch.time..(first + rows) * batch.time];
        let pixels: Vec<f32> = targets
            .iter()
            .flat_map(|&token| {
                let token = usize::try_from(token).unwrap_or(0);
                self.brightness[token * planes..(token + 1) * planes]
                    .iter()
                    .copied()
            })
            .collect();
        let tensor = |values: Vec<f32>| {
            let width = values.len() / rows;
            Tensor::from_data(TensorData::new(values, [rows, width]), &self.device)
        };
        let classes = batch.condition.as_ref().map(|classes| {
            let width = classes.len() / batch.rows;
            tensor(classes[first * width..(first + rows) * width].to_vec())
        });
        Pictures {
            pixels: tensor(pixels),
            classes,
            rows,
        }
    }

    /// What the generator reads: classes and noise, `[rows, classes + noise]`.
    fn conditions(&self, pictures: &Pictures, purpose: [u8; 8], item: u64) -> Tensor<2> {
        let width = self.gan.config().noise;
        let noise = Normals::new(purpose, self.seed, item).code(pictures.rows * width);
        let noise = TensorData::new(noise, [pictures.rows, width]);
        let noise = Tensor::from_data(noise, &self.device);
        match &pictures.classes {
            Some(classes) => Tensor::cat(vec![classes.clone(), noise], 1),
            None => noise,
        }
    }

    /// One update of the discriminator; returns its loss, the scores of real and of made pictures, and the gradient's norm.
    fn update_discriminator(&mut self, real: &Pictures, item: u64, at: StepContext) -> [f64; 4] {
        let objective = self.settings.objective;
        let generator = self.generator.net.clone().no_grad();
        let made = generator.pictures(self.conditions(real, *b"noise  D", item));
        let made = made.detach();
        let net = &self.discriminator.net;
        let classes = real.classes.as_ref();
        let judged_real = net.judge(&real.pixels, classes);
        let judged_made = net.judge(&made, classes);
        let scores = [&judged_real, &judged_made].map(|judged| judged.scores.clone());
        let [of_real, of_made] = scores.clone();
        let mut loss = losses::of_discriminator(objective, of_real, of_made, self.balance);
        if let Some(wrong) = self.wrongly_labelled(real, &judged_real) {
            loss = loss + wrong;
        }
        let penalty = Penalty {
            objective,
            weight: self.settings.penalty,
            progress: at
                .planned
                .map_or(0.0, |planned| at.step as f64 / planned.max(1) as f64),
        };
        let mut random = rng_stream(self.seed, *b"penalty ", item);
        let pairs = [(&real.pixels, &judged_real), (&made, &judged_made)];
        if let Some(penalty) = penalty.of(net, pairs, classes, &mut random) {
            loss = loss + penalty;
        }
        let norm = self.discriminator.step(&loss, at.learning_rate);
        if self.settings.clip > 0.0 {
            let bound = self.settings.clip as f32;
            let cut =
                |tensor: Vec<f32>| tensor.into_iter().map(|w| w.clamp(-bound, bound)).collect();
            let weights = parameters(&self.discriminator.net).into_iter();
            let weights: Vec<Vec<f32>> = weights.map(|weight| cut(weight.values)).collect();
            self.discriminator.net = with_values(self.discriminator.net.clone(), weights);
        }
        let [of_real, of_made] = scores.map(|scores| f64::from(scores.mean().into_scalar::<f32>()));
        if objective.reconstructs() {
            let [real, made] = [-of_real, -of_made];
            self.balance = (self.balance + FOLLOW * (EQUILIBRIUM * real - made)).clamp(0.0, 1.0);
        }
        [f64::from(loss.into_scalar::<f32>()), of_real, of_made, norm]
    }

    /// What real pictures with the classes of another picture add to the loss, as made ones (Reed et al. 2016, "Generative
    /// adversarial text to image synthesis", algorithm 1).
    fn wrongly_labelled(&self, real: &Pictures, judged: &Judged) -> Option<Tensor<1>> {
        let classes = real.classes.as_ref()?;
        match self.settings.objective {
            Objective::Ns | Objective::Mm | Objective::Dragan => {}
            _ => return None,
        }
        let rows = real.rows as i32;
        let next: Vec<i32> = (0..rows).map(|row| (row + 1) % rows).collect();
        let next = Tensor::from_data(TensorData::new(next, [real.rows]), &self.device);
        let others = classes.clone().select(0, next);
        // 1 where the classes differ, 0 where they are the same.
        let differs = (others.clone() - classes.clone())
            .abs()
            .sum_dim(1)
            .clamp(0.0, 1.0);
        let scores = self.discriminator.net.scores_as(judged, &others);
        let losses = softplus(scores, 1.0);
        Some((losses * differs.reshape([real.rows])).mean() * 0.5)
    }

    /// One update of the generator; returns its loss and the gradient's norm.
    fn update_generator(&mut self, real: &Pictures, item: u64, at: StepContext) -> [f64; 2] {
        let objective = self.settings.objective;
        let discriminator = self.discriminator.net.clone().no_grad();
        let made = self
            .generator
            .net
            .pictures(self.conditions(real, *b"noise  G", item));
        let classes = real.classes.as_ref();
        let of_made = discriminator.judge(&made, classes).scores;
        let of_real = (objective == Objective::R3gan)
            .then(|| discriminator.judge(&real.pixels, classes).scores);
        let loss = losses::of_generator(objective, of_real, of_made);
        let norm = self.generator.step(&loss, at.learning_rate);
        [f64::from(loss.into_scalar::<f32>()), norm]
    }

    fn averaged(&self) -> Gan {
        self.gan
            .with(self.generator.averaged(), self.discriminator.averaged())
    }

    /// The features of held-out pictures, and their classes.
    fn real(&self, held_out: &DataLoader) -> Result<&(FeatureSet, Vec<Vec<f32>>)> {
        if let Some(real) = self.real.get() {
            return Ok(real);
        }
        let colors = &self.gan.config().colors;
        let (mut pictures, mut classes) = (Vec::new(), Vec::new());
        for batch in held_out.pass() {
            let batch = batch?;
            for targets in batch.targets.chunks(batch.time) {
                let color = |&token: &i32| colors[usize::try_from(token).unwrap_or(0)];
                pictures.push(targets.iter().map(color).collect());
            }
            let condition = batch.condition.unwrap_or_default();
            let width = condition.len() / batch.rows.max(1);
            classes.extend(
                (0..batch.rows).map(|row| condition[row * width..(row + 1) * width].to_vec()),
            );
        }
        let every = pictures.len().div_ceil(JUDGED).max(1);
        let some: Vec<_> = pictures.into_iter().step_by(every).collect();
        let classes = classes.into_iter().step_by(every).collect();
        let config = self.gan.config();
        let features = FeatureSet::new(&some, [config.width, config.height]);
        Ok(self.real.get_or_init(|| (features, classes)))
    }
}

impl Task for AdversarialTask<'_> {
    type Batch = Batch;

    fn step(&mut self, batch: Batch, at: StepContext) -> Result<Losses> {
        // The last batch of an epoch may be small.
        let rounds = self.settings.discriminator_steps.min(batch.rows).max(1);
        let mut sums = [0.0; 4];
        for round in 0..rounds {
            let real = self.part(&batch, round, rounds);
            let item = at.batch * rounds as u64 + round as u64;
            let found = self.update_discriminator(&real, item, at);
            sums = [0, 1, 2, 3].map(|i| sums[i] + found[i] / rounds as f64);
        }
        let last = self.part(&batch, rounds - 1, rounds);
        let [generator, norm] = self.update_generator(&last, at.batch, at);
        let [discriminator, real, made, largest] = sums;
        let tokens = (batch.rows * batch.time) as u64;
        Ok(Losses {
            values: vec![
                ("discriminator", discriminator),
                ("generator", generator),
                ("score_of_real", real),
                ("score_of_made", made),
            ],
            unit: "",
            gradient_norm: norm.max(largest),
            scored: tokens,
            read: tokens,
        })
    }

    fn evaluate(&mut self, _at: StepContext) -> Result<Metrics> {
        let Some(held_out) = self.held_out.filter(|held_out| !held_out.is_empty()) else {
            return Ok(Metrics::default());
        };
        let gan = self.averaged();
        let config = gan.config();
        let (real, classes) = self.real(held_out)?;
        let conditions: Vec<Vec<f32>> = (0..JUDGED)
            .map(|item| {
                let noise = Normals::new(*b"judged  ", self.seed, item as u64).code(config.noise);
                [&classes[item % classes.len()][..], &noise].concat()
            })
            .collect();
        let views: Vec<&[f32]> = conditions.iter().map(Vec::as_slice).collect();
        let made = FeatureSet::new(&gan.draw(&views), [config.width, config.height]);
        let value = real.frechet(made.0.iter());
        Ok(Metrics {
            headline: Some(Metric {
                name: "frechet".into(),
                value,
                unit: String::new(),
                direction: Direction::Lower,
            }),
            ..Metrics::default()
        })
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::default();
        self.generator.save(&mut state);
        self.discriminator.save(&mut state);
        let balance = (self.balance * UNIT) as u64;
        state.counters.insert(BALANCE.into(), balance);
        state
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        self.generator.load(&mut state)?;
        self.discriminator.load(&mut state)?;
        self.balance = state.take_counter(BALANCE) as f64 / UNIT;
        state.expect_empty()
    }

    fn snapshot(&self) -> Model {
        Model::Gan(self.averaged())
    }
}
