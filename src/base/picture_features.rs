/*!
Features of pictures from convolutions with random weights.

A network that was never trained still distinguishes textures, edges and colours (Naeem et al., "Reliable fidelity and
diversity metrics for generative models", 2020, compare sets of pictures by such features too). They need no download
and favour no dataset. The weights follow from [`SEED`]; distances are comparable only between programs that use the
same.
*/

use rand_core::Rng;
use rayon::prelude::*;

use crate::base::frechet::Moments;
use crate::base::neighbours::Neighbours;
use crate::base::rng::rng_stream;
use crate::base::simd::{InstructionSet, multiversion};

/// How many features.
pub const FEATURES: usize = CHANNELS[3] + CHANNELS[0];
/// The seed of the weights.
const SEED: u64 = 1;
/// Channels before the first layer and behind each one.
const CHANNELS: [usize; 4] = [3, 16, 32, 61];

/// Three layers, each a 3 × 3 convolution with the edge repeated and ReLU, with means of 2 × 2 pixels between them. The
/// features are the standard deviation of each channel of the last layer over the picture, and the mean colour.
struct Features {
    layers: Vec<Layer>,
}

/// The features of a set of pictures.
#[derive(Debug, Clone, Default)]
pub struct FeatureSet(pub Vec<[f64; FEATURES]>);

/// What is added to the standard deviation of each feature.
const LEAST_SCALE: f64 = 1e-3;

impl FeatureSet {
    /// Of pictures in rows of pixels of red, green and blue; all of this width and height.
    pub fn new(pictures: &[Vec<[u8; 3]>], [width, height]: [usize; 2]) -> Self {
        let features = Features::new();
        let of = |pixels: &Vec<[u8; 3]>| features.of(pixels, width, height);
        Self(pictures.par_iter().map(of).collect())
    }

    /// The Fréchet distance of some pictures to these, each feature in units of its standard deviation among these.
    pub fn frechet<'a>(&self, others: impl Iterator<Item = &'a [f64; FEATURES]>) -> f64 {
        let scales = self.scales();
        let gaussian = |features: &mut dyn Iterator<Item = &[f64; FEATURES]>| {
            let mut moments = Moments::new(FEATURES);
            for features in features {
                let scaled: [f64; FEATURES] = std::array::from_fn(|at| features[at] / scales[at]);
                moments.add(&scaled);
            }
            moments.gaussian()
        };
        let reference = gaussian(&mut self.0.iter());
        let mut others = others;
        gaussian(&mut others).distance(&reference)
    }

    /// How other pictures lie among these, each feature in units of its standard deviation among these.
    pub fn neighbours(&self, others: &Self) -> Neighbours {
        let scales = self.scales();
        let scaled = |set: &Self| -> Vec<Vec<f32>> {
            let all = set.0.iter();
            all.map(|features| {
                (0..FEATURES)
                    .map(|at| (features[at] / scales[at]) as f32)
                    .collect()
            })
            .collect()
        };
        let [ours, theirs] = [scaled(self), scaled(others)];
        let [ours, theirs] =
            [&ours, &theirs].map(|set| set.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Neighbours::of(&ours, &theirs)
    }

    /// The standard deviation of each feature, with an offset for those that never change.
    fn scales(&self) -> [f64; FEATURES] {
        let count = self.0.len().max(1) as f64;
        std::array::from_fn(|at| {
            let values = || self.0.iter().map(|features| features[at]);
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            variance.sqrt() + LEAST_SCALE
        })
    }
}

struct Layer {
    outputs: usize,
    /// `[blocks of outputs, 3 · 3 · inputs, BLOCK]`; the last block ends with zeros.
    weights: Vec<f32>,
}

/// `[height, width, channels]`
struct Plane {
    width: usize,
    height: usize,
    channels: usize,
    values: Vec<f32>,
}

impl Features {
    fn new() -> Self {
        let layers = CHANNELS.windows(2).enumerate();
        Self {
            layers: layers
                .map(|(index, channels)| Layer::new(index as u64, channels[0], channels[1]))
                .collect(),
        }
    }

    /// The features of a picture.
    fn of(&self, pixels: &[[u8; 3]], width: usize, height: usize) -> [f64; FEATURES] {
        let values = pixels.as_flattened().iter();
        let mut plane = Plane {
            width,
            height,
            channels: CHANNELS[0],
            values: values.map(|&v| f32::from(v) / 127.5 - 1.0).collect(),
        };
        let colors = plane.channel_moments();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                plane = plane.halved();
            }
            plane = layer.apply(&plane);
        }
        let deviations = plane.channel_moments().into_iter().map(|(_, d)| d);
        let mut features = [0.0; FEATURES];
        let found = deviations.chain(colors.into_iter().map(|(mean, _)| mean));
        for (feature, value) in features.iter_mut().zip(found) {
            *feature = value;
        }
        features
    }
}

