/*! What a GAN is trained for, and the defaults of each objective. */

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An adversarial objective (Lucic et al. 2018, "Are GANs created equal?", table 1, and two later ones).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Non-saturating: the generator maximises ln D (Goodfellow et al. 2014, §3).
    Ns,
    /// Minimax: the generator minimises ln (1 − D) (ibid., eq. 1).
    Mm,
    /// Least squares (Mao et al. 2017).
    Lsgan,
    /// Wasserstein, the discriminator's weights cut to a small range (Arjovsky et al. 2017).
    Wgan,
    /// Wasserstein with a penalty on gradients between real and made pictures (Gulrajani et al. 2017).
    WganGp,
    /// Non-saturating with a penalty on gradients round real pictures (Kodali et al. 2017).
    Dragan,
    /// The discriminator is an autoencoder; a controller balances both (Berthelot et al. 2017).
    Began,
    /// Relativistic, with penalties on gradients at real and at made pictures (Huang et al. 2024).
    R3gan,
}

/// All objectives, by their names on the command line.
pub(crate) const OBJECTIVES: [(&str, Objective); 8] = [
    ("ns", Objective::Ns),
    ("mm", Objective::Mm),
    ("lsgan", Objective::Lsgan),
    ("wgan", Objective::Wgan),
    ("wgan-gp", Objective::WganGp),
    ("dragan", Objective::Dragan),
    ("began", Objective::Began),
    ("r3gan", Objective::R3gan),
];

/// How noise is distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseKind {
    /// N(0, 1).
    #[default]
    Gaussian,
    /// Uniform from −1 to 1.
    Uniform,
}

/// How a GAN is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversarialSettings {
    /// What both networks are trained for.
    pub objective: Objective,
    /// Discriminator updates for each update of the generator.
    pub discriminator_steps: usize,
    /// The weight of the penalty on gradients: λ, or γ of `r3gan`, which falls to a tenth of it unless pictures are augmented.
    /// Without effect in objectives that have none.
    pub penalty: f64,
    /// The largest weight of the discriminator's layers; 0 for none.
    pub clip: f64,
    /// The distribution of noise.
    pub noise: NoiseKind,
    /// Whether the discriminator has batch normalisation, of real and of made pictures apart.
    #[serde(default)]
    pub batch_norm: bool,
    /// Whether the generator has batch normalisation in training; a saved one has it in its weights.
    #[serde(default)]
    pub generator_batch_norm: bool,
    /// Whether what the discriminator sees is shifted, flipped and brightened, each in at least half of the pictures, and in more
    /// where it knows training pictures by heart.
    #[serde(default)]
    pub augment: bool,
}

impl Objective {
    /// The objective of this name.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn named(name: &str) -> Result<Self> {
        let found = OBJECTIVES.iter().find(|(known, _)| *known == name);
        found.map(|(_, objective)| *objective).ok_or_else(|| {
            let names: Vec<&str> = OBJECTIVES.iter().map(|(name, _)| *name).collect();
            Error::usage(format!("there is no objective '{name}'"))
                .with_hint(format!("objectives: {}", names.join(", ")))
        })
    }

    /// Whether the discriminator is an autoencoder.
    pub(crate) fn reconstructs(self) -> bool {
        self == Self::Began
    }

    /// Whether its discriminator may have batch normalisation: neither a penalty on the gradient of each picture nor an
    /// autoencoder goes with it.
    fn may_normalise(self) -> bool {
        matches!(self, Self::Ns | Self::Mm | Self::Lsgan | Self::Wgan)
    }

    /// The usual settings.
    pub(crate) fn settings(self) -> AdversarialSettings {
        AdversarialSettings {
            objective: self,
            discriminator_steps: match self {
                Self::Wgan | Self::WganGp => 5,
                _ => 1,
            },
            penalty: match self {
                Self::WganGp | Self::Dragan => 10.0,
                // For 28×28 pixels of one plane; see the paper's table 9 for larger ones.
                Self::R3gan => 0.5,
                _ => 0.0,
            },
            clip: if self == Self::Wgan { 0.01 } else { 0.0 },
            noise: NoiseKind::default(),
            batch_norm: self.may_normalise(),
            // BEGAN's generator is built as the decoder of its discriminator, which has none.
            generator_batch_norm: !self.reconstructs(),
            augment: false,
        }
    }

    /// The usual learning rate, β₁ and β₂ of Adam for pictures of so many pixels. The rates are five to twenty times the
    /// published ones, which suit runs of many hours.
    pub(crate) fn optimizer(self, pixels: usize) -> [f64; 3] {
        // On faces of 64×64 pixels `r3gan` was unstable at the rate that suits pictures of 28×28.
        let small = (32.0 * 32.0 / pixels as f64).min(1.0);
        match self {
            Self::Ns | Self::Mm | Self::Lsgan | Self::Dragan => [2e-3, 0.5, 0.999],
            Self::Wgan | Self::Began => [5e-4, 0.5, 0.999],
            Self::WganGp => [2e-3, 0.5, 0.9],
            Self::R3gan => [2e-3 * small, 0.0, 0.99],
        }
    }
}

impl AdversarialSettings {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// A usage error naming what is wrong.
    pub fn validate(&self) -> Result<()> {
        if !(1..=100).contains(&self.discriminator_steps) {
            return Err(Error::usage(format!(
                "{} discriminator steps for each of the generator cannot work",
                self.discriminator_steps
            ))
            .with_hint("it is from 1 to 100"));
        }
        if self.batch_norm && !self.objective.may_normalise() {
            return Err(Error::usage(
                "adversarial.batch_norm cannot work with this objective: it judges each picture alone",
            )
            .with_hint("set it to false"));
        }
        for (name, value) in [("penalty", self.penalty), ("clip", self.clip)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(
                    Error::usage(format!("adversarial.{name} = {value} cannot work"))
                        .with_hint("it is a number from 0 up"),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_batch_normalisation_have_none() {
        let old = r#"{"objective": "ns", "discriminator_steps": 1, "penalty": 0.0, "clip": 0.0, "noise": "gaussian"}"#;
        let old: AdversarialSettings = serde_json::from_str(old).unwrap();
        assert!(!old.batch_norm && !old.generator_batch_norm);
        let new = Objective::Ns.settings();
        assert!(new.batch_norm && new.generator_batch_norm);
    }
}
