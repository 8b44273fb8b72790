/*! A WaveNet with many lanes, as burn tensors. */

use std::collections::VecDeque;

use burn::prelude::*;
use burn::tensor::activation::{relu, sigmoid, tanh};

use crate::models::batched_stepper::{BatchedNet, keep, look_up};
use crate::models::device_of;
use crate::models::wavenet::WaveNet;

/// A layer and the past of every lane.
struct Layer {
    /// `[2R, 2R]`: rows x_{t-d} then x_t; columns filter then gate.
    conv: Tensor<2>,
    /// `[1, 2R]`.
    conv_bias: Tensor<2>,
    /// `[R, R + S]`.
    out: Tensor<2>,
    /// `[1, R + S]`.
    out_bias: Tensor<2>,
    /// The last d frames `[lanes, R]`, oldest first, where d is the dilation. Only handles move.
    past: VecDeque<Tensor<2>>,
    /// What the condition adds to the pre-activations, `[lanes, 2R]`.
    conditions: Option<Tensor<2>>,
}

pub(super) struct BatchedWaveNet {
    lanes: usize,
    residual: usize,
    embedding: Tensor<2>,
    layers: Vec<Layer>,
    /// `[condition, L · 2R]`.
    conditioning: Option<Tensor<2>>,
    head: [Tensor<2>; 2],
    logits: [Tensor<2>; 2],
}

impl BatchedWaveNet {
    pub(super) fn new(net: &WaveNet, lanes: usize) -> Self {
        let device = device_of(net);
        let net = net.valid();
        let of_layer = |all: &Tensor<3>, index: usize| -> Tensor<2> {
            all.clone().narrow(0, index, 1).squeeze_dim(0)
        };
        let silence = Tensor::zeros([lanes, net.config.residual], &device);
        let layer = |(index, dilation): (usize, usize)| Layer {
            conv: of_layer(&net.conv.val(), index),
            conv_bias: net.conv_bias.val().narrow(0, index, 1),
            out: of_layer(&net.out.val(), index),
            out_bias: net.out_bias.val().narrow(0, index, 1),
            past: std::iter::repeat_n(silence.clone(), dilation).collect(),
            conditions: None,
        };
        let dilations = net.config.dilations().into_iter();
        Self {
            lanes,
            residual: net.config.residual,
            embedding: net.embedding.val(),
            layers: dilations.enumerate().map(layer).collect(),
            conditioning: net.conditioning.as_ref().map(burn::module::Param::val),
            head: [net.head.val(), net.head_bias.val().unsqueeze()],
            logits: [net.logits.val(), net.logits_bias.val().unsqueeze()],
        }
    }
}

impl BatchedNet for BatchedWaveNet {
    fn recondition(&mut self, conditions: Tensor<2>) {
        let Some(conditioning) = &self.conditioning else {
            return;
        };
        let conditions = conditions.matmul(conditioning.clone());
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

    fn step(&mut self, rows: Tensor<1, Int>) -> Tensor<2> {
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
