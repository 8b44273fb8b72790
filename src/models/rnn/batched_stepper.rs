/*! LSTM and GRU networks with many lanes, as burn tensors. */

use burn::prelude::*;

use crate::models::batched_stepper::{BatchedNet, keep, look_up};
use crate::models::device_of;
use crate::models::rnn::{self, Recurrent};
use crate::ops::{Recurrence, recurrent_step};

/// A layer and the state of every lane.
struct Layer {
    /// `[inputs, G · hidden]` and `[G · hidden]`; `None` for the first layer, whose inputs are in the table.
    input: Option<(Tensor<2>, Tensor<2>)>,
    recurrence: Recurrence,
    /// The hidden state and the cell state, `[lanes, hidden]` each.
    state: [Tensor<2>; 2],
    /// The hidden state after a reset, `[lanes, hidden]`; `None` for zeros.
    first: Option<Tensor<2>>,
    /// What the condition adds to the pre-activations, `[lanes, G · hidden]`.
    conditions: Option<Tensor<2>>,
}

pub(super) struct BatchedRecurrent {
    lanes: usize,
    /// `[entries, G · hidden]`.
    table: Tensor<2>,
    layers: Vec<Layer>,
    /// `[condition, layers · hidden]` and `[condition, layers · G · hidden]`.
    conditioning: Option<[Tensor<2>; 2]>,
    head: Tensor<2>,
    head_bias: Tensor<2>,
}

impl BatchedRecurrent {
    pub(super) fn new(net: &Recurrent, lanes: usize) -> Self {
        let device = device_of(net);
        let net = net.valid();
        let layer = |(index, layer): (usize, &rnn::Layer)| Layer {
            input: (index > 0).then(|| (layer.input.val(), layer.bias.val().unsqueeze())),
            recurrence: layer.recurrence(),
            state: [(); 2].map(|()| Tensor::zeros([lanes, net.config.hidden], &device)),
            first: None,
            conditions: None,
        };
        Self {
            lanes,
            table: net.table(),
            layers: net.layers.iter().enumerate().map(layer).collect(),
            conditioning: net
                .initial
                .as_ref()
                .zip(net.conditioning.as_ref())
                .map(|(initial, conditioning)| [initial.val(), conditioning.val()]),
            head: net.head(),
            head_bias: net.logits_bias.val().unsqueeze(),
        }
    }
}

impl BatchedNet for BatchedRecurrent {
    fn recondition(&mut self, conditions: Tensor<2>) {
        let Some([initial, conditioning]) = &self.conditioning else {
            return;
        };
        let initial = conditions.clone().matmul(initial.clone()).tanh();
        let conditions = conditions.matmul(conditioning.clone());
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let [hidden, width] = layer.recurrence.weight.dims();
            layer.first = Some(initial.clone().narrow(1, index * hidden, hidden));
            layer.conditions = Some(conditions.clone().narrow(1, index * width, width));
        }
    }

    fn reset(&mut self, kept: Tensor<2>) {
        for layer in &mut self.layers {
            let [h, c] = layer.state.clone();
            layer.state = [keep(h, &kept, layer.first.clone()), keep(c, &kept, None)];
        }
    }

    fn gather(&mut self, parents: Tensor<1, Int>) {
        for layer in &mut self.layers {
            layer.state = layer
                .state
                .each_ref()
                .map(|state| state.clone().select(0, parents.clone()));
        }
    }

    fn step(&mut self, rows: Tensor<1, Int>) -> Tensor<2> {
        let mut below = look_up(&self.table, rows, self.lanes);
        for layer in &mut self.layers {
            let mut x = match &layer.input {
                Some((weight, bias)) => below.matmul(weight.clone()) + bias.clone(),
                None => below,
            };
            if let Some(conditions) = &layer.conditions {
                x = x + conditions.clone();
            }
            layer.state = recurrent_step(&layer.recurrence, x, layer.state.clone());
            below = layer.state[0].clone();
        }
        below.matmul(self.head.clone()) + self.head_bias.clone()
    }
}
