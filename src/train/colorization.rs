/*!
Colorization, the task of a colorizer (Isola et al. 2017, eq. 1 to 4): the mean absolute error of the colours, and what a
discriminator thinks of them.
*/

use std::cell::OnceCell;

use burn::prelude::*;
use burn::tensor::activation::softplus;

use crate::base::picture_features::FeatureSet;
use crate::base::rng::rng_stream;
use crate::error::Result;
use crate::models::{
    Batch, Colorizer, ColorizerSettings, Model, PatchDiscriminator, UNet, coloured, grey_of,
};
use crate::train::augment::Augment;
use crate::train::learner::Learner;
use crate::train::picture_batch::{PictureNumbers, held_out_pictures};
use crate::train::{
    DataLoader, Losses, Metric, Metrics, OptimizerSettings, StateDict, StepContext, Task,
};

/// Held-out pictures that are coloured for an evaluation.
const JUDGED: usize = 500;
/// The probability of each change of a picture.
const CHANGED: f64 = 0.5;

/// Trains a colorizer.
pub struct ColorizationTask<'a> {
    colorizer: Colorizer,
    generator: Learner<UNet>,
    discriminator: Learner<PatchDiscriminator>,
    settings: ColorizerSettings,
    numbers: PictureNumbers,
    augment: Augment,
    seed: u64,
    held_out: Option<&'a DataLoader<'a>>,
    real: OnceCell<Vec<Vec<[u8; 3]>>>,
}

impl<'a> ColorizationTask<'a> {
    /// Trains `colorizer`, which is on a plain device. `seed` is the seed of everything random in training.
    pub fn new(
        colorizer: Colorizer,
        settings: ColorizerSettings,
        optimizer: OptimizerSettings,
        seed: u64,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> Self {
        let generator = Learner::new(colorizer.generator.clone(), optimizer, "generator.");
        let discriminator =
            Learner::new(colorizer.discriminator.clone(), optimizer, "discriminator.");
        let config = colorizer.config();
        Self {
            numbers: PictureNumbers::new(&config.colors, generator.device()),
            augment: Augment {
                sides: config.sides(),
                planes: 3,
                brightness: false,
            },
            colorizer,
            generator,
            discriminator,
            settings,
            seed,
            held_out,
            real: OnceCell::new(),
        }
    }

    /// One update of the discriminator; returns its loss and the gradient's norm.
    fn update_discriminator(&mut self, real: &Tensor<2>, made: Tensor<2>, rate: f64) -> [f64; 2] {
        let net = &self.discriminator.net;
        let of_real = softplus(net.scores(real).neg(), 1.0).mean();
        let of_made = softplus(net.scores(&made), 1.0).mean();
        // Half the gradient, so that the discriminator does not run ahead (Isola et al. 2017, §3.3).
        let loss = (of_real + of_made) * 0.5;
        let norm = self.discriminator.step(&loss, rate);
        [f64::from(loss.into_scalar::<f32>()), norm]
    }

    fn averaged(&self) -> Colorizer {
        let discriminator = self.discriminator.averaged();
        self.colorizer
            .with(self.generator.averaged(), discriminator)
    }

    fn real(&self, held_out: &DataLoader) -> Result<&[Vec<[u8; 3]>]> {
        if let Some(real) = self.real.get() {
            return Ok(real);
        }
        let some = held_out_pictures(held_out, &self.colorizer.config().colors, JUDGED)?;
        Ok(self.real.get_or_init(|| some))
    }
}

impl Task for ColorizationTask<'_> {
    type Batch = Batch;

    fn step(&mut self, batch: Batch, at: StepContext) -> Result<Losses> {
        let pictures = self.numbers.of(&batch, 0..batch.rows).pixels;
        let mut random = rng_stream(self.seed, *b"augment ", at.batch);
        let probability = if self.settings.augment { CHANGED } else { 0.0 };
        let real = self.augment.of(pictures, probability, &mut random);
        let greys = grey_of(&real);
        let made = coloured(greys.clone(), self.generator.net.chroma(greys));
        let error = (made.clone() - real.clone()).abs().mean();
        let mut loss = error.clone() * self.settings.absolute_error;
        let mut values = vec![(
            "absolute_error",
            127.5 * f64::from(error.into_scalar::<f32>()),
        )];
        let mut norm = 0.0_f64;
        if self.settings.discriminator {
            let rate = at.learning_rate;
            let [found, of_discriminator] =
                self.update_discriminator(&real, made.clone().detach(), rate);
            norm = of_discriminator;
            values.push(("discriminator", found));
            let scores = self.discriminator.net.clone().no_grad().scores(&made);
            let of_generator = softplus(scores.neg(), 1.0).mean();
            loss = loss + of_generator.clone();
            values.push(("generator", f64::from(of_generator.into_scalar::<f32>())));
        }
        norm = norm.max(self.generator.step(&loss, at.learning_rate));
        Ok(Losses::of_pictures(&batch, values, "of 255", norm))
    }

    fn evaluate(&mut self, _at: StepContext) -> Result<Metrics> {
        let Some(held_out) = self.held_out else {
            return Ok(Metrics::default());
        };
        let real = self.real(held_out)?;
        let config = self.colorizer.config();
        let made = self.averaged().color(real);
        let features = |pictures| FeatureSet::new(pictures, [config.width, config.height]);
        let frechet = features(real).frechet(features(&made).0.iter());
        let error = mean_difference(real, &made);
        Ok(Metrics {
            headline: Some(Metric::frechet(frechet)),
            parts: [("frechet", frechet), ("absolute_error", error)]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            remark: format!("colours of held-out pictures are wrong by {error:.1} of 255"),
        })
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::default();
        self.generator.save(&mut state);
        self.discriminator.save(&mut state);
        state
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        self.generator.load(&mut state)?;
        self.discriminator.load(&mut state)?;
        state.expect_empty()
    }

    fn snapshot(&self) -> Model {
        Model::Colorizer(self.averaged())
    }
}

/// The mean absolute difference of red, green and blue, of 255.
pub fn mean_difference(a: &[Vec<[u8; 3]>], b: &[Vec<[u8; 3]>]) -> f64 {
    let numbers = |pictures: &[Vec<[u8; 3]>]| -> Vec<u8> {
        let pixels = pictures.iter().flatten();
        pixels.flatten().copied().collect()
    };
    let (a, b) = (numbers(a), numbers(b));
    let sum: u64 = a
        .iter()
        .zip(&b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.len().max(1) as f64
}
