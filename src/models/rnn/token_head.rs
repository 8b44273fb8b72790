/*! What a recurrent network that steps every few tokens reads at each of them. */

use burn::module::Param;
use burn::prelude::*;

use crate::models::batched_stepper::look_up;
use crate::models::init::Init;
use crate::models::values;
use crate::ops::{embedding, linear};

/// Features of a token: the last state of the layers below, and the tokens that a step would read now. The output layer
/// takes their ReLU.
#[derive(Module, Debug)]
pub(crate) struct TokenHead {
    /// `[entries, width]`, see [`SideInputs`](crate::sequence::SideInputs).
    embedding: Param<Tensor<2>>,
    /// `[hidden, width]`.
    weight: Param<Tensor<2>>,
    /// `[width]`.
    bias: Param<Tensor<1>>,
}

/// The same as plain row-major arrays.
#[derive(Debug, Clone)]
pub(crate) struct TokenHeadWeights {
    pub(crate) embedding: Vec<f32>,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl TokenHead {
    pub(super) fn new(init: &mut Init, hidden: usize, [entries, width]: [usize; 2]) -> Self {
        Self {
            embedding: init.embedding([entries, width]),
            weight: init.dense([hidden, width], hidden),
            bias: init.zeros([width]),
        }
    }

    /// The features `[batch · time, width]` of the states after every `stride`-th token, `[batch · steps, hidden]`.
    pub(super) fn features(
        &self,
        states: Tensor<2>,
        sources: Vec<Tensor<1, Int>>,
        [batch, time]: [usize; 2],
        stride: usize,
    ) -> Tensor<2> {
        let projected = linear(states, self.weight.val(), self.bias.val(), false);
        let [rows, width] = projected.dims();
        let held: Tensor<3> = projected
            .reshape([rows, 1, width])
            .repeat_dim(1, stride)
            .reshape([batch, rows / batch * stride, width])
            .narrow(1, 0, time);
        held.reshape([batch * time, width]) + embedding(self.embedding.val(), sources)
    }

    /// The same for one token of each lane, with the ReLU.
    pub(super) fn features_of_step(
        &self,
        states: Tensor<2>,
        rows: Tensor<1, Int>,
        lanes: usize,
    ) -> Tensor<2> {
        let projected = states.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        let features = projected + look_up(&self.embedding.val(), rows, lanes);
        features.clamp_min(0.0)
    }

    pub(super) fn weights(&self) -> TokenHeadWeights {
        TokenHeadWeights {
            embedding: values(self.embedding.val()),
            weight: values(self.weight.val()),
            bias: values(self.bias.val()),
        }
    }
}

/// What each source says at every `stride`-th position, `[batch · steps]`.
pub(super) fn every(
    sources: &[Tensor<1, Int>],
    [batch, time]: [usize; 2],
    stride: usize,
) -> Vec<Tensor<1, Int>> {
    let steps = time.div_ceil(stride);
    let wanted =
        (0..batch).flat_map(|row| (0..steps).map(move |s| (row * time + s * stride) as i32));
    let wanted = TensorData::new(wanted.collect::<Vec<i32>>(), [batch * steps]);
    let of_source = |source: &Tensor<1, Int>| {
        let wanted = Tensor::<1, Int>::from_data(wanted.clone(), &source.device());
        source.clone().select(0, wanted)
    };
    sources.iter().map(of_source).collect()
}
