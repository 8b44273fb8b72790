/*!
Changes of pictures in training. A discriminator sees real pictures and made ones with changes of the same kinds, so that it
cannot learn a small set by heart (Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training"; Karras et al.
2020, "Training generative adversarial networks with limited data").
*/

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// How many pixels of a side a picture is shifted at most.
const SHIFT: f64 = 0.125;
/// The most that is added to brightness, of 2 from dark to bright.
const BRIGHTNESS: f64 = 0.5;
/// The smallest probability of a change. With 2,777 pictures and less of it the Fréchet distance was twice as large, before the
/// discriminator memorised anything (benches/README.md, sprites).
pub(super) const LEAST: f64 = 0.5;
/// The largest: above 0.8 the generator would learn to draw it (Karras et al. 2020, §2.2).
const MOST: f64 = 0.8;
/// How much the probability changes at a report.
const STEP: f64 = 0.1;
/// The part of the way from training pictures to made ones at which held-out pictures show that the discriminator knows the
/// training pictures by heart (ibid., §3.1, r_v).
const HEART: f64 = 0.3;

/// Shifts, flips and, without classes, brightness; each with a probability of its own.
pub(super) struct Augment {
    /// Height and width.
    pub(super) sides: [usize; 2],
    pub(super) planes: usize,
    pub(super) brightness: bool,
}

/// The next probability, given how far held-out pictures are on the way from training pictures to made ones.
pub(super) fn adapted(probability: f64, by_heart: f64) -> f64 {
    let step = if by_heart > HEART { STEP } else { -STEP };
    (probability + step).clamp(LEAST, MOST)
}

impl Augment {
    /// The pictures `[rows, height · width · planes]` changed, each change with this probability; edges are repeated.
    pub(super) fn of(
        &self,
        pictures: Tensor<2>,
        probability: f64,
        random: &mut ChaCha8Rng,
    ) -> Tensor<2> {
        if probability == 0.0 {
            return pictures;
        }
        let ([rows, width], device) = (pictures.dims(), pictures.device());
        let mut uniform = || f64::from(random.next_u32()) / 4_294_967_296.0;
        let mut places: Vec<i32> = Vec::with_capacity(rows * width);
        let mut added = Vec::with_capacity(rows);
        for _ in 0..rows {
            let mut chosen = || uniform() < probability;
            let [shifts, flips, brightens] = [chosen(), chosen(), chosen()];
            let mut shift = |side: usize| {
                let most = if shifts { SHIFT * side as f64 } else { 0.0 };
                ((2.0 * uniform() - 1.0) * most).round() as isize
            };
            let by = self.sides.map(&mut shift);
            places.extend(self.places(by, flips));
            let more = (2.0 * uniform() - 1.0) * BRIGHTNESS;
            added.push(if brightens && self.brightness {
                more as f32
            } else {
                0.0
            });
        }
        let places: Tensor<2, Int> =
            Tensor::from_data(TensorData::new(places, [rows, width]), &device);
        let added: Tensor<2> = Tensor::from_data(TensorData::new(added, [rows, 1]), &device);
        pictures.gather(1, places) + added
    }

    /// For each number of a picture that is shifted by some rows and columns, and then flipped or not: which one it was.
    fn places(&self, by: [isize; 2], flips: bool) -> impl Iterator<Item = i32> {
        let ([height, width], planes) = (self.sides, self.planes);
        let from =
            move |at: usize, by: isize, side: usize| at.saturating_add_signed(-by).min(side - 1);
        (0..height * width).flat_map(move |pixel| {
            let [y, x] = [pixel / width, pixel % width];
            let x = if flips { width - 1 - x } else { x };
            let pixel = from(y, by[0], height) * width + from(x, by[1], width);
            (0..planes).map(move |plane| (pixel * planes + plane) as i32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::rng_stream;
    use crate::models::values;

    const AUGMENT: Augment = Augment {
        sides: [16, 8],
        planes: 3,
        brightness: true,
    };

    fn pictures(rows: usize) -> Tensor<2> {
        let numbers = crate::base::rng::testing::Lcg(3).values(rows * 384, 1.0);
        Tensor::from_data(
            TensorData::new(numbers, [rows, 384]),
            &Device::flex().autodiff(),
        )
    }

    #[test]
    fn a_picture_is_shifted_then_flipped() {
        let places: Vec<i32> = AUGMENT.places([1, -2], true).collect();
        // The first pixel of the second row, flipped: the last column, which came from beyond the edge.
        assert_eq!(places[8 * 3..8 * 3 + 3], [21, 22, 23]);
        // The last pixel of the second row is the third one of the first row.
        assert_eq!(places[15 * 3..15 * 3 + 3], [6, 7, 8]);
    }

    #[test]
    fn a_share_is_changed_and_gradients_find_their_way_back() {
        let before = pictures(200).require_grad();
        let random = || rng_stream(1, *b"augment ", 0);
        let same = AUGMENT.of(before.clone(), 0.0, &mut random());
        assert_eq!(values(same), values(before.clone()));
        let after = AUGMENT.of(before.clone(), 0.4, &mut random());
        assert_eq!(
            values(after.clone()),
            values(AUGMENT.of(before.clone(), 0.4, &mut random()))
        );
        let (from, to) = (values(before.clone()), values(after.clone()));
        let rows = from.chunks(384).zip(to.chunks(384));
        let kept = rows.filter(|(a, b)| a == b).count();
        // 0.6³ of 200 rows.
        assert!((25..65).contains(&kept), "{kept}");
        let slopes = after.sum().backward();
        let slopes = values(before.grad(&slopes).unwrap());
        for row in slopes.chunks(384) {
            assert!((row.iter().sum::<f32>() - 384.0).abs() < 1e-3);
        }
    }

    #[test]
    fn the_probability_follows_what_the_discriminator_knows_by_heart() {
        assert_eq!(adapted(LEAST, 0.1), LEAST);
        assert_eq!(adapted(LEAST, 0.9), LEAST + STEP);
        assert_eq!(adapted(MOST, 0.9), MOST);
    }
}
