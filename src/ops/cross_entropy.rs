/*! Softmax cross-entropy over classes, with targets that are ignored. */

use burn::prelude::*;
use burn::tensor::activation;

use crate::kernels::buffer::unwritten;
use crate::kernels::cross_entropy as kernel;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;

/// The target of a row that is not scored.
pub const IGNORED: i32 = -1;

/// The NLL Σ −ln softmax(logits)\[target\] in nats, summed over all rows whose target is a class: `[1]`.
///
/// * `logits`: `[rows, classes]`.
/// * `targets`: one per row; `IGNORED` (any negative number) excludes a row from the sum and its gradient.
///
/// The gradient of a scored row is softmax(logits) − onehot(target).
pub fn cross_entropy(logits: Tensor<2>, targets: &[i32]) -> Tensor<1> {
    cross_entropy_of_sequences(logits, targets, 1)
}

/// [`cross_entropy`] of each of `sequences` equal runs of rows, `[sequences]`.
pub fn cross_entropy_of_sequences(
    logits: Tensor<2>,
    targets: &[i32],
    sequences: usize,
) -> Tensor<1> {
    if !has_kernels(&logits.device()) {
        return composed(logits, targets, sequences);
    }
    let [_, classes] = logits.dims();
    let op = CrossEntropy {
        classes,
        targets: targets.to_vec(),
        sequences,
    };
    fused::apply(op, [fused::input(&logits)])
}

/// The NLL of each row in nats, without a gradient; 0 for ignored rows.
///
/// * `logits`: `[rows, classes]`.
/// * `targets`: as for [`cross_entropy`].
pub fn nll_per_row(logits: Tensor<2>, targets: &[i32]) -> Vec<f32> {
    let [_, classes] = logits.dims();
    let logits: Vec<f32> = logits.into_data().try_into_vec().expect("networks are f32");
    kernel::forward(&logits, classes, targets).rows
}

#[derive(Debug)]
struct CrossEntropy {
    classes: usize,
    targets: Vec<i32>,
    sequences: usize,
}

impl FusedOp<1> for CrossEntropy {
    type Saved = kernel::Losses;

    fn shape(&self) -> Vec<usize> {
        vec![self.sequences]
    }

    fn forward(&self, [logits]: [&[f32]; 1], train: bool) -> (Vec<f32>, Option<kernel::Losses>) {
        let losses = kernel::forward(logits, self.classes, &self.targets);
        let sums = losses.sums(self.sequences).into_iter();
        (
            sums.map(|sum| sum as f32).collect(),
            train.then_some(losses),
        )
    }

    fn backward(
        &self,
        [logits]: [&[f32]; 1],
        losses: kernel::Losses,
        gradient: &[f32],
        _wanted: [bool; 1],
    ) -> [Vec<f32>; 1] {
        let mut result = unwritten(logits.len());
        kernel::backward(
            logits,
            self.classes,
            &self.targets,
            &losses,
            gradient,
            &mut result,
        );
        [result]
    }
}

/// The composed form.
pub(crate) fn composed(logits: Tensor<2>, targets: &[i32], sequences: usize) -> Tensor<1> {
    let device = logits.device();
    let rows = targets.len();
    let classes: Vec<i32> = targets.iter().map(|&t| t.max(0)).collect();
    let counts: Vec<f32> = targets
        .iter()
        .map(|&t| f32::from(u8::from(t >= 0)))
        .collect();
    let classes =
        Tensor::<1, Int>::from_data(TensorData::new(classes, [rows]), &device).reshape([rows, 1]);
    let counts = Tensor::<1>::from_data(TensorData::new(counts, [rows]), &device);
    let log_probabilities = activation::log_softmax(logits, 1).gather(1, classes);
    let scored = log_probabilities.reshape([rows]) * counts;
    let sums = scored.reshape([sequences, rows / sequences]).sum_dim(1);
    sums.reshape([sequences]).neg()
}
