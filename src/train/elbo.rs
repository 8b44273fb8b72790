/*!
The negative evidence lower bound (ELBO), the task of every VAE, with a schedule against posterior collapse.

A decoder that predicts well by itself learns to ignore the latent code (Bowman et al. 2016, §3.1). So training begins as an
autoencoder, with almost no KL weight; then the decoder may be re-initialised, the KL weight rises to β, and some nats of the
KL divergence stay free (Li et al. 2019, "A surprisingly effective fix for deep latent variable modeling of text").

With several codes of each item, the objective is a tighter bound, made of their importance weights (Burda et al. 2016). The
encoder's gradient is the doubly reparameterised one (Tucker et al. 2019, "Doubly reparameterized gradient estimators for Monte
Carlo objectives"), which has less noise.
*/

use std::fmt::Write;
use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::activation;

use crate::base::rng::rng_stream;
use crate::error::Result;
use crate::latent::{Normals, Posteriors};
use crate::models::{
    Batch, ElboSettings, GaussianTensors, Model, SequenceInput, Vae, input, nll_of_each,
    nll_of_logits, parameters, values, with_values,
};
use crate::ops::LateScales;
use crate::sequence::Likelihood;
use crate::train::all_reduce::AllReduce;
use crate::train::learner::Learner;
use crate::train::likelihood::{drop_words, has_diverged, headline, losses, seed_of_batch};
use crate::train::{DataLoader, Losses, Metrics, OptimizerSettings, StateDict, StepContext, Task};

/// The KL weight of the autoencoder phase: just enough to keep the codes from diverging.
const LEAST: f64 = 0.02;
/// Below this many nats a sentence for another sentence's code, codes are as good as unused.
const COLLAPSED: f64 = 0.5;
/// The mutual information of at most this many items is estimated; it takes time with their number squared.
const ESTIMATED: usize = 2000;
/// The counter that tells whether the decoder has been re-initialised.
const RESET: &str = "decoder_reset";

/// The share of the planned steps that is done, from 0 to 1; 0 while the plan is unknown.
fn progress(at: StepContext) -> f64 {
    at.planned
        .map_or(0.0, |planned| at.step as f64 / planned.max(1) as f64)
}

fn kl_weight(settings: &ElboSettings, at: StepContext) -> f64 {
    let beyond = progress(at) - settings.autoencoder;
    if beyond < 0.0 || at.planned.is_none() {
        LEAST
    } else if beyond < settings.ramp {
        LEAST + (settings.beta - LEAST) * beyond / settings.ramp
    } else {
        settings.beta.max(LEAST)
    }
}

fn free_nats(settings: &ElboSettings, at: StepContext) -> f64 {
    let fall = settings.free_nats_fall;
    let left = if fall > 0.0 {
        (1.0 - progress(at)) / fall
    } else {
        1.0
    };
    settings.free_nats * left.clamp(0.0, 1.0)
}

fn bag_of_words_weight(settings: &ElboSettings, at: StepContext) -> f64 {
    let end = settings.autoencoder + settings.ramp;
    let left = 1.0 - progress(at) / end.max(f64::MIN_POSITIVE);
    settings.bag_of_words * left.max(0.0)
}

/// The step before which the decoder is re-initialised.
fn reset_step(settings: &ElboSettings, planned: u64) -> Option<u64> {
    let step = (settings.autoencoder * planned as f64).ceil() as u64;
    (settings.reset_decoder && step > 0).then_some(step)
}

/// Trains a VAE.
pub struct ElboTask<'a, V> {
    learner: Learner<V>,
    settings: ElboSettings,
    /// Of latent codes, dropped words, dropout and the re-initialised decoder.
    seed: u64,
    /// Whether the decoder has been re-initialised.
    reset: bool,
    held_out: Option<&'a DataLoader<'a>>,
    device: Device,
}

