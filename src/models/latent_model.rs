/*! What every model with a latent space offers. */

use crate::latent::{Normals, Posteriors};
use crate::models::SentenceVae;
use crate::models::sentence_vae::encode;
use crate::sequence::Token;

/// A model that encodes items to latent codes, and whose decoder takes a code as its condition.
pub trait LatentModel {
    /// Dimensions of a latent code.
    fn latent(&self) -> usize;

    /// The approximate posterior q(z | x) of each item, in their order. An item is its tokens, with `stop` where the
    /// alphabet has one. The model has to be on a plain device, without autodiff.
    fn encode(&self, items: &[&[Token]]) -> Posteriors;

    /// A latent code from the prior N(0, I): a function of the seed and the stream's number.
    fn draw(&self, seed: u64, stream: u64) -> Vec<f32> {
        Normals::new(*b"prior   ", seed, stream).code(self.latent())
    }
}

impl LatentModel for SentenceVae {
    fn latent(&self) -> usize {
        self.latent()
    }

    fn encode(&self, items: &[&[Token]]) -> Posteriors {
        encode(self, items)
    }
}
