/*! Softmax cross-entropy over classes, with positions that do not count. */

use burn::prelude::*;
use burn::tensor::activation;

/// The target of a position that is not scored.
pub const IGNORED: i32 = -1;

/// The summed surprise Σ −ln softmax(logits)\[target\] in nats over all rows whose target is a class, as one number `[1]`.
///
/// * `logits`: `[rows, classes]`.
/// * `targets`: one per row; [`IGNORED`] (any negative number) leaves a row out of the sum and its gradient.
pub fn cross_entropy(logits: Tensor<2>, targets: &[i32]) -> Tensor<1> {
    composed(logits, targets)
}

/// The same, of burn's own operations.
pub(crate) fn composed(logits: Tensor<2>, targets: &[i32]) -> Tensor<1> {
    let device = logits.device();
    let rows = targets.len();
    let classes: Vec<i32> = targets.iter().map(|&t| t.max(0)).collect();
    let counts: Vec<f32> = targets.iter().map(|&t| f32::from(u8::from(t >= 0))).collect();
    let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [rows]), &device).reshape([rows, 1]);
    let counts = Tensor::<1>::from_data(TensorData::new(counts, [rows]), &device);
    let log_probabilities = activation::log_softmax(logits, 1).gather(1, classes);
    (log_probabilities.reshape([rows]) * counts).sum().neg()
}
