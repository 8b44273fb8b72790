/*! How a VAE is trained: the weights of the parts of its evidence lower bound (ELBO) over a run. */

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The schedule of a VAE's training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElboSettings {
    /// The share of all steps that train an autoencoder: the KL divergence has almost no weight.
    pub autoencoder: f64,
    /// The share of all steps, after these, in which the KL weight rises to 1.
    pub ramp: f64,
    /// Whether the decoder is re-initialised after the autoencoder phase.
    pub reset_decoder: bool,
    /// Nats of the KL divergence that are not penalised, spread evenly over the dimensions. The KL divergence of the
    /// trained model is about this where they do not fall.
    pub free_nats: f64,
    /// The share of all steps, the last ones, in which these nats fall to 0: a decoder that has learned to read the code needs
    /// them no longer, and dimensions that carry nothing may then cost nothing.
    #[serde(default)]
    pub free_nats_fall: f64,
    /// The probability that the decoder reads `start` instead of a word.
    pub word_dropout: f64,
    /// The first weight of the bag-of-words loss: predicting a sentence's words from its latent code, in any order. It
    /// falls to 0 until the KL weight is 1.
    pub bag_of_words: f64,
    /// The KL weight at the end, β (Higgins et al. 2017, β-VAE): 1 for the ELBO. 0 makes a plain autoencoder, without noise on
    /// its codes.
    #[serde(default = "one")]
    pub beta: f64,
    /// Codes of each item, K: with more than one, the objective is −ln of the mean of their importance weights, a tighter bound
    /// on the likelihood (Burda et al. 2016, "Importance weighted autoencoders", eq. 8).
    #[serde(default = "one_code", skip_serializing_if = "is_one")]
    pub codes: usize,
}

fn one() -> f64 {
    1.0
}

fn one_code() -> usize {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(codes: &usize) -> bool {
    *codes == 1
}

impl ElboSettings {
    /// Whether it trains a plain autoencoder.
    pub fn is_autoencoder(&self) -> bool {
        self.beta == 0.0
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// A usage error naming what is wrong.
    pub fn validate(&self) -> Result<()> {
        let refuse = |what: String, hint: &str| Err(Error::usage(what).with_hint(hint));
        let share = |x: f64| (0.0..1.0).contains(&x);
        let (phase, ramp) = (self.autoencoder, self.ramp);
        if !(share(phase) && share(ramp) && phase + ramp <= 1.0) {
            return refuse(
                format!("an autoencoder phase of {phase} and a ramp of {ramp} cannot work"),
                "both are shares of all steps, together at most 1",
            );
        }
        if !(0.0..=1.0).contains(&self.free_nats_fall) {
            return refuse(
                format!("elbo.free_nats_fall = {} cannot work", self.free_nats_fall),
                "it is a share of all steps, from 0 to 1",
            );
        }
        if !share(self.word_dropout) {
            return refuse(
                format!("a word dropout of {} cannot work", self.word_dropout),
                "it is a probability from 0 to below 1",
            );
        }
        for (name, value) in [
            ("free_nats", self.free_nats),
            ("bag_of_words", self.bag_of_words),
            ("beta", self.beta),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(
                    format!("elbo.{name} = {value} cannot work"),
                    "it is a number from 0 up",
                );
            }
        }
        let codes = self.codes;
        if !(1..=1000).contains(&codes) {
            return refuse(
                format!("{codes} codes of each item cannot work"),
                "their number, --iw, is from 1 to 1000",
            );
        }
        if codes > 1 && (self.is_autoencoder() || self.free_nats > 0.0 || self.bag_of_words > 0.0) {
            return refuse(
                format!("{codes} codes of each item need the bound alone as the objective"),
                "set free_nats = 0 and bag_of_words = 0 in [elbo] of --config and omit --autoencoder, or use one code",
            );
        }
        Ok(())
    }
}
