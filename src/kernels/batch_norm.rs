/*! Batch normalisation (Ioffe & Szegedy 2015, algorithm 1) with a shift and without a scale. */

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::buffer::unwritten;

/// Added to a variance.
pub const LEAST_VARIANCE: f32 = 1e-5;
/// Pixels of one task.
const BLOCK: usize = 256;

/// How the numbers lie: `[groups, pixels, channels]`. Each group is normalised by itself.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub groups: usize,
    /// Of all pictures of a group.
    pub pixels: usize,
    pub channels: usize,
}

/// Mean and 1/σ of each channel, `[groups, channels]`.
#[derive(Debug)]
pub struct Statistics {
    mean: Vec<f32>,
    inverse: Vec<f32>,
}

/// The gradients of both inputs.
#[derive(Debug)]
pub struct Gradients {
    pub input: Vec<f32>,
    pub bias: Vec<f32>,
}

/// `(x − μ) / √(σ² + ε) + bias`, and the statistics that backward needs.
pub fn forward(shape: Shape, x: &[f32], bias: &[f32]) -> (Vec<f32>, Statistics) {
    let count = shape.pixels as f32;
    let mut mean = shape.sums(|sums, _, at| {
        for (sum, x) in sums.iter_mut().zip(&x[at]) {
            *sum += x;
        }
    });
    for mean in &mut mean {
        *mean /= count;
    }
    let squares = shape.sums(|sums, of_group, at| {
        let pixel = x[at].iter().zip(&mean[of_group]);
        for (sum, (x, mean)) in sums.iter_mut().zip(pixel) {
            *sum += (x - mean) * (x - mean);
        }
    });
    let inverse = |squares: f32| (squares / count + LEAST_VARIANCE).sqrt().recip();
    let inverse: Vec<f32> = squares.into_iter().map(inverse).collect();
    let output = shape.fill(|output, of_group, at| {
        let pixel = x[at].iter().zip(&mean[of_group.clone()]);
        let scale = inverse[of_group].iter().zip(bias);
        for (y, ((x, mean), (inverse, bias))) in output.iter_mut().zip(pixel.zip(scale)) {
            *y = (x - mean) * inverse + bias;
        }
    });
    (output, Statistics { mean, inverse })
}

/// The gradients, given that of the output: `(g − mean of g − x̂ · mean of g x̂) / σ` and Σ g.
pub fn backward(
    shape: Shape,
    x: &[f32],
    Statistics { mean, inverse }: &Statistics,
    gradient: &[f32],
) -> Gradients {
    let count = shape.pixels as f32;
    let plain = shape.sums(|sums, _, at| {
        for (sum, g) in sums.iter_mut().zip(&gradient[at]) {
            *sum += g;
        }
    });
    let products = shape.sums(|sums, of_group, at| {
        let pixel = x[at.clone()].iter().zip(&mean[of_group]);
        for (sum, ((x, mean), g)) in sums.iter_mut().zip(pixel.zip(&gradient[at])) {
            *sum += (x - mean) * g;
        }
    });
    // What a pixel's deviation from the mean is multiplied by.
    let along: Vec<f32> = products
        .iter()
        .zip(inverse)
        .map(|(product, inverse)| product * inverse * inverse / count)
        .collect();
    let input = shape.fill(|output, of_group, at| {
        let pixel = x[at.clone()].iter().zip(&mean[of_group.clone()]);
        let means = plain[of_group.clone()].iter().zip(&along[of_group.clone()]);
        let of_channel = means.zip(&inverse[of_group]);
        let inputs = pixel.zip(&gradient[at]).zip(of_channel);
        for (output, (((x, mean), g), ((plain, along), inverse))) in output.iter_mut().zip(inputs) {
            *output = (g - plain / count - (x - mean) * along) * inverse;
        }
    });
    let mut bias = vec![0.0; shape.channels];
    add_rows(&mut bias, &plain);
    Gradients { input, bias }
}

impl Shape {
    /// The sums over the pixels of each group, `[groups, channels]`. `add` adds what a pixel gives; it is told where the
    /// channels of the group lie, and where those of the pixel.
    fn sums(self, add: impl Fn(&mut [f32], Range<usize>, Range<usize>) + Sync) -> Vec<f32> {
        let blocks = self.pixels.div_ceil(BLOCK);
        let mut parts = vec![0.0; self.groups * blocks * self.channels];
        let each = parts.par_chunks_mut(self.channels).enumerate();
        each.for_each(|(index, sums)| {
            let (group, first) = (index / blocks, index % blocks * BLOCK);
            for pixel in first..self.pixels.min(first + BLOCK) {
                let at = group * self.pixels + pixel;
                add(sums, self.channels_of(group), self.channels_of(at));
            }
        });
        let mut sums = vec![0.0; self.groups * self.channels];
        let of_groups = parts.chunks_exact(blocks * self.channels);
        for (sums, parts) in sums.chunks_exact_mut(self.channels).zip(of_groups) {
            add_rows(sums, parts);
        }
        sums
    }

    /// `[groups, pixels, channels]`, pixel by pixel, with the same two ranges as in [`sums`](Self::sums).
    fn fill(self, write: impl Fn(&mut [f32], Range<usize>, Range<usize>) + Sync) -> Vec<f32> {
        let mut output = unwritten(self.groups * self.pixels * self.channels);
        let blocks = output.par_chunks_mut(BLOCK * self.channels).enumerate();
        blocks.for_each(|(block, output)| {
            for (nth, pixel) in output.chunks_exact_mut(self.channels).enumerate() {
                let at = block * BLOCK + nth;
                write(
                    pixel,
                    self.channels_of(at / self.pixels),
                    self.channels_of(at),
                );
            }
        });
        output
    }

    fn channels_of(self, row: usize) -> Range<usize> {
        row * self.channels..(row + 1) * self.channels
    }
}

/// Adds rows to their sum, in order.
fn add_rows(sum: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(sum.len()) {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += x;
        }
    }
}
