/*!
`eval`: how well a model predicts a dataset, beside trivial baselines, and how what it generates compares with held-out
data.
*/

mod classifier;
mod colorizer;
mod edits;
mod generated;
mod hand;
mod image_vae;
mod interpolations;
mod options;
mod pictures;
mod sentence_vae;
mod sound;
mod text;

use std::fmt;

use serde::Serialize;

pub use classifier::ClassifierEvaluation;
pub(crate) use classifier::Judge;
pub use colorizer::ColorizerEvaluation;
pub use edits::EditCosts;
pub use image_vae::ImageVaeMeasures;
pub use interpolations::{InterpolationEvaluation, InterpolationSummary};
pub use options::EvaluateOptions;
pub use pictures::{GeneratedPictures, MixtureBaseline, PictureEvaluation};
pub use sentence_vae::SentenceVaeEvaluation;
pub use sound::{GeneratedSounds, SoundEvaluation};
pub use text::TextEvaluation;

use crate::app::{Observer, OpenModel};
use crate::checkpoint::Medium;
use crate::error::{Error, Result};

/// What was found. Displays as lines for people.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Evaluation {
    /// Of a sound model.
    Sound(SoundEvaluation),
    /// Of a picture model.
    Pictures(PictureEvaluation),
    /// Of a GAN, which has no likelihood.
    Gan(GeneratedPictures),
    /// Of a classifier.
    Classifier(ClassifierEvaluation),
    /// Of a model that colours grey pictures.
    Colorizer(ColorizerEvaluation),
    /// Of a language model.
    Text(TextEvaluation),
    /// Of a sentence VAE.
    SentenceVae(SentenceVaeEvaluation),
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound(found) => found.fmt(f),
            Self::Pictures(found) => found.fmt(f),
            Self::Gan(found) => found.fmt(f),
            Self::Classifier(found) => found.fmt(f),
            Self::Colorizer(found) => found.fmt(f),
            Self::Text(found) => found.fmt(f),
            Self::SentenceVae(found) => found.fmt(f),
        }
    }
}

impl OpenModel {
    /// Evaluates the model on a dataset.
    ///
    /// # Errors
    /// When the options do not fit the model, or its files or the dataset cannot be read.
    pub fn evaluate(
        &self,
        options: &EvaluateOptions,
        observer: &mut dyn Observer,
    ) -> Result<Evaluation> {
        self.refuse_options(&[
            (
                "--trained-on",
                options.trained_on.is_some(),
                &["pictures", "text"],
            ),
            (
                "--generated",
                options.generated.is_some(),
                &["sound", "pictures"],
            ),
            ("--judge", options.judge.is_some(), &["pictures", "text"]),
            ("--walks", options.walks.is_some(), &["text"]),
            ("--whole", options.whole, &["pictures", "text"]),
            ("--labels", options.labels.is_some(), &["pictures"]),
            ("--colormap", options.colormap.is_some(), &["pictures"]),
        ])?;
        options.check_sampling(self)?;
        options.check_importance_weights(self)?;
        if options.generated.is_some() {
            self.refuse_readers()?;
        }
        let spec = &self.manifest.recipe.model;
        let makes = match &self.manifest.medium {
            Medium::Text(_) => ("--walks", options.walks.is_some()),
            _ if spec.makes_pictures_from_noise() => ("", true),
            _ => ("--generated", options.generated.is_some()),
        };
        if let (Some(_), (option, false)) = (&options.judge, makes) {
            return Err(
                Error::usage("--judge judges what the model makes, and it makes nothing")
                    .with_hint(format!("also give {option} N")),
            );
        }
        match &self.manifest.medium {
            Medium::Sound(sound) => {
                sound::evaluate(self, sound, options, observer).map(Evaluation::Sound)
            }
            Medium::Pictures(pictures) => {
                match pictures::evaluate(self, pictures, options, observer)? {
                    pictures::Found::Likelihood(found) => Ok(Evaluation::Pictures(found)),
                    pictures::Found::Generated(found) => Ok(Evaluation::Gan(found)),
                    pictures::Found::Classified(found) => Ok(Evaluation::Classifier(found)),
                    pictures::Found::Colored(found) => Ok(Evaluation::Colorizer(found)),
                }
            }
            Medium::Frames(_) => Err(self.frame_tier_alone()),
            Medium::Text(_) if self.has_latent_codes() => {
                sentence_vae::evaluate(self, options, observer).map(Evaluation::SentenceVae)
            }
            Medium::Text(_) => {
                options.refuse_codes(self.folder.path())?;
                text::evaluate(self, options, observer).map(Evaluation::Text)
            }
        }
    }
}
