/*!
From a latent code to features of each pixel: dense layers or transposed convolutions. With colours made from each pixel's
features alone, pixels are independent given the code: a sequence model that reads no token.
*/

use std::sync::Arc;

use burn::prelude::*;

use crate::error::Result;
use crate::models::image_vae::config::ImageVaeConfig;
use crate::models::init::Init;
use crate::models::layers::{Layer, halvings, of};
use crate::models::weights::check_lanes;
use crate::models::{Interface, SequenceInput, SequenceModel, device_of, values};
use crate::ops::ConvolutionShape;
use crate::sequence::{Alphabet, Stepper, Token};

/// The condition, then a hidden layer, then another or transposed convolutions, then the features of each pixel, then its
/// colour where it draws by itself.
#[derive(Module, Debug)]
pub(super) struct PixelDecoder {
    first: Layer,
    second: Layer,
    /// `[hidden, pixels · embedding]`; without convolutions.
    features: Option<Layer>,
    convolutions: Vec<Layer>,
    /// `[embedding, colours]`; `None` where another network decodes from the features.
    colors: Option<Layer>,
    /// From the narrowest pictures to the widest.
    #[module(skip)]
    shapes: Vec<ConvolutionShape>,
    #[module(skip)]
    sizes: Sizes,
    #[module(skip)]
    interface: Interface,
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    pixels: usize,
    embedding: usize,
    hidden: usize,
}

impl PixelDecoder {
    pub(super) fn new(config: &ImageVaeConfig, interface: Interface, init: &mut Init) -> Self {
        let ImageVaeConfig {
            pixels,
            embedding,
            hidden,
            ..
        } = *config;
        let mut shapes = halvings(config.sides(), embedding, &config.channels);
        shapes.reverse();
        let narrowest = shapes.first().map_or(hidden, |shape| shape.floats()[1]);
        Self {
            first: Layer::dense(init, interface.condition, hidden),
            second: Layer::dense(init, hidden, narrowest),
            features: shapes
                .is_empty()
                .then(|| Layer::dense(init, hidden, pixels * embedding)),
            convolutions: shapes.iter().map(|&shape| Layer::up(init, shape)).collect(),
            colors: config
                .decoder
                .is_none()
                .then(|| Layer::dense(init, embedding, interface.alphabet.size)),
            shapes,
            sizes: Sizes {
                pixels,
                embedding,
                hidden,
            },
            interface,
        }
    }

    /// The features of all pixels, `[rows, pixels · embedding]`, under conditions `[rows, condition]`.
    pub(super) fn features(&self, conditions: Tensor<2>) -> Tensor<2> {
        let [rows, _] = conditions.dims();
        let mut x = self.second.of(self.first.of(conditions, false), true);
        if let Some(features) = &self.features {
            x = features.of(x, true);
        }
        for (layer, shape) in self.convolutions.iter().zip(&self.shapes) {
            x = layer.transpose(x, of(shape, rows), 0.0);
        }
        x
    }

    /// The colours of pixels with these features, `[pixels, colours]`.
    fn colors(&self, features: Tensor<2>) -> Tensor<2> {
        let colors = self.colors.as_ref().expect("this decoder draws by itself");
        colors.of(features, false)
    }

    fn stepper_on(&self, lanes: usize, device: &Device) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(PictureStepper {
            features: FeatureReader::new(self, lanes, device)?,
            logits: Vec::new(),
        }))
    }
}

impl SequenceModel for PixelDecoder {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn logits(&self, input: SequenceInput) -> Tensor<3> {
        let [batch, time] = input.tokens.dims();
        let Sizes {
            pixels, embedding, ..
        } = self.sizes;
        let condition = input.condition.unwrap_or_else(|| {
            Tensor::zeros([batch, self.interface.condition], &input.tokens.device())
        });
        let features = self.features(condition);
        let logits = self.colors(features.reshape([batch * pixels, embedding]));
        let logits: Tensor<3> = logits.reshape([batch, pixels, self.interface.alphabet.size]);
        assert!(time <= pixels, "a picture has {pixels} pixels, not {time}");
        // The gradient of `narrow` is a copy.
        if time == pixels {
            logits
        } else {
            logits.narrow(1, 0, time)
        }
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.stepper_on(lanes, &Device::flex())
    }

    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.stepper_on(lanes, &device_of(self))
    }

    fn multiply_adds_per_step(&self) -> usize {
        let Sizes {
            pixels,
            embedding,
            hidden,
        } = self.sizes;
        let narrowest = self.shapes.first().map_or(hidden, |s| s.floats()[1]);
        let mut of_picture = hidden * (self.interface.condition + narrowest);
        if self.features.is_some() {
            of_picture += hidden * pixels * embedding;
        }
        for shape in &self.shapes {
            let [rows, columns] = shape.narrow();
            of_picture += rows * columns * shape.depth() * shape.channels[1];
        }
        let colors = self
            .colors
            .as_ref()
            .map_or(0, |_| embedding * self.interface.alphabet.size);
        of_picture.div_ceil(pixels) + colors
    }
}

