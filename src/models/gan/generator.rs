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
        self.draw(conditions, |output, _, _| output)
    }

    /// The same with batch normalisation of the outputs of all layers but the last, as in training with it.
    pub(crate) fn pictures_normalised(&self, conditions: Tensor<2>) -> Tensor<2> {
        self.draw(conditions, |output, layer, _| layer.normalise(output, 1))
    }

    /// One that draws without batch normalisation what this one draws with the statistics of `conditions`, `[rows, classes +
    /// noise]`: they are computed anew for averaged weights (Brock et al. 2019, appendix C.1, "standing statistics") and become
    /// part of the weights.
    pub(crate) fn with_statistics_of(&self, conditions: Tensor<2>) -> Self {
        let mut layers = Vec::new();
        self.draw(conditions, |output, layer, transposed| {
            layers.push(layer.with_statistics_of(&output, transposed));
            layer.normalise(output, 1)
        });
        let mut layers = layers.into_iter();
        let mut next = |of: &Layer| layers.next().unwrap_or_else(|| of.clone());
        Self {
            first: next(&self.first),
            second: next(&self.second),
            convolutions: self.convolutions.iter().map(next).collect(),
            ..self.clone()
        }
    }

    /// The pictures of conditions, where `change` changes the output of each layer but the last.
    fn draw(
        &self,
        conditions: Tensor<2>,
        mut change: impl FnMut(Tensor<2>, &Layer, bool) -> Tensor<2>,
    ) -> Tensor<2> {
        let [rows, _] = conditions.dims();
        let (mut x, mut slope) = (self.distributed(conditions), 1.0);
        let mut layers = self.layers().peekable();
        while let Some((layer, shape, transposed)) = layers.next() {
            let shape = of(shape, rows);
            x = if transposed {
                layer.transpose(x, shape, slope)
            } else {
                layer.convolve(x, shape, slope)
            };
            if layers.peek().is_some() {
                x = change(x, layer, transposed);
            }
            slope = SLOPE;
        }
        x.tanh()
    }

    /// Conditions with the noise distributed as it shall be.
    fn distributed(&self, conditions: Tensor<2>) -> Tensor<2> {
        let [_, inputs] = conditions.dims();
        if self.noise.uniform {
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
        }
    }

    /// The layers with their sizes and whether each is a transposed convolution, in the order of reading.
    fn layers(&self) -> impl Iterator<Item = (&Layer, &ConvolutionShape, bool)> {
        let dense = [&self.first, &self.second].into_iter().zip(&self.sizes);
        let transposed = self.convolutions.iter().zip(&self.shapes);
        dense
            .map(|(layer, shape)| (layer, shape, false))
            .chain(transposed.map(|(layer, shape)| (layer, shape, true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::models::testing::scrambled;
    use crate::models::values;

    #[test]
    fn statistics_of_batches_become_weights() {
        let config = GanConfig {
            width: 9,
            height: 8,
            colors: vec![[0; 3], [250, 3, 3]],
            noise: 4,
            channels: vec![5, 6],
            hidden: 7,
        };
        let device = Device::flex();
        let noise = Noise {
            classes: 2,
            uniform: true,
        };
        let generator = scrambled(Generator::new(&config, noise, &mut Init::new(3, &device)));
        let mut random = Lcg(5);
        let conditions: Tensor<2> = Tensor::from_data(
            TensorData::new(random.values(20 * 6, 1.0), [20, 6]),
            &device,
        );
        let normalised = values(generator.pictures_normalised(conditions.clone()));
        let plain = generator.with_statistics_of(conditions.clone());
        let found = values(plain.pictures(conditions.clone()));
        for (found, expected) in found.iter().zip(&normalised) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{found} instead of {expected}"
            );
        }
        assert_ne!(values(generator.pictures(conditions)), normalised);
    }
}
