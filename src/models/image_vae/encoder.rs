/*! From a picture and its classes to the Gaussian of its latent code. */

use burn::module::Param;
use burn::prelude::*;

use crate::models::Batch;
use crate::models::image_vae::config::ImageVaeConfig;
use crate::models::init::Init;
use crate::models::layers::{Layer, halvings, of};
use crate::models::vae::GaussianTensors;
use crate::ops::{ConvolutionShape, embedding};

/// The pixels' colours, then convolutions or a hidden layer, then a hidden layer that is told the classes, then the
/// Gaussian.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    /// `[colours, embedding]`.
    colors: Param<Tensor<2>>,
    convolutions: Vec<Layer>,
    first: Layer,
    /// Without convolutions.
    second: Option<Layer>,
    mean: Layer,
    log_variance: Layer,
    #[module(skip)]
    shapes: Vec<ConvolutionShape>,
}

impl Encoder {
    pub(super) fn new(
        config: &ImageVaeConfig,
        colors: usize,
        classes: usize,
        init: &mut Init,
    ) -> Self {
        let (embedding, hidden, latent) = (config.embedding, config.hidden, config.latent);
        let shapes = halvings(config.sides(), embedding, &config.channels);
        let read = shapes
            .last()
            .map_or(config.pixels * embedding, |shape| shape.floats()[1]);
        Self {
            colors: init.embedding([colors, embedding]),
            convolutions: shapes
                .iter()
                .map(|&shape| Layer::down(init, shape))
                .collect(),
            first: Layer::dense(init, read + classes, hidden),
            second: shapes
                .is_empty()
                .then(|| Layer::dense(init, hidden, hidden)),
            mean: Layer::dense(init, hidden, latent),
            log_variance: Layer::dense(init, hidden, latent),
            shapes,
        }
    }

    pub(super) fn posteriors(&self, batch: &Batch) -> GaussianTensors {
        let device = self.colors.val().device();
        // A pixel that is not scored has no colour; no picture has one.
        let colors: Vec<i32> = batch.targets.iter().map(|&color| color.max(0)).collect();
        let colors = Tensor::from_data(TensorData::new(colors, [batch.targets.len()]), &device);
        let read = embedding(self.colors.val(), vec![colors]);
        let [_, width] = read.dims();
        let mut read = read.reshape([batch.rows, batch.time * width]);
        for (index, (layer, shape)) in self.convolutions.iter().zip(&self.shapes).enumerate() {
            let slope = if index > 0 { 0.0 } else { 1.0 };
            read = layer.convolve(read, of(shape, batch.rows), slope);
        }
        if let Some(classes) = &batch.condition {
            let shape = [batch.rows, classes.len() / batch.rows];
            let classes = TensorData::new(classes.clone(), shape);
            read = Tensor::cat(vec![read, Tensor::from_data(classes, &device)], 1);
        }
        let mut hidden = self.first.of(read, !self.shapes.is_empty());
        if let Some(second) = &self.second {
            hidden = second.of(hidden, true);
        }
        GaussianTensors {
            mean: self.mean.of(hidden.clone(), true),
            log_variance: self.log_variance.of(hidden, true),
        }
    }
}
