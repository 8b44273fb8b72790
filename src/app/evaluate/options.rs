/*! On what to evaluate. */

use std::path::{Path, PathBuf};

use crate::app::import::read_sentences;
use crate::app::{CodeOptions, FrameChange, FrameSampling, Observer, OpenModel, SamplingOptions};
use crate::error::{Error, Result};
use crate::ops::device::DeviceChoice;
use crate::text::{Sentences, TextFormat, fingerprint};

/// On what to evaluate, and how.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    /// Recordings, pictures or sentences, like the model's data.
    pub path: PathBuf,
    /// Whether only what was held out in training counts.
    pub held_out: bool,
    /// The data that trained the model, for baselines to learn from.
    pub trained_on: Option<PathBuf>,
    /// Pictures: the file of their classes, where the model learned its classes from a file.
    pub labels: Option<PathBuf>,
    /// Pictures: the colour map of rows of indices.
    pub colormap: Option<PathBuf>,
    /// Sound and pictures: how many items to generate and to compare with held-out data.
    pub generated: Option<u64>,
    /// Sentence VAE: how many interpolations to evaluate too.
    pub walks: Option<u64>,
    /// What judges what is made. Pictures: a classifier. Sentence VAE: a language model that measures how natural interpolated
    /// lines are.
    pub judge: Option<PathBuf>,
    /// VAE: how many latent codes of each item the importance-weighted likelihood draws; 500 where it is not said.
    pub importance_weights: Option<u64>,
    /// VAE: whether the importance-weighted likelihood counts all items.
    pub whole: bool,
    /// The seed of latent codes, of the subset of sentences and of interpolations.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceChoice,
    /// How what is generated is drawn.
    pub sampling: SamplingOptions,
    /// How noise and latent codes are drawn.
    pub codes: CodeOptions,
    /// Sound of two tiers: how the frames of what is generated are drawn.
    pub frames: FrameSampling,
}

/// Latent codes of each item, as publications draw them.
const IMPORTANCE_WEIGHTS: u64 = 500;

impl EvaluateOptions {
    /// How many latent codes of each item the importance-weighted likelihood draws.
    pub(super) fn codes_per_item(&self) -> usize {
        self.importance_weights.unwrap_or(IMPORTANCE_WEIGHTS) as usize
    }

    /// Refuses options of importance weights where no likelihood needs them.
    pub(super) fn check_importance_weights(&self, model: &OpenModel) -> Result<()> {
        let elbo = model.manifest.recipe.model.elbo();
        if elbo.is_some_and(|elbo| !elbo.is_autoencoder()) {
            return Ok(());
        }
        let given = [
            ("--iw", self.importance_weights.is_some()),
            ("--whole", self.whole),
        ];
        let Some((option, _)) = given.iter().find(|(_, given)| *given) else {
            return Ok(());
        };
        let path = model.folder.path().display();
        Err(Error::usage(format!(
            "{option} is for the likelihood of a VAE, and {path} has no bound on it"
        ))
        .with_hint("omit it"))
    }

    /// Refuses options of what is generated where nothing is, and impossible ones.
    pub(super) fn check_sampling(&self, model: &OpenModel) -> Result<()> {
        let spec = &model.manifest.recipe.model;
        let given = self.sampling != SamplingOptions::default()
            || self.codes != CodeOptions::default()
            || self.frames != FrameSampling::default();
        self.codes.check(model)?;
        if given && self.generated.is_none() && !spec.makes_pictures_from_noise() {
            let what = "--temperature, --prior and the like are for what the model makes, and it makes nothing";
            return Err(Error::usage(what).with_hint("also give --generated N"));
        }
        self.sampling.check(spec)?;
        model.check_frame_options(self.frames, FrameChange::default())
    }

    /// Refuses walks of a model without latent codes.
    pub(super) fn refuse_codes(&self, model: &Path) -> Result<()> {
        if self.walks.is_none() {
            return Ok(());
        }
        Err(Error::usage(format!(
            "--walks does not apply to {}, a model without latent codes",
            model.display()
        ))
        .with_hint("omit it"))
    }

    /// The sentences to evaluate on, and those that trained the model where they are at hand.
    pub(super) fn sentences(
        &self,
        model: &OpenModel,
        text: &TextFormat,
        observer: &mut dyn Observer,
    ) -> Result<(Sentences, Option<Sentences>)> {
        // The two parts of the data the model was trained on; an error if it is other data.
        let parts = |path: &Path, whole: Sentences| {
            let (learned, held_out) = text.held_out.split(whole, &text.field)?;
            if fingerprint(&learned, &held_out) == model.manifest.split.hash {
                return Ok((learned, held_out));
            }
            Err(
                Error::input(path, "these are not the sentences the model was trained on")
                    .with_hint("give the file it was trained on"),
            )
        };
        let whole = read_sentences(&self.path, &text.field, observer)?;
        if self.held_out {
            let (learned, held_out) = parts(&self.path, whole)?;
            return Ok((held_out, Some(learned)));
        }
        if parts(&self.path, whole.clone()).is_ok() {
            observer.warn(
                "the model was trained on most of these sentences; --held-out evaluates on those it has not seen",
            );
        }
        let known = match &self.trained_on {
            None => None,
            Some(path) => {
                let known = read_sentences(path, &text.field, observer)?;
                Some(parts(path, known)?.0)
            }
        };
        Ok((whole, known))
    }
}
