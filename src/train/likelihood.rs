/*! What training makes small. */

use std::collections::BTreeMap;

use burn::prelude::*;

use crate::error::Result;
use crate::models::{Batch, SequenceModel, inputs, nll, nll_of_logits};
use crate::sequence::Likelihood;
use crate::train::{DataLoader, Training};

/// How far training is: what an objective that changes on the way goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepContext {
    /// Steps done.
    pub step: u64,
    /// The number of this batch among all that were read. Seeds whatever is random in it.
    pub batch: u64,
    /// Steps in all as they were planned first, as far as known.
    pub planned: Option<u64>,
}

/// How good a network is by what is held out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Validation {
    /// What is made small, summed, beside the tokens it is summed over.
    pub likelihood: Likelihood,
    /// What it is made of, and what else there is to watch: a name and a number each, for the log.
    pub parts: BTreeMap<String, f64>,
    /// The same in words; empty where there is nothing more to say.
    pub remark: String,
}

/// A loss for one kind of network.
pub trait Objective<N>: Sync {
    /// The mean loss a scored token in nats, `[1]`.
    fn loss(&self, net: &N, batch: &Batch, now: StepContext, device: &Device) -> Tensor<1>;

    /// What is held out, measured with a plain network on its plain device.
    ///
    /// # Errors
    /// When reading fails.
    fn validate(
        &self,
        net: &N,
        held_out: &DataLoader,
        now: StepContext,
        device: &Device,
    ) -> Result<Validation>;

    /// Before each step, until it says true: a place to change the network itself, once.
    ///
    /// # Errors
    /// When no network can be made.
    fn prepare(&self, _training: &mut Training<N>) -> Result<bool> {
        Ok(false)
    }
}

/// Maximum likelihood with teacher forcing: the mean surprise of the scored tokens.
#[derive(Debug, Clone, Copy)]
pub struct MaximumLikelihood {
    /// Of whatever the network drops in training.
    pub seed: u64,
}

impl<N: SequenceModel> Objective<N> for MaximumLikelihood {
    fn loss(&self, net: &N, batch: &Batch, now: StepContext, device: &Device) -> Tensor<1> {
        let (tokens, condition) = inputs(batch, device);
        let logits = net.training_logits(tokens, condition, seed_of_batch(self.seed, now.batch));
        nll_of_logits(logits, batch) / batch.scored().max(1) as f64
    }

    fn validate(
        &self,
        net: &N,
        held_out: &DataLoader,
        _now: StepContext,
        device: &Device,
    ) -> Result<Validation> {
        Ok(Validation {
            likelihood: likelihood(net, held_out, device)?,
            ..Validation::default()
        })
    }
}

/// The seed of what is random in a batch. An odd factor spreads runs of different seeds over different streams.
pub(crate) fn seed_of_batch(seed: u64, batch: u64) -> u64 {
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(batch)
}

/// The likelihood of everything the batches score. `device` is a plain one.
///
/// # Errors
/// When reading fails.
pub fn likelihood<N: SequenceModel>(
    net: &N,
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
    use burn::optim::GradientsParams;

    use super::*;
    use crate::models::{
        Interface, Recurrent, RecurrentCell, RecurrentConfig, WaveNet, WaveNetConfig,
    };
    use crate::ops::fused::AS_ON_A_CARD;
    use crate::sequence::Alphabet;
    use crate::train::{AdamW, OptimizerSettings};

    /// Losses of the first steps on a repeating tune.
    fn losses<N: Module + SequenceModel>(net: N, steps: usize, composed: bool) -> Vec<f32> {
        AS_ON_A_CARD.set(composed);
        let device = Device::flex().autodiff();
        let (rows, time) = (3, 50);
        let tune = |i: usize| (i * i % 11 + i / 50) as u32 % 11;
        let batch = Batch {
            rows,
            time,
            tokens: (0..rows * time).map(tune).collect(),
            targets: (1..=rows * time)
                .map(|i| if i % 9 == 0 { -1 } else { tune(i) as i32 })
                .collect(),
            condition: Some(vec![0.5, -1.0, 0.0, 1.0, 1.0, 0.25]),
        };
        let mut net = net.train();
        let mut optimizer = AdamW::new(&net);
        let all = (0..steps as u64)
            .map(|step| {
                let loss = MaximumLikelihood { seed: 1 }.loss(
                    &net,
                    &batch,
                    StepContext {
                        step,
                        batch: step,
                        planned: None,
                    },
                    &device,
                );
                let value = loss.clone().into_scalar::<f32>();
                let gradients = GradientsParams::from_grads(loss.backward(), &net);
                (net, _) =
                    optimizer.step(net.clone(), gradients, 1e-3, &OptimizerSettings::default());
                value
            })
            .collect();
        AS_ON_A_CARD.set(false);
        all
    }

    /// Both forms train alike, and come below this share of the first loss.
    fn check<N: Module + SequenceModel>(share: f32, make: impl Fn() -> N) {
        let (fused, composed) = (losses(make(), 200, false), losses(make(), 200, true));
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
            losses(make(), 20, false),
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
            lags: vec![3],
            condition: 2,
        }
    }

    #[test]
    fn wavenet_trains_as_its_composed_reference_does() {
        let config = WaveNetConfig {
            layers: 5,
            cycle: 3,
            residual: 16,
            skip: 24,
            head: 16,
        };
        check(0.7, || {
            WaveNet::new(config.clone(), interface(), 4, &Device::flex()).unwrap()
        });
    }

    #[test]
    fn recurrent_networks_train_as_their_composed_reference_does() {
        for (unit, tied, dropout, share) in [
            (RecurrentCell::Lstm, false, 0.0, 0.7),
            (RecurrentCell::Gru, false, 0.0, 0.7),
            (RecurrentCell::Lstm, true, 0.1, 0.9),
        ] {
            let config = RecurrentConfig {
                embedding: 8,
                hidden: 20,
                layers: 2,
                tied,
                dropout,
            };
            check(share, || {
                Recurrent::new(unit, config.clone(), interface(), 4, &Device::flex()).unwrap()
            });
        }
    }
}
