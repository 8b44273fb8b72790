/*! From grey pictures to their chroma: a U-Net (Ronneberger et al. 2015; Isola et al. 2017, §3.2.1). */

use burn::prelude::*;

use crate::models::colorizer::ColorizerConfig;
use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, halvings, of, outputs};
use crate::ops::ConvolutionShape;

/// Numbers of chroma of a pixel.
pub(super) const CHROMA: usize = 2;

/// Convolutions that halve the sides, then transposed ones that double them; each of these reads what the one before it put
/// out, and the convolution of the same size.
#[derive(Module, Debug)]
pub(crate) struct UNet {
    down: Vec<Layer>,
    up: Vec<Layer>,
    /// From the widest pictures to the narrowest.
    #[module(skip)]
    down_shapes: Vec<ConvolutionShape>,
    /// From the narrowest pictures to the widest.
    #[module(skip)]
    up_shapes: Vec<ConvolutionShape>,
}

impl UNet {
    pub(super) fn new(config: &ColorizerConfig, init: &mut Init) -> Self {
        let down_shapes = halvings(config.sides(), 1, &config.channels);
        let deepest = down_shapes.len() - 1;
        let up_shape = |at: usize| {
            let shape = down_shapes[at];
            let [wide, narrow] = shape.channels;
            let read = if at == deepest { narrow } else { 2 * narrow };
            let drawn = if at == 0 { CHROMA } else { wide };
            ConvolutionShape {
                channels: [drawn, read],
                ..shape
            }
        };
        let up_shapes: Vec<_> = (0..=deepest).rev().map(up_shape).collect();
        let up = up_shapes.iter().enumerate().map(|(nth, &shape)| {
            // At first nothing has a colour.
            if nth == deepest {
                Layer::up_small(init, shape)
            } else {
                Layer::up(init, shape)
            }
        });
        let up = up.collect();
        let down = down_shapes.iter().map(|&shape| Layer::down(init, shape));
        Self {
            up,
            down: down.collect(),
            down_shapes,
            up_shapes,
        }
    }

    /// The chroma `[rows, height · width · 2]` of greys `[rows, height · width]`.
    pub(crate) fn chroma(&self, greys: Tensor<2>) -> Tensor<2> {
        let [rows, _] = greys.dims();
        let mut seen = outputs(&self.down, &self.down_shapes, &greys, None);
        let mut x = seen.pop().expect("a convolution");
        for (layer, shape) in self.up.iter().zip(&self.up_shapes) {
            x = layer.transpose(x, of(shape, rows), SLOPE);
            if let Some(same_size) = seen.pop() {
                x = beside(x, same_size, shape.sides);
            }
        }
        x.tanh()
    }

    /// Multiply-adds of a picture.
    pub(super) fn multiply_adds(&self) -> usize {
        let shapes = self.down_shapes.iter().chain(&self.up_shapes);
        shapes.map(ConvolutionShape::multiply_adds).sum()
    }
}

/// The channels of two kinds of pictures of these sides beside each other.
fn beside(a: Tensor<2>, b: Tensor<2>, [height, width]: [usize; 2]) -> Tensor<2> {
    let ([rows, of_a], [_, of_b]) = (a.dims(), b.dims());
    let pixels = height * width;
    let both = [(a, of_a), (b, of_b)].map(|(x, of)| x.reshape([rows * pixels, of / pixels]));
    Tensor::cat(both.into(), 1).reshape([rows, of_a + of_b])
}
