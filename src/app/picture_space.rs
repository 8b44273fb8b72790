/*! The latent space of an image VAE, pictures to codes and back; and that of a GAN, whose noise vectors are its codes. */

use std::path::Path;

use burn::prelude::*;

use crate::app::drawing::{PixelSampling, decode};
use crate::app::import::import_picture;
use crate::app::sampling::{class_vector, labels_of_item};
use crate::app::{Observer, OpenModel};
use crate::base::labels::Label;
use crate::error::{Error, Result};
use crate::image::{Indexed, PictureDataset, PictureFormat};
use crate::latent::{Posteriors, draw_from_prior};
use crate::models::{Batch, LatentModel, Model, nll_per_sequence};
use crate::sequence::{Codec, Token};

/// Pictures whose classes are found together.
const TOGETHER: usize = 64;

/// The posteriors of the pictures `members` of a set, each with its class vector.
pub(crate) fn encode_some(
    latent: &dyn LatentModel,
    set: &PictureDataset,
    members: &[usize],
    classes: &[&[f32]],
) -> Result<Posteriors> {
    let tokens = members
        .iter()
        .map(|&index| Ok(set.indices(index)?.into_iter().map(Token::from).collect()))
        .collect::<Result<Vec<Vec<Token>>>>()?;
    let views: Vec<&[Token]> = tokens.iter().map(Vec::as_slice).collect();
    Ok(latent.encode(&views, classes))
}

/// A loaded image VAE and what its pictures are.
pub(crate) struct PictureSpace<'a> {
    model: &'a OpenModel,
    pub(crate) format: &'a PictureFormat,
    net: Model,
}

impl<'a> PictureSpace<'a> {
    /// Loads the model.
    ///
    /// # Errors
    /// When it has no codes of pictures, or its files are missing or damaged.
    pub(crate) fn open(model: &'a OpenModel) -> Result<Self> {
        let format = model.pictures()?;
        model.latent_dimensions()?;
        let net = model.load(&Device::flex())?;
        Ok(Self { model, format, net })
    }

    /// Dimensions of a latent code.
    pub(crate) fn latent(&self) -> usize {
        self.model.latent_size().unwrap_or(0)
    }

    /// Whether it is a GAN.
    pub(crate) fn generates(&self) -> bool {
        self.net.pictures().is_some()
    }

    /// The labels and the noise of the picture that `generate` makes of a seed; `seed` is what the user gave for a picture.
    pub(crate) fn of_seed(&self, seed: &Path, given: &[Label]) -> Result<(Vec<Label>, Vec<f32>)> {
        let number = seed.to_str().and_then(|text| text.parse::<u64>().ok());
        let number = number.ok_or_else(|| {
            Error::usage(format!("{} is no seed", seed.display()))
                .with_hint("a GAN finds no codes of pictures: give two whole numbers, such as 1 2")
        })?;
        let code = draw_from_prior(self.latent(), number, 0);
        Ok((self.labels(given, number), code))
    }

    /// The model as one that encodes pictures.
    ///
    /// # Errors
    /// When it is a GAN.
    pub(crate) fn encoder(&self) -> Result<&dyn LatentModel> {
        self.net.latent().ok_or_else(|| {
            Error::model(
                self.model.folder.path(),
                "it is a GAN, which makes pictures from noise and finds no codes of pictures",
            )
            .with_hint("train an image VAE, which has both ways: ensuite train image-vae")
        })
    }

    /// The given labels, and others drawn from the seed.
    pub(crate) fn labels(&self, given: &[Label], seed: u64) -> Vec<Label> {
        labels_of_item(&self.model.manifest.classes, given, seed, 0)
    }

    /// The class vector of labels, empty without classes.
    pub(crate) fn classes(&self, labels: &[Label]) -> Result<Vec<f32>> {
        class_vector(&self.model.manifest, labels)
    }

    /// Reads a picture in the model's size and colours, with a warning for each change.
    pub(crate) fn read(&self, path: &Path, observer: &mut dyn Observer) -> Result<Indexed> {
        import_picture(path, self.format, false, observer)
    }

    /// The posterior of a picture with its class vector.
    pub(crate) fn encode(&self, picture: &Indexed, classes: &[f32]) -> Result<Posteriors> {
        self.encode_many(std::slice::from_ref(picture), &[classes])
    }

