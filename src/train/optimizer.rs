/*! AdamW over all parameters, with clipping by the global norm and the moving average of the weights. */

use std::borrow::Cow;
use std::sync::Arc;

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::kernels::adamw;
use crate::models::{device_of, parameters, with_values};
use crate::ops::device::is_cpu;
use crate::train::adamw_gpu::GpuState;
use crate::train::data_parallel::AllReduce;

/// How the optimizer goes; the defaults are AdamW's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), times the learning rate.
    pub weight_decay: f64,
    /// Gradients longer than this in all are shortened to it.
    pub clip_norm: f64,
    /// Decay of the moving average of the weights, reached after a while: min(this, (1 + t) / (10 + t)).
    pub average_decay: f64,
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: 1.0,
            average_decay: 0.999,
        }
    }
}

/// The optimizer's memory, in module order, and the averaged weights.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// Steps taken.
    pub steps: u64,
    /// First moments.
    pub momentum: Vec<Vec<f32>>,
    /// Second moments.
    pub variance: Vec<Vec<f32>>,
    /// Exponential moving average of the weights: the ones used for making.
    pub average: Vec<Vec<f32>>,
}

/// The optimizer of a network, its memory where the network lies.
pub struct AdamW(OptimizerBackend);

enum OptimizerBackend {
    /// On the CPU.
    Cpu(OptimizerState),
    /// On a card.
    Gpu(GpuState),
}

impl AdamW {
    /// A fresh memory for this network.
    pub fn new<M: Module>(net: &M) -> Self {
        let average: Vec<Vec<f32>> = parameters(net).into_iter().map(|p| p.values).collect();
        let zeros: Vec<Vec<f32>> = average
            .iter()
            .map(|values| vec![0.0; values.len()])
            .collect();
        let state = OptimizerState {
            steps: 0,
            momentum: zeros.clone(),
            variance: zeros,
            average,
        };
        Self::resume(state, net)
    }

    /// Goes on from this state with the network it belongs to.
    pub fn resume<M: Module>(state: OptimizerState, net: &M) -> Self {
        let device = device_of(net);
        Self(if is_cpu(&device) {
            OptimizerBackend::Cpu(state)
        } else {
            OptimizerBackend::Gpu(GpuState::new(&state, &device))
        })
    }

    /// What is needed to go on.
    pub fn state(&self) -> Cow<'_, OptimizerState> {
        match &self.0 {
            OptimizerBackend::Cpu(state) => Cow::Borrowed(state),
            OptimizerBackend::Gpu(state) => Cow::Owned(state.arrays()),
        }
    }

    /// Changes the memory.
    pub fn change(&mut self, change: impl FnOnce(&mut OptimizerState)) {
        match &mut self.0 {
            OptimizerBackend::Cpu(state) => change(state),
            OptimizerBackend::Gpu(flat) => {
                let mut state = flat.arrays();
                change(&mut state);
                flat.put(&state);
            }
        }
    }

    /// From now on takes the mean of several devices' gradients, as tensors wherever it was.
    pub(super) fn share(&mut self, exchange: Arc<dyn AllReduce>) {
        if let OptimizerBackend::Cpu(state) = &self.0 {
            self.0 = OptimizerBackend::Gpu(GpuState::new(state, &Device::flex()));
        }
        if let OptimizerBackend::Gpu(flat) = &mut self.0 {
            flat.share(exchange);
        }
    }

    /// One step; gives the network and the gradient's global norm before clipping.
    ///
    /// A gradient whose norm is no number leaves everything as it was.
    pub fn step<M: Module>(
        &mut self,
        net: M,
        gradients: GradientsParams,
        learning_rate: f64,
        settings: &OptimizerSettings,
    ) -> (M, f64) {
        match &mut self.0 {
            OptimizerBackend::Cpu(state) => {
                step_of_arrays(state, net, gradients, learning_rate, settings)
            }
            OptimizerBackend::Gpu(state) => state.step(net, gradients, learning_rate, settings),
        }
    }

    /// The network with its averaged weights: the one to make with.
    pub fn averaged<M: Module>(&self, net: &M) -> M {
        match &self.0 {
            OptimizerBackend::Cpu(state) => with_values(net.valid(), state.average.iter().cloned()),
            OptimizerBackend::Gpu(state) => state.averaged(net),
        }
    }
}

impl OptimizerSettings {
    /// The average's decay in step `step`, from 1.
    pub(super) fn average_decay_at(&self, step: u64) -> f64 {
        let t = step as f64;
        self.average_decay.min((1.0 + t) / (10.0 + t))
    }
}

fn step_of_arrays<M: Module>(
    state: &mut OptimizerState,
    net: M,
    gradients: GradientsParams,
    learning_rate: f64,
    settings: &OptimizerSettings,
) -> (M, f64) {
    let gradients = collect(&net, gradients);
    let mut weights: Vec<Vec<f32>> = parameters(&net).into_iter().map(|p| p.values).collect();
    let step = state.steps + 1;
    let adamw = adamw::AdamW {
        learning_rate: learning_rate as f32,
        beta_1: settings.beta1 as f32,
        beta_2: settings.beta2 as f32,
        epsilon: settings.epsilon as f32,
        weight_decay: settings.weight_decay as f32,
        max_norm: settings.clip_norm,
        average_decay: settings.average_decay_at(step) as f32,
    };
    let memory = state
        .momentum
        .iter_mut()
        .zip(&mut state.variance)
        .zip(&mut state.average);
    let mut all: Vec<adamw::Parameter> = weights
        .iter_mut()
        .zip(&gradients)
        .zip(memory)
        .map(
            |((value, gradient), ((first, second), average))| adamw::Parameter {
                value,
                gradient,
                first,
                second,
                average,
            },
        )
        .collect();
    let norm = adamw::step(&adamw, step, &mut all);
    if !norm.is_finite() {
        return (net, norm);
    }
    state.steps = step;
    (with_values(net, weights), norm)
}

/// Gradients in module order; zeros where a parameter had none.
fn collect<M: Module>(net: &M, gradients: GradientsParams) -> Vec<Vec<f32>> {
    struct Collector {
        gradients: GradientsParams,
        found: Vec<Vec<f32>>,
    }
    impl ModuleVisitor for Collector {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push(match self.gradients.remove::<D>(param.id) {
                Some(gradient) => crate::models::values(gradient),
                None => vec![0.0; param.val().shape().num_elements()],
            });
        }
    }
    let mut collector = Collector {
        gradients,
        found: Vec::new(),
    };
    net.visit(&mut collector);
    collector.found
}
