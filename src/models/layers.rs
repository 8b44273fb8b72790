/*! The layers of networks that read or draw whole pictures: dense ones and convolutions. */

use burn::module::Param;
use burn::prelude::*;

use crate::error::{Error, Result};
use crate::models::Size;
use crate::models::init::Init;
use crate::models::weights::check_sizes;
use crate::ops::{
    ConvolutionShape, batch_norm, batch_statistics, convolution, linear, transposed_convolution,
};

/// The slope of every leaky ReLU below zero.
pub(crate) const SLOPE: f32 = 0.2;

/// A matrix and a bias: a dense layer, a convolution or its transpose.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Layer {
    /// A dense layer, `[inputs, outputs]`.
    pub(crate) fn dense(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        Self {
            weight: init.dense([inputs, outputs], inputs),
            bias: init.zeros([outputs]),
        }
    }

    /// A convolution to narrower pictures.
    pub(crate) fn down(init: &mut Init, shape: ConvolutionShape) -> Self {
        let [_, outputs] = shape.channels;
        Self {
            weight: init.rectified([shape.depth(), outputs], shape.depth()),
            bias: init.zeros([outputs]),
        }
    }

    /// A transposed convolution to wider pictures.
    pub(crate) fn up(init: &mut Init, shape: ConvolutionShape) -> Self {
        Self::up_scaled(init, shape, 1)
    }

    /// The same with a tenth of the weights' size.
    pub(crate) fn up_small(init: &mut Init, shape: ConvolutionShape) -> Self {
        Self::up_scaled(init, shape, 100)
    }

    /// As [`up`](Self::up), as if each output had `times` as many inputs.
    fn up_scaled(init: &mut Init, shape: ConvolutionShape, times: usize) -> Self {
        let [outputs, inputs] = shape.channels;
        // A pixel is reached from every stride-th place of the kernel.
        let reached = shape.kernel.div_ceil(shape.stride);
        Self {
            weight: init.rectified([shape.depth(), inputs], times * reached * reached * inputs),
            bias: init.zeros([outputs]),
        }
    }

    /// The dense layer, with the ReLU before it where `relu` is set.
    pub(crate) fn of(&self, x: Tensor<2>, relu: bool) -> Tensor<2> {
        linear(x, self.weight.val(), self.bias.val(), relu)
    }

    /// The convolution, with a leaky ReLU of this slope before it; 1 for none.
    pub(crate) fn convolve(&self, x: Tensor<2>, shape: ConvolutionShape, slope: f32) -> Tensor<2> {
        convolution(x, self.weight.val(), self.bias.val(), shape, slope)
    }

    /// The transposed convolution, with a leaky ReLU of this slope before it; 1 for none.
    pub(crate) fn transpose(&self, x: Tensor<2>, shape: ConvolutionShape, slope: f32) -> Tensor<2> {
        transposed_convolution(x, self.weight.val(), self.bias.val(), shape, slope)
    }

    pub(crate) fn bias(&self) -> Tensor<1> {
        self.bias.val()
    }

    /// Batch normalisation of outputs of this layer, of each of so many equal groups of rows by itself, with the bias as shift:
    /// normalising has taken it away.
    pub(crate) fn normalise(&self, output: Tensor<2>, groups: usize) -> Tensor<2> {
        batch_norm(output, self.bias.val(), groups)
    }

    /// One whose outputs are those of this one, batch-normalised with the statistics of `output`, `[rows, pixels · channels]`.
    pub(crate) fn with_statistics_of(&self, output: &Tensor<2>, transposed: bool) -> Self {
        let bias = self.bias.val();
        let [channels] = bias.dims();
        let pixels = output.shape().num_elements() / channels;
        let [mean, inverse] = batch_statistics(output.clone().reshape([1, pixels, channels]))
            .map(|x| x.reshape([channels]));
        let [rows, columns] = self.weight.dims();
        let weight = self.weight.val();
        let weight = if transposed {
            let weight = weight.reshape([rows / channels, channels, columns]);
            (weight * inverse.clone().reshape([1, channels, 1])).reshape([rows, columns])
        } else {
            weight * inverse.clone().unsqueeze()
        };
        Self {
            weight: Param::from_tensor(weight),
            bias: Param::from_tensor((bias.clone() - mean) * inverse + bias),
        }
    }

    /// The gradient of the input of [`convolve`](Self::convolve) before its leaky ReLU, given that of the output: an
    /// operation of its own, so that a loss may depend on it.
    pub(crate) fn input_gradient(&self, gradient: Tensor<2>, shape: ConvolutionShape) -> Tensor<2> {
        let zeros = Tensor::zeros([shape.channels[0]], &gradient.device());
        transposed_convolution(gradient, self.weight.val(), zeros, shape, 1.0)
    }

    /// ⟨b, δ⟩ of each row, `[rows, 1]`: what the bias adds to a score whose gradient by this layer's output is δ, `[rows,
    /// pixels · channels]`.
    pub(crate) fn of_bias(&self, delta: &Tensor<2>) -> Tensor<2> {
        let ([rows, width], [channels]) = (delta.dims(), self.bias.dims());
        let pixels = width / channels;
        let deltas: Tensor<2> = delta.clone().reshape([rows * pixels, channels]);
        let products = deltas.matmul(self.bias.val().reshape([channels, 1]));
        products.reshape([rows, pixels]).sum_dim(1)
    }
}

