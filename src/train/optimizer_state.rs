/*! The settings of AdamW, and its state. */

use serde::{Deserialize, Serialize};

/// Settings of the optimizer; the defaults are those of the AdamW paper.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2); a step multiplies it by the learning rate.
    pub weight_decay: f64,
    /// The largest global norm of the gradient; a larger gradient is scaled down to it.
    pub clip_norm: f64,
    /// Whether matrices from one hidden layer to the next step by Muon (Jordan et al. 2024) instead of AdamW.
    #[serde(default)]
    pub muon: bool,
    /// Decay of the moving average of the weights; in step t it is min(this, (1 + t) / (10 + t)).
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
            muon: false,
            average_decay: 0.999,
        }
    }
}

/// The state of the optimizer: a vector for each parameter, in module order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OptimizerState {
    /// Steps taken.
    pub(crate) steps: u64,
    /// First moments.
    pub(crate) momentum: Vec<Vec<f32>>,
    /// Second moments.
    pub(crate) variance: Vec<Vec<f32>>,
    /// Exponential moving average of the weights, which evaluation and generation use.
    pub(crate) average: Vec<Vec<f32>>,
}

impl OptimizerSettings {
    /// The decay of the average in step `step`, counted from 1.
    pub(super) fn average_decay_at(&self, step: u64) -> f64 {
        let t = step as f64;
        self.average_decay.min((1.0 + t) / (10.0 + t))
    }
}
