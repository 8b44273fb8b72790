/*! Convolutions that read whole pictures. */

use burn::prelude::*;

use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, dense, halvings, of, outputs};
use crate::ops::{ConvolutionShape, leaky_relu_gradient};

/// Convolutions of 4×4 pixels, each of which halves the sides, then a dense layer; with leaky ReLUs between them.
#[derive(Module, Debug)]
pub(crate) struct PictureReader {
    layers: Vec<Layer>,
    #[module(skip)]
    shapes: Vec<ConvolutionShape>,
}

/// The gradients of a score of each picture.
pub(crate) struct InputGradient {
    /// `[rows, height · width · planes]`.
    pub(crate) pictures: Tensor<2>,
    /// Of each layer's output before its leaky ReLU, `[rows, width]`.
    of_outputs: Vec<Tensor<2>>,
}

impl PictureReader {
    /// One for pictures of this height and width with `planes` numbers a pixel; the dense layer has `hidden` units.
    pub(crate) fn new(
        sides: [usize; 2],
        planes: usize,
        channels: &[usize],
        hidden: usize,
        init: &mut Init,
    ) -> Self {
        let mut shapes = halvings(sides, planes, channels);
        let narrowest = shapes[shapes.len() - 1].floats()[1];
        shapes.push(dense(narrowest, hidden));
        let layers = shapes.iter().map(|&shape| Layer::down(init, shape));
        Self {
            layers: layers.collect(),
            shapes,
        }
    }

    /// The outputs of all layers before their leaky ReLUs, `[rows, width]` each, for pictures
    /// `[rows, height · width · planes]`.
    pub(crate) fn read(&self, pictures: &Tensor<2>) -> Vec<Tensor<2>> {
        outputs(&self.layers, &self.shapes, pictures, None)
    }

    /// The same with batch normalisation of all layers but the first, of each of so many parts of the pictures by itself.
    pub(crate) fn read_normalised(&self, pictures: &Tensor<2>, groups: usize) -> Vec<Tensor<2>> {
        outputs(&self.layers, &self.shapes, pictures, Some(groups))
    }

    /// The gradients of the pictures and of each layer's output, given that of what follows the last leaky ReLU and the
    /// `outputs` of [`read`](Self::read). In first-order operations, so that a loss may depend on them:
    /// δ ← (δ ⊙ φ′) Wᵀ from the last layer to the first, where the slopes φ′ are constants.
    pub(crate) fn input_gradient(
        &self,
        outputs: &[Tensor<2>],
        mut delta: Tensor<2>,
    ) -> InputGradient {
        let rows = delta.dims()[0];
        let mut of_outputs = Vec::with_capacity(outputs.len());
        let layers = self.layers.iter().zip(&self.shapes).zip(outputs);
        for ((layer, shape), output) in layers.rev() {
            let of_output = leaky_relu_gradient(delta, output.clone(), SLOPE);
            delta = layer.input_gradient(of_output.clone(), of(shape, rows));
            of_outputs.push(of_output);
        }
        of_outputs.reverse();
        InputGradient {
            pictures: delta,
            of_outputs,
        }
    }

    /// The score of each picture `x` without the output's bias, `[rows]`, from its gradients: ⟨x, ∇⟩ + Σ ⟨b, δ⟩. Between the kinks
    /// of its leaky ReLUs a network is linear in the picture and in the weights of each layer, so that the derivatives by the
    /// weights are right too.
    pub(crate) fn linear_output(&self, x: &Tensor<2>, gradient: &InputGradient) -> Tensor<1> {
        let rows = x.dims()[0];
        let of_pictures = (x.clone() * gradient.pictures.clone()).sum_dim(1);
        let layers = self.layers.iter().zip(&gradient.of_outputs);
        let sum = layers.fold(of_pictures, |sum, (layer, delta)| {
            sum + layer.of_bias(delta)
        });
        sum.reshape([rows])
    }

    /// Multiply-adds of a picture.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.shapes
            .iter()
            .map(ConvolutionShape::multiply_adds)
            .sum()
    }
}
