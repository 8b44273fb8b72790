/*! Maximum likelihood with teacher forcing: the task of every autoregressive network. */

use std::sync::Arc;

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::base::rng::rng_stream;
use crate::error::Result;
use crate::models::{Batch, Interface, Model, SequenceModel, forecasts, input, nll, nll_of_logits};
use crate::sequence::Likelihood;
use crate::train::all_reduce::AllReduce;
use crate::train::learner::Learner;
use crate::train::{
    DataLoader, Direction, Losses, Metric, Metrics, OptimizerSettings, StateDict, StepContext, Task,
};

/// A loss above that of uniform predictions by this factor has diverged.
const DIVERGED: f64 = 4.0;

/// Trains a sequence model by maximum likelihood.
pub struct LikelihoodTask<'a> {
    learner: Learner<Model>,
    /// Of dropout, hidden words and noise.
    seed: u64,
    /// The share of the tokens read that are hidden.
    word_dropout: f64,
    held_out: Option<&'a DataLoader<'a>>,
    device: Device,
}

impl<'a> LikelihoodTask<'a> {
    /// Trains `model`, a sequence model on a plain device. `seed` is that of dropout, hidden words and noise.
    ///
    /// # Errors
    /// When it is not a sequence model.
    pub fn new(
        model: Model,
        settings: OptimizerSettings,
        seed: u64,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> Result<Self> {
        model.require_sequence()?;
        let learner = Learner::new(model, settings, "");
        Ok(Self {
            device: learner.device(),
            learner,
            seed,
            word_dropout: 0.0,
            held_out,
        })
    }

    /// Hides this share of the tokens that are read in training.
    #[must_use]
    pub fn with_word_dropout(mut self, share: f64) -> Self {
        self.word_dropout = share;
        self
    }
}

fn sequence(model: &Model) -> &dyn SequenceModel {
    model.sequence().expect("checked when the task was made")
}

impl Task for LikelihoodTask<'_> {
    type Batch = Batch;

    fn step(&mut self, batch: Batch, at: StepContext) -> Result<Losses> {
        let seed = seed_of_batch(self.seed, at.batch);
        let batch = disturbed(sequence(&self.learner.net), batch, seed);
        let mut rng = rng_stream(seed, *b"words   ", 0);
        let interface = sequence(&self.learner.net).interface();
        let batch = drop_words(interface, batch, self.word_dropout, &mut rng);
        let loss = mean_nll(sequence(&self.learner.net), &batch, seed, &self.device);
        let norm = self.learner.step(&loss, at.learning_rate);
        Ok(losses("nll", loss, norm, &batch))
    }

