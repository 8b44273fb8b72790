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
use crate::base::split::evenly;
use crate::error::Result;
use crate::latent::Normals;
use crate::models::{
    AdversarialSettings, Batch, Discriminator, Gan, Generator, Judged, Model, Objective,
    PictureGenerator, device_of, parameters, with_values,
};
use crate::train::augment::{self, Augment};
use crate::train::learner::Learner;
use crate::train::picture_batch::{self, PictureBatch, PictureNumbers};
use crate::train::{
    DataLoader, Losses, Metric, Metrics, OptimizerSettings, StateDict, StepContext, Task,
};
pub use losses::{of_discriminator as loss_of_discriminator, of_generator as loss_of_generator};
use penalty::Penalty;

/// With fewer held-out pictures than this their Fréchet distance is mostly chance, and does not decide what is kept.
const ENOUGH: usize = 64;
/// The fewest pictures that are made for an evaluation, and the most; between them, as many as are held out.
pub(super) const JUDGED: [usize; 2] = [1000, 4000];
/// Held-out pictures whose scores are compared with those of training pictures.
const SCORED: usize = 512;
/// Made pictures whose batch statistics a saved generator has in its weights.
const STATISTICS: usize = 256;
/// The equilibrium of BEGAN: the error of made pictures over that of real ones (Berthelot et al. 2017, §3.3).
const EQUILIBRIUM: f64 = 0.75;
/// How fast its balance follows.
const FOLLOW: f64 = 1e-3;
/// Counters in 2⁻⁵² of one: the balance, the probability of augmentation and the largest coverage so far.
const BALANCE: &str = "balance";
const AUGMENTATION: &str = "augmentation";
const COVERAGE: &str = "coverage";
const UNIT: f64 = (1_u64 << 52) as f64;

/// Trains a GAN. A batch has the pictures of all updates of the discriminator, one after another.
pub struct AdversarialTask<'a> {
    gan: Gan,
    generator: Learner<Generator>,
    discriminator: Learner<Discriminator>,
    settings: AdversarialSettings,
    /// κ of BEGAN.
    balance: f64,
    augment: Augment,
    /// The probability of each change.
    augmentation: f64,
    /// The largest share of held-out pictures that had a made one near them.
    coverage: f64,
    seed: u64,
    held_out: Option<&'a DataLoader<'a>>,
    real: OnceCell<Real>,
    /// Training pictures of the last whole batch.
    last: Option<PictureBatch>,
    numbers: PictureNumbers,
}

/// Held-out pictures.
struct Real {
    features: FeatureSet,
    /// The classes of each.
    classes: Vec<Vec<f32>>,
    /// Some of them, of all classes, on a plain device.
    some: PictureBatch,
}