    /// The posteriors of pictures, each with its class vector.
    pub(crate) fn encode_many(
        &self,
        pictures: &[Indexed],
        classes: &[&[f32]],
    ) -> Result<Posteriors> {
        let tokens = pictures.iter().map(|one| self.format.codec.encode(one));
        let tokens = tokens.collect::<Result<Vec<_>>>()?;
        let tokens: Vec<&[Token]> = tokens.iter().map(Vec::as_slice).collect();
        Ok(self.encoder()?.encode(&tokens, classes))
    }

    /// The labels that [`name_many`](Self::name_many) finds, and the posteriors of the pictures with these.
    pub(crate) fn encode_named(
        &self,
        pictures: &[Indexed],
        given: &[Vec<Label>],
    ) -> Result<(Vec<Vec<Label>>, Posteriors)> {
        let labels = self.name_many(pictures, given)?;
        let classes = labels.iter().map(|labels| self.classes(labels));
        let classes = classes.collect::<Result<Vec<_>>>()?;
        let classes: Vec<&[f32]> = classes.iter().map(Vec::as_slice).collect();
        let posteriors = self.encode_many(pictures, &classes)?;
        Ok((labels, posteriors))
    }

    /// The labels of a picture in the order of their groups: the given ones and, one group after another, the value under which
    /// the picture and its code are likeliest.
    pub(crate) fn name(&self, picture: &Indexed, given: &[Label]) -> Result<Vec<Label>> {
        let mut named = self.name_many(std::slice::from_ref(picture), &[given.to_vec()])?;
        Ok(named.remove(0))
    }

    /// The same of many pictures, each with the labels that are given for it.
    pub(crate) fn name_many(
        &self,
        pictures: &[Indexed],
        given: &[Vec<Label>],
    ) -> Result<Vec<Vec<Label>>> {
        let mut best = given.to_vec();
        for group in self.model.manifest.classes.groups() {
            let is_open = |&at: &usize| given[at].iter().all(|(name, _)| *name != group.name);
            let open: Vec<usize> = (0..pictures.len()).filter(is_open).collect();
            for open in open.chunks(TOGETHER) {
                let some: Vec<Indexed> = open.iter().map(|&at| pictures[at].clone()).collect();
                let mut found = vec![(f64::INFINITY, 0); open.len()];
                for (number, value) in group.values.iter().enumerate() {
                    let with = |&at: &usize| {
                        let mut labels = best[at].clone();
                        labels.push((group.name.clone(), value.clone()));
                        self.labels(&labels, 0)
                    };
                    let labels: Vec<Vec<Label>> = open.iter().map(with).collect();
                    for (found, cost) in found.iter_mut().zip(self.costs(&some, &labels)?) {
                        if cost < found.0 {
                            *found = (cost, number);
                        }
                    }
                }
                for (&at, (_, number)) in open.iter().zip(found) {
                    best[at].push((group.name.clone(), group.values[number].clone()));
                }
            }
        }
        Ok(best.iter().map(|labels| self.labels(labels, 0)).collect())
    }

    /// −ELBO of pictures at the means of their posteriors, in nats.
    fn costs(&self, pictures: &[Indexed], labels: &[Vec<Label>]) -> Result<Vec<f64>> {
        let classes = labels.iter().map(|labels| self.classes(labels));
        let classes = classes.collect::<Result<Vec<_>>>()?;
        let classes: Vec<&[f32]> = classes.iter().map(Vec::as_slice).collect();
        let posteriors = self.encode_many(pictures, &classes)?;
        let tokens = pictures.iter().map(|one| self.format.codec.encode(one));
        let tokens = tokens.collect::<Result<Vec<_>>>()?;
        let tokens: Vec<&[Token]> = tokens.iter().map(Vec::as_slice).collect();
        let codes = posteriors.means().chunks(self.latent());
        let conditions = classes.iter().zip(codes);
        let conditions: Vec<_> = conditions.map(|(own, code)| [own, code].concat()).collect();
        let conditions: Vec<&[f32]> = conditions.iter().map(Vec::as_slice).collect();
        let decoder = self.net.require_sequence()?;
        let batch = Batch::of(&tokens, &conditions, decoder.interface().alphabet);
        let nats = nll_per_sequence(decoder, &batch, &Device::flex()).into_iter();
        let with_kl = |(index, nats)| nats + posteriors.posterior(index).kl();
        Ok(nats.enumerate().map(with_kl).collect())
    }

    /// The pictures of conditions, each a class vector and then a code.
    pub(crate) fn decode(
        &self,
        conditions: Vec<Vec<f32>>,
        how: PixelSampling,
    ) -> Result<Vec<Indexed>> {
        decode(&self.net, conditions, how, self.format)
    }
}
