/*!
Colours grey pictures (Isola et al. 2017, "Image-to-image translation with conditional adversarial networks"): a U-Net finds the
chroma of each pixel, and a discriminator judges parts of the coloured picture.
*/

mod chroma;
mod config;
mod patch_discriminator;
mod presets;
mod u_net;

pub use chroma::{color_of, grey_of_color};
pub(crate) use chroma::{coloured, grey_of};
pub use config::{ColorizerConfig, ColorizerSettings};
pub(crate) use patch_discriminator::PatchDiscriminator;
pub(crate) use u_net::UNet;

use burn::prelude::*;

use crate::error::Result;
use crate::models::init::Init;
use crate::models::{device_of, values};

/// A U-Net and its discriminator.
#[derive(Module, Debug)]
pub struct Colorizer {
    pub(crate) generator: UNet,
    pub(crate) discriminator: PatchDiscriminator,
    #[module(skip)]
    config: ColorizerConfig,
}

/// Separates the discriminator's stream of initial weights from the generator's.
const DISCRIMINATOR: u64 = 0x6469_7363_7269_6D01;

impl Colorizer {
    /// New networks with weights drawn from `seed`.
    ///
    /// # Errors
    /// A usage error when a size is invalid, or all colours are grey.
    pub fn new(config: ColorizerConfig, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let generator = UNet::new(&config, &mut Init::new(seed, device));
        let mut init = Init::new(seed ^ DISCRIMINATOR, device);
        let discriminator = PatchDiscriminator::new(&config, &mut init);
        Ok(Self {
            generator,
            discriminator,
            config,
        })
    }

    pub(crate) fn config(&self) -> &ColorizerConfig {
        &self.config
    }

    /// The same with other networks.
    pub(crate) fn with(&self, generator: UNet, discriminator: PatchDiscriminator) -> Self {
        Self {
            generator,
            discriminator,
            config: self.config.clone(),
        }
    }

    /// Pixels of a picture.
    pub(crate) fn pixels(&self) -> usize {
        self.config.width * self.config.height
    }

    /// Multiply-adds of a picture.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.generator.multiply_adds()
    }

    /// The chroma of each pixel of pictures of its size, of which only the grey is read: red, green and blue of each pixel,
    /// row by row.
    pub fn chroma(&self, pictures: &[Vec<[u8; 3]>]) -> Vec<Vec<[f32; 2]>> {
        /// Pictures at once.
        const TOGETHER: usize = 64;
        let device = device_of(self);
        let mut found = Vec::with_capacity(pictures.len());
        for some in pictures.chunks(TOGETHER) {
            let greys = some.iter().flatten();
            let greys: Vec<f32> = greys.map(|&c| grey_of_color(c) / 127.5 - 1.0).collect();
            let greys = TensorData::new(greys, [some.len(), self.pixels()]);
            let chroma = values(self.generator.chroma(Tensor::from_data(greys, &device)));
            let pixels: Vec<[f32; 2]> =
                chroma.chunks(u_net::CHROMA).map(|c| [c[0], c[1]]).collect();
            found.extend(pixels.chunks(self.pixels()).map(<[_]>::to_vec));
        }
        found
    }

    /// The greys of a picture: all that is read of it.
    pub fn greys(picture: &[[u8; 3]]) -> Vec<[u8; 3]> {
        let grey = |&color: &[u8; 3]| [grey_of_color(color).round() as u8; 3];
        picture.iter().map(grey).collect()
    }

    /// The pictures with the colours that it finds for their greys.
    pub fn color(&self, pictures: &[Vec<[u8; 3]>]) -> Vec<Vec<[u8; 3]>> {
        let chroma = self.chroma(pictures);
        let color =
            |(&color, &chroma): (&[u8; 3], &[f32; 2])| color_of(grey_of_color(color), chroma);
        let pairs = pictures.iter().zip(&chroma);
        pairs
            .map(|(picture, chroma)| picture.iter().zip(chroma).map(color).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colorizer(sides: [usize; 2], channels: &[usize]) -> Colorizer {
        let config = ColorizerConfig {
            width: sides[1],
            height: sides[0],
            colors: vec![[255, 0, 0], [0, 0, 0]],
            channels: channels.to_vec(),
        };
        Colorizer::new(config, 1, &Device::flex()).unwrap()
    }

    #[test]
    fn every_size_has_a_colour_for_each_pixel_and_keeps_its_grey() {
        for (sides, channels) in [
            ([8, 8], &[4, 8][..]),
            ([9, 13], &[4, 8, 8]),
            ([20, 20], &[4]),
        ] {
            let net = colorizer(sides, channels);
            let pixels = sides[0] * sides[1];
            let picture: Vec<[u8; 3]> = (0..pixels).map(|i| [(i % 200 + 20) as u8; 3]).collect();
            let made = net.color(std::slice::from_ref(&picture));
            assert_eq!(made[0].len(), pixels);
            for (a, b) in picture.iter().zip(&made[0]) {
                // Colours are rounded to whole numbers.
                assert!(
                    (grey_of_color(*a) - grey_of_color(*b)).abs() < 1.0,
                    "{a:?} {b:?}"
                );
            }
            let scores = net
                .discriminator
                .scores(&Tensor::zeros([2, pixels * 3], &Device::flex()));
            assert_eq!(scores.dims()[0], 2);
        }
    }

    #[test]
    fn the_colours_of_a_picture_do_not_depend_on_its_neighbours_in_a_batch_or_on_its_own_colours() {
        let net = colorizer([8, 8], &[4, 8]);
        let pictures: Vec<Vec<[u8; 3]>> = (0..70)
            .map(|n| {
                (0..64)
                    .map(|i| [((n * 7 + i * 3) % 256) as u8; 3])
                    .collect()
            })
            .collect();
        let all = net.chroma(&pictures);
        assert_eq!(all[66], net.chroma(&pictures[66..67])[0]);
        let [red, same] = [[200, 0, 0], [grey_of_color([200, 0, 0]).round() as u8; 3]];
        let [a, b] = [red, same].map(|color| net.chroma(&[vec![color; 64]])[0][9]);
        assert!((a[0] - b[0]).abs() < 0.01 && (a[1] - b[1]).abs() < 0.01);
    }
}