impl Layer {
    /// Uniform weights of variance 2 / fan-in (He et al., "Delving deep into rectifiers", 2015), less the mean of each
    /// output: what is the same everywhere, such as brightness, gives 0.
    fn new(index: u64, inputs: usize, outputs: usize) -> Self {
        let fan_in = 9 * inputs;
        let mut rng = rng_stream(SEED, *b"features", index);
        let bound = (6.0 / fan_in as f32).sqrt();
        let mut uniform = || bound * ((rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0);
        let mut weights: Vec<f32> = (0..fan_in * outputs).map(|_| uniform()).collect();
        for output in 0..outputs {
            let column = || (0..fan_in).map(move |input| input * outputs + output);
            let mean = column().map(|at| weights[at]).sum::<f32>() / fan_in as f32;
            column().for_each(|at| weights[at] -= mean);
        }
        let blocks = (0..outputs).step_by(BLOCK).flat_map(|first| {
            let rows = weights.chunks_exact(outputs);
            rows.flat_map(move |row| {
                let block = (first..first + BLOCK).map(|at| row.get(at).copied());
                block.map(Option::unwrap_or_default)
            })
        });
        Self {
            outputs,
            weights: blocks.collect(),
        }
    }

    fn apply(&self, plane: &Plane) -> Plane {
        let mut values = vec![0.0; plane.width * plane.height * self.outputs];
        let mut pixels = values.chunks_exact_mut(self.outputs);
        let mut near = Vec::with_capacity(9 * plane.channels);
        for y in 0..plane.height {
            for x in 0..plane.width {
                let Some(sums) = pixels.next() else { break };
                near.clear();
                for at in 0..9 {
                    near.extend_from_slice(plane.near(x + at % 3, y + at / 3));
                }
                rectified_sums(InstructionSet::detect(), &near, &self.weights, sums);
            }
        }
        Plane {
            channels: self.outputs,
            values,
            ..*plane
        }
    }
}

/// Outputs that are computed together.
const BLOCK: usize = 32;

multiversion! {
    /// The sums of `inputs` times `weights`, a block of outputs after another, where they are above zero.
    fn rectified_sums(inputs: &[f32], weights: &[f32], outputs: &mut [f32]) {
        let blocks = weights.chunks_exact(BLOCK * inputs.len());
        for (weights, outputs) in blocks.zip(outputs.chunks_mut(BLOCK)) {
            let mut sums = [0.0; BLOCK];
            for (&input, weights) in inputs.iter().zip(weights.chunks_exact(BLOCK)) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += input * weight;
                }
            }
            for (output, sum) in outputs.iter_mut().zip(sums) {
                *output = sum.max(0.0);
            }
        }
    }
}

impl Plane {
    /// The pixel (x − 1, y − 1), or the nearest one of the picture.
    fn near(&self, x: usize, y: usize) -> &[f32] {
        let x = x.saturating_sub(1).min(self.width - 1);
        let y = y.saturating_sub(1).min(self.height - 1);
        let start = (y * self.width + x) * self.channels;
        &self.values[start..start + self.channels]
    }

    /// The means of 2 × 2 pixels; a last odd column or row is a mean of fewer.
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut values = vec![0.0; width * height * self.channels];
        let mut counts = vec![0.0_f32; width * height];
        for y in 0..self.height {
            for x in 0..self.width {
                let at = y / 2 * width + x / 2;
                let sums = &mut values[at * self.channels..(at + 1) * self.channels];
                for (sum, value) in sums.iter_mut().zip(self.near(x + 1, y + 1)) {
                    *sum += value;
                }
                counts[at] += 1.0;
            }
        }
        for (pixel, count) in values.chunks_exact_mut(self.channels).zip(counts) {
            for value in pixel {
                *value /= count;
            }
        }
        Self {
            width,
            height,
            values,
            ..*self
        }
    }

    /// Mean and standard deviation of each channel.
    fn channel_moments(&self) -> Vec<(f64, f64)> {
        let pixels = (self.width * self.height).max(1) as f64;
        let mut sums = vec![(0.0, 0.0); self.channels];
        for pixel in self.values.chunks_exact(self.channels) {
            for ((sum, squares), &value) in sums.iter_mut().zip(pixel) {
                let value = f64::from(value);
                *sum += value;
                *squares += value * value;
            }
        }
        let moments = |(sum, squares): (f64, f64)| {
            let mean = sum / pixels;
            (mean, (squares / pixels - mean * mean).max(0.0).sqrt())
        };
        sums.into_iter().map(moments).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_repeatable_and_tell_textures_and_colours_apart() {
        let features = Features::new();
        let plain = vec![[128; 3]; 13 * 9];
        let red = vec![[255, 0, 0]; 13 * 9];
        let mut striped = plain.clone();
        for (at, pixel) in striped.iter_mut().enumerate() {
            *pixel = [if at % 2 == 0 { 0 } else { 255 }; 3];
        }
        let of = |pixels: &[[u8; 3]]| features.of(pixels, 13, 9);
        assert_eq!(of(&plain), Features::new().of(&plain, 13, 9));
        let difference = |a: &[[u8; 3]], b: &[[u8; 3]]| {
            let (a, b) = (of(a), of(b));
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
        };
        assert!(difference(&plain, &striped) > 1.0);
        assert!(difference(&plain, &red) > 1.0);
        let single = features.of(&[[255, 0, 0]], 1, 1);
        assert!(single.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn a_layer_has_the_sums_of_its_definition_in_the_same_bits_at_every_width() {
        let layer = Layer::new(2, CHANNELS[2], CHANNELS[3]);
        let inputs = crate::base::rng::testing::Lcg(1).values(9 * CHANNELS[2], 1.0);
        let of = |level| {
            let mut found = vec![0.0; CHANNELS[3]];
            rectified_sums(level, &inputs, &layer.weights, &mut found);
            found
        };
        let found = of(InstructionSet::Scalar);
        for (output, &found) in found.iter().enumerate() {
            let (block, lane) = (output / BLOCK, output % BLOCK);
            let weight =
                |input: usize| layer.weights[(block * inputs.len() + input) * BLOCK + lane];
            let sum: f32 = (0..inputs.len())
                .map(|input| inputs[input] * weight(input))
                .sum();
            assert!((found - sum.max(0.0)).abs() < 1e-5, "{output}");
        }
        for level in InstructionSet::available() {
            assert_eq!(of(level), found, "{level:?}");
        }
    }
}
