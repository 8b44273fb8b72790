/*!
A decoder that predicts pixel by pixel. What the code says is a picture too: features of each pixel, which an autoregressive
network is told when it predicts that pixel (Gulrajani et al. 2017, "PixelVAE").
*/

use burn::prelude::*;

use crate::error::Result;
use crate::models::image_vae::config::ImageVaeConfig;
use crate::models::image_vae::pixel_decoder::{FeatureReader, PixelDecoder};
use crate::models::init::Init;
use crate::models::wavenet::Calibration;
use crate::models::{
    Interface, Model, Recurrent, SequenceConfig, SequenceInput, SequenceModel, WaveNet, device_of,
    values,
};
use crate::sequence::{Alphabet, Conditions, Stepper, Token};

#[derive(Module, Debug)]
pub(super) struct GuidedDecoder {
    guide: PixelDecoder,
    core: Core,
}

#[derive(Module, Debug)]
enum Core {
    WaveNet(WaveNet),
    Recurrent(Recurrent),
}

impl GuidedDecoder {
    pub(super) fn new(
        config: &ImageVaeConfig,
        core: &SequenceConfig,
        interface: Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let told = Interface {
            condition: config.guide(),
            ..interface.clone()
        };
        let core = match core.build(told, seed, device)? {
            Model::WaveNet(net) => Core::WaveNet(net),
            Model::Recurrent(net) => Core::Recurrent(net),
            _ => unreachable!("a sequence network builds one of these"),
        };
        let sizes = ImageVaeConfig {
            embedding: config.guide(),
            ..config.clone()
        };
        let mut init = Init::new(seed ^ GUIDE, device);
        Ok(Self {
            guide: PixelDecoder::new(&sizes, interface, &mut init),
            core,
        })
    }

    fn core(&self) -> &dyn SequenceModel {
        match &self.core {
            Core::WaveNet(net) => net,
            Core::Recurrent(net) => net,
        }
    }

    /// Features of a pixel.
    fn width(&self) -> usize {
        self.core().interface().condition
    }

    /// The features of the first `time` pixels under conditions `[rows, condition]`, `[rows · time, width]`.
    fn features(&self, conditions: Tensor<2>, time: usize) -> Tensor<2> {
        let [rows, _] = conditions.dims();
        let features = self.guide.features(conditions);
        let [_, all] = features.dims();
        let width = self.width();
        assert!(time * width <= all, "a picture has fewer pixels");
        let features = features.narrow(1, 0, time * width);
        features.reshape([rows * time, width])
    }

    /// What the core reads.
    fn guided(&self, input: SequenceInput) -> SequenceInput {
        let [rows, time] = input.tokens.dims();
        let condition = input.condition.unwrap_or_else(|| {
            Tensor::zeros([rows, self.interface().condition], &input.tokens.device())
        });
        SequenceInput {
            condition: Some(self.features(condition, time)),
            ..input
        }
    }

    fn stepper_of(
        &self,
        core: Box<dyn Stepper>,
        lanes: usize,
        device: &Device,
    ) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(GuidedStepper {
            features: FeatureReader::new(&self.guide, lanes, device)?,
            core,
        }))
    }
}

/// Separates the guide's stream of initial weights from the core's.
const GUIDE: u64 = 0x6775_6964_6500_0000;

impl SequenceModel for GuidedDecoder {
    fn interface(&self) -> &Interface {
        self.guide.interface()
    }

    fn logits(&self, input: SequenceInput) -> Tensor<3> {
        self.core().logits(self.guided(input))
    }

    fn training_logits(&self, input: SequenceInput, seed: u64) -> Tensor<3> {
        self.core().training_logits(self.guided(input), seed)
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.stepper_of(self.core().stepper(lanes)?, lanes, &Device::flex())
    }

    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        let core = self.core().batched_stepper(lanes)?;
        self.stepper_of(core, lanes, &device_of(self))
    }

    fn multiply_adds_per_step(&self) -> usize {
        self.guide.multiply_adds_per_step() + self.core().multiply_adds_per_step()
    }

    fn calibrate(&self, sequences: &[(&[Token], Conditions)]) -> Result<Option<Calibration>> {
        let device = device_of(self);
        let told = |(tokens, conditions): &(&[Token], Conditions)| {
            let zeros = vec![0.0; self.interface().condition];
            let condition = conditions.first().map_or(zeros, <[f32]>::to_vec);
            let shape = [1, condition.len()];
            let condition = Tensor::from_data(TensorData::new(condition, shape), &device);
            values(self.features(condition, tokens.len()))
        };
        let told: Vec<Vec<f32>> = sequences.iter().map(told).collect();
        let sequences: Vec<(&[Token], Conditions)> = sequences
            .iter()
            .zip(&told)
            .map(|((tokens, _), told)| (*tokens, Conditions::held(told, self.width(), Some(1))))
            .collect();
        self.core().calibrate(&sequences)
    }

    fn int8_stepper(&self, calibration: &Calibration, lanes: usize) -> Result<Box<dyn Stepper>> {
        let core = self.core().int8_stepper(calibration, lanes)?;
        self.stepper_of(core, lanes, &Device::flex())
    }
}

struct GuidedStepper {
    features: FeatureReader,
    core: Box<dyn Stepper>,
}

impl Stepper for GuidedStepper {
    fn alphabet(&self) -> Alphabet {
        self.core.alphabet()
    }

    fn lanes(&self) -> usize {
        self.core.lanes()
    }

    fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.features.reset(lane, condition);
    }

    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.features.recondition(lane, condition);
    }

    fn step(&mut self, tokens: &[Token]) -> &[f32] {
        for (lane, (pixel, features)) in self.features.read_pixels().enumerate() {
            // The first features also set the initial state of a recurrent network.
            match pixel {
                0 => self.core.reset(lane, Some(features)),
                _ => self.core.recondition(lane, Some(features)),
            }
        }
        self.core.step(tokens)
    }

    fn gather(&mut self, parents: &[usize]) {
        self.features.gather(parents);
        self.core.gather(parents);
    }
}