impl<'a, V: Vae> ElboTask<'a, V> {
    /// Trains `vae`, which is on a plain device. `seed` is the seed of everything random in training.
    pub fn new(
        vae: V,
        settings: ElboSettings,
        optimizer: OptimizerSettings,
        seed: u64,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> Self {
        let learner = Learner::new(vae, optimizer, "");
        Self {
            device: learner.device(),
            learner,
            settings,
            seed,
            reset: false,
            held_out,
        }
    }

    /// The loss of a batch in nats a token, `[1]`.
    fn loss(&self, batch: &Batch, at: StepContext) -> Tensor<1> {
        let (vae, settings) = (&self.learner.net, &self.settings);
        let encoded = vae.posteriors(batch).repeated(settings.codes);
        let scored = batch.scored().max(1) as f64;
        let batch = &batch.repeated(settings.codes);
        let noise = noise(&encoded, self.seed, at.batch, &self.device);
        let scales = LateScales::default();
        let mut codes = self.codes(&encoded, &noise);
        if settings.codes > 1 {
            codes = scales.of(codes);
        }
        let mut rng = rng_stream(self.seed, *b"words   ", at.batch);
        let words = drop_words(
            vae.interface(),
            batch.without_condition(),
            settings.word_dropout,
            &mut rng,
        );
        let mut read = input(vae.interface(), &words, &self.device);
        read.condition = Some(vae.condition(codes.clone(), batch));
        let seed = seed_of_batch(self.seed, at.batch);
        let logits = vae.training_logits(read, seed);
        let kl_weight = kl_weight(settings, at);
        if settings.codes > 1 {
            let nll = nll_of_each(logits, batch);
            let costs = nll + excess(&codes, &encoded.detached()) * kl_weight;
            scales.set(shares_of_encoder(&costs, settings.codes, kl_weight));
            return importance_weighted(costs, settings.codes) / scored;
        }
        let reconstruction = nll_of_logits(logits, batch);
        // The mean of each dimension over the batch is free up to its share (Kingma et al. 2016, appendix C).
        let free = free_nats(settings, at) / vae.latent() as f64;
        let price = self.price(&encoded).mean_dim(0).clamp_min(free).sum();
        let kl = price * (kl_weight * batch.rows as f64);
        let mut loss = reconstruction + kl;
        let bag_weight = bag_of_words_weight(settings, at);
        if bag_weight > 0.0
            && let Some(bag) = vae.bag_of_words(&codes, batch)
        {
            loss = loss + bag * bag_weight;
        }
        loss / scored
    }

    /// Codes drawn from the posteriors, or an autoencoder's: their means.
    fn codes(&self, encoded: &GaussianTensors, noise: &Tensor<2>) -> Tensor<2> {
        if self.settings.is_autoencoder() {
            return encoded.mean.clone();
        }
        draw(encoded, noise)
    }

    /// What the codes cost in each row and dimension: the KL divergence; for an autoencoder half their square, so that they
    /// stay near zero.
    fn price(&self, encoded: &GaussianTensors) -> Tensor<2> {
        if self.settings.is_autoencoder() {
            return encoded.mean.clone() * encoded.mean.clone() * 0.5;
        }
        kl_divergence(encoded)
    }

    /// Re-initialises the decoder at its step, once.
    fn reset_decoder_if_due(&mut self, at: StepContext) -> Result<()> {
        let due = at
            .planned
            .and_then(|planned| reset_step(&self.settings, planned))
            .is_some_and(|step| at.step >= step);
        if self.reset || !due {
            return Ok(());
        }
        let net = &self.learner.net;
        let fresh = net.reinitialised(self.seed.wrapping_add(1), &Device::flex())?;
        let mut weights = Vec::new();
        let old = parameters(net).into_iter();
        self.learner.optimizer.change(|optimizer| {
            for (index, (old, fresh)) in old.zip(parameters(&fresh)).enumerate() {
                if !fresh.name.starts_with(V::DECODER) {
                    weights.push(old.values);
                    continue;
                }
                // The second moments stay: they know the size of the gradients, and Adam's bias correction has ended.
                optimizer.momentum[index].fill(0.0);
                optimizer.average[index].clone_from(&fresh.values);
                weights.push(fresh.values);
            }
        });
        self.learner.net = with_values(self.learner.net.clone(), weights);
        self.reset = true;
        Ok(())
    }
}

/// Standard normal numbers, one for each of a code, `[rows, latent]`.
fn noise(encoded: &GaussianTensors, seed: u64, item: u64, device: &Device) -> Tensor<2> {
    let [rows, dims] = encoded.mean.dims();
    let noise = Normals::new(*b"training", seed, item).code(rows * dims);
    Tensor::from_data(TensorData::new(noise, [rows, dims]), device)
}

/// Codes drawn from q(z | x), `[rows, latent]` (Kingma & Welling 2014, §2.4).
fn draw(encoded: &GaussianTensors, noise: &Tensor<2>) -> Tensor<2> {
    encoded.mean.clone() + (encoded.log_variance.clone() * 0.5).exp() * noise.clone()
}

/// ln q(z | x) − ln N(z; 0, I) of codes, in nats, `[rows]`.
fn excess(codes: &Tensor<2>, encoded: &GaussianTensors) -> Tensor<1> {
    let away = codes.clone() - encoded.mean.clone();
    let squares = codes.clone() * codes.clone()
        - away.clone() * away * encoded.log_variance.clone().neg().exp();
    let [rows, _] = squares.dims();
    let each = (squares - encoded.log_variance.clone()) * 0.5;
    each.sum_dim(1).reshape([rows])
}

/// How much of the gradient of each code goes on to the encoder, `[codes · items, 1]`: with w the share of the weights of its
/// item, 1 − β (1 − w), where β weights the KL divergence.
///
/// It is for costs in which the density of the codes has no gradient. In the mean, this gives what it would have (Tucker et al.
/// 2019, with β = 1).
fn shares_of_encoder(costs: &Tensor<1>, codes: usize, kl_weight: f64) -> Tensor<2> {
    let [rows] = costs.dims();
    let costs: Tensor<2> = costs.clone().detach().reshape([codes, rows / codes]);
    let shares = activation::softmax(costs.neg(), 0).reshape([rows, 1]);
    shares * kl_weight + (1.0 - kl_weight)
}

/// −ln of the mean of the importance weights of each item's codes, summed, `[1]` (Burda et al. 2016, eq. 8).
///
/// * `costs`: −ln of the weights, `[codes · items]`.
fn importance_weighted(costs: Tensor<1>, codes: usize) -> Tensor<1> {
    let [rows] = costs.dims();
    let costs: Tensor<2> = costs.reshape([codes, rows / codes]);
    let least = costs.clone().detach().min_dim(0);
    let mean = (least.clone() - costs).exp().mean_dim(0);
    (least - mean.log()).sum()
}

/// The importance-weighted bound on the NLL of all items in nats, with this many codes of each.
fn importance_weighted_bound<V: Vae>(
    vae: &V,
    items: &DataLoader,
    codes: usize,
    seed: u64,
    device: &Device,
) -> Result<f64> {
    let mut nats = 0.0;
    for (item, batch) in items.pass().enumerate() {
        let batch = batch?;
        let encoded = vae.posteriors(&batch).repeated(codes);
        let batch = batch.repeated(codes);
        let noise = noise(&encoded, seed, u64::MAX - item as u64, device);
        let drawn = draw(&encoded, &noise);
        let excess = excess(&drawn, &encoded);
        let mut read = input(vae.interface(), &batch.without_condition(), device);
        read.condition = Some(vae.condition(drawn, &batch));
        let costs = nll_of_each(vae.logits(read), &batch) + excess;
        nats += f64::from(importance_weighted(costs, codes).into_scalar::<f32>());
    }
    Ok(nats)
}

/// KL(q(z | x) ‖ N(0, I)) of each row and dimension in nats, `[rows, latent]` (Kingma & Welling 2014, appendix B).
fn kl_divergence(encoded: &GaussianTensors) -> Tensor<2> {
    let (mean, log_variance) = (encoded.mean.clone(), encoded.log_variance.clone());
    (mean.clone() * mean + log_variance.clone().exp() - log_variance - 1.0) * 0.5
}

/// The mutual information of items and codes in nats, estimated from some of the items where there are many.
pub(crate) fn mutual_information(posteriors: &Posteriors, seed: u64) -> f64 {
    let some = posteriors.every(posteriors.items().div_ceil(ESTIMATED));
    some.information(1, seed).mutual_information
}

/// What a VAE makes of some items.
pub(crate) struct ElboMeasures {
    /// Of the items, in the order of the loader.
    pub(crate) posteriors: Posteriors,
    /// −ln p(x | z) with a code z of each item, summed.
    pub(crate) reconstruction: Likelihood,
    /// How many nats another item's code costs, which shows how much the decoder reads from codes; `None` where no items were
    /// side by side.
    pub(crate) cost: Option<f64>,
}

/// Measures a VAE on a plain device, with one code drawn from each posterior; an autoencoder's codes are the means.
pub(crate) fn measure_elbo<V: Vae>(
    vae: &V,
    items: &DataLoader,
    autoencoder: bool,
    seed: u64,
    device: &Device,
) -> Result<ElboMeasures> {
    let mut posteriors = Posteriors::new(vae.latent());
    let mut reconstruction = Likelihood::default();
    let (mut added, mut compared) = (0.0, 0.0);
    for (item, batch) in items.pass().enumerate() {
        let batch = batch?;
        let encoded = vae.posteriors(&batch);
        let codes = if autoencoder {
            encoded.mean.clone()
        } else {
            let noise = noise(&encoded, seed, u64::MAX - item as u64, device);
            draw(&encoded, &noise)
        };
        let read = input(vae.interface(), &batch.without_condition(), device);
        let nats = |codes| {
            let condition = Some(vae.condition(codes, &batch));
            let logits = vae.logits(SequenceInput {
                condition,
                ..read.clone()
            });
            f64::from(nll_of_logits(logits, &batch).into_scalar::<f32>())
        };
        let own = nats(codes.clone());
        reconstruction.add(Likelihood {
            nats: own,
            tokens: batch.scored() as u64,
        });
        if batch.rows > 1 {
            let rows = batch.rows as i32;
            let next: Vec<i32> = (0..rows).map(|row| (row + 1) % rows).collect();
            let next = Tensor::from_data(TensorData::new(next, [batch.rows]), device);
            added += nats(codes.select(0, next)) - own;
            compared += f64::from(rows);
        }
        posteriors.extend(&values(encoded.mean), &values(encoded.log_variance));
    }
    Ok(ElboMeasures {
        posteriors,
        reconstruction,
        cost: (compared > 0.0).then(|| added / compared),
    })
}

impl<V: Vae> Task for ElboTask<'_, V> {
    type Batch = Batch;

