/*!
Training of a discriminator that makes pictures alone: it scores real pictures above those that it makes itself, which is the gradient
of the likelihood of p(x) ∝ exp f(x) (Du & Mordatch 2019, "Implicit generation and modeling with energy-based models", eq. 2).
*/

use std::cell::OnceCell;

use burn::prelude::*;
use rand_core::Rng;

use crate::base::picture_features::FeatureSet;
use crate::base::rng::rng_stream;
use crate::error::Result;
use crate::latent::Normals;
use crate::models::{
    Batch, Energy, EnergySettings, Model, PictureGenerator, drawn_by_score, values,
};
use crate::train::learner::Learner;
use crate::train::picture_batch::{PictureNumbers, held_out_pictures};
use crate::train::{
    DataLoader, Losses, Metric, Metrics, OptimizerSettings, StateDict, StepContext, Task,
};

/// Pictures that are made, and held-out ones, for an evaluation.
const JUDGED: usize = 128;
/// The deviation of the noise on real pictures, without which only the exact colours have a high score.
const BLUR: f64 = 0.03;

/// Trains an energy model.
pub struct EnergyTask<'a> {
    learner: Learner<Energy>,
    settings: EnergySettings,
    /// Made pictures that were kept, `[pool, numbers]`.
    pool: Vec<f32>,
    width: usize,
    numbers: PictureNumbers,
    seed: u64,
    held_out: Option<&'a DataLoader<'a>>,
    real: OnceCell<FeatureSet>,
}

impl<'a> EnergyTask<'a> {
    /// Trains `energy`, which is on a plain device. `seed` is the seed of everything random in training.
    pub fn new(
        energy: Energy,
        settings: EnergySettings,
        optimizer: OptimizerSettings,
        seed: u64,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> Self {
        let colors = energy.config().colors.clone();
        let width = energy.config().numbers();
        let mut random = rng_stream(seed, *b"pool    ", 0);
        let pool = (0..settings.pool * width)
            .map(|_| uniform(&mut random))
            .collect();
        let learner = Learner::new(energy, optimizer, "");
        Self {
            numbers: PictureNumbers::new(&colors, learner.device()),
            learner,
            settings,
            pool,
            width,
            seed,
            held_out,
            real: OnceCell::new(),
        }
    }

    fn tensor(&self, values: Vec<f32>) -> Tensor<2> {
        let rows = values.len() / self.width;
        Tensor::from_data(
            TensorData::new(values, [rows, self.width]),
            self.numbers.device(),
        )
    }

    /// Pictures that the network makes: of all possible ones where these are few, else after steps from pictures of the pool.
    fn made(&mut self, rows: usize, item: u64) -> Tensor<2> {
        let net = self.learner.net.clone().no_grad();
        let mut random = rng_stream(self.seed, *b"langevin", item);
        if let Some(all) = net.all_pictures() {
            let scores = values(net.scores(&net.numbers_of(&all, self.numbers.device())));
            let some = (0..rows).map(|_| all[drawn_by_score(&scores, &mut random)].clone());
            return net.numbers_of(&some.collect::<Vec<_>>(), self.numbers.device());
        }
        let places: Vec<usize> = (0..rows)
            .map(|_| random.next_u32() as usize % self.settings.pool)
            .collect();
        let mut start = Vec::with_capacity(rows * self.width);
        for place in &places {
            let fresh = f64::from(random.next_u32()) / 4_294_967_296.0 < self.settings.fresh;
            if fresh {
                start.extend((0..self.width).map(|_| uniform(&mut random)));
            } else {
                start.extend_from_slice(&self.pool[place * self.width..(place + 1) * self.width]);
            }
        }
        let mut normals = Normals::new(*b"langevin", self.seed, item);
        let noise = || Some(self.tensor(normals.code(rows * self.width)));
        let made = net
            .walked(self.tensor(start), self.settings.steps, noise)
            .detach();
        let found = values(made.clone());
        for (row, place) in found.chunks(self.width).zip(places) {
            self.pool[place * self.width..(place + 1) * self.width].copy_from_slice(row);
        }
        made
    }
}

/// A number from −1 to 1.
fn uniform(random: &mut impl Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
}

impl Task for EnergyTask<'_> {
    type Batch = Batch;

    fn step(&mut self, batch: Batch, at: StepContext) -> Result<Losses> {
        let real = self.numbers.of(&batch, 0..batch.rows).pixels;
        let made = self.made(batch.rows, at.batch);
        let net = &self.learner.net;
        let real = if net.all_pictures().is_some() {
            real
        } else {
            let mut normals = Normals::new(*b"blur    ", self.seed, at.batch);
            real + self.tensor(normals.code(batch.rows * self.width)) * BLUR
        };
        // Judged together: larger products.
        let scores = net.scores(&Tensor::cat(vec![real, made], 0));
        let [of_real, of_made] = [0, 1].map(|half| {
            scores
                .clone()
                .narrow(0, half * batch.rows, batch.rows)
                .mean()
        });
        let flat = scores.powi_scalar(2).mean() * self.settings.flatness;
        let loss = of_made.clone() - of_real.clone() + flat;
        let norm = self.learner.step(&loss, at.learning_rate);
        let [loss, of_real, of_made] =
            [loss, of_real, of_made].map(|number| f64::from(number.into_scalar::<f32>()));
        Ok(Losses::of_pictures(
            &batch,
            vec![
                ("discriminator", loss),
                ("score_of_real", of_real),
                ("score_of_made", of_made),
            ],
            "",
            norm,
        ))
    }

    fn evaluate(&mut self, _at: StepContext) -> Result<Metrics> {
        let Some(held_out) = self.held_out else {
            return Ok(Metrics::default());
        };
        let net = self.learner.averaged();
        let (config, sides) = (net.config(), [net.config().width, net.config().height]);
        if self.real.get().is_none() {
            let some = held_out_pictures(held_out, &config.colors, JUDGED)?;
            self.real.get_or_init(|| FeatureSet::new(&some, sides));
        }
        let real = self.real.get().expect("just computed");
        let noise: Vec<Vec<f32>> = (0..JUDGED)
            .map(|item| Normals::new(*b"judged  ", self.seed, item as u64).code(self.width))
            .collect();
        let views: Vec<&[f32]> = noise.iter().map(Vec::as_slice).collect();
        let made = FeatureSet::new(&net.draw(&views), sides);
        let value = real.frechet(made.0.iter());
        let near = real.neighbours(&made);
        Ok(Metrics {
            headline: Some(Metric::frechet(value)),
            parts: [
                ("frechet", value),
                ("coverage", near.coverage),
                ("density", near.density),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            remark: format!("coverage {:.2}", near.coverage),
        })
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::default();
        self.learner.save(&mut state);
        let shape = vec![self.settings.pool, self.width];
        state.put("pool".into(), shape, self.pool.clone());
        state
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        self.learner.load(&mut state)?;
        self.pool = state.take("pool", &[self.settings.pool, self.width])?;
        state.expect_empty()
    }

    fn snapshot(&self) -> Model {
        Model::Energy(self.learner.averaged())
    }
}
