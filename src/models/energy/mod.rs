/*!
A discriminator that makes pictures alone: those to which it gives high scores (LeCun et al. 2006, "A tutorial on energy-based
learning"; the score is minus the energy). Of tiny pictures in few colours all are scored; larger ones are found by Langevin steps
uphill from noise (Welling & Teh 2011).
*/

mod config;
mod presets;

pub use config::{EnergyConfig, EnergySettings};

use burn::prelude::*;
use rand_core::Rng;

use crate::base::rng::rng_stream;
use crate::error::{Error, Result};
use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, dense, of};
use crate::models::picture_numbers::{brightness, colors_of, planes};
use crate::models::picture_reader::PictureReader;
use crate::models::{Interface, PictureGenerator, device_of, values};
use crate::ops::ConvolutionShape;

/// Convolutions, a dense layer and a score.
#[derive(Module, Debug)]
pub struct Energy {
    reader: PictureReader,
    output: Layer,
    #[module(skip)]
    last: ConvolutionShape,
    #[module(skip)]
    config: EnergyConfig,
    #[module(skip)]
    settings: EnergySettings,
}

/// Pictures of which there are no more than this many are all scored.
const ALL: usize = 1 << 16;

impl Energy {
    /// New weights drawn from `seed`. The alphabet of `interface` is that of the colours.
    ///
    /// # Errors
    /// A usage error when a size is invalid.
    pub fn new(
        config: EnergyConfig,
        settings: EnergySettings,
        interface: &Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        if config.colors.len() != interface.alphabet.size {
            return Err(Error::usage("the energy model was made for other colours"));
        }
        let mut init = Init::new(seed, device);
        let planes = planes(&config.colors);
        let (sides, hidden) = (config.sides(), config.hidden);
        let last = dense(hidden, 1);
        Ok(Self {
            reader: PictureReader::new(sides, planes, &config.channels, hidden, &mut init),
            output: Layer::down(&mut init, last),
            last,
            config,
            settings,
        })
    }

    pub(crate) fn config(&self) -> &EnergyConfig {
        &self.config
    }

    /// The scores `[rows]` of pictures `[rows, height · width · planes]`.
    pub(crate) fn scores(&self, pictures: &Tensor<2>) -> Tensor<1> {
        let [rows, _] = pictures.dims();
        let outputs = self.reader.read(pictures);
        let last = outputs.last().expect("a dense layer").clone();
        let scores = self.output.convolve(last, of(&self.last, rows), SLOPE);
        scores.reshape([rows])
    }

    /// The gradients of the pictures' scores.
    pub(crate) fn uphill(&self, pictures: &Tensor<2>) -> Tensor<2> {
        let [rows, _] = pictures.dims();
        let outputs = self.reader.read(pictures);
        let ones = Tensor::ones([rows, 1], &pictures.device());
        let delta = self.output.input_gradient(ones, of(&self.last, rows));
        self.reader.input_gradient(&outputs, delta).pictures
    }

    /// Pictures after Langevin steps, each with noise of its own: x ← x + α ∇f(x) + σ ε, within −1 and 1.
    pub(crate) fn walked(
        &self,
        mut pictures: Tensor<2>,
        steps: usize,
        mut noise: impl FnMut() -> Option<Tensor<2>>,
    ) -> Tensor<2> {
        for _ in 0..steps {
            let uphill = self.uphill(&pictures) * self.settings.step_size;
            pictures = pictures + uphill;
            if let Some(noise) = noise() {
                pictures = pictures + noise * self.settings.noise;
            }
            pictures = pictures.clamp(-1.0, 1.0);
        }
        pictures
    }

    /// The colour of each pixel of every possible picture, `[pictures, pixels]`; `None` where there are too many.
    pub(crate) fn all_pictures(&self) -> Option<Vec<Vec<usize>>> {
        let (colors, pixels) = (
            self.config.colors.len(),
            self.config.width * self.config.height,
        );
        let count = colors.checked_pow(u32::try_from(pixels).ok()?)?;
        if count > ALL {
            return None;
        }
        let digit = |picture: usize, pixel: usize| picture / colors.pow(pixel as u32) % colors;
        let picture = |picture| (0..pixels).map(|pixel| digit(picture, pixel)).collect();
        Some((0..count).map(picture).collect())
    }

    /// Pictures of these colours as numbers, `[pictures, numbers]`.
    pub(crate) fn numbers_of(&self, pictures: &[Vec<usize>], device: &Device) -> Tensor<2> {
        let planes = planes(&self.config.colors);
        let table = brightness(&self.config.colors, planes);
        let pixels = pictures.iter().flatten();
        let numbers = pixels.flat_map(|&at| table[at * planes..(at + 1) * planes].to_vec());
        let shape = [pictures.len(), self.config.numbers()];
        Tensor::from_data(
            TensorData::new(numbers.collect::<Vec<f32>>(), shape),
            device,
        )
    }
}