    fn step(&mut self, batch: Batch, at: StepContext) -> Result<Losses> {
        self.reset_decoder_if_due(at)?;
        let loss = self.loss(&batch, at);
        let norm = self.learner.step(&loss, at.learning_rate);
        Ok(losses("loss", loss, norm, &batch))
    }

    fn evaluate(&mut self, at: StepContext) -> Result<Metrics> {
        let Some(held_out) = self.held_out else {
            return Ok(Metrics::default());
        };
        let vae = self.learner.averaged();
        let device = self.device.clone().inner();
        let autoencoder = self.settings.is_autoencoder();
        let ElboMeasures {
            posteriors,
            reconstruction,
            cost,
        } = measure_elbo(&vae, held_out, autoencoder, self.seed, &device)?;
        let items = posteriors.items() as f64;
        let kl = if autoencoder { 0.0 } else { posteriors.kl() };
        let active = posteriors.active_units();
        let information = mutual_information(&posteriors, self.seed);
        let reconstructed = reconstruction.nats / items;
        let mut remark = format!(
            "{:.1} nats a {}: reconstruction {reconstructed:.1}, KL {kl:.1}; mutual information {information:.1}, {active} of {} units active, another's code costs {:.1}",
            reconstructed + kl,
            V::ITEM,
            vae.latent(),
            cost.unwrap_or(0.0)
        );
        let collapsed = cost.is_some_and(|cost| cost < COLLAPSED);
        if kl_weight(&self.settings, at) > LEAST && collapsed {
            remark += "; the posterior has collapsed, the decoder ignores the codes: ";
            remark += V::REMEDY;
        }
        let (mut name, mut nats) = ("negative_elbo", reconstruction.nats + kl * items);
        let codes = self.settings.codes;
        if codes > 1 {
            name = "importance_weighted_nll";
            nats = importance_weighted_bound(&vae, held_out, codes, self.seed, &device)?;
            let nats = nats / items;
            let _ = write!(
                remark,
                "; {nats:.1} nats importance-weighted with {codes} codes"
            );
        }
        let bound = Likelihood {
            nats,
            ..reconstruction
        };
        Ok(Metrics {
            headline: Some(headline(name, bound)),
            parts: [
                ("reconstruction", reconstructed),
                ("kl", kl),
                ("mutual_information", information),
                ("active_units", active as f64),
                ("cost_of_another_code", cost.unwrap_or(0.0)),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            remark,
        })
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::default();
        self.learner.save(&mut state);
        state.counters.insert(RESET.into(), u64::from(self.reset));
        state
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        self.learner.load(&mut state)?;
        self.reset = state.take_counter(RESET) > 0;
        state.expect_empty()
    }

    fn snapshot(&self) -> Model {
        self.learner.averaged().into_model()
    }

    fn diverged(&self, losses: &Losses, at: StepContext) -> bool {
        has_diverged(&self.learner.net, losses, at)
    }

    fn untimed_steps(&self) -> u64 {
        self.learner.untimed_steps()
    }

    fn share_gradients(&mut self, exchange: Arc<dyn AllReduce>) -> Result<()> {
        self.learner.share_gradients(exchange);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::{Gaussian, standard_log_density};
    use crate::models::{Interface, RecurrentCell, SentenceVae, SentenceVaeConfig};
    use crate::sequence::{Alphabet, SideInputs, Token};
    use crate::train::WindowConfig;

    const SETTINGS: ElboSettings = ElboSettings {
        autoencoder: 0.25,
        ramp: 0.5,
        reset_decoder: true,
        free_nats: 2.0,
        free_nats_fall: 0.25,
        word_dropout: 0.3,
        bag_of_words: 0.5,
        beta: 1.0,
        codes: 1,
    };

    fn at(step: u64, planned: u64) -> StepContext {
        StepContext {
            step,
            batch: step,
            planned: Some(planned),
            learning_rate: 0.01,
        }
    }

    #[test]
    fn the_kl_weight_rises_after_the_autoencoder_and_stays() {
        let weight = |step| kl_weight(&SETTINGS, at(step, 100));
        assert_eq!((weight(0), weight(24)), (LEAST, LEAST));
        assert!((25..75).all(|step| weight(step) < weight(step + 1)));
        assert_eq!((weight(75), weight(99)), (1.0, 1.0));
        let bag = |step| bag_of_words_weight(&SETTINGS, at(step, 100));
        assert_eq!(
            (bag(0), bag(75), bag(99)),
            (SETTINGS.bag_of_words, 0.0, 0.0)
        );
        assert!((0..75).all(|step| bag(step) > bag(step + 1)));
        let unknown = StepContext {
            planned: None,
            ..at(90, 100)
        };
        assert_eq!(kl_weight(&SETTINGS, unknown), LEAST);
    }

    #[test]
    fn free_nats_stay_and_fall_to_nothing_at_the_end() {
        let free = |step| free_nats(&SETTINGS, at(step, 100));
        assert_eq!((free(0), free(75), free(120)), (2.0, 2.0, 0.0));
        assert!((75..100).all(|step| free(step) > free(step + 1)));
        let steady = ElboSettings {
            free_nats_fall: 0.0,
            ..SETTINGS
        };
        assert_eq!(free_nats(&steady, at(120, 100)), 2.0);
    }

    #[test]
    fn draws_and_divergences_are_those_of_the_gaussians() {
        let (mean, log_variance) = ([[0.5, -1.0], [2.0, 0.0]], [[0.1, -2.0], [0.0, 1.5]]);
        let device = Device::flex();
        let encoded = GaussianTensors {
            mean: Tensor::from_data(mean, &device),
            log_variance: Tensor::from_data(log_variance, &device),
        };
        let (found, codes) = (
            values(kl_divergence(&encoded)),
            values(draw(&encoded, &noise(&encoded, 1, 2, &device))),
        );
        let noise = Normals::new(*b"training", 1, 2).code(4);
        for row in 0..2 {
            let gaussian = Gaussian::new(&mean[row], &log_variance[row]);
            for (dim, expected) in gaussian.kl_per_dimension().enumerate() {
                assert!((f64::from(found[2 * row + dim]) - expected).abs() < 1e-6);
            }
            let expected = gaussian.reparameterise(&noise[2 * row..2 * row + 2]);
            for (found, expected) in codes[2 * row..].iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn importance_weights_are_those_of_the_gaussians_and_share_out_the_gradient() {
        let device = Device::flex().autodiff();
        let (mean, log_variance) = ([0.5, -1.0], [0.1, -2.0]);
        let encoded = GaussianTensors {
            mean: Tensor::from_data([mean], &device),
            log_variance: Tensor::from_data([log_variance], &device),
        };
        let encoded = encoded.repeated(3);
        let noise = noise(&encoded, 1, 2, &device);
        let codes = draw(&encoded, &noise);
        let found = values(excess(&codes, &encoded));
        let codes = values(codes);
        let gaussian = Gaussian::new(&mean, &log_variance);
        for (found, code) in found.iter().zip(codes.chunks(2)) {
            let expected = gaussian.log_density(code) - standard_log_density(code);
            assert!((f64::from(*found) - expected).abs() < 1e-5);
        }
        // Two items of three codes each.
        let costs = [[300.0_f64, 3.0], [301.0, 4.0], [302.5, 2.0]];
        let tensor = Tensor::<1>::from_data(costs.concat().as_slice(), &device).require_grad();
        let bound = importance_weighted(tensor.clone(), 3);
        let gradients = bound.backward();
        let found = values(tensor.grad(&gradients).unwrap());
        let mut expected = 0.0;
        for item in 0..2 {
            let weights = costs.map(|code| (-code[item]).exp());
            let sum: f64 = weights.iter().sum();
            expected -= (sum / 3.0).ln();
            for (code, weight) in weights.iter().enumerate() {
                assert!((f64::from(found[2 * code + item]) - weight / sum).abs() < 1e-4);
            }
        }
        assert!((f64::from(bound.into_scalar::<f32>()) - expected).abs() < 1e-3);
    }

    /// The gradients of the mean and the log variance of q where x is z and noise of variance `within`, over many draws.
    fn slopes_of_encoder(
        [mean, log_variance]: [f32; 2],
        [x, within]: [f32; 2],
        kl_weight: f64,
        doubly: bool,
    ) -> [f32; 2] {
        const ITEMS: usize = 100_000;
        const CODES: usize = 3;
        let device = Device::flex().autodiff();
        let leaf = |x: f32| Tensor::<2>::from_data([[x]], &device).require_grad();
        let (mean, log_variance) = (leaf(mean), leaf(log_variance));
        let encoded = GaussianTensors {
            mean: mean.clone(),
            log_variance: log_variance.clone(),
        };
        let encoded = encoded.repeated(ITEMS * CODES);
        let scales = LateScales::default();
        let codes = scales.of(draw(&encoded, &noise(&encoded, 1, 2, &device)));
        let nll = (codes.clone() - x).powi_scalar(2).sum_dim(1) / (2.0 * within);
        let nll = nll.reshape([ITEMS * CODES]);
        let costs = |encoded| nll + excess(&codes, encoded) * kl_weight;
        let costs = if doubly {
            let costs = costs(&encoded.detached());
            scales.set(shares_of_encoder(&costs, CODES, kl_weight));
            costs
        } else {
            scales.set(Tensor::ones([ITEMS * CODES, 1], &device));
            costs(&encoded)
        };
        let gradients = importance_weighted(costs, CODES).backward();
        [mean, log_variance]
            .map(|leaf| leaf.grad(&gradients).unwrap().into_scalar::<f32>() / ITEMS as f32)
    }

    #[test]
    fn the_gradient_of_the_encoder_is_that_of_the_bound_in_the_mean() {
        for kl_weight in [0.3, 1.0] {
            let [plain, doubly] = [false, true]
                .map(|doubly| slopes_of_encoder([0.4, 0.3], [1.5, 0.3], kl_weight, doubly));
            for (plain, doubly) in plain.iter().zip(doubly) {
                assert!(plain.abs() > 0.1, "{plain}");
                assert!(
                    (plain - doubly).abs() < 0.03 * plain.abs() + 0.01,
                    "{kl_weight}: {plain} {doubly}"
                );
            }
        }
    }

    #[test]
    fn an_encoder_that_is_exact_stays() {
        let (x, within) = (1.5_f32, 0.3_f32);
        let exact = [x / (1.0 + within), (within / (1.0 + within)).ln()];
        for slope in slopes_of_encoder(exact, [x, within], 1.0, true) {
            assert!(slope.abs() < 1e-5, "{slope}");
        }
    }

    const ALPHABET: Alphabet = Alphabet {
        size: 8,
        start: 8,
        stop: Some(7),
    };

    fn task<'a>(
        settings: ElboSettings,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> ElboTask<'a, SentenceVae> {
        let config = SentenceVaeConfig {
            unit: RecurrentCell::Lstm,
            embedding: 6,
            hidden: 24,
            encoder: 16,
            latent: 4,
            dropout: 0.0,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: SideInputs::default(),
            condition: 0,
        };
        let vae = SentenceVae::new(config, interface, 3, &Device::flex()).unwrap();
        ElboTask::new(vae, settings, OptimizerSettings::default(), 5, held_out)
    }

    #[test]
    fn at_its_step_the_decoder_alone_is_reinitialised_once() {
        let mut task = task(SETTINGS, None);
        task.learner.optimizer.change(|optimizer| {
            for part in &mut optimizer.momentum {
                part.fill(1.0);
            }
        });
        let before = parameters(&task.learner.net);
        task.reset_decoder_if_due(at(24, 100)).unwrap();
        assert_eq!(parameters(&task.learner.net), before);
        task.reset_decoder_if_due(at(25, 100)).unwrap();
        let after = parameters(&task.learner.net);
        let mut changed = 0;
        for (index, (a, b)) in before.iter().zip(&after).enumerate() {
            let decoder = a.name.starts_with(SentenceVae::DECODER);
            let drawn = a.values.iter().any(|&x| x != 0.0 && x != 1.0);
            assert_eq!(a.values != b.values, decoder && drawn, "{}", a.name);
            let cleared = task.learner.optimizer.state().momentum[index]
                .iter()
                .all(|&m| m == 0.0);
            assert_eq!(cleared, decoder, "{}", a.name);
            changed += usize::from(decoder);
        }
        assert!(changed > 3 && changed < after.len());
        let mut resumed = self::task(SETTINGS, None);
        resumed.load_state(task.state()).unwrap();
        for task in [&mut task, &mut resumed] {
            task.reset_decoder_if_due(at(26, 100)).unwrap();
            assert_eq!(parameters(&task.learner.net), after);
        }
    }

    /// Sentences of which each has its own two words, three times.
    struct Sentences;

    impl crate::sequence::SequenceDataset for Sentences {
        fn count(&self) -> usize {
            49
        }

        fn length(&self, _: usize) -> usize {
            5
        }

        fn read(
            &self,
            index: usize,
            range: std::ops::Range<usize>,
            out: &mut [Token],
        ) -> Result<()> {
            let (a, b) = ((index / 7) as Token, (index % 7) as Token);
            out.copy_from_slice(&[a, b, a, b, 7][range]);
            Ok(())
        }
    }

    #[test]
    fn training_with_several_codes_minimises_the_bound_that_is_reported() {
        let settings = ElboSettings {
            reset_decoder: false,
            free_nats: 0.0,
            word_dropout: 0.0,
            bag_of_words: 0.0,
            codes: 7,
            ..SETTINGS
        };
        let conditions = vec![Vec::new(); 49];
        let members: Vec<usize> = (0..8).collect();
        let cut = WindowConfig {
            window: 16,
            context: 4,
            budget: 256,
        };
        let items = DataLoader::new(&Sentences, &members, &conditions, ALPHABET, cut, 1);
        let mut batches = items.pass();
        let batch = batches.next().unwrap().unwrap();
        assert!(batches.next().is_none() && batch.rows == 8);
        let task = task(settings, Some(&items));
        // The last batch of all has the codes of the first held-out one, and the KL weight is 1.
        let last = StepContext {
            batch: u64::MAX,
            ..at(300, 300)
        };
        let loss = f64::from(task.loss(&batch, last).into_scalar::<f32>());
        let vae = task.learner.averaged();
        let device = Device::flex();
        let bound = |codes| importance_weighted_bound(&vae, &items, codes, 5, &device).unwrap();
        assert!((loss * batch.scored() as f64 - bound(7)).abs() < 1e-3 * bound(7));
        assert!(bound(500) < bound(1));
    }

    #[test]
    fn codes_learn_to_tell_sentences_apart_and_dropped_words_are_a_function_of_the_batch() {
        let settings = ElboSettings {
            reset_decoder: false,
            ..SETTINGS
        };
        let conditions = vec![Vec::new(); 49];
        let members: Vec<usize> = (0..49).collect();
        let cut = WindowConfig {
            window: 16,
            context: 4,
            budget: 256,
        };
        let batches = DataLoader::new(&Sentences, &members, &conditions, ALPHABET, cut, 1);
        let mut task = task(settings, Some(&batches));
        let before = task.evaluate(at(0, 300)).unwrap();
        assert!(before.parts["cost_of_another_code"].abs() < 0.5);
        let collapsed = task.evaluate(at(299, 300)).unwrap();
        assert!(collapsed.remark.contains("collapsed"));
        let batch = batches.at(0).unwrap();
        let loss = || task.loss(&batch, at(0, 300)).into_scalar::<f32>();
        assert_eq!(loss(), loss());
        let other = |number| {
            let at = StepContext {
                batch: number,
                ..at(0, 300)
            };
            task.loss(&batch, at).into_scalar::<f32>()
        };
        assert_eq!(other(0), loss());
        assert_ne!(other(1), loss());
        for step in 0..300 {
            task.step(batches.at(step).unwrap(), at(step, 300)).unwrap();
        }
        // The weights themselves: their average is still behind after so few steps.
        let weights = parameters(&task.learner.net).into_iter().map(|p| p.values);
        let weights: Vec<Vec<f32>> = weights.collect();
        task.learner
            .optimizer
            .change(|optimizer| optimizer.average = weights);
        let after = task.evaluate(at(300, 300)).unwrap();
        let bound = |metrics: &Metrics| metrics.headline.as_ref().unwrap().value;
        assert!(
            bound(&after) < 0.7 * bound(&before),
            "{after:?} after {before:?}"
        );
        assert!(after.parts["cost_of_another_code"] > 1.0 && !after.remark.contains("collapsed"));
        // ln 49 = 3.9 nats tell all of them apart.
        assert!(after.parts["mutual_information"] > 1.0, "{after:?}");
        let sum = after.parts["reconstruction"] + after.parts["kl"];
        let nats = bound(&after) * std::f64::consts::LN_2 * 5.0;
        assert!((sum - nats).abs() < 1e-3);
    }
}