/// Coverage below this share of the largest so far is a collapse.
const COLLAPSE: f64 = 0.5;

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
            numbers: PictureNumbers::new(&gan.config().colors, generator.device()),
            augment: Augment {
                sides: gan.config().sides(),
                planes: gan.config().planes(),
                brightness: !gan.has_classes(),
            },
            augmentation: if settings.augment {
                augment::LEAST
            } else {
                0.0
            },
            coverage: 0.0,
            last: None,
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
    fn part(&self, batch: &Batch, index: usize, parts: usize) -> PictureBatch {
        let rows = batch.rows / parts;
        self.numbers.of(batch, index * rows..(index + 1) * rows)
    }

    /// What the generator reads: classes and noise, `[rows, classes + noise]`.
    fn conditions(&self, pictures: &PictureBatch, purpose: [u8; 8], item: u64) -> Tensor<2> {
        self.conditions_on(pictures, purpose, item, self.numbers.device())
    }

    fn conditions_on(
        &self,
        pictures: &PictureBatch,
        purpose: [u8; 8],
        item: u64,
        device: &Device,
    ) -> Tensor<2> {
        let width = self.gan.config().noise;
        let noise = Normals::new(purpose, self.seed, item).code(pictures.rows * width);
        let noise = TensorData::new(noise, [pictures.rows, width]);
        let noise = Tensor::from_data(noise, device);
        match &pictures.classes {
            Some(classes) => Tensor::cat(vec![classes.clone(), noise], 1),
            None => noise,
        }
    }

    /// One update of the discriminator; returns its loss, the scores of real and of made pictures, and the gradient's norm.
    fn update_discriminator(
        &mut self,
        real: &PictureBatch,
        item: u64,
        at: StepContext,
    ) -> [f64; 4] {
        let objective = self.settings.objective;
        let generator = self.generator.net.clone().no_grad();
        let made = self.pictures(&generator, self.conditions(real, *b"noise  D", item));
        let made = made.detach();
        let net = &self.discriminator.net;
        // Real pictures and made ones are judged together: larger products, and each weight has one gradient.
        let mut random = rng_stream(self.seed, *b"augmentD", item);
        let both = Tensor::cat(vec![real.pixels.clone(), made], 0);
        let both = self.augment.of(both, self.augmentation, &mut random);
        let [shown, made] = [0, 1].map(|half| both.clone().narrow(0, half * real.rows, real.rows));
        let twice = |classes: &Tensor<2>| Tensor::cat(vec![classes.clone(), classes.clone()], 0);
        let classes = real.classes.as_ref().map(twice);
        let penalty = Penalty {
            objective,
            weight: self.settings.penalty,
            fallen: match at.planned {
                // With less of it the discriminator learns a small set by heart.
                Some(planned) if !self.settings.augment => at.step as f64 / planned.max(1) as f64,
                _ => 0.0,
            },
        };
        let (scores, added) = if objective == Objective::R3gan {
            let both = net.differentiate(&both, classes.as_ref());
            (both.scores(), vec![penalty.at_pictures(both.gradient())])
        } else {
            let judged = net.judge(&both, classes.as_ref(), 2);
            let wrong = self.wrongly_labelled(real, &judged);
            let mut random = rng_stream(self.seed, *b"penalty ", item);
            let pictures = [&shown, &made];
            let beside = penalty.beside_pictures(net, pictures, real.classes.as_ref(), &mut random);
            (judged.scores, wrong.into_iter().chain(beside).collect())
        };
        let scores = [0, 1].map(|half| scores.clone().narrow(0, half * real.rows, real.rows));
        let [of_real, of_made] = scores.clone();
        let loss = losses::of_discriminator(objective, of_real, of_made, self.balance);
        let loss = added.into_iter().fold(loss, |loss, more| loss + more);
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
    fn wrongly_labelled(&self, real: &PictureBatch, judged: &Judged) -> Option<Tensor<1>> {
        let classes = real.classes.as_ref()?;
        match self.settings.objective {
            Objective::Ns | Objective::Mm | Objective::Dragan => {}
            _ => return None,
        }
        let rows = real.rows as i32;
        let next: Vec<i32> = (0..rows).map(|row| (row + 1) % rows).collect();
        let next = Tensor::from_data(TensorData::new(next, [real.rows]), self.numbers.device());
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
    fn update_generator(&mut self, real: &PictureBatch, item: u64, at: StepContext) -> [f64; 2] {
        let objective = self.settings.objective;
        let discriminator = self.discriminator.net.clone().no_grad();
        let conditions = self.conditions(real, *b"noise  G", item);
        let made = self.pictures(&self.generator.net, conditions);
        let classes = real.classes.as_ref();
        let mut random = rng_stream(self.seed, *b"augmentG", item);
        let mut score = |pictures| {
            let shown = self.augment.of(pictures, self.augmentation, &mut random);
            discriminator.judge(&shown, classes, 1).scores
        };
        let of_made = score(made);
        let of_real = (objective == Objective::R3gan).then(|| score(real.pixels.clone()));
        let loss = losses::of_generator(objective, of_real, of_made);
        let norm = self.generator.step(&loss, at.learning_rate);
        [f64::from(loss.into_scalar::<f32>()), norm]
    }

    /// What the generator makes in training.
    fn pictures(&self, generator: &Generator, conditions: Tensor<2>) -> Tensor<2> {
        if self.settings.generator_batch_norm {
            generator.pictures_normalised(conditions)
        } else {
            generator.pictures(conditions)
        }
    }

    /// The networks with their averaged weights, and batch statistics of the generator in these.
    fn averaged(&self) -> Gan {
        let mut generator = self.generator.averaged();
        if self.settings.generator_batch_norm
            && let Some(last) = self.last.as_ref().map(PictureBatch::plain)
        {
            let times = (STATISTICS / last.rows).max(1) as u64;
            let device = device_of(&self.gan);
            let conditions = (0..times)
                .map(|item| self.conditions_on(&last, *b"standing", item, &device))
                .collect();
            generator = generator.with_statistics_of(Tensor::cat(conditions, 0));
        }
        self.gan.with(generator, self.discriminator.averaged())
    }

    fn real(&self, held_out: &DataLoader) -> Result<&Real> {
        if let Some(real) = self.real.get() {
            return Ok(real);
        }
        let config = self.gan.config();
        let numbers = PictureNumbers::new(&config.colors, device_of(&self.gan));
        let all = held_out.tokens() as usize / (config.width * config.height);
        let (mut pictures, mut classes, mut some) = (Vec::new(), Vec::new(), Vec::new());
        for batch in held_out.pass() {
            let batch = batch?;
            pictures.extend(picture_batch::pictures(&batch, &config.colors));
            // Of each batch, as pictures may be in the order of their classes.
            let share = (batch.rows * SCORED).div_ceil(all);
            some.push(numbers.of(&batch, 0..share.min(batch.rows)));
            let condition = batch.condition.unwrap_or_default();
            let width = condition.len() / batch.rows.max(1);
            classes.extend(
                (0..batch.rows).map(|row| condition[row * width..(row + 1) * width].to_vec()),
            );
        }
        let judged = || evenly(all.min(JUDGED[1]), all);
        let spread: Vec<_> = judged().map(|at| pictures[at].clone()).collect();
        Ok(self.real.get_or_init(|| Real {
            features: FeatureSet::new(&spread, [config.width, config.height]),
            classes: judged().map(|at| classes[at].clone()).collect(),
            some: PictureBatch::of_all(some),
        }))
    }

    /// How far held-out pictures are on the discriminator's way from training pictures to made ones: 0 where it takes them for
    /// training pictures, 1 where it takes them for made ones (Karras et al. 2020, eq. 1).
    fn by_heart(&self, real: &Real, gan: &Gan) -> f64 {
        let Some(last) = &self.last else { return 0.0 };
        let device = device_of(&self.gan);
        let mean = |pixels: &Tensor<2>, classes: Option<&Tensor<2>>| {
            let classes = classes.map(|classes| classes.clone().to_device(&device));
            let pixels = pixels.clone().to_device(&device);
            let judged = gan.discriminator.judge(&pixels, classes.as_ref(), 1);
            f64::from(judged.scores.mean().into_scalar::<f32>())
        };
        let plain = last.plain();
        let conditions = self.conditions_on(&plain, *b"by heart", 0, &device);
        let made = gan.generator.pictures(conditions);
        let trained = mean(&plain.pixels, plain.classes.as_ref());
        let held_out = mean(&real.some.pixels, real.some.classes.as_ref());
        let made = mean(&made, plain.classes.as_ref());
        if trained <= made {
            return 0.0;
        }
        ((trained - held_out) / (trained - made)).clamp(0.0, 1.0)
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
        // The last batch of an epoch may be small, and its classes few.
        if self
            .last
            .as_ref()
            .is_none_or(|before| before.rows <= last.rows)
        {
            self.last = Some(last);
        }
        let [discriminator, real, made, largest] = sums;
        Ok(Losses::of_pictures(
            &batch,
            vec![
                ("discriminator", discriminator),
                ("generator", generator),
                ("score_of_real", real),
                ("score_of_made", made),
            ],
            "",
            norm.max(largest),
        ))
    }

    fn evaluate(&mut self, _at: StepContext) -> Result<Metrics> {
        let Some(held_out) = self.held_out else {
            return Ok(Metrics::default());
        };
        let gan = self.averaged();
        let config = gan.config();
        let real = self.real(held_out)?;
        let [fewest, most] = JUDGED;
        let conditions: Vec<Vec<f32>> = (0..real.classes.len().clamp(fewest, most))
            .map(|item| {
                let noise = Normals::new(*b"judged  ", self.seed, item as u64).code(config.noise);
                [&real.classes[item % real.classes.len()][..], &noise].concat()
            })
            .collect();
        let views: Vec<&[f32]> = conditions.iter().map(Vec::as_slice).collect();
        let made = FeatureSet::new(&gan.draw(&views), [config.width, config.height]);
        let value = real.features.frechet(made.0.iter());
        let near = real.features.neighbours(&made);
        let by_heart = self.by_heart(real, &gan);
        let mut remark = format!("coverage {:.2}", near.coverage);
        if near.coverage < COLLAPSE * self.coverage {
            remark = format!(
                "{remark}, which was {:.2}: it draws fewer kinds of pictures (the best are kept; try --objective r3gan, a smaller --learning-rate or a larger --batch)",
                self.coverage
            );
        }
        if by_heart > 0.5 {
            remark.push_str(", the discriminator has memorised training pictures");
            if !self.settings.augment {
                remark.push_str(" (add pictures, or --augment on)");
            }
        }
        let enough = real.features.0.len() >= ENOUGH;
        let parts = [
            ("frechet", value),
            ("precision", near.precision),
            ("recall", near.recall),
            ("density", near.density),
            ("coverage", near.coverage),
            ("by_heart", by_heart),
            ("augmentation", self.augmentation),
        ];
        self.coverage = self.coverage.max(near.coverage);
        if self.settings.augment {
            self.augmentation = augment::adapted(self.augmentation, by_heart);
        }
        Ok(Metrics {
            headline: enough.then(|| Metric::frechet(value)),
            parts: parts.map(|(name, value)| (name.to_owned(), value)).into(),
            remark,
        })
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::default();
        self.generator.save(&mut state);
        self.discriminator.save(&mut state);
        for (name, value) in [
            (BALANCE, self.balance),
            (AUGMENTATION, self.augmentation),
            (COVERAGE, self.coverage),
        ] {
            state.counters.insert(name.into(), (value * UNIT) as u64);
        }
        state
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        self.generator.load(&mut state)?;
        self.discriminator.load(&mut state)?;
        let mut counter = |name| state.take_counter(name) as f64 / UNIT;
        self.balance = counter(BALANCE);
        self.augmentation = counter(AUGMENTATION);
        self.coverage = counter(COVERAGE);
        state.expect_empty()
    }

    fn snapshot(&self) -> Model {
        Model::Gan(self.averaged())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::models::{GanConfig, Interface};
    use crate::sequence::{Alphabet, SequenceDataset, SideInputs, Token};
    use crate::train::WindowConfig;

    /// Dark pictures and bright ones of 16×16 pixels.
    struct DarkAndBright([usize; 2]);

    impl SequenceDataset for DarkAndBright {
        fn count(&self) -> usize {
            self.0[0] + self.0[1]
        }
        fn length(&self, _: usize) -> usize {
            256
        }
        fn read(&self, index: usize, _: Range<usize>, out: &mut [Token]) -> Result<()> {
            out.fill(Token::from(index >= self.0[0]));
            Ok(())
        }
    }

    /// Held-out pictures of a folder are in the order of their classes.
    #[test]
    fn held_out_pictures_of_all_kinds_are_scored() {
        let pictures = DarkAndBright([700, 300]);
        let alphabet = Alphabet {
            size: 2,
            start: 2,
            stop: None,
        };
        let members: Vec<usize> = (0..1000).collect();
        let conditions = vec![Vec::new(); 1000];
        let cut = WindowConfig {
            window: 256,
            context: 0,
            budget: 16 * 256,
        };
        let held_out = DataLoader::new(&pictures, &members, &conditions, alphabet, cut, 1);
        let config = GanConfig {
            width: 16,
            height: 16,
            colors: vec![[0; 3], [255; 3]],
            noise: 2,
            channels: vec![2],
            hidden: 4,
        };
        let interface = Interface {
            alphabet,
            side_inputs: SideInputs::default(),
            condition: 0,
        };
        let settings = Objective::Ns.settings();
        let gan = Gan::new(config, &settings, &interface, 3, &Device::flex()).unwrap();
        let optimizer = OptimizerSettings::default();
        let task = AdversarialTask::new(gan, settings, optimizer, 1, Some(&held_out));
        let some = &task.real(&held_out).unwrap().some;
        let brightness = some.pixels.clone().mean().into_scalar::<f32>();
        assert!((SCORED..SCORED + 100).contains(&some.rows), "{}", some.rows);
        assert!((brightness + 0.4).abs() < 0.04, "{brightness}");
    }
}
