/*!
What a sentence VAE makes small: the negative evidence lower bound, in a course that keeps the code from collapsing.

A decoder that foresees well by itself learns to leave the code aside (Bowman et al. 2016, §3.1). So training begins as an
autoencoder's, with hardly a price on the code; then the decoder may be made anew, the price rises to its full height,
and some nats of it stay free (Li et al. 2019, "A surprisingly effective fix for deep latent variable modeling of text").
*/

use burn::prelude::*;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::base::rng::rng_stream;
use crate::error::{Error, Result};
use crate::latent::Normals;
use crate::latent::Posteriors;
use crate::models::Batch;
use crate::models::Model;
use crate::models::{
    DECODER, GaussianTensors, SentenceVae, SequenceModel, parameters, values, with_values,
};
use crate::models::{inputs, nll_of_logits};
use crate::sequence::{Likelihood, Token};
use crate::train::likelihood::seed_of_batch;
use crate::train::{DataLoader, Objective, StepContext, Training, Validation};

/// The course of training a VAE.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElboSettings {
    /// The share of all steps that train an autoencoder.
    pub autoencoder: f64,
    /// The share of all steps, after these, in which the weight of the KL divergence rises to 1.
    pub ramp: f64,
    /// Whether the decoder is made anew after the autoencoder's phase.
    pub reset_decoder: bool,
    /// Nats of the KL divergence that cost nothing, spread evenly over the dimensions: about the rate that comes out.
    pub free_nats: f64,
    /// The share of words that the decoder is not shown.
    pub word_dropout: f64,
    /// The weight at the beginning of foreseeing a sentence's words from its code alone, whatever their order. It fades
    /// out until the KL divergence has its full weight.
    pub bag_of_words: f64,
}

/// The weight of the KL divergence while the autoencoder is trained: just enough to keep codes from flying apart.
const LEAST: f64 = 0.02;
/// Where another sentence's code costs fewer nats a sentence than this, codes are as good as unused.
const COLLAPSED: f64 = 0.5;
/// The mutual information of so many held-out sentences is watched at a report; it takes their number squared.
const WATCHED: usize = 2000;

impl ElboSettings {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// A usage error naming what is wrong.
    pub fn validate(&self) -> Result<()> {
        let share = |x: f64| (0.0..1.0).contains(&x);
        if !(share(self.autoencoder) && share(self.ramp) && self.autoencoder + self.ramp <= 1.0) {
            return Err(Error::usage(format!(
                "an autoencoder's phase of {} and a ramp of {} cannot work",
                self.autoencoder, self.ramp
            ))
            .with_hint("both are shares of all steps, together at most 1"));
        }
        if !share(self.word_dropout) {
            return Err(Error::usage(format!(
                "a word dropout of {} cannot work",
                self.word_dropout
            ))
            .with_hint("it is a share from 0 to below 1"));
        }
        if !(self.free_nats.is_finite() && self.free_nats >= 0.0) {
            return Err(
                Error::usage(format!("{} free nats cannot work", self.free_nats))
                    .with_hint("it is a number from 0 up"),
            );
        }
        if !(self.bag_of_words.is_finite() && self.bag_of_words >= 0.0) {
            return Err(Error::usage(format!(
                "a bag of words with the weight {} cannot work",
                self.bag_of_words
            ))
            .with_hint("it is a number from 0 (none) to about 1"));
        }
        Ok(())
    }

    /// How far along this step is, from 0 to 1; 0 while that is unknown.
    fn progress(now: StepContext) -> f64 {
        now.planned
            .map_or(0.0, |planned| now.step as f64 / planned.max(1) as f64)
    }

    /// The weight of the KL divergence.
    fn weight(&self, now: StepContext) -> f64 {
        let beyond = Self::progress(now) - self.autoencoder;
        if beyond < 0.0 || now.planned.is_none() {
            LEAST
        } else if beyond < self.ramp {
            LEAST + (1.0 - LEAST) * beyond / self.ramp
        } else {
            1.0
        }
    }

    /// The weight of the bag of words.
    fn bag_weight(&self, now: StepContext) -> f64 {
        let end = self.autoencoder + self.ramp;
        let left = 1.0 - Self::progress(now) / end.max(f64::MIN_POSITIVE);
        self.bag_of_words * left.max(0.0)
    }

