/*! From noise and classes to a picture. */

use burn::prelude::*;

use crate::models::gan::{GanConfig, SLOPE};
use crate::models::init::Init;
use crate::models::layers::{Layer, dense, halvings, of};
use crate::ops::ConvolutionShape;

/// Two dense layers, then transposed convolutions, with leaky ReLUs between them and tanh at the end.
#[derive(Module, Debug)]
pub(crate) struct Generator {
    first: Layer,
    second: Layer,
    convolutions: Vec<Layer>,
    #[module(skip)]
    sizes: [ConvolutionShape; 2],
    /// From the narrowest pictures to the widest.
    #[module(skip)]
    shapes: Vec<ConvolutionShape>,
}

impl Generator {
    /// One that reads `[rows, inputs]`.
    pub(super) fn new(config: &GanConfig, inputs: usize, init: &mut Init) -> Self {
        let mut shapes = halvings(config.sides(), config.planes(), &config.channels);
        shapes.reverse();
        let narrowest = shapes[0].floats()[1];
        let sizes = [
            dense(inputs, config.hidden),
            dense(config.hidden, narrowest),
        ];
        Self {
            first: Layer::down(init, sizes[0]),
            second: Layer::down(init, sizes[1]),
            convolutions: shapes.iter().map(|&shape| Layer::up(init, shape)).collect(),
            sizes,
            shapes,
        }
    }

    /// The pictures of conditions `[rows, classes + noise]`: `[rows, height · width · planes]`, −1 for dark to 1 for bright.
    pub(crate) fn pictures(&self, conditions: Tensor<2>) -> Tensor<2> {
        let [rows, _] = conditions.dims();
        let hidden = self
            .first
            .convolve(conditions, of(&self.sizes[0], rows), 1.0);
        let mut x = self
            .second
            .convolve(hidden, of(&self.sizes[1], rows), SLOPE);
        for (layer, shape) in self.convolutions.iter().zip(&self.shapes) {
            x = layer.transpose(x, of(shape, rows), SLOPE);
        }
        x.tanh()
    }
}
