/*! The gradient of a leaky ReLU as an operation of its own, for losses that depend on gradients. */

use burn::prelude::*;

use crate::kernels::convolution::slope_of;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;

/// `gradient ⊙ φ′(x)`, where φ is the leaky ReLU with this slope, and φ′ a constant: nothing flows back to `x`.
///
/// * `gradient`, `x`: `[rows, width]`.
///
/// # Panics
/// If their shapes differ.
pub fn leaky_relu_gradient(gradient: Tensor<2>, x: Tensor<2>, slope: f32) -> Tensor<2> {
    assert_eq!(gradient.dims(), x.dims(), "a gradient of each number");
    if !has_kernels(&x.device()) {
        return composed(gradient, x, slope);
    }
    let inputs = [fused::input(&gradient), fused::input(&x)];
    let dims = gradient.dims();
    fused::apply(LeakyReluGradient { dims, slope }, inputs)
}

/// The composed form.
pub(crate) fn composed(gradient: Tensor<2>, x: Tensor<2>, slope: f32) -> Tensor<2> {
    let above = x.detach().greater_elem(0.0).float();
    gradient * (above * (1.0 - slope) + slope)
}

#[derive(Debug)]
struct LeakyReluGradient {
    dims: [usize; 2],
    slope: f32,
}

impl FusedOp<2> for LeakyReluGradient {
    type Saved = ();

    fn shape(&self) -> Vec<usize> {
        self.dims.to_vec()
    }

    fn forward(&self, [gradient, x]: [&[f32]; 2], _train: bool) -> (Vec<f32>, Option<()>) {
        let mut output = gradient.to_vec();
        slope_of(x, self.slope, &mut output);
        (output, Some(()))
    }

    fn backward(
        &self,
        [_, x]: [&[f32]; 2],
        (): (),
        gradient: &[f32],
        [_, of_x]: [bool; 2],
    ) -> [Vec<f32>; 2] {
        let mut of_gradient = gradient.to_vec();
        slope_of(x, self.slope, &mut of_gradient);
        [of_gradient, vec![0.0; if of_x { x.len() } else { 0 }]]
    }
}
