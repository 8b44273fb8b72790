/*! A network with its optimizer: what a task has one or several of. */

use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::prelude::*;

use crate::error::Result;
use crate::models::{device_of, parameters, with_values};
use crate::ops::device::is_cpu;
use crate::train::all_reduce::AllReduce;
use crate::train::{AdamW, OptimizerSettings, OptimizerState, StateDict};

/// A network in training.
pub(crate) struct Learner<M> {
    /// With the weights as they are trained, on a device with autodiff.
    pub(crate) net: M,
    pub(crate) optimizer: AdamW,
    settings: OptimizerSettings,
    /// Before the names of its state: empty, or such as `generator.`.
    prefix: &'static str,
}

/// The parts of a state that have a tensor for each parameter.
const PARTS: [&str; 4] = ["weights", "momentum", "variance", "average"];

impl<M: Module> Learner<M> {
    /// `net` is on a plain device.
    pub(crate) fn new(net: M, settings: OptimizerSettings, prefix: &'static str) -> Self {
        Self {
            optimizer: AdamW::new(&net),
            net: net.train(),
            settings,
            prefix,
        }
    }

    /// The device of training, with autodiff.
    pub(crate) fn device(&self) -> Device {
        device_of(&self.net).autodiff()
    }

    /// One step along the gradient of `loss`; returns the gradient's global norm before clipping.
    pub(crate) fn step(&mut self, loss: &Tensor<1>, learning_rate: f64) -> f64 {
        let gradients = GradientsParams::from_grads(loss.clone().backward(), &self.net);
        let net = self.net.clone();
        let norm;
        (self.net, norm) = self
            .optimizer
            .step(net, gradients, learning_rate, &self.settings);
        norm
    }

    /// The network with its averaged weights, on a plain device.
    pub(crate) fn averaged(&self) -> M {
        self.optimizer.averaged(&self.net)
    }

    /// As [`Task::untimed_steps`](crate::train::Task::untimed_steps).
    pub(crate) fn untimed_steps(&self) -> u64 {
        if is_cpu(&device_of(&self.net)) { 0 } else { 30 }
    }

    pub(crate) fn share_gradients(&mut self, exchange: Arc<dyn AllReduce>) {
        self.optimizer.share(exchange);
    }

    /// Adds the weights and the optimizer's state.
    pub(crate) fn save(&self, state: &mut StateDict) {
        let optimizer = self.optimizer.state();
        let prefix = self.prefix;
        let weights = parameters(&self.net);
        let kept = [&optimizer.momentum, &optimizer.variance, &optimizer.average];
        for (part, values) in PARTS[1..].iter().zip(kept) {
            for (p, values) in weights.iter().zip(values) {
                let name = format!("{prefix}{part}.{}", p.name);
                state.put(name, p.shape.clone(), values.clone());
            }
        }
        for p in weights {
            state.put(
                format!("{prefix}{}.{}", PARTS[0], p.name),
                p.shape,
                p.values,
            );
        }
        let steps = format!("{prefix}optimizer_steps");
        state.counters.insert(steps, optimizer.steps);
    }

    /// Takes what [`save`](Self::save) added.
    pub(crate) fn load(&mut self, state: &mut StateDict) -> Result<()> {
        let prefix = self.prefix;
        let shapes = parameters(&self.net);
        let mut parts = Vec::with_capacity(PARTS.len());
        for part in PARTS {
            let values: Result<Vec<Vec<f32>>> = shapes
                .iter()
                .map(|p| state.take(&format!("{prefix}{part}.{}", p.name), &p.shape))
                .collect();
            parts.push(values?);
        }
        let steps = state.take_counter(&format!("{prefix}optimizer_steps"));
        let [weights, momentum, variance, average] =
            <[_; 4]>::try_from(parts).expect("as many as names");
        self.optimizer.change(|optimizer| {
            *optimizer = OptimizerState {
                steps,
                momentum,
                variance,
                average,
            };
        });
        self.net = with_values(self.net.clone(), weights);
        Ok(())
    }
}