/// Reads the features of pictures pixel by pixel. All pictures whose condition is new are computed together when the next
/// pixel is read.
pub(super) struct FeatureReader {
    net: PixelDecoder,
    device: Device,
    lanes: Vec<Lane>,
}

#[derive(Clone)]
struct Lane {
    condition: Arc<Vec<f32>>,
    /// `[pixels · embedding]`; `None` until they are computed.
    features: Option<Arc<Vec<f32>>>,
    /// The pixel of the next step.
    pixel: usize,
}

impl FeatureReader {
    pub(super) fn new(net: &PixelDecoder, lanes: usize, device: &Device) -> Result<Self> {
        check_lanes(lanes)?;
        let lane = Lane {
            condition: Arc::new(vec![0.0; net.interface.condition]),
            features: None,
            pixel: 0,
        };
        Ok(Self {
            net: net.clone().to_device(device),
            device: device.clone(),
            lanes: vec![lane; lanes],
        })
    }

    /// Starts a picture.
    pub(super) fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.recondition(lane, condition);
        self.lanes[lane].pixel = 0;
    }

    pub(super) fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        let zeros = vec![0.0; self.net.interface.condition];
        let lane = &mut self.lanes[lane];
        lane.condition = Arc::new(condition.map_or(zeros, <[f32]>::to_vec));
        lane.features = None;
    }

    pub(super) fn gather(&mut self, parents: &[usize]) {
        assert_eq!(parents.len(), self.lanes.len(), "one parent per lane");
        self.lanes = parents
            .iter()
            .map(|&parent| self.lanes[parent].clone())
            .collect();
    }

    /// The number and the features `[embedding]` of the next pixel of each lane; all of them have to be taken.
    pub(super) fn read_pixels(&mut self) -> impl Iterator<Item = (usize, &[f32])> {
        self.compute();
        let Sizes {
            pixels, embedding, ..
        } = self.net.sizes;
        self.lanes.iter_mut().map(move |lane| {
            let features = lane.features.as_ref().expect("computed above");
            let pixel = lane.pixel;
            lane.pixel += 1;
            let from = pixel.min(pixels - 1) * embedding;
            (pixel, &features[from..from + embedding])
        })
    }

    /// Computes the pictures that are missing.
    fn compute(&mut self) {
        /// Pictures at once.
        const TOGETHER: usize = 64;
        let width = self.net.interface.condition;
        let missing = self.lanes.iter_mut().filter(|lane| lane.features.is_none());
        let mut missing: Vec<&mut Lane> = missing.collect();
        for lanes in missing.chunks_mut(TOGETHER) {
            let conditions = lanes.iter().flat_map(|lane| lane.condition.iter().copied());
            let conditions = TensorData::new(conditions.collect::<Vec<_>>(), [lanes.len(), width]);
            let features = self
                .net
                .features(Tensor::from_data(conditions, &self.device));
            let features = values(features);
            let each = features.chunks_exact(features.len() / lanes.len());
            for (lane, features) in lanes.iter_mut().zip(each) {
                lane.features = Some(Arc::new(features.to_vec()));
            }
        }
    }
}

struct PictureStepper {
    features: FeatureReader,
    logits: Vec<f32>,
}

impl Stepper for PictureStepper {
    fn alphabet(&self) -> Alphabet {
        self.features.net.interface.alphabet
    }

    fn lanes(&self) -> usize {
        self.features.lanes.len()
    }

    fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.features.reset(lane, condition);
    }

    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.features.recondition(lane, condition);
    }

    fn step(&mut self, tokens: &[Token]) -> &[f32] {
        assert_eq!(tokens.len(), self.lanes(), "one token per lane");
        let features = self.features.read_pixels().map(|(_, features)| features);
        let read = features.collect::<Vec<_>>().concat();
        let shape = [tokens.len(), read.len() / tokens.len()];
        let FeatureReader { net, device, .. } = &self.features;
        let read = Tensor::from_data(TensorData::new(read, shape), device);
        self.logits = values(net.colors(read));
        &self.logits
    }

    fn gather(&mut self, parents: &[usize]) {
        self.features.gather(parents);
    }
}
