/*! How real each part of a coloured picture is (Isola et al. 2017, §3.2.2). */

use burn::prelude::*;

use crate::models::colorizer::ColorizerConfig;
use crate::models::init::Init;
use crate::models::layers::{Layer, halvings, outputs};
use crate::ops::ConvolutionShape;

/// Convolutions that halve the sides, and one that scores each place.
#[derive(Module, Debug)]
pub(crate) struct PatchDiscriminator {
    layers: Vec<Layer>,
    #[module(skip)]
    shapes: Vec<ConvolutionShape>,
}

impl PatchDiscriminator {
    pub(super) fn new(config: &ColorizerConfig, init: &mut Init) -> Self {
        /// With three halvings a score depends on 38 × 38 pixels.
        const MOST: usize = 3;
        let halved = MOST.min(config.channels.len() - 1).max(1);
        let mut shapes = halvings(config.sides(), 3, &config.channels[..halved]);
        let last = shapes[shapes.len() - 1];
        shapes.push(ConvolutionShape {
            pictures: 0,
            sides: last.narrow(),
            channels: [last.channels[1], 1],
            kernel: 3,
            stride: 1,
            padding: 1,
        });
        Self {
            layers: shapes.iter().map(|&s| Layer::down(init, s)).collect(),
            shapes,
        }
    }

    /// The scores `[rows, places]` of pictures `[rows, height · width · 3]`. The grey picture that was coloured need not be
    /// given: it is the grey of these.
    pub(crate) fn scores(&self, pictures: &Tensor<2>) -> Tensor<2> {
        let mut outputs = outputs(&self.layers, &self.shapes, pictures, None);
        outputs.pop().expect("a score")
    }
}
