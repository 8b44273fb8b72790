/*! Convolutions of pictures and their transposes, with an optional leaky ReLU before them. */

use burn::prelude::*;
use burn::tensor::activation;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use crate::kernels::buffer::unwritten;
use crate::kernels::convolution as kernel;
pub use crate::kernels::convolution::Shape as ConvolutionShape;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;

/// Which way an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From wide pictures to narrow ones.
    Down,
    /// From narrow pictures to wide ones.
    Up,
}

/// `f(x) ∗ W + b`, where f is the leaky ReLU with this slope; 1 leaves x as it is.
///
/// * `x`: `[pictures, height · width · channels]`, the wide pictures of `shape`, rows of pixels.
/// * `weight`: `[kernel · kernel · wide channels, narrow channels]`; `bias`: `[narrow channels]`.
/// * Result: the narrow pictures.
pub fn convolution(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    shape: ConvolutionShape,
    slope: f32,
) -> Tensor<2> {
    apply(Direction::Down, x, weight, bias, shape, slope)
}

/// The transpose of [`convolution`]: from the narrow pictures of `shape` to the wide ones, with the same weight and a bias
/// of `[wide channels]`.
pub fn transposed_convolution(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    shape: ConvolutionShape,
    slope: f32,
) -> Tensor<2> {
    apply(Direction::Up, x, weight, bias, shape, slope)
}

fn apply(
    direction: Direction,
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    shape: ConvolutionShape,
    slope: f32,
) -> Tensor<2> {
    if !has_kernels(&x.device()) {
        return composed(direction, x, weight, bias, shape, slope);
    }
    let inputs = [fused::input(&x), fused::input(&weight), fused::input(&bias)];
    let op = Convolution {
        direction,
        shape,
        slope,
    };
    fused::apply(op, inputs)
}

/// The composed form.
pub(crate) fn composed(
    direction: Direction,
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    shape: ConvolutionShape,
    slope: f32,
) -> Tensor<2> {
    let x = if slope == 1.0 {
        x
    } else {
        activation::leaky_relu(x, f64::from(slope))
    };
    let ([wide, narrow], k) = (shape.channels, shape.kernel);
    let weight: Tensor<4> = weight.reshape([k, k, wide, narrow]).permute([3, 2, 0, 1]);
    let (from, channels) = match direction {
        Direction::Down => (shape.sides, wide),
        Direction::Up => (shape.narrow(), narrow),
    };
    let x: Tensor<4> = x.reshape([shape.pictures, from[0], from[1], channels]);
    let x = x.permute([0, 3, 1, 2]);
    let (stride, padding) = ([shape.stride; 2], [shape.padding; 2]);
    let y = match direction {
        Direction::Down => {
            let options = ConvOptions::new(stride, padding, [1; 2], 1);
            conv2d(x, weight, Some(bias), options)
        }
        Direction::Up => {
            let reached = |narrow: usize| (narrow - 1) * shape.stride + k - 2 * shape.padding;
            let [rows, columns] = shape.narrow();
            let left = [
                shape.sides[0] - reached(rows),
                shape.sides[1] - reached(columns),
            ];
            let options = ConvTransposeOptions::new(stride, padding, left, [1; 2], 1);
            conv_transpose2d(x, weight, Some(bias), options)
        }
    };
    let y = y.permute([0, 2, 3, 1]);
    let floats = y.dims()[1..].iter().product();
    y.reshape([shape.pictures, floats])
}

#[derive(Debug)]
struct Convolution {
    direction: Direction,
    shape: ConvolutionShape,
    slope: f32,
}

impl FusedOp<3> for Convolution {
    type Saved = ();

    fn shape(&self) -> Vec<usize> {
        let [wide, narrow] = self.shape.floats();
        let floats = match self.direction {
            Direction::Down => narrow,
            Direction::Up => wide,
        };
        vec![self.shape.pictures, floats]
    }

    fn forward(&self, [x, weight, bias]: [&[f32]; 3], _train: bool) -> (Vec<f32>, Option<()>) {
        let mut output = unwritten(self.shape().iter().product());
        let forward = match self.direction {
            Direction::Down => kernel::forward,
            Direction::Up => kernel::transposed_forward,
        };
        forward(self.shape, x, weight, bias, self.slope, &mut output);
        (output, Some(()))
    }

    fn backward(
        &self,
        [x, weight, _]: [&[f32]; 3],
        (): (),
        gradient: &[f32],
        wanted: [bool; 3],
    ) -> [Vec<f32>; 3] {
        let backward = match self.direction {
            Direction::Down => kernel::backward,
            Direction::Up => kernel::transposed_backward,
        };
        let wanted = [wanted[0], wanted[1] || wanted[2]];
        let g = backward(self.shape, x, weight, self.slope, gradient, wanted);
        [g.input, g.weight, g.bias]
    }
}
