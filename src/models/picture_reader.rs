/*! Convolutions that read whole pictures. */

use burn::prelude::*;

use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, dense, halvings, of, outputs};
use crate::ops::ConvolutionShape;

/// Convolutions of 4×4 pixels, each of which halves the sides, then a dense layer; with leaky ReLUs between them.
#[derive(Module, Debug)]
pub(crate) struct PictureReader {
    layers: Vec<Layer>,
    #[module(skip)]
    shapes: Vec<ConvolutionShape>,
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

    /// The gradient of the pictures, given that of what follows the last leaky ReLU and the `outputs` of [`read`](Self::read).
    /// In first-order operations, so that a loss may depend on it: δ ← (δ ⊙ φ′) Wᵀ from the last layer to the first, where
    /// the slopes φ′ are constants.
    pub(crate) fn input_gradient(&self, outputs: &[Tensor<2>], mut delta: Tensor<2>) -> Tensor<2> {
        let rows = delta.dims()[0];
        let layers = self.layers.iter().zip(&self.shapes).zip(outputs);
        for ((layer, shape), output) in layers.rev() {
            delta = layer.input_gradient(delta * slopes(output), of(shape, rows));
        }
        delta
    }

    /// Multiply-adds of a picture.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.shapes
            .iter()
            .map(ConvolutionShape::multiply_adds)
            .sum()
    }
}

/// The derivative of the leaky ReLU at `x`, as a constant.
fn slopes(x: &Tensor<2>) -> Tensor<2> {
    let above = x.clone().detach().greater_elem(0.0).float();
    above * (1.0 - SLOPE) + SLOPE
}
