/*! Initial weights, from our own generator, so that a seed gives the same network on every machine and device. */

use burn::module::Param;
use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::base::rng::rng_stream;

/// Draws the initial weights of one parameter after another.
pub(crate) struct Init<'a> {
    rng: ChaCha8Rng,
    device: &'a Device,
    /// The standard deviation of rectified layers, in place of one for each number of inputs.
    deviation: Option<f32>,
}

impl<'a> Init<'a> {
    pub(crate) fn new(seed: u64, device: &'a Device) -> Self {
        Self {
            rng: rng_stream(seed, *b"weights ", 0),
            device,
            deviation: None,
        }
    }

    /// The same with this standard deviation in all rectified layers, however many inputs they have.
    pub(crate) fn with_deviation(self, deviation: f32) -> Self {
        Self {
            deviation: Some(deviation),
            ..self
        }
    }

    /// Uniform in [−1/√fan_in, 1/√fan_in].
    pub(crate) fn dense<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
    ) -> Param<Tensor<D>> {
        let bound = 1.0 / (fan_in as f32).sqrt();
        self.fill(shape, |uniform| bound * (2.0 * uniform - 1.0))
    }

    /// Uniform with variance 2 / fan_in, for layers between ReLUs (He et al. 2015, "Delving deep into rectifiers").
    pub(crate) fn rectified<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
    ) -> Param<Tensor<D>> {
        let variance = self.deviation.map_or(2.0 / fan_in as f32, |s| s * s);
        let bound = (3.0 * variance).sqrt();
        self.fill(shape, |uniform| bound * (2.0 * uniform - 1.0))
    }

    /// Uniform with standard deviation 1.
    pub(crate) fn embedding<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<D>> {
        self.fill(shape, |uniform| 3_f32.sqrt() * (2.0 * uniform - 1.0))
    }

    pub(crate) fn zeros<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::zeros(shape, self.device))
    }

    /// Computes each element from its index.
    pub(crate) fn constant<const D: usize>(
        &self,
        shape: [usize; D],
        value: impl Fn(usize) -> f32,
    ) -> Param<Tensor<D>> {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        Param::from_tensor(Tensor::from_data(
            TensorData::new(numbers, shape),
            self.device,
        ))
    }

    fn fill<const D: usize>(
        &mut self,
        shape: [usize; D],
        map: impl Fn(f32) -> f32,
    ) -> Param<Tensor<D>> {
        let count = shape.iter().product();
        let numbers: Vec<f32> = (0..count)
            .map(|_| map((self.rng.next_u32() >> 8) as f32 / 16_777_216.0))
            .collect();
        Param::from_tensor(Tensor::from_data(
            TensorData::new(numbers, shape),
            self.device,
        ))
    }
}
