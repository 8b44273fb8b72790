/*! What the latent codes of an image VAE carry, and how far its likelihood is from its bound. */

use std::fmt;

use burn::prelude::*;
use serde::Serialize;

use super::options::EvaluateOptions;
use crate::app::{Event, Observer, OpenModel};
use crate::base::split::evenly;
use crate::error::Result;
use crate::image::PictureDataset;
use crate::latent::{Mixture, Normals, WeightedCodes, standard_log_density};
use crate::models::{Batch, ElboSettings, ImageVae, LatentModel, SequenceModel, nll_per_sequence};
use crate::sequence::{Likelihood, SequenceDataset, Token};
use crate::train::{DataLoader, measure_elbo, mutual_information};

/// What the codes of an image VAE carry, in nats a picture.
#[derive(Debug, Clone, Serialize)]
pub struct ImageVaeMeasures {
    /// −ln p(picture | code) with a code drawn from the posterior.
    pub reconstruction: f64,
    /// KL divergence of the posteriors from the prior; `None` for a plain autoencoder, whose likelihood has no bound.
    pub kl: Option<f64>,
    /// −ln of the mean of importance weights (Burda et al. 2016, eq. 8): the bound less the mean gap of some pictures.
    pub importance_weighted_nll: Option<f64>,
    /// The same with the mixture that was fitted to codes of training as the prior, and its number of parts.
    pub importance_weighted_nll_under_mixture: Option<(f64, usize)>,
    /// How many codes of each picture have such a weight.
    pub importance_weighted_codes: usize,
    /// How many pictures tell how far it is from the bound.
    pub importance_weighted_pictures: usize,
    /// Between pictures and latent codes.
    pub mutual_information: f64,
    /// What another picture's code costs.
    pub cost_of_another_code: Option<f64>,
    /// Dimensions whose posterior mean varies.
    pub active_units: usize,
    /// KL divergence of each dimension.
    pub kl_per_dimension: Vec<f64>,
}

impl fmt::Display for ImageVaeMeasures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(kl) = self.kl else {
            return write!(
                f,
                "{:.2} nats a picture to reconstruct it from its code: an autoencoder has no likelihood",
                self.reconstruction
            );
        };
        let bound = self.reconstruction + kl;
        write!(
            f,
            "{bound:.2} nats a picture at most (negative ELBO): reconstruction {:.2}, KL {kl:.2}",
            self.reconstruction
        )?;
        if let Some(weighted) = self.importance_weighted_nll {
            write!(
                f,
                "\n{weighted:.2} nats a picture, importance-weighted: the bound is {:.2} above it, measured with {} codes of each of {} pictures",
                bound - weighted,
                self.importance_weighted_codes,
                self.importance_weighted_pictures
            )?;
        }
        if let Some((weighted, parts)) = self.importance_weighted_nll_under_mixture {
            write!(
                f,
                "\n{weighted:.2} nats with a mixture of {parts} Gaussians as the prior"
            )?;
        }
        write!(
            f,
            "\nmutual information {:.2} nats, {} of {} units active",
            self.mutual_information,
            self.active_units,
            self.kl_per_dimension.len()
        )?;
        if let Some(cost) = self.cost_of_another_code {
            write!(f, ", another picture's code costs {cost:.1}")?;
        }
        let each: Vec<String> = self
            .kl_per_dimension
            .iter()
            .map(|kl| format!("{kl:.2}"))
            .collect();
        write!(f, "\nKL of each dimension: {}", each.join(" "))
    }
}

/// Pixels that are decoded together.
const PIXELS: usize = 1 << 16;
/// Pictures whose gap is measured, unless all are asked for.
const SUBSET: usize = 200;

