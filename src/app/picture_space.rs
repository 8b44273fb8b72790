/*! The latent space of an image VAE: pictures to codes and back. */

use std::path::Path;

use burn::prelude::*;

use crate::app::generate::draw;
use crate::app::sampling::labels_of_item;
use crate::app::{Observer, OpenModel};
use crate::base::labels::Label;
use crate::error::{Error, IoContext, Result};
use crate::image::{Indexed, Picture, PictureFormat};
use crate::latent::{Mixture, Posteriors};
use crate::models::{ImageVae, Model, SequenceModel, Vae};
use crate::sequence::{Codec, Item, Sampler, Sampling, Token};

/// The file of the mixture that was fitted to a model's codes.
pub(crate) const MIXTURE: &str = "mixture.json";

impl OpenModel {
    /// The mixture that was fitted to the codes of an image VAE.
    ///
    /// # Errors
    /// When none was fitted, or its file is damaged.
    pub(crate) fn mixture(&self) -> Result<Mixture> {
        let path = self.folder.path().join(MIXTURE);
        if !path.exists() {
            return Err(
                Error::model(self.folder.path(), "no mixture was fitted to its codes")
                    .with_hint("omit --prior mixture; ensuite train image-vae fits one at its end"),
            );
        }
        let text = std::fs::read(&path).reading(&path)?;
        let mixture: Mixture = serde_json::from_slice(&text)
            .map_err(|error| Error::model(&path, format!("it is damaged ({error})")))?;
        if !mixture.is_valid() || Some(mixture.dims()) != self.latent_size() {
            return Err(Error::model(&path, "it does not fit this model"));
        }
        Ok(mixture)
    }
}

/// A loaded image VAE and what its pictures are.
pub(crate) struct PictureSpace<'a> {
    model: &'a OpenModel,
    pub(crate) format: &'a PictureFormat,
    vae: ImageVae,
}

/// How the pixels of pictures are drawn from what a code says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PixelSampling {
    /// 0 takes the likeliest colour of each pixel.
    pub(crate) temperature: f32,
    /// The same random numbers for every picture, so that only codes differ.
    pub(crate) seed: u64,
}

impl<'a> PictureSpace<'a> {
    /// Loads the model.
    ///
    /// # Errors
    /// When it is no image VAE, or its files are missing or damaged.
    pub(crate) fn open(model: &'a OpenModel) -> Result<Self> {
        let format = model.pictures()?;
        match model.load(&Device::flex())? {
            Model::ImageVae(vae) => Ok(Self { model, format, vae }),
            _ => Err(model.no_latent_codes()),
        }
    }

    /// Dimensions of a latent code.
    pub(crate) fn latent(&self) -> usize {
        self.vae.latent()
    }

    /// The given labels, and others drawn from the seed.
    pub(crate) fn labels(&self, given: &[Label], seed: u64) -> Vec<Label> {
        labels_of_item(&self.model.manifest.classes, given, seed, 0)
    }

    /// The class vector of labels, empty without classes.
    pub(crate) fn classes(&self, labels: &[Label]) -> Result<Vec<f32>> {
        let condition = self.model.manifest.condition(labels)?;
        let width = self.vae.interface().condition - self.latent();
        Ok(condition.unwrap_or_else(|| vec![0.0; width]))
    }

    /// Reads a picture in the model's size and colours, with a warning for each change.
    pub(crate) fn read(&self, path: &Path, observer: &mut dyn Observer) -> Result<Indexed> {
        let format = self.format;
        let picture = Picture::read(path, format.background)?;
        let (indexed, warnings) =
            format
                .codec
                .adapt(&picture, path, format.fit, format.background, false)?;
        for warning in warnings {
            observer.warn(format!("{}: {warning}", path.display()));
        }
        Ok(indexed)
    }

    /// The posteriors of pictures, each with its class vector.
    pub(crate) fn encode(&self, pictures: &[Indexed], classes: &[&[f32]]) -> Result<Posteriors> {
        use crate::models::LatentModel;
        let tokens = pictures
            .iter()
            .map(|picture| self.format.codec.encode(picture))
            .collect::<Result<Vec<Vec<Token>>>>()?;
        let views: Vec<&[Token]> = tokens.iter().map(Vec::as_slice).collect();
        Ok(LatentModel::encode(&self.vae, &views, classes))
    }

    /// The labels of a picture: the given ones, and those others under which it and its code are likeliest.
    pub(crate) fn name(&self, picture: &Indexed, given: &[Label]) -> Result<Vec<Label>> {
        let groups = self.model.manifest.classes.groups();
        let mut best = given.to_vec();
        for group in groups {
            if given.iter().any(|(name, _)| *name == group.name) {
                continue;
            }
            let mut costs = Vec::with_capacity(group.values.len());
            for value in &group.values {
                let mut labels = best.clone();
                labels.push((group.name.clone(), value.clone()));
                let labels = self.labels(&labels, 0);
                costs.push(self.cost(picture, &labels)?);
            }
            let least = (0..costs.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b]));
            let value = &group.values[least.unwrap_or(0)];
            best.push((group.name.clone(), value.clone()));
        }
        Ok(best)
    }

    /// −ELBO at the mean of the posterior, in nats.
    fn cost(&self, picture: &Indexed, labels: &[Label]) -> Result<f64> {
        let classes = self.classes(labels)?;
        let posteriors = self.encode(std::slice::from_ref(picture), &[&classes])?;
        let tokens = self.format.codec.encode(picture)?;
        let condition = [&classes[..], posteriors.means()].concat();
        let mut stepper = self.vae.stepper(1)?;
        let nats = crate::sequence::nll_per_token(
            &mut *stepper,
            crate::sequence::Conditions::whole(&condition),
            &tokens,
        );
        Ok(nats.iter().sum::<f64>() + posteriors.kl())
    }

    /// The pictures of codes, each with its class vector.
    pub(crate) fn decode(
        &self,
        codes: &[(Vec<f32>, Vec<f32>)],
        how: PixelSampling,
    ) -> Result<Vec<Indexed>> {
        let sampling = Sampling {
            temperature: how.temperature,
            ..Sampling::default()
        };
        let mut items = codes
            .iter()
            .map(|(classes, code)| {
                if code.len() != self.latent() {
                    return Err(Error::usage(format!(
                        "a latent code of {} numbers does not fit: this model's have {}",
                        code.len(),
                        self.latent()
                    )));
                }
                Ok(Item {
                    stream: None,
                    sampler: Sampler::new(sampling, how.seed, 0)?,
                    condition: Some([&classes[..], &code[..]].concat()),
                    prompt: Vec::new(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        draw(&|lanes| self.vae.stepper(lanes), &mut items, self.format)
    }
}
