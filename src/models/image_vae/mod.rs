/*!
A variational autoencoder of pictures (Kingma & Welling 2014, "Auto-encoding variational Bayes"). Dense layers or convolutions
map a picture to a Gaussian over latent codes. A code is decoded to a distribution over the colours of each pixel: of all
pixels at once, independent given the code, or by an autoregressive network that is told features of each pixel,
made from the code, and the pixels before (Gulrajani et al. 2017, "PixelVAE").
*/

mod config;
mod encoder;
mod guided_decoder;
mod pixel_decoder;
mod presets;

pub use config::{ImageDecoder, ImageVaeConfig};

use burn::prelude::*;

use crate::error::Result;
use crate::models::init::Init;
use crate::models::vae::{GaussianTensors, Vae};
use crate::models::wavenet::Calibration;
use crate::models::weights::check_width;
use crate::models::{Batch, Interface, Model, SequenceInput, SequenceModel};
use crate::sequence::{Conditions, SideInputs, Stepper, Token};
use encoder::Encoder;
use guided_decoder::GuidedDecoder;
use pixel_decoder::PixelDecoder;

/// Encoder and decoder. As a [`SequenceModel`] it is its decoder, conditioned on the classes and then the latent code.
#[derive(Module, Debug)]
pub struct ImageVae {
    encoder: Encoder,
    decoder: Decoder,
    #[module(skip)]
    config: ImageVaeConfig,
}

#[derive(Module, Debug)]
enum Decoder {
    Pixels(PixelDecoder),
    Guided(GuidedDecoder),
}

/// Separates the encoder's stream of initial weights from the decoder's.
const ENCODER: u64 = 0x656E_636F_6465_7200;

impl ImageVae {
    /// A new network with weights drawn from `seed`. The condition of `interface` is that of the classes; its side inputs
    /// are those of an autoregressive decoder.
    ///
    /// # Errors
    /// A usage error when a size is invalid.
    pub fn new(
        config: ImageVaeConfig,
        interface: Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (colors, classes) = (interface.alphabet.size, interface.condition);
        check_width("the number of colours", colors)?;
        let config = ImageVaeConfig {
            embedding: config.embedding.min(colors - 1).max(1),
            ..config
        };
        let encoder = Encoder::new(
            &config,
            colors,
            classes,
            &mut Init::new(seed ^ ENCODER, device),
        );
        let mut interface = Interface {
            condition: classes + config.latent,
            ..interface
        };
        let decoder = match &config.decoder {
            None => {
                interface.side_inputs = SideInputs::default();
                let mut init = Init::new(seed, device);
                Decoder::Pixels(PixelDecoder::new(&config, interface, &mut init))
            }
            Some(core) => {
                Decoder::Guided(GuidedDecoder::new(&config, core, interface, seed, device)?)
            }
        };
        Ok(Self {
            encoder,
            decoder,
            config,
        })
    }

    /// Whether the pixels of a picture are independent given a code.
    pub(crate) fn has_independent_pixels(&self) -> bool {
        self.config.has_independent_pixels()
    }

    fn decoder(&self) -> &dyn SequenceModel {
        match &self.decoder {
            Decoder::Pixels(net) => net,
            Decoder::Guided(net) => net,
        }
    }
}

impl Vae for ImageVae {
    const ITEM: &'static str = "picture";
    const REMEDY: &'static str = "train for longer, or lower --beta";

    fn latent(&self) -> usize {
        self.config.latent
    }

    fn posteriors(&self, batch: &Batch) -> GaussianTensors {
        assert_eq!(batch.time, self.config.pixels, "whole pictures");
        self.encoder.posteriors(batch)
    }

    fn reinitialised(&self, seed: u64, device: &Device) -> Result<Self> {
        let interface = self.interface().clone();
        let interface = Interface {
            condition: interface.condition - self.config.latent,
            ..interface
        };
        Self::new(self.config.clone(), interface, seed, device)
    }

    fn into_model(self) -> Model {
        Model::ImageVae(self)
    }
}

impl SequenceModel for ImageVae {
    fn interface(&self) -> &Interface {
        self.decoder().interface()
    }

    fn logits(&self, input: SequenceInput) -> Tensor<3> {
        self.decoder().logits(input)
    }

