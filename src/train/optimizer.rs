/*! AdamW over all parameters, with clipping by the global norm and the moving average of the weights. */

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::nets::{parameters, with_values};
use crate::ops::kernels::adamw;

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
pub struct AdamW {
    /// Steps taken.
    pub steps: u64,
    /// First moments.
    pub momentum: Vec<Vec<f32>>,
    /// Second moments.
    pub variance: Vec<Vec<f32>>,
    /// Exponential moving average of the weights: the ones used for making.
    pub average: Vec<Vec<f32>>,
}

impl AdamW {
    /// A fresh memory for this network.
    pub fn new<M: Module>(net: &M) -> Self {
        let average: Vec<Vec<f32>> = parameters(net).into_iter().map(|p| p.values).collect();
        let zeros: Vec<Vec<f32>> = average
            .iter()
            .map(|values| vec![0.0; values.len()])
            .collect();
        Self {
            steps: 0,
            momentum: zeros.clone(),
            variance: zeros,
            average,
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
        let gradients = collect(&net, gradients);
        let mut weights: Vec<Vec<f32>> = parameters(&net).into_iter().map(|p| p.values).collect();
        let t = (self.steps + 1) as f64;
        let adamw = adamw::AdamW {
            learning_rate: learning_rate as f32,
            beta_1: settings.beta1 as f32,
            beta_2: settings.beta2 as f32,
            epsilon: settings.epsilon as f32,
            weight_decay: settings.weight_decay as f32,
            max_norm: Some(settings.clip_norm),
            average_decay: settings.average_decay.min((1.0 + t) / (10.0 + t)) as f32,
        };
        let mut all: Vec<adamw::Parameter> = weights
            .iter_mut()
            .zip(&gradients)
            .zip(
                self.momentum
                    .iter_mut()
                    .zip(&mut self.variance)
                    .zip(&mut self.average),
            )
            .map(
                |((value, gradient), ((first, second), average))| adamw::Parameter {
                    value,
                    gradient,
                    first,
                    second,
                    average: Some(average),
                    decay: true,
                },
            )
            .collect();
        let norm = adamw::step(&adamw, self.steps + 1, &mut all);
        if !norm.is_finite() {
            return (net, norm);
        }
        self.steps += 1;
        (with_values(net, weights), norm)
    }

    /// The network with its averaged weights: the one to make with.
    pub fn averaged<M: Module>(&self, net: &M) -> M {
        with_values(net.valid(), self.average.iter().cloned())
    }
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
                Some(gradient) => crate::nets::values(gradient),
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
