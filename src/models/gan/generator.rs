/*! From noise and classes to a picture. */

use burn::prelude::*;

use crate::models::gan::config::GanConfig;
use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, dense, halvings, of};
use crate::ops::ConvolutionShape;

/// Two dense layers, then transposed convolutions, with leaky ReLUs between them and tanh at the end.
#[derive(Module, Debug)]
pub(crate) struct Generator {
    first: Layer,
    second: Layer,
    convolutions: Vec<Layer>,
    #[module(skip)]
    noise: Noise,
    #[module(skip)]
    sizes: [ConvolutionShape; 2],
    /// From the narrowest pictures to the widest.
    #[module(skip)]
    shapes: Vec<ConvolutionShape>,
}

/// What is read beside the noise, and how it is distributed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    pub(super) classes: usize,
    /// Whether each normal number is mapped to a uniform one from −1 to 1.
    pub(super) uniform: bool,
}

impl Generator {
    /// One that reads `[rows, classes + noise]`.
    pub(super) fn new(config: &GanConfig, noise: Noise, init: &mut Init) -> Self {
        let inputs = noise.classes + config.noise;
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
            convolutions: (1..=shapes.len())
                .map(|nth| match shapes.len() - nth {
                    // Pictures are grey at first, not noise that has to be unlearned.
                    0 => Layer::up_small(init, shapes[nth - 1]),
                    _ => Layer::up(init, shapes[nth - 1]),
                })
                .collect(),
            noise,
            sizes,
            shapes,
        }
    }

    /// Multiply-adds of a picture.
    pub(super) fn multiply_adds(&self) -> usize {
        let shapes = self.sizes.iter().chain(&self.shapes);
        shapes.map(ConvolutionShape::multiply_adds).sum()
    }

    /// The pictures of conditions `[rows, classes + noise]`: `[rows, height · width · planes]`, −1 for dark to 1 for bright.
    pub(crate) fn pictures(&self, conditions: Tensor<2>) -> Tensor<2> {
        let [rows, inputs] = conditions.dims();
        let conditions = if self.noise.uniform {
            let classes = self.noise.classes;
            let normal = conditions.clone().narrow(1, classes, inputs - classes);
            // 2 Φ(z) − 1.
            let uniform = (normal * std::f64::consts::FRAC_1_SQRT_2).erf();
            if classes == 0 {
                uniform
            } else {
                Tensor::cat(vec![conditions.narrow(1, 0, classes), uniform], 1)
            }
        } else {
            conditions
        };
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
