/*! LSTM and GRU networks with many lanes, as burn tensors. */

use burn::prelude::*;

use crate::models::batched_stepper::{BatchedNet, keep, look_up};
use crate::models::forecast::ForecastHead;
use crate::models::rnn::TokenHead;
use crate::ops::{Recurrence, recurrent_step};

/// A layer and the state of every lane.
pub(super) struct Layer {
    /// `[inputs, G · hidden]` and `[G · hidden]`; `None` for the first layer, whose inputs are in the table.
    pub(super) input: Option<(Tensor<2>, Tensor<2>)>,
    pub(super) recurrence: Recurrence,
    /// The hidden state and the cell state, `[lanes, hidden]` each.
    pub(super) state: [Tensor<2>; 2],
    /// The hidden state after a reset, `[lanes, hidden]`; `None` for zeros.
    pub(super) first: Option<Tensor<2>>,
    /// What the condition adds to the pre-activations, `[lanes, G · hidden]`.
    pub(super) conditions: Option<Tensor<2>>,
}

pub(super) struct BatchedRecurrent {
    pub(super) lanes: usize,
    /// `[entries, G · hidden]`.
    pub(super) table: Tensor<2>,
    pub(super) layers: Vec<Layer>,
    /// Tokens that one step of the layers reads.
    pub(super) stride: usize,
    pub(super) token_head: Option<TokenHead>,
    pub(super) forecast: Option<ForecastHead>,
    /// `[condition, layers · hidden]` and `[condition, layers · G · hidden]`.
    pub(super) conditioning: Option<[Tensor<2>; 2]>,
    pub(super) head: Tensor<2>,
    pub(super) head_bias: Tensor<2>,
}

impl BatchedNet for BatchedRecurrent {
    fn recondition(&mut self, conditions: Tensor<2>) {
        let Some([initial, conditioning]) = &self.conditioning else {
            return;
        };
        let conditions = match &self.forecast {
            Some(forecast) => forecast.features(conditions),
            None => conditions,
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

    fn step(&mut self, rows: Tensor<1, Int>, positions: &[usize]) -> Tensor<2> {
        let stride = self.stride;
        let due = |position: &usize| (position - 1).is_multiple_of(stride);
        if positions.iter().any(due) {
            let before = (!positions.iter().all(due)).then(|| self.states());
            self.step_layers(rows.clone());
            if let Some(before) = before {
                let due = positions.iter().map(|p| f32::from(u8::from(due(p))));
                let due = TensorData::new(due.collect::<Vec<f32>>(), [self.lanes, 1]);
                let due = Tensor::<2>::from_data(due, &self.table.device());
                for (layer, before) in self.layers.iter_mut().zip(before) {
                    let both = layer.state.clone().into_iter().zip(before);
                    let mut kept = both.map(|(new, old)| keep(new, &due, Some(old)));
                    layer.state = [(); 2].map(|()| kept.next().expect("two states"));
                }
            }
        }
        let top = &self.layers[self.layers.len() - 1].state[0];
        let below = match &self.token_head {
            Some(head) => head.features_of_step(top.clone(), rows, self.lanes),
            None => top.clone(),
        };
        below.matmul(self.head.clone()) + self.head_bias.clone()
    }
}

impl BatchedRecurrent {
    fn states(&self) -> Vec<[Tensor<2>; 2]> {
        self.layers
            .iter()
            .map(|layer| layer.state.clone())
            .collect()
    }

    /// One step of every layer in every lane.
    fn step_layers(&mut self, rows: Tensor<1, Int>) {
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
    }
}
