/*! What training asks of a variational autoencoder, whatever it encodes. */

use burn::module::Module;
use burn::prelude::*;

use crate::error::Result;
use crate::models::{Batch, Model, SequenceModel};

/// An encoder's posterior of each item of a batch: a Gaussian with a diagonal covariance.
#[derive(Debug, Clone)]
pub(crate) struct GaussianTensors {
    /// `[rows, latent]`.
    pub(crate) mean: Tensor<2>,
    /// ln σ², `[rows, latent]`.
    pub(crate) log_variance: Tensor<2>,
}

impl GaussianTensors {
    /// All rows, this many times in turn.
    pub(crate) fn repeated(&self, times: usize) -> Self {
        Self {
            mean: self.mean.clone().repeat_dim(0, times),
            log_variance: self.log_variance.clone().repeat_dim(0, times),
        }
    }

    /// The same without a gradient.
    pub(crate) fn detached(&self) -> Self {
        Self {
            mean: self.mean.clone().detach(),
            log_variance: self.log_variance.clone().detach(),
        }
    }
}

/// An encoder, and a decoder that is a sequence model whose condition ends with the latent code.
pub trait Vae: Module + SequenceModel {
    /// What one item is called.
    const ITEM: &'static str;
    /// What to try where the decoder ignores the codes.
    const REMEDY: &'static str;
    /// The prefix of the names of the decoder's parameters.
    const DECODER: &'static str = "decoder.";

    /// Dimensions of a latent code.
    fn latent(&self) -> usize;

    /// The posteriors q(z | x) of the items of a batch.
    fn posteriors(&self, batch: &Batch) -> GaussianTensors;

    /// The bag-of-words loss of a batch given codes `[rows, latent]`, in nats, `[1]`; `None` where an item has no words.
    fn bag_of_words(&self, _codes: &Tensor<2>, _batch: &Batch) -> Option<Tensor<1>> {
        None
    }

    /// A network of the same sizes with new weights drawn from `seed`; `device` is without autodiff.
    ///
    /// # Errors
    /// As when it was built.
    fn reinitialised(&self, seed: u64, device: &Device) -> Result<Self>;

    /// As one of all models.
    fn into_model(self) -> Model;

    /// What the decoder reads of a batch: its classes, if it has any, and the codes `[rows, latent]`.
    fn condition(&self, codes: Tensor<2>, batch: &Batch) -> Tensor<2> {
        let Some(classes) = &batch.condition else {
            return codes;
        };
        let classes = TensorData::new(classes.clone(), [batch.rows, classes.len() / batch.rows]);
        let classes = Tensor::from_data(classes, &codes.device());
        Tensor::cat(vec![classes, codes], 1)
    }
}
