/*! What every model with a latent space offers. */

use crate::latent::Posteriors;
use crate::models::sentence_vae::encode;
use crate::models::vae::Vae;
use crate::models::{Batch, ImageVae, SentenceVae, SequenceModel, values};
use crate::sequence::Token;

/// A model that encodes items to latent codes, and whose decoder takes a code at the end of its condition.
pub trait LatentModel {
    /// Dimensions of a latent code.
    fn latent(&self) -> usize;

    /// The approximate posterior q(z | x) of each item, in their order. An item is its tokens, with `stop` where the
    /// alphabet has one, and its class vector, which is empty without classes. The model has to be on a plain device,
    /// without autodiff.
    fn encode(&self, items: &[&[Token]], classes: &[&[f32]]) -> Posteriors;
}

impl LatentModel for SentenceVae {
    fn latent(&self) -> usize {
        Vae::latent(self)
    }

    fn encode(&self, items: &[&[Token]], _classes: &[&[f32]]) -> Posteriors {
        encode(self, items)
    }
}

/// Pictures that are encoded together.
const PICTURES: usize = 64;

impl LatentModel for ImageVae {
    fn latent(&self) -> usize {
        Vae::latent(self)
    }

    fn encode(&self, items: &[&[Token]], classes: &[&[f32]]) -> Posteriors {
        let mut found = Posteriors::new(Vae::latent(self));
        for (items, classes) in items.chunks(PICTURES).zip(classes.chunks(PICTURES)) {
            let batch = Batch::of(items, classes, self.interface().alphabet);
            let posteriors = self.posteriors(&batch);
            found.extend(&values(posteriors.mean), &values(posteriors.log_variance));
        }
        found
    }
}
