/*! What training makes small. */

use burn::prelude::*;

use super::{Batch, Batches};
use crate::error::Result;
use crate::nets::SequenceModel;
use crate::ops::cross_entropy;
use crate::sequence::Likelihood;

/// A loss for one kind of network.
pub trait Objective<N> {
    /// The mean loss a scored token in nats, `[1]`; `step` seeds whatever is random in it.
    fn loss(&self, net: &N, batch: &Batch, step: u64, device: &Device) -> Tensor<1>;
}

/// Maximum likelihood with teacher forcing: the mean surprise of the scored tokens.
#[derive(Debug, Clone, Copy)]
pub struct MaximumLikelihood;

impl<N: SequenceModel> Objective<N> for MaximumLikelihood {
    fn loss(&self, net: &N, batch: &Batch, _step: u64, device: &Device) -> Tensor<1> {
        surprise(net, batch, device) / batch.scored().max(1) as f64
    }
}

/// The summed surprise of a batch's scored tokens in nats, `[1]`.
pub fn surprise<N: SequenceModel>(net: &N, batch: &Batch, device: &Device) -> Tensor<1> {
    let shape = [batch.rows, batch.time];
    let tokens: Vec<i32> = batch.tokens.iter().map(|&token| token as i32).collect();
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, shape), device);
    let condition = batch.condition.as_ref().map(|vectors| {
        let width = vectors.len() / batch.rows;
        Tensor::<2>::from_data(
            TensorData::new(vectors.clone(), [batch.rows, width]),
            device,
        )
    });
    let logits = net.logits(tokens, condition);
    let [rows, time, classes] = logits.dims();
    cross_entropy(logits.reshape([rows * time, classes]), &batch.targets)
}

/// The likelihood of everything the batches score. `device` is a plain one.
///
/// # Errors
/// When reading fails.
pub fn likelihood<N: SequenceModel>(
    net: &N,
    batches: &Batches,
    device: &Device,
) -> Result<Likelihood> {
    let mut total = Likelihood::default();
    for batch in batches.pass() {
        let batch = batch?;
        total.add(Likelihood {
            nats: f64::from(surprise(net, &batch, device).into_scalar::<f32>()),
            tokens: batch.scored() as u64,
        });
    }
    Ok(total)
}