    fn evaluate(&mut self, _at: StepContext) -> Result<Metrics> {
        let Some(held_out) = self.held_out else {
            return Ok(Metrics::default());
        };
        let model = self.learner.averaged();
        let likelihood = likelihood(sequence(&model), held_out, &self.device.clone().inner())?;
        Ok(Metrics {
            headline: Some(headline("nll", likelihood)),
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
        self.learner.averaged()
    }

    fn diverged(&self, losses: &Losses, at: StepContext) -> bool {
        has_diverged(sequence(&self.learner.net), losses, at)
    }

    fn untimed_steps(&self) -> u64 {
        self.learner.untimed_steps()
    }

    fn share_gradients(&mut self, exchange: Arc<dyn AllReduce>) -> Result<()> {
        self.learner.share_gradients(exchange);
        Ok(())
    }
}

/// The most noise on the past that a network with a prediction is trained with, in recent errors of the prediction.
const NOISE: f32 = 0.3;

/// The batch with a share of the tokens that are read replaced by `start` (Bowman et al. 2016, §3.1); the targets stay. What
/// it cannot read, a network has to know from its condition.
pub(crate) fn drop_words(
    interface: &Interface,
    mut batch: Batch,
    share: f64,
    rng: &mut ChaCha8Rng,
) -> Batch {
    if share > 0.0 {
        let border = (share * 4_294_967_296.0) as u64;
        for token in &mut batch.tokens {
            if u64::from(rng.next_u32()) < border {
                *token = interface.alphabet.start;
            }
        }
    }
    batch
}

/// Adds noise to the tokens that a network with a prediction reads, each row with a strength of its own; the targets stay.
/// A network that has seen only true pasts does not go on well from its own mistakes (as in LPCNet, Valin & Skoglund 2019,
/// §3.8).
fn disturbed(net: &dyn SequenceModel, mut batch: Batch, seed: u64) -> Batch {
    let interface = net.interface();
    if let Some(prediction) = &interface.side_inputs.prediction {
        let clean = forecasts(interface, &batch);
        let rows = batch
            .tokens
            .chunks_mut(batch.time)
            .zip(clean.chunks(batch.time));
        for (row, (tokens, clean)) in rows.enumerate() {
            let mut rng = rng_stream(seed, *b"noise   ", row as u64);
            let strength = NOISE * (rng.next_u32() >> 8) as f32 / 16_777_216.0;
            prediction.disturb(tokens, clean, strength, &mut rng);
        }
    }
    batch
}

/// The mean NLL of a batch's scored tokens in nats, `[1]`, as training sees it: with dropout by `seed`.
pub fn mean_nll(net: &dyn SequenceModel, batch: &Batch, seed: u64, device: &Device) -> Tensor<1> {
    let logits = net.training_logits(input(net.interface(), batch, device), seed);
    nll_of_logits(logits, batch) / batch.scored().max(1) as f64
}

/// The outcome of a step with this loss `[1]`, in nats a token.
pub(crate) fn losses(
    name: &'static str,
    loss: Tensor<1>,
    gradient_norm: f64,
    batch: &Batch,
) -> Losses {
    // Read after the optimizer's step, so that a GPU does not wait for it.
    let bits = f64::from(loss.into_scalar::<f32>()) / std::f64::consts::LN_2;
    Losses {
        values: vec![(name, bits)],
        unit: "bits/token",
        gradient_norm,
        scored: batch.scored() as u64,
        read: (batch.rows * batch.time) as u64,
    }
}

/// A metric in bits a token.
pub(crate) fn headline(name: &str, likelihood: Likelihood) -> Metric {
    Metric {
        name: name.into(),
        value: likelihood.bits_per_token(),
        unit: "bits/token".into(),
        direction: Direction::Lower,
    }
}

/// Whether a loss in bits a token is not finite or, after the first step, far above that of uniform predictions.
pub(crate) fn has_diverged(net: &dyn SequenceModel, losses: &Losses, at: StepContext) -> bool {
    let uniform = (net.interface().alphabet.size as f64).log2();
    !losses.are_finite() || at.step > 0 && losses.shown() > DIVERGED * uniform
}

/// The seed of what is random in a batch. An odd factor spreads runs of different seeds over different streams.
pub(crate) fn seed_of_batch(seed: u64, batch: u64) -> u64 {
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(batch)
}

/// The likelihood of everything that the batches score. `net` is on `device`, a plain one.
///
/// # Errors
/// When reading fails.
pub fn likelihood(
    net: &dyn SequenceModel,
    batches: &DataLoader,
    device: &Device,
) -> Result<Likelihood> {
    let mut total = Likelihood::default();
    for batch in batches.pass() {
        let batch = batch?;
        total.add(Likelihood {
            nats: f64::from(nll(net, &batch, device).into_scalar::<f32>()),
            tokens: batch.scored() as u64,
        });
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{
        Interface, Recurrent, RecurrentCell, RecurrentConfig, WaveNet, WaveNetConfig,
    };
    use crate::ops::form::testing::composed;
    use crate::sequence::{Alphabet, Clock, SideInputs};

    /// Losses of the first steps on a repeating tune.
    fn losses(model: Model, steps: u64) -> Vec<f64> {
        let (rows, time) = (3, 50);
        let tune = |i: usize| (i * i % 11 + i / 50) as u32 % 11;
        let batch = Batch {
            rows,
            time,
            tokens: (0..rows * time).map(tune).collect(),
            targets: (1..=rows * time)
                .map(|i| if i % 9 == 0 { -1 } else { tune(i) as i32 })
                .collect(),
            offsets: vec![0, 7, 2],
            condition: Some(vec![0.5, -1.0, 0.0, 1.0, 1.0, 0.25]),
        };
        let settings = OptimizerSettings::default();
        let mut task = LikelihoodTask::new(model, settings, 1, None).unwrap();
        (0..steps)
            .map(|step| {
                let at = StepContext {
                    step,
                    batch: step,
                    planned: None,
                    learning_rate: 1e-3,
                };
                task.step(batch.clone(), at).unwrap().shown()
            })
            .collect()
    }

    /// The fused and the composed form train alike, to below this share of the first loss.
    fn check(share: f64, make: impl Fn() -> Model) {
        let fused = losses(make(), 200);
        let composed = composed(|| losses(make(), 200));
        assert!(
            fused[199] < share * fused[0],
            "nothing was learned: {} then {}",
            fused[0],
            fused[199]
        );
        for (step, (a, b)) in fused.iter().zip(&composed).enumerate() {
            let tolerance = if step < 20 { 1e-4 } else { 1e-2 };
            assert!(
                (a - b).abs() <= tolerance * b,
                "step {step}: {a} beside {b}"
            );
        }
        assert_eq!(
            losses(make(), 20),
            fused[..20],
            "two runs from the same start differ"
        );
    }

    fn interface() -> Interface {
        Interface {
            alphabet: Alphabet {
                size: 11,
                start: 11,
                stop: None,
            },
            side_inputs: SideInputs {
                lags: vec![3],
                clocks: vec![Clock {
                    every: 2,
                    states: 5,
                }],
                prediction: None,
            },
            condition: 2,
        }
    }

    #[test]
    fn dropped_words_are_a_share_of_what_is_read_and_targets_stay() {
        let alphabet = interface().alphabet;
        let tokens = vec![3; 4000];
        let batch = Batch::of(&[&tokens], &[&[0.5, 1.0]], alphabet);
        let dropped = |share, seed| {
            let mut rng = rng_stream(seed, *b"words   ", 0);
            drop_words(&interface(), batch.clone(), share, &mut rng)
        };
        assert_eq!(dropped(0.0, 1), batch);
        assert_eq!(dropped(0.25, 1), dropped(0.25, 1));
        assert_ne!(dropped(0.25, 1), dropped(0.25, 2));
        let some = dropped(0.25, 1);
        let hidden = some.tokens.iter().filter(|&&t| t == alphabet.start);
        let share = hidden.count() as f64 / 4000.0;
        assert!((share - 0.25).abs() < 0.03, "{share}");
        assert_eq!(some.targets, batch.targets);
    }

    #[test]
    fn wavenet_trains_as_its_composed_reference_does() {
        let config = WaveNetConfig {
            layers: 5,
            cycle: 3,
            dilations: vec![],
            residual: 16,
            skip: 24,
            head: 16,
        };
        check(0.7, || {
            Model::WaveNet(WaveNet::new(config.clone(), interface(), 4, &Device::flex()).unwrap())
        });
    }

    #[test]
    fn recurrent_networks_train_as_their_composed_reference_does() {
        for (unit, tied, dropout, stride, share) in [
            (RecurrentCell::Lstm, false, 0.0, 1, 0.7),
            (RecurrentCell::Gru, false, 0.0, 1, 0.7),
            (RecurrentCell::Lstm, true, 0.1, 1, 0.9),
            (RecurrentCell::Gru, false, 0.1, 4, 0.9),
        ] {
            let config = RecurrentConfig {
                embedding: 8,
                hidden: 20,
                layers: 2,
                tied,
                dropout,
                stride,
            };
            check(share, || {
                Model::Recurrent(
                    Recurrent::new(unit, config.clone(), interface(), 4, &Device::flex()).unwrap(),
                )
            });
        }
    }
}