/// The outputs `[rows, width]` of layers that read one another, each before the leaky ReLU that stands between them.
///
/// * `groups`: where it is given, all outputs but the first are normalised, each of so many parts of the rows by itself.
///
/// # Panics
/// Without a layer.
pub(crate) fn outputs(
    layers: &[Layer],
    shapes: &[ConvolutionShape],
    x: &Tensor<2>,
    groups: Option<usize>,
) -> Vec<Tensor<2>> {
    let [rows, _] = x.dims();
    let mut outputs: Vec<Tensor<2>> = Vec::with_capacity(layers.len());
    for (layer, shape) in layers.iter().zip(shapes) {
        let output = match outputs.last() {
            None => layer.convolve(x.clone(), of(shape, rows), 1.0),
            Some(before) => {
                let output = layer.convolve(before.clone(), of(shape, rows), SLOPE);
                match groups {
                    Some(groups) => layer.normalise(output, groups),
                    None => output,
                }
            }
        };
        outputs.push(output);
    }
    assert!(!outputs.is_empty(), "a layer");
    outputs
}

/// Refuses channels that cannot be those of [`halvings`].
pub(crate) fn check_halvings(network: &str, channels: &[usize], sides: [usize; 2]) -> Result<()> {
    check_sizes(
        network,
        &[("the number of layers of channels", channels.len(), 12)],
    )?;
    for &channels in channels {
        check_sizes(network, &[("channels", channels, 4096)])?;
    }
    let shortest = sides[0].min(sides[1]);
    if shortest >> channels.len() == 0 {
        return Err(Error::usage(format!(
            "{} convolutions cannot halve a side of {shortest} pixels so often",
            channels.len()
        ))
        .with_hint("give fewer channels, or larger pictures"));
    }
    Ok(())
}

/// The channels of [`halvings`] for a size: the narrowest pictures have sides of four to seven pixels.
pub(crate) fn channels_of(size: Size, sides: [usize; 2]) -> Vec<usize> {
    let narrowest = size.of([16, 32, 64, 128]);
    let halvings = sides[0].min(sides[1]).max(1).ilog2().saturating_sub(2);
    (0..halvings.clamp(1, 4))
        .map(|at| narrowest << at)
        .collect()
}

/// Convolutions of 4×4 pixels, each of which halves the sides; the first one reads the widest pictures.
///
/// * `sides`: height and width of the widest pictures, and `features`: their channels.
/// * `channels`: those of each narrower kind of pictures.
pub(crate) fn halvings(
    sides: [usize; 2],
    features: usize,
    channels: &[usize],
) -> Vec<ConvolutionShape> {
    let mut shapes = Vec::new();
    let mut wide = (sides, features);
    for &narrow in channels {
        let shape = ConvolutionShape {
            pictures: 0,
            sides: wide.0,
            channels: [wide.1, narrow],
            kernel: 4,
            stride: 2,
            padding: 1,
        };
        shapes.push(shape);
        wide = (shape.narrow(), narrow);
    }
    shapes
}

/// A dense layer as the convolution of pictures of one pixel.
pub(crate) fn dense(inputs: usize, outputs: usize) -> ConvolutionShape {
    ConvolutionShape {
        pictures: 0,
        sides: [1, 1],
        channels: [inputs, outputs],
        kernel: 1,
        stride: 1,
        padding: 0,
    }
}

/// The same sizes for this many pictures.
pub(crate) fn of(shape: &ConvolutionShape, pictures: usize) -> ConvolutionShape {
    ConvolutionShape { pictures, ..*shape }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A layer in training with these weights, a row for each input.
    pub(crate) fn matrix(rows: &[&[f32]], bias: &[f32]) -> Layer {
        let device = Device::flex().autodiff();
        let weight = TensorData::new(rows.concat(), [rows.len(), bias.len()]);
        Layer {
            weight: Param::from_tensor(Tensor::from_data(weight, &device)),
            bias: Param::from_tensor(Tensor::from_data(bias, &device)),
        }
    }

    /// The weights of a layer.
    pub(crate) fn weight(layer: &Layer) -> Tensor<2> {
        layer.weight.val()
    }
}