    /// The step before which the decoder is made anew.
    fn reset_step(&self, planned: u64) -> Option<u64> {
        let step = (self.autoencoder * planned as f64).ceil() as u64;
        (self.reset_decoder && step > 0).then_some(step)
    }
}

/// The negative ELBO, with the course of [`ElboSettings`].
#[derive(Debug, Clone, Copy)]
pub struct Elbo {
    /// The course.
    pub settings: ElboSettings,
    /// Of codes, dropped words and the new decoder.
    pub seed: u64,
}

impl Elbo {
    /// The tokens with some words hidden behind `start`, as a function of the seed and the batch's number.
    fn hide_words(&self, batch: &Batch, start: Token, number: u64) -> Batch {
        let mut batch = batch.clone();
        if self.settings.word_dropout > 0.0 {
            let mut rng = rng_stream(self.seed, b"words   ", number);
            let border = (self.settings.word_dropout * 4_294_967_296.0) as u64;
            for token in &mut batch.tokens {
                if u64::from(rng.next_u32()) < border {
                    *token = start;
                }
            }
        }
        batch
    }
}

fn vae(net: &Model) -> &SentenceVae {
    net.vae().expect("the ELBO is a VAE's")
}

/// Codes drawn from what the encoder says, `[rows, latent]` (Kingma & Welling 2014, §2.4).
fn draw(encoded: &GaussianTensors, seed: u64, item: u64, device: &Device) -> Tensor<2> {
    let [rows, dims] = encoded.mean.dims();
    let noise = Normals::new(*b"training", seed, item).code(rows * dims);
    let noise = Tensor::<2>::from_data(TensorData::new(noise, [rows, dims]), device);
    encoded.mean.clone() + (encoded.log_variance.clone() * 0.5).exp() * noise
}

/// KL(q ‖ N(0, I)) of each row and dimension in nats (Kingma & Welling 2014, appendix B).
fn divergence(encoded: &GaussianTensors) -> Tensor<2> {
    let (mean, log_variance) = (encoded.mean.clone(), encoded.log_variance.clone());
    (mean.clone() * mean + log_variance.clone().exp() - log_variance - 1.0) * 0.5
}

impl Objective<Model> for Elbo {
    fn loss(&self, net: &Model, batch: &Batch, now: StepContext, device: &Device) -> Tensor<1> {
        let (vae, settings) = (vae(net), &self.settings);
        let encoded = vae.encode(&batch.targets, [batch.rows, batch.time]);
        let codes = draw(&encoded, self.seed, now.batch, device);
        let start = vae.interface().alphabet.start;
        let (tokens, _) = inputs(&self.hide_words(batch, start, now.batch), device);
        let seed = seed_of_batch(self.seed, now.batch);
        let reconstruction = nll_of_logits(
            vae.training_logits(tokens, Some(codes.clone()), seed),
            batch,
        );
        // Each dimension's mean over the batch is free up to its part (Kingma et al. 2016, appendix C).
        let free = settings.free_nats / vae.latent() as f64;
        let price = divergence(&encoded).mean_dim(0).clamp_min(free).sum();
        let price = price * (settings.weight(now) * batch.rows as f64);
        let mut loss = reconstruction + price;
        let bag = settings.bag_weight(now);
        if bag > 0.0 {
            loss = loss + vae.bag_of_words(codes, &batch.targets) * bag;
        }
        loss / batch.scored().max(1) as f64
    }

