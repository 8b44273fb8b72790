/*! A WaveNet with many lanes, as burn tensors. */

use std::collections::VecDeque;

use burn::prelude::*;
use burn::tensor::activation::{relu, sigmoid, tanh};

use crate::models::batched_stepper::{BatchedNet, keep, look_up};
use crate::models::forecast::ForecastHead;

/// A layer and the past of every lane.
pub(super) struct Layer {
    /// `[2R, 2R]`: rows x_{t-d} then x_t; columns filter then gate.
    pub(super) conv: Tensor<2>,
    /// `[1, 2R]`.
    pub(super) conv_bias: Tensor<2>,
    /// `[R, R + S]`.
    pub(super) out: Tensor<2>,
    /// `[1, R + S]`.
    pub(super) out_bias: Tensor<2>,
    /// The last d frames `[lanes, R]`, oldest first, where d is the dilation. Only handles move.
    pub(super) past: VecDeque<Tensor<2>>,
    /// What the condition adds to the pre-activations, `[lanes, 2R]`.
    pub(super) conditions: Option<Tensor<2>>,
}

pub(super) struct BatchedWaveNet {
    pub(super) lanes: usize,
    pub(super) residual: usize,
    pub(super) embedding: Tensor<2>,
    pub(super) layers: Vec<Layer>,
    pub(super) forecast: Option<ForecastHead>,
    /// `[condition, L · 2R]`, of the condition or of its features.
    pub(super) conditioning: Option<Tensor<2>>,
    pub(super) head: [Tensor<2>; 2],
    pub(super) logits: [Tensor<2>; 2],
}

impl BatchedNet for BatchedWaveNet {
    fn recondition(&mut self, conditions: Tensor<2>) {
        let Some(conditioning) = &self.conditioning else {
            return;
        };
        let features = match &self.forecast {
            Some(forecast) => forecast.features(conditions),
            None => conditions,
        };
        let conditions = features.matmul(conditioning.clone());
        let width = 2 * self.residual;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.conditions = Some(conditions.clone().narrow(1, index * width, width));
        }
    }

    fn reset(&mut self, kept: Tensor<2>) {
        for frame in self.layers.iter_mut().flat_map(|layer| &mut layer.past) {
            *frame = keep(frame.clone(), &kept, None);
        }
    }

    fn gather(&mut self, parents: Tensor<1, Int>) {
        for frame in self.layers.iter_mut().flat_map(|layer| &mut layer.past) {
            *frame = frame.clone().select(0, parents.clone());
        }
    }

    fn step(&mut self, rows: Tensor<1, Int>, _positions: &[usize]) -> Tensor<2> {
        let r = self.residual;
        let mut x = look_up(&self.embedding, rows, self.lanes);
        let mut skip: Option<Tensor<2>> = None;
        for layer in &mut self.layers {
            let past = layer.past.pop_front().expect("a dilation is at least 1");
            layer.past.push_back(x.clone());
            let both = Tensor::cat(vec![past, x.clone()], 1);
            let mut p = both.matmul(layer.conv.clone()) + layer.conv_bias.clone();
            if let Some(conditions) = &layer.conditions {
                p = p + conditions.clone();
            }
            let z = tanh(p.clone().narrow(1, 0, r)) * sigmoid(p.narrow(1, r, r));
            let joined = z.matmul(layer.out.clone()) + layer.out_bias.clone();
            let [_, width] = joined.dims();
            x = x + joined.clone().narrow(1, 0, r);
            let new = joined.narrow(1, r, width - r);
            skip = Some(match skip {
                Some(skip) => skip + new,
                None => new,
            });
        }
        let mut hidden = skip.expect("a stack has at least one layer");
        for [weight, bias] in [&self.head, &self.logits] {
            hidden = relu(hidden).matmul(weight.clone()) + bias.clone();
        }
        hidden
    }
}
