/*! How the noise of a GAN and the latent codes of an image VAE are drawn. */

use crate::app::OpenModel;
use crate::error::{Error, IoContext, Result};
use crate::latent::{Mixture, Normals};
use crate::models::ModelSpec;

/// The file of the mixture that was fitted to a model's codes.
pub(crate) const MIXTURE: &str = "mixture.json";

/// Where latent codes are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prior {
    /// N(0, I).
    Normal,
    /// The mixture of Gaussians that was fitted to the codes of training pictures.
    Mixture,
}

/// How noise and latent codes are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CodeOptions {
    /// Image VAE: where codes are drawn from (N(0, I) where it is missing).
    pub prior: Option<Prior>,
    /// The largest number of standard normal noise; larger ones are drawn again (Brock et al. 2019, "BigGAN", §3.1).
    pub truncation: Option<f64>,
}

impl CodeOptions {
    /// Refuses what the model has no use for, and what is out of range.
    pub(crate) fn check(&self, model: &OpenModel) -> Result<()> {
        let spec = &model.manifest.recipe.model;
        let encodes = matches!(spec, ModelSpec::ImageVae { .. });
        let coded = model.is_of_pictures() && model.has_latent_codes();
        let given = [
            (
                "--prior",
                self.prior.is_some() && !encodes,
                "an image VAE only",
            ),
            (
                "--truncation",
                self.truncation.is_some() && !coded,
                "a GAN and to an image VAE",
            ),
        ];
        if let Some((option, _, what)) = given.iter().find(|(_, refused, _)| *refused) {
            let message = format!("{option} applies to {what}");
            return Err(Error::usage(message).with_hint("omit it"));
        }
        match self.truncation {
            Some(most) if !(0.01..=100.0).contains(&most) => {
                Err(Error::usage("this --truncation cannot work")
                    .with_hint("it is from 0.01 to 100; try 1"))
            }
            _ => Ok(()),
        }
    }

    /// Where codes are drawn from; `None` for N(0, I).
    pub(crate) fn mixture(&self, model: &OpenModel) -> Result<Option<Mixture>> {
        if self.prior != Some(Prior::Mixture) {
            return Ok(None);
        }
        let none = || {
            Error::model(model.folder.path(), "no mixture was fitted to its codes")
                .with_hint("omit --prior mixture; ensuite train image-vae fits one at its end")
        };
        model.mixture()?.ok_or_else(none).map(Some)
    }

    /// Draws the numbers of `noise` that are too large again.
    pub(crate) fn truncate(&self, noise: &mut [f32], seed: u64, item: u64) {
        let Some(most) = self.truncation else { return };
        let mut normals = Normals::new(*b"truncate", seed, item);
        for number in noise {
            while f64::from(number.abs()) > most {
                *number = normals.code(1)[0];
            }
        }
    }
}

impl OpenModel {
    /// The mixture that was fitted to the codes of an image VAE; `None` where none was.
    ///
    /// # Errors
    /// When its file is damaged or of another model.
    pub(crate) fn mixture(&self) -> Result<Option<Mixture>> {
        let path = self.folder.path().join(MIXTURE);
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read(&path).reading(&path)?;
        let mixture: Mixture = serde_json::from_slice(&text)
            .map_err(|error| Error::model(&path, format!("it is damaged ({error})")))?;
        if !mixture.is_valid() || Some(mixture.dims()) != self.latent_size() {
            return Err(Error::model(&path, "it does not fit this model"));
        }
        Ok(Some(mixture))
    }
}