/// An index drawn with a probability proportional to eˢ for its score s, by the largest of the scores with Gumbel noise (Maddison et
/// al. 2014, "A* sampling", §2).
pub(crate) fn drawn_by_score(scores: &[f32], random: &mut impl Rng) -> usize {
    let mut best = (f64::NEG_INFINITY, 0);
    for (at, &score) in scores.iter().enumerate() {
        let uniform = (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
        let noisy = f64::from(score) - (-uniform.ln()).ln();
        if noisy > best.0 {
            best = (noisy, at);
        }
    }
    best.1
}

impl PictureGenerator for Energy {
    fn latent(&self) -> usize {
        self.config.numbers()
    }

    fn multiply_adds_per_pixel(&self) -> usize {
        let pixels = self.config.width * self.config.height;
        // A step goes through the network and back.
        let steps = 2 * self.steps_of_a_picture();
        (steps * self.reader.multiply_adds()).div_ceil(pixels)
    }

    fn draw(&self, conditions: &[&[f32]]) -> Vec<Vec<[u8; 3]>> {
        /// Pictures at once.
        const TOGETHER: usize = 64;
        let device = device_of(self);
        let colors = &self.config.colors;
        if let Some(all) = self.all_pictures() {
            let scores = values(self.scores(&self.numbers_of(&all, &device)));
            let one = |noise: &&[f32]| {
                let seed = noise.iter().fold(0, |seed: u64, x| {
                    seed.rotate_left(7) ^ u64::from(x.to_bits())
                });
                let at = drawn_by_score(&scores, &mut rng_stream(seed, *b"energies", 0));
                all[at].iter().map(|&color| colors[color]).collect()
            };
            return conditions.iter().map(one).collect();
        }
        let planes = planes(colors);
        let mut drawn = Vec::with_capacity(conditions.len());
        for some in conditions.chunks(TOGETHER) {
            let shape = [some.len(), self.config.numbers()];
            let normal: Tensor<2> =
                Tensor::from_data(TensorData::new(some.concat(), shape), &device);
            // 2 Φ(z) − 1 is uniform.
            let start = (normal * std::f64::consts::FRAC_1_SQRT_2).erf();
            let found = values(self.walked(start, self.steps_of_a_picture(), || None));
            let each = found.chunks(self.config.numbers());
            drawn.extend(each.map(|picture| colors_of(picture, planes)));
        }
        drawn
    }
}

impl Energy {
    /// As many steps as a picture of the pool has gone on average.
    fn steps_of_a_picture(&self) -> usize {
        let updates = (1.0 / self.settings.fresh.max(0.01)).round() as usize;
        self.settings.steps * updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{Alphabet, SideInputs};

    fn energy(sides: [usize; 2], channels: &[usize]) -> Energy {
        let colors = vec![[0; 3], [255; 3]];
        let interface = Interface {
            alphabet: Alphabet {
                size: 2,
                start: 2,
                stop: None,
            },
            side_inputs: SideInputs::default(),
            condition: 0,
        };
        let config = EnergyConfig {
            width: sides[1],
            height: sides[0],
            colors,
            channels: channels.to_vec(),
            hidden: 8,
        };
        Energy::new(
            config,
            EnergySettings::default(),
            &interface,
            1,
            &Device::flex(),
        )
        .unwrap()
    }

    #[test]
    fn a_walk_goes_uphill() {
        let net = energy([8, 8], &[4, 8]);
        let numbers = crate::base::rng::testing::Lcg(1).values(3 * 64, 1.0);
        let start = Tensor::from_data(TensorData::new(numbers, [3, 64]), &Device::flex());
        let before = values(net.scores(&start));
        let after = values(net.scores(&net.walked(start, 50, || None)));
        assert!(
            before.iter().zip(&after).all(|(a, b)| b > a),
            "{before:?} {after:?}"
        );
    }

    #[test]
    fn all_tiny_pictures_are_listed_once_and_drawn_by_their_scores() {
        let net = energy([2, 3], &[4]);
        let all = net.all_pictures().unwrap();
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!((all.len(), different.len()), (64, 64));
        assert!(energy([8, 8], &[4]).all_pictures().is_none());
        let mut random = rng_stream(1, *b"testing ", 0);
        let mut counts = [0_u32; 3];
        for _ in 0..4000 {
            counts[drawn_by_score(&[0.0, 3.0_f32.ln(), 0.0], &mut random)] += 1;
        }
        let shares = counts.map(|count| f64::from(count) / 4000.0);
        for (share, right) in shares.iter().zip([0.2, 0.6, 0.2]) {
            assert!((share - right).abs() < 0.03, "{shares:?}");
        }
    }
}