    fn training_logits(&self, input: SequenceInput, seed: u64) -> Tensor<3> {
        self.decoder().training_logits(input, seed)
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.decoder().stepper(lanes)
    }

    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.decoder().batched_stepper(lanes)
    }

    fn multiply_adds_per_step(&self) -> usize {
        self.decoder().multiply_adds_per_step()
    }

    fn calibrate(&self, sequences: &[(&[Token], Conditions)]) -> Result<Option<Calibration>> {
        self.decoder().calibrate(sequences)
    }

    fn int8_stepper(&self, calibration: &Calibration, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.decoder().int8_stepper(calibration, lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{
        ALPHABET, scrambled, with_batched_stepper, with_clocks, with_cpu_stepper,
    };
    use crate::models::{RecurrentConfig, SequenceConfig, WaveNetConfig, values};
    use crate::sequence::conformance;

    fn dense() -> ImageVaeConfig {
        ImageVaeConfig {
            pixels: 64,
            width: 8,
            latent: 3,
            embedding: 5,
            channels: Vec::new(),
            hidden: 9,
            guide: Some(6),
            decoder: None,
        }
    }

    fn convolutional() -> ImageVaeConfig {
        ImageVaeConfig {
            channels: vec![4, 6],
            ..dense()
        }
    }

    fn with_core(core: SequenceConfig) -> ImageVaeConfig {
        ImageVaeConfig {
            decoder: Some(core),
            ..convolutional()
        }
    }

    fn cores() -> [ImageVaeConfig; 2] {
        let wavenet = WaveNetConfig {
            layers: 3,
            cycle: 2,
            dilations: vec![1, 7, 8],
            residual: 4,
            skip: 5,
            head: 6,
        };
        let recurrent = RecurrentConfig {
            embedding: 4,
            hidden: 5,
            layers: 1,
            tied: false,
            dropout: 0.0,
            stride: 1,
        };
        [
            with_core(SequenceConfig::WaveNet(wavenet)),
            with_core(SequenceConfig::Lstm(recurrent)),
        ]
    }

    fn net(config: ImageVaeConfig, classes: usize) -> ImageVae {
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: with_clocks(vec![8]),
            condition: classes,
        };
        scrambled(ImageVae::new(config, interface, 1, &Device::flex()).unwrap())
    }

    #[test]
    fn its_decoder_passes_every_law_of_a_sequence_model() {
        for classes in [0, 2] {
            for config in [dense(), convolutional()] {
                let net = || net(config.clone(), classes);
                conformance::check_all_without_tokens(&with_cpu_stepper(net()));
                conformance::check_all_without_tokens(&with_batched_stepper(net()));
            }
            for config in cores() {
                let net = || net(config.clone(), classes);
                conformance::check_all(&with_cpu_stepper(net()));
                conformance::check_all(&with_batched_stepper(net()));
            }
        }
    }

    fn batch(pictures: &[Vec<u32>], classes: &[Vec<f32>]) -> Batch {
        let views: Vec<&[u32]> = pictures.iter().map(Vec::as_slice).collect();
        let classes: Vec<&[f32]> = classes.iter().map(Vec::as_slice).collect();
        Batch::of(&views, &classes, ALPHABET)
    }

    #[test]
    fn a_posterior_depends_on_its_picture_and_class_and_on_nothing_else() {
        for config in [dense(), convolutional()] {
            let net = net(config, 2);
            let mut random = crate::base::rng::testing::Lcg(5);
            let pictures: Vec<Vec<u32>> =
                (0..3).map(|_| random.tokens(64, ALPHABET.size)).collect();
            let classes = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 0.0]];
            let means = |batch: &Batch| values(net.posteriors(batch).mean);
            let all = means(&batch(&pictures, &classes));
            let alone = means(&batch(&pictures[1..2], &classes[1..2]));
            assert_eq!(all[3..6], alone[..]);
            let other_class = means(&batch(&pictures[1..2], &classes[..1]));
            assert_ne!(alone, other_class);
            let mut changed = pictures[1].clone();
            changed[63] = (changed[63] + 1) % ALPHABET.size as u32;
            assert_ne!(alone, means(&batch(&[changed], &classes[1..2])));
        }
    }

    #[test]
    fn a_picture_depends_on_its_code_and_on_its_class() {
        for config in [dense(), convolutional()].into_iter().chain(cores()) {
            let net = net(config, 2);
            let logits = |condition: [f32; 5]| {
                let mut stepper = net.stepper(1).unwrap();
                stepper.reset(0, Some(&condition));
                stepper.step(&[ALPHABET.start]).to_vec()
            };
            let first = logits([1.0, 0.0, 0.5, 0.5, 0.5]);
            assert_ne!(first, logits([0.0, 1.0, 0.5, 0.5, 0.5]));
            for code in [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]] {
                assert_ne!(first, logits([1.0, 0.0, code[0], code[1], code[2]]));
            }
        }
    }

    #[test]
    fn a_decoder_that_reads_several_pixels_in_one_step_is_refused() {
        let [_, mut config] = cores();
        config.validate().unwrap();
        let Some(SequenceConfig::Lstm(core)) = &mut config.decoder else {
            panic!("the second core is an LSTM");
        };
        core.stride = 2;
        assert!(config.validate().unwrap_err().is_usage());
    }

    #[test]
    fn convolutions_of_a_picture_that_is_too_small_are_refused() {
        let config = ImageVaeConfig {
            channels: vec![4; 4],
            ..convolutional()
        };
        assert!(config.validate().unwrap_err().is_usage());
        let odd = ImageVaeConfig {
            width: 7,
            ..convolutional()
        };
        assert!(odd.validate().unwrap_err().is_usage());
    }
}
