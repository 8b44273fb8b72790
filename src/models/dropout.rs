/*! Dropout whose masks are a function of a seed, with one mask for a whole sequence. */

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::base::rng::rng_stream;

/// Draws one mask after another (Gal & Ghahramani 2016, eq. 7: one mask a sequence, not one a step).
pub(crate) struct Dropout {
    rate: f64,
    rng: ChaCha8Rng,
}

impl Dropout {
    /// Drops a share `rate` of the units.
    pub(crate) fn new(rate: f64, seed: u64) -> Self {
        Self {
            rate,
            rng: rng_stream(seed, *b"dropout ", 0),
        }
    }

    /// Rows `[batch · time, width]` with units dropped and the others scaled by 1 / (1 − rate), which keeps the mean.
    pub(crate) fn apply(&mut self, rows: Tensor<2>, [batch, time]: [usize; 2]) -> Tensor<2> {
        let [_, width] = rows.dims();
        let mask = self.mask([batch, 1, width], &rows.device());
        (rows.reshape([batch, time, width]) * mask).reshape([batch * time, width])
    }

    fn mask(&mut self, shape: [usize; 3], device: &Device) -> Tensor<3> {
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let threshold = (self.rate * 4_294_967_296.0) as u64;
        let numbers: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                if u64::from(self.rng.next_u32()) < threshold {
                    0.0
                } else {
                    kept
                }
            })
            .collect();
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::values;

    #[test]
    fn it_drops_its_share_for_whole_sequences_and_keeps_the_mean() {
        let device = Device::flex();
        let rows = Tensor::<2>::ones([50 * 3, 40], &device);
        let dropped = values(Dropout::new(0.25, 1).apply(rows, [50, 3]));
        for sequence in dropped.chunks(3 * 40) {
            assert_eq!(sequence[..40], sequence[40..80]);
            assert_eq!(sequence[..40], sequence[80..]);
        }
        let mean = dropped.iter().sum::<f32>() / dropped.len() as f32;
        assert!((mean - 1.0).abs() < 0.06, "{mean}");
        assert!(
            dropped
                .iter()
                .all(|&x| x == 0.0 || (x - 4.0 / 3.0).abs() < 1e-6)
        );
    }
}