/// The bound of an image VAE over all pictures, and what its codes carry.
pub(super) fn measure_codes(
    vae: &ImageVae,
    model: &OpenModel,
    (loader, set, conditions): (&DataLoader, &PictureDataset, &[Vec<f32>]),
    (options, device): (&EvaluateOptions, &Device),
    observer: &mut dyn Observer,
) -> Result<(Likelihood, ImageVaeMeasures)> {
    let (codes_per_item, recipe) = (options.codes_per_item(), &model.manifest.recipe);
    let autoencoder = recipe
        .model
        .elbo()
        .is_some_and(ElboSettings::is_autoencoder);
    let found = measure_elbo(vae, loader, autoencoder, recipe.seed, device)?;
    let count = found.posteriors.items() as f64;
    let kl = (!autoencoder).then(|| found.posteriors.kl());
    let bound = found.reconstruction.nats / count + kl.unwrap_or(0.0);
    let mixture = if autoencoder { None } else { model.mixture()? };
    let pictures = match (autoencoder, options.whole) {
        (true, _) => 0,
        (false, true) => set.count(),
        (false, false) => SUBSET.min(set.count()),
    };
    let mut mean = Weighted::default();
    for (done, index) in evenly(pictures, set.count()).enumerate() {
        observer.event(Event::Progress {
            activity: "importance-weighted likelihood:",
            done,
            total: pictures,
            unit: "pictures",
        });
        let how = (codes_per_item, mixture.as_ref(), recipe.seed, device);
        let one = importance_weighted(vae, set, index, &conditions[index], how)?;
        mean.add(&one, 1.0 / pictures as f64);
    }
    observer.event(Event::ProgressDone);
    let weighted = if pictures == set.count() {
        mean.nll
    } else {
        bound - mean.gap
    };
    let codes = ImageVaeMeasures {
        reconstruction: found.reconstruction.nats / count,
        kl,
        importance_weighted_nll: (!autoencoder).then_some(weighted),
        importance_weighted_nll_under_mixture: mixture
            .map(|m| (weighted + mean.under_mixture, m.parts())),
        importance_weighted_codes: codes_per_item,
        importance_weighted_pictures: pictures,
        mutual_information: mutual_information(&found.posteriors, recipe.seed),
        cost_of_another_code: found.cost,
        active_units: found.posteriors.active_units(),
        kl_per_dimension: found.posteriors.kl_per_dimension(),
    };
    let bound = Likelihood {
        nats: bound * count,
        ..found.reconstruction
    };
    Ok((bound, codes))
}

/// What importance weights say of a picture, in nats.
#[derive(Default)]
struct Weighted {
    /// The importance-weighted NLL.
    nll: f64,
    /// The bound less the importance-weighted NLL.
    gap: f64,
    /// How much more the NLL is with the mixture as the prior.
    under_mixture: f64,
}

impl Weighted {
    fn add(&mut self, other: &Self, weight: f64) {
        self.nll += weight * other.nll;
        self.gap += weight * other.gap;
        self.under_mixture += weight * other.under_mixture;
    }
}

/// The mean over many pictures is the bound of all less the gap of a few, because gaps vary little.
fn importance_weighted(
    vae: &ImageVae,
    set: &PictureDataset,
    index: usize,
    classes: &[f32],
    (codes, mixture, seed, device): (usize, Option<&Mixture>, u64, &Device),
) -> Result<Weighted> {
    let tokens: Vec<Token> = set.indices(index)?.into_iter().map(Token::from).collect();
    let posteriors = vae.encode(&[&tokens], &[classes]);
    let mut normals = Normals::new(*b"weighted", seed, index as u64);
    let together = (PIXELS / tokens.len()).max(1);
    let nll = |codes: &[Vec<f32>]| {
        let parts = codes.chunks(together).flat_map(|codes| {
            let conditions: Vec<Vec<f32>> =
                codes.iter().map(|code| [classes, code].concat()).collect();
            let views: Vec<&[f32]> = conditions.iter().map(Vec::as_slice).collect();
            let same = vec![&tokens[..]; views.len()];
            let batch = Batch::of(&same, &views, vae.interface().alphabet);
            nll_per_sequence(vae, &batch, device)
        });
        parts.collect()
    };
    let drawn = WeightedCodes::draw(posteriors.posterior(0), codes, &mut normals, nll);
    let nll = drawn.nll(standard_log_density);
    Ok(Weighted {
        nll,
        gap: drawn.negative_elbo(standard_log_density) - nll,
        under_mixture: mixture.map_or(0.0, |m| drawn.nll(|code| m.log_density(code)) - nll),
    })
}
