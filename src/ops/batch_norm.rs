/*! Batch normalisation, with the statistics of the batch only. */

use burn::prelude::*;

use crate::kernels::batch_norm as kernel;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;

/// `(x − μ) / √(σ² + ε) + bias`, with mean μ and variance σ² of each channel over all pixels of a group (Ioffe & Szegedy 2015,
/// algorithm 1). There is no scale: after a leaky ReLU the next layer's weights have it.
///
/// * `x`: `[rows, pixels · channels]`; `bias`: `[channels]`.
/// * `groups`: so many equal parts of the rows, one after another, are each normalised by itself.
///
/// # Panics
/// Without rows, or if they cannot be divided so.
pub fn batch_norm(x: Tensor<2>, bias: Tensor<1>, groups: usize) -> Tensor<2> {
    let ([rows, width], [channels]) = (x.dims(), bias.dims());
    assert!(
        rows > 0 && rows % groups == 0 && width % channels == 0,
        "equal groups of whole pixels"
    );
    let shape = kernel::Shape {
        groups,
        pixels: rows / groups * (width / channels),
        channels,
    };
    if !has_kernels(&x.device()) {
        return composed(x, bias, shape);
    }
    let inputs = [fused::input(&x), fused::input(&bias)];
    let op = BatchNorm {
        shape,
        dims: [rows, width],
    };
    fused::apply(op, inputs)
}

/// The composed form.
fn composed(x: Tensor<2>, bias: Tensor<1>, shape: kernel::Shape) -> Tensor<2> {
    let dims = x.dims();
    let x: Tensor<3> = x.reshape([shape.groups, shape.pixels, shape.channels]);
    let [mean, inverse] = batch_statistics(x.clone());
    let x = (x - mean) * inverse + bias.unsqueeze();
    x.reshape(dims)
}

/// The mean and `1 / √(σ² + ε)` of each channel, `[groups, 1, channels]` each, of `[groups, pixels, channels]`.
pub fn batch_statistics(x: Tensor<3>) -> [Tensor<3>; 2] {
    let mean = x.clone().mean_dim(1);
    let away = x - mean.clone();
    let variance = (away.clone() * away).mean_dim(1);
    let inverse = (variance + f64::from(kernel::LEAST_VARIANCE))
        .sqrt()
        .recip();
    [mean, inverse]
}

#[derive(Debug)]
struct BatchNorm {
    shape: kernel::Shape,
    dims: [usize; 2],
}

impl FusedOp<2> for BatchNorm {
    type Saved = kernel::Statistics;

    fn shape(&self) -> Vec<usize> {
        self.dims.to_vec()
    }

    fn forward(
        &self,
        [x, bias]: [&[f32]; 2],
        _train: bool,
    ) -> (Vec<f32>, Option<kernel::Statistics>) {
        let (output, statistics) = kernel::forward(self.shape, x, bias);
        (output, Some(statistics))
    }

    fn backward(
        &self,
        [x, _]: [&[f32]; 2],
        statistics: kernel::Statistics,
        gradient: &[f32],
        _wanted: [bool; 2],
    ) -> [Vec<f32>; 2] {
        let g = kernel::backward(self.shape, x, &statistics, gradient);
        [g.input, g.bias]
    }
}
