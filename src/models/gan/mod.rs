/*!
A generative adversarial network of pictures (Goodfellow et al. 2014, "Generative adversarial nets"), with convolutions of 4×4
pixels (Radford et al. 2016, "DCGAN") and without normalisation (Huang et al. 2024, "The GAN is dead; long live the GAN!").
The generator makes a picture of noise and classes; the discriminator scores how real a picture of given classes is.
*/

mod discriminator;
mod generator;
mod objective;
mod presets;

pub(crate) use discriminator::{Discriminator, Judged};
pub(crate) use generator::Generator;
use generator::Noise;
pub use objective::{AdversarialSettings, NoiseKind, Objective};

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::init::Init;
use crate::models::weights::{check_sizes, check_width};
use crate::models::{Interface, PictureGenerator, device_of, values};

/// The slope of every leaky ReLU below zero.
pub(crate) const SLOPE: f32 = 0.2;

/// The size of a GAN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GanConfig {
    /// Pixels in a row.
    pub width: usize,
    /// Pixels in a column.
    pub height: usize,
    /// The colour of each token: red, green and blue.
    pub colors: Vec<[u8; 3]>,
    /// Numbers of a noise vector.
    pub noise: usize,
    /// Channels of convolutions of 4×4 pixels, each of which halves the sides; the generator transposes them.
    pub channels: Vec<usize>,
    /// Units of the dense layer of each network.
    pub hidden: usize,
}

impl GanConfig {
    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("width", self.width, 1 << 12),
            ("height", self.height, 1 << 12),
            ("noise", self.noise, 8192),
            ("hidden", self.hidden, 8192),
        ];
        check_sizes("a GAN", &sizes)?;
        check_width("the number of layers of channels", self.channels.len())?;
        for &channels in &self.channels {
            check_sizes("a GAN", &[("channels", channels, 4096)])?;
        }
        let shortest = self.width.min(self.height);
        if shortest >> self.channels.len() == 0 {
            return Err(Error::usage(format!(
                "{} convolutions cannot halve a side of {shortest} pixels so often",
                self.channels.len()
            ))
            .with_hint("give fewer channels, or larger pictures"));
        }
        Ok(())
    }

    /// Numbers of a pixel: one where all colours are grey, else three.
    pub(crate) fn planes(&self) -> usize {
        let grey = |color: &[u8; 3]| color[0] == color[1] && color[1] == color[2];
        if self.colors.iter().all(grey) { 1 } else { 3 }
    }

    /// The numbers of each token, −1 for dark to 1 for bright, `[tokens, planes]`.
    pub(crate) fn brightness(&self) -> Vec<f32> {
        let planes = self.planes();
        let of = |color: &[u8; 3]| color[..planes].to_vec();
        let all = self.colors.iter().flat_map(of);
        all.map(|value| f32::from(value) / 127.5 - 1.0).collect()
    }

    fn sides(&self) -> [usize; 2] {
        [self.height, self.width]
    }
}

/// Generator and discriminator.
#[derive(Module, Debug)]
pub struct Gan {
    pub(crate) generator: Generator,
    pub(crate) discriminator: Discriminator,
    #[module(skip)]
    config: GanConfig,
    #[module(skip)]
    classes: usize,
}

/// Separates the discriminator's stream of initial weights from the generator's.
const DISCRIMINATOR: u64 = 0x6469_7363_7269_6D00;

impl Gan {
    /// New networks with weights drawn from `seed`. The alphabet of `interface` is that of the colours, and its condition
    /// that of the classes.
    ///
    /// # Errors
    /// A usage error when a size is invalid.
    pub fn new(
        config: GanConfig,
        settings: &AdversarialSettings,
        interface: &Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        if config.colors.len() != interface.alphabet.size {
            return Err(Error::usage(format!(
                "a GAN of {} colours cannot learn pictures of {}",
                config.colors.len(),
                interface.alphabet.size
            )));
        }
        let classes = interface.condition;
        let mut init = Init::new(seed, device);
        let noise = Noise {
            classes,
            uniform: settings.noise == NoiseKind::Uniform,
        };
        let generator = Generator::new(&config, noise, &mut init);
        let mut init = Init::new(seed ^ DISCRIMINATOR, device);
        let discriminator = Discriminator::new(
            &config,
            classes,
            settings.objective.reconstructs(),
            &mut init,
        );
        Ok(Self {
            generator,
            discriminator,
            config,
            classes,
        })
    }

    pub(crate) fn config(&self) -> &GanConfig {
        &self.config
    }

    /// The same with other networks.
    pub(crate) fn with(&self, generator: Generator, discriminator: Discriminator) -> Self {
        Self {
            generator,
            discriminator,
            ..self.clone()
        }
    }
}

impl PictureGenerator for Gan {
    fn latent(&self) -> usize {
        self.config.noise
    }

    fn multiply_adds_per_pixel(&self) -> usize {
        let pixels = self.config.width * self.config.height;
        self.generator.multiply_adds().div_ceil(pixels)
    }

    fn draw(&self, conditions: &[&[f32]]) -> Vec<Vec<[u8; 3]>> {
        /// Pictures at once.
        const TOGETHER: usize = 64;
        let device = device_of(self);
        let planes = self.config.planes();
        let mut drawn = Vec::with_capacity(conditions.len());
        for some in conditions.chunks(TOGETHER) {
            let shape = [some.len(), self.classes + self.config.noise];
            let read = Tensor::from_data(TensorData::new(some.concat(), shape), &device);
            let pictures = values(self.generator.pictures(read));
            let byte = |x: f32| ((x + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
            for picture in pictures.chunks(pictures.len() / some.len()) {
                let pixels = picture.chunks(planes);
                let color =
                    |pixel: &[f32]| [0, 1, 2].map(|plane| byte(pixel[plane.min(planes - 1)]));
                drawn.push(pixels.map(color).collect());
            }
        }
        drawn
    }
}