    fn validate(
        &self,
        net: &Model,
        held_out: &DataLoader,
        now: StepContext,
        device: &Device,
    ) -> Result<Validation> {
        let vae = vae(net);
        let mut posteriors = Posteriors::new(vae.latent());
        let mut reconstruction = Likelihood::default();
        let (mut mistaken, mut compared) = (0.0, 0.0);
        for (item, batch) in held_out.pass().enumerate() {
            let batch = batch?;
            let encoded = vae.encode(&batch.targets, [batch.rows, batch.time]);
            let codes = draw(&encoded, self.seed, u64::MAX - item as u64, device);
            let (tokens, _) = inputs(&batch, device);
            let nats = |codes| {
                let logits = vae.logits(tokens.clone(), Some(codes));
                f64::from(nll_of_logits(logits, &batch).into_scalar::<f32>())
            };
            let own = nats(codes.clone());
            reconstruction.add(Likelihood {
                nats: own,
                tokens: batch.scored() as u64,
            });
            // Each sentence from its neighbour's code: what it costs is what the decoder reads from codes.
            if batch.rows > 1 {
                let rows = batch.rows as i32;
                let next: Vec<i32> = (0..rows).map(|row| (row + 1) % rows).collect();
                let next = Tensor::from_data(TensorData::new(next, [batch.rows]), device);
                mistaken += nats(codes.select(0, next)) - own;
                compared += f64::from(rows);
            }
            posteriors.extend(&values(encoded.mean), &values(encoded.log_variance));
        }
        let sentences = posteriors.items() as f64;
        let kl = posteriors.kl();
        let active = posteriors.active_units();
        let information = posteriors
            .every(posteriors.items().div_ceil(WATCHED))
            .information(1, self.seed)
            .mutual_information;
        let said = reconstruction.nats / sentences;
        let read = if compared > 0.0 {
            mistaken / compared
        } else {
            0.0
        };
        let mut remark = format!(
            "{:.1} nats a sentence: reconstruction {said:.1}, KL {kl:.1}; mutual information {information:.1}, {active} of {} units active, another's code costs {read:.1}",
            said + kl,
            vae.latent()
        );
        if self.settings.weight(now) > LEAST && compared > 0.0 && read < COLLAPSED {
            remark += "; the codes have collapsed, the decoder does without: raise elbo.word_dropout or elbo.autoencoder";
        }
        Ok(Validation {
            likelihood: Likelihood {
                nats: reconstruction.nats + kl * sentences,
                ..reconstruction
            },
            parts: [
                ("reconstruction", said),
                ("kl", kl),
                ("mutual_information", information),
                ("active_units", active as f64),
                ("cost_of_another_code", read),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            remark,
        })
    }

    fn prepare(&self, training: &mut Training<Model>) -> Result<bool> {
        let standing = &training.standing;
        let reset = standing
            .planned
            .and_then(|planned| self.settings.reset_step(planned));
        if reset.is_none_or(|reset| standing.step < reset) {
            return Ok(false);
        }
        let fresh = vae(&training.net).reinitialised(self.seed.wrapping_add(1), &Device::flex())?;
        let mut weights = Vec::new();
        let old = parameters(&training.net).into_iter();
        training.optimizer.change(|memory| {
            for (index, (old, fresh)) in old.zip(parameters(&fresh)).enumerate() {
                if !fresh.name.starts_with(DECODER) {
                    weights.push(old.values);
                    continue;
                }
                // The second moments stay: they say how large gradients are here, and Adam no longer makes up for zeros.
                memory.momentum[index].fill(0.0);
                memory.average[index].clone_from(&fresh.values);
                weights.push(fresh.values);
            }
        });
        training.net = with_values(training.net.clone(), weights);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;

    use super::*;
    use crate::latent::Gaussian;
    use crate::models::NetworkConfig;
    use crate::models::{Interface, RecurrentCell, SentenceVaeConfig};
    use crate::sequence::Alphabet;
    use crate::train::{AdamW, Budget, OptimizerSettings, TrainState, WindowConfig};

    const SETTINGS: ElboSettings = ElboSettings {
        autoencoder: 0.25,
        ramp: 0.5,
        reset_decoder: true,
        free_nats: 2.0,
        word_dropout: 0.3,
        bag_of_words: 0.5,
    };

    fn at(step: u64, planned: u64) -> StepContext {
        StepContext {
            step,
            batch: step,
            planned: Some(planned),
        }
    }

    #[test]
    fn the_price_of_the_code_rises_after_the_autoencoder_and_stays() {
        let weight = |step| SETTINGS.weight(at(step, 100));
        assert_eq!((weight(0), weight(24)), (LEAST, LEAST));
        assert!((25..75).all(|step| weight(step) < weight(step + 1)));
        assert_eq!((weight(75), weight(99)), (1.0, 1.0));
        let bag = |step| SETTINGS.bag_weight(at(step, 100));
        assert_eq!(
            (bag(0), bag(75), bag(99)),
            (SETTINGS.bag_of_words, 0.0, 0.0)
        );
        assert!((0..75).all(|step| bag(step) > bag(step + 1)));
        let unknown = StepContext {
            batch: 0,
            step: 90,
            planned: None,
        };
        assert_eq!(SETTINGS.weight(unknown), LEAST);
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
            values(divergence(&encoded)),
            values(draw(&encoded, 1, 2, &device)),
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

    const ALPHABET: Alphabet = Alphabet {
        size: 8,
        start: 8,
        stop: Some(7),
    };

    fn training() -> Training<Model> {
        let config = NetworkConfig::SentenceVae(SentenceVaeConfig {
            unit: RecurrentCell::Lstm,
            embedding: 6,
            hidden: 24,
            encoder: 16,
            latent: 4,
            dropout: 0.0,
        });
        let interface = Interface {
            alphabet: ALPHABET,
            lags: Vec::new(),
            condition: 0,
        };
        let net = config.build(interface, 3, &Device::flex()).unwrap();
        Training {
            optimizer: AdamW::new(&net),
            standing: TrainState {
                planned: Some(100),
                ..TrainState::start(Budget::Steps(100))
            },
            net: net.train(),
        }
    }

    #[test]
    fn at_its_step_the_decoder_alone_is_made_anew() {
        let elbo = Elbo {
            settings: SETTINGS,
            seed: 5,
        };
        let mut training = training();
        training.optimizer.change(|memory| {
            for part in &mut memory.momentum {
                part.fill(1.0);
            }
        });
        let before = parameters(&training.net);
        training.standing.step = 24;
        assert!(!elbo.prepare(&mut training).unwrap());
        training.standing.step = 25;
        assert!(elbo.prepare(&mut training).unwrap());
        let after = parameters(&training.net);
        let mut changed = 0;
        for (index, (a, b)) in before.iter().zip(&after).enumerate() {
            let decoder = a.name.starts_with(DECODER);
            let drawn = a.values.iter().any(|&x| x != 0.0 && x != 1.0);
            assert_eq!(a.values != b.values, decoder && drawn, "{}", a.name);
            let forgotten = training.optimizer.state().momentum[index]
                .iter()
                .all(|&m| m == 0.0);
            assert_eq!(forgotten, decoder, "{}", a.name);
            changed += usize::from(decoder);
        }
        assert!(changed > 3 && changed < after.len());
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
    fn codes_learn_to_tell_sentences_apart_and_hidden_words_are_a_function_of_the_step() {
        let elbo = Elbo {
            settings: ElboSettings {
                reset_decoder: false,
                ..SETTINGS
            },
            seed: 5,
        };
        let conditions = vec![Vec::new(); 49];
        let members: Vec<usize> = (0..49).collect();
        let cut = WindowConfig {
            window: 16,
            context: 4,
            budget: 256,
        };
        let batches = DataLoader::new(&Sentences, &members, &conditions, ALPHABET, cut, 1);
        let device = Device::flex().autodiff();
        let mut training = training();
        let plain = Device::flex();
        let look = |training: &Training<Model>, step| {
            let net = training.net.valid();
            elbo.validate(&net, &batches, at(step, 300), &plain)
                .unwrap()
        };
        let before = look(&training, 0);
        assert!(before.parts["cost_of_another_code"].abs() < 0.5);
        assert!(look(&training, 299).remark.contains("collapsed"));
        for step in 0..300 {
            let batch = batches.at(step).unwrap();
            let now = at(step, 300);
            let loss = elbo.loss(&training.net, &batch, now, &device);
            if step == 0 {
                let again = elbo.loss(&training.net, &batch, now, &device);
                assert_eq!(
                    loss.clone().into_scalar::<f32>(),
                    again.into_scalar::<f32>()
                );
                let hidden = elbo.hide_words(&batch, ALPHABET.start, 0);
                assert_ne!(hidden, batch);
                assert_ne!(hidden, elbo.hide_words(&batch, ALPHABET.start, 1));
            }
            let gradients = GradientsParams::from_grads(loss.backward(), &training.net);
            let net = training.net.clone();
            let settings = OptimizerSettings::default();
            (training.net, _) = training.optimizer.step(net, gradients, 0.01, &settings);
        }
        let after = look(&training, 300);
        assert!(
            after.likelihood.nats < 0.7 * before.likelihood.nats,
            "{after:?} after {before:?}"
        );
        assert!(after.parts["cost_of_another_code"] > 1.0 && !after.remark.contains("collapsed"));
        // ln 49 = 3.9 nats tell all of them apart.
        assert!(after.parts["mutual_information"] > 1.0, "{after:?}");
        let sum = after.parts["reconstruction"] + after.parts["kl"];
        assert!((sum - after.likelihood.nats / 49.0).abs() < 1e-3);
    }
}
