/*! A dense layer, with an optional ReLU before it. */

use burn::prelude::*;
use burn::tensor::activation;

use crate::kernels::buffer::unwritten;
use crate::kernels::linear as kernel;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;

/// `f(x) W + b`, where f is the ReLU if `relu` is set, else the identity.
///
/// * `x`: `[rows, inputs]`; `weight`: `[inputs, outputs]`; `bias`: `[outputs]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, relu: bool) -> Tensor<2> {
    if !has_kernels(&x.device()) {
        return composed(x, weight, bias, relu);
    }
    let [rows, inputs] = x.dims();
    let [_, outputs] = weight.dims();
    let shape = kernel::Shape {
        rows,
        inputs,
        outputs,
        relu,
    };
    let inputs = [fused::input(&x), fused::input(&weight), fused::input(&bias)];
    fused::apply(Linear(shape), inputs)
}

/// The composed form.
pub(crate) fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, relu: bool) -> Tensor<2> {
    let x = if relu { activation::relu(x) } else { x };
    x.matmul(weight) + bias.unsqueeze()
}

#[derive(Debug)]
struct Linear(kernel::Shape);

impl FusedOp<3> for Linear {
    type Saved = ();

    fn shape(&self) -> Vec<usize> {
        vec![self.0.rows, self.0.outputs]
    }

    fn forward(&self, [x, weight, bias]: [&[f32]; 3], _train: bool) -> (Vec<f32>, Option<()>) {
        let mut output = unwritten(self.0.rows * self.0.outputs);
        kernel::forward(self.0, x, weight, Some(bias), &mut output);
        (output, Some(()))
    }

    fn backward(
        &self,
        [x, weight, _]: [&[f32]; 3],
        (): (),
        gradient: &[f32],
        wanted: [bool; 3],
    ) -> [Vec<f32>; 3] {
        let g = kernel::backward(self.0, x, weight, gradient, wanted[0]);
        [g.input.unwrap_or_default(), g.weight, g.bias]
    }
}
