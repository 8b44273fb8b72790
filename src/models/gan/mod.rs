/*!
A generative adversarial network of pictures (Goodfellow et al. 2014, "Generative adversarial nets"), with convolutions of 4×4
pixels (Radford et al. 2016, "DCGAN"); with batch normalisation in the generator and, for the objectives that go with it, in the
discriminator. A trained generator has the statistics of batches in its weights.
The generator makes a picture of noise and classes; the discriminator scores how real a picture of given classes is.
*/

mod config;
mod discriminator;
mod generator;
mod objective;
mod presets;

pub use config::GanConfig;
pub(crate) use discriminator::{Discriminator, Judged};
pub(crate) use generator::Generator;
use generator::Noise;
pub use objective::{AdversarialSettings, NoiseKind, Objective};

use burn::prelude::*;

use crate::error::{Error, Result};
use crate::models::init::Init;
use crate::models::picture_numbers::colors_of;
use crate::models::{Interface, PictureGenerator, device_of, values};

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

/// The standard deviation of initial weights with batch normalisation (Radford et al. 2016, §4).
const NORMALISED: f32 = 0.02;

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
        let init_of = |seed, normalised| {
            let init = Init::new(seed, device);
            // Most outputs are normalised, whatever the size of the weights, and small weights learn faster.
            if normalised {
                init.with_deviation(NORMALISED)
            } else {
                init
            }
        };
        let mut init = init_of(seed, settings.generator_batch_norm);
        let noise = Noise {
            classes,
            uniform: settings.noise == NoiseKind::Uniform,
        };
        let generator = Generator::new(&config, noise, &mut init);
        let mut init = init_of(seed ^ DISCRIMINATOR, settings.batch_norm);
        let discriminator = Discriminator::new(&config, classes, settings, &mut init);
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

    pub(crate) fn has_classes(&self) -> bool {
        self.classes > 0
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
            let each = pictures.chunks(pictures.len() / some.len());
            drawn.extend(each.map(|picture| colors_of(picture, planes)));
        }
        drawn
    }
}
