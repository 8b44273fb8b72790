/*! A model folder that is open: what every use case but training begins with. */

use std::path::Path;

use burn::prelude::*;

use crate::app::words::next_step;
use crate::audio::SoundFormat;
use crate::base::labels::{Label, describe};
use crate::checkpoint::{Medium, ModelFolder, ModelManifest, TOKENIZER};
use crate::error::{Error, Result};
use crate::fetch::model_folder;
use crate::image::PictureFormat;
use crate::models::{Model, ModelSpec};
use crate::text::{TextCodec, TextFormat};

/// A model folder and what its `model.json` says.
#[derive(Debug, Clone)]
pub struct OpenModel {
    /// Where it is.
    pub folder: ModelFolder,
    /// What it is.
    pub manifest: ModelManifest,
}

impl OpenModel {
    /// Opens a model folder. A name without a slash is also looked for in `$ENSUITE_MODELS`, in the user's data folder and in
    /// `/usr/share/ensuite/models`. The weights are read when they are needed.
    ///
    /// # Errors
    /// When it is no model folder, or its `model.json` is damaged or of a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (folder, manifest) = ModelFolder::open(&model_folder(path.as_ref())?)?;
        Ok(Self { folder, manifest })
    }

    /// The model with its averaged weights, on a device without autodiff.
    ///
    /// # Errors
    /// When the weights are missing, damaged or of another network.
    pub(crate) fn load(&self, device: &Device) -> Result<Model> {
        self.folder.load(&self.manifest, device)
    }

    /// Its sound format.
    ///
    /// # Errors
    /// When it is a model of another medium.
    pub(crate) fn sound(&self) -> Result<&SoundFormat> {
        match &self.manifest.medium {
            Medium::Sound(sound) => Ok(sound),
            _ => Err(self.wrong_medium("sound")),
        }
    }

    /// Its picture format.
    ///
    /// # Errors
    /// When it is a model of another medium.
    pub(crate) fn pictures(&self) -> Result<&PictureFormat> {
        match &self.manifest.medium {
            Medium::Pictures(pictures) => Ok(pictures),
            _ => Err(self.wrong_medium("pictures")),
        }
    }

    /// Its text format and its tokenizer.
    ///
    /// # Errors
    /// When it is a model of another medium, or the tokenizer is missing, damaged or of another model.
    pub(crate) fn text(&self) -> Result<(&TextFormat, TextCodec)> {
        let Medium::Text(text) = &self.manifest.medium else {
            return Err(self.wrong_medium("text"));
        };
        let path = self.folder.path().join(TOKENIZER);
        let codec = TextCodec::load(&path)?;
        if (codec.kind(), codec.vocabulary()) != (text.tokenizer, text.vocabulary) {
            return Err(Error::model(&path, "it belongs to another model"));
        }
        Ok((text, codec))
    }

    /// Whether it is a model of pictures.
    pub(crate) fn is_of_pictures(&self) -> bool {
        matches!(self.manifest.medium, Medium::Pictures(_))
    }

    /// The given classes, and for the others what the path of a file says.
    ///
    /// # Errors
    /// When a class is unknown, or the path may mean several.
    pub(crate) fn labels_of(&self, given: &[Label], file: &Path) -> Result<Vec<Label>> {
        let classes = &self.manifest.classes;
        classes.check(given)?;
        let mut labels = given.to_vec();
        if labels.len() < classes.groups().len() {
            for label in self.labels_of_path(file)? {
                if !labels.iter().any(|(name, _)| *name == label.0) {
                    labels.push(label);
                }
            }
        }
        Ok(labels)
    }

    /// The labels that a file's path gives. Where the dataset folder ends in the path is not known: every part of it
    /// is tried, and all that fit must agree.
    fn labels_of_path(&self, file: &Path) -> Result<Vec<Label>> {
        let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
        let mut found: Vec<Vec<Label>> = (0..parts.len())
            .filter_map(|from| self.manifest.labels.labels(&parts[from..].join("/")).ok())
            .filter(|labels| self.manifest.classes.check(labels).is_ok())
            .collect();
        found.sort();
        found.dedup();
        if found.len() > 1 {
            let classes: Vec<_> = found.iter().map(|labels| describe(labels)).collect();
            return Err(Error::usage(format!(
                "the path of {} may mean {}",
                file.display(),
                classes.join(" or ")
            ))
            .with_hint("choose one with --class"));
        }
        Ok(found.pop().unwrap_or_default())
    }

    /// The dimensions of the latent code; `None` for a model without latent codes.
    pub(crate) fn latent_size(&self) -> Option<usize> {
        self.manifest.recipe.model.latent()
    }

    /// Whether the model has latent codes.
    pub(crate) fn has_latent_codes(&self) -> bool {
        self.latent_size().is_some()
    }

    /// The error for a model of one medium where another is needed.
    pub(crate) fn wrong_medium(&self, wanted: &str) -> Error {
        wrong_medium(self.folder.path(), &self.manifest.medium, wanted)
    }

    /// The error for the frame tier of a sound model where a whole model is needed.
    pub(crate) fn frame_tier_alone(&self) -> Error {
        let path = self.folder.path();
        Error::model(path, "it is only the frame tier of a sound model").with_hint(format!(
            "give the folder that it is in: {}",
            path.join("..").display()
        ))
    }

    /// The error for a model without latent codes where they are needed.
    pub(crate) fn no_latent_codes(&self) -> Error {
        Error::model(
            self.folder.path(),
            format!(
                "it is a model of {} without latent codes",
                self.manifest.medium.name()
            ),
        )
        .with_hint(format!(
            "{}; latent codes are learned by: ensuite train sentence-vae or image-vae",
            next_step(&self.manifest, self.folder.path())
        ))
    }

    /// Refuses models that read pictures and make none of their own.
    pub(crate) fn refuse_readers(&self) -> Result<()> {
        let path = self.folder.path();
        let shown = path.display();
        let (what, hint) = match self.manifest.recipe.model {
            ModelSpec::Classifier { .. } => (
                "it is a classifier, which makes nothing",
                format!("see how often it is right: ensuite eval {shown} PICTURES"),
            ),
            ModelSpec::Colorizer { .. } => (
                "it colours grey pictures, and makes none of its own",
                format!("colour one: ensuite complete {shown} grey.png -o colour.png"),
            ),
            _ => return Ok(()),
        };
        Err(Error::model(path, what).with_hint(hint))
    }

    /// Refuses models of whole pictures where pixels have to be predicted one after another.
    pub(crate) fn refuse_whole_pictures(&self) -> Result<()> {
        self.refuse_readers()?;
        if !self.is_of_pictures() || !self.has_latent_codes() {
            return Ok(());
        }
        let what = match self.manifest.recipe.model {
            ModelSpec::Gan { .. } => "it is a GAN, which makes whole pictures from noise",
            ModelSpec::Energy { .. } => {
                "it is a discriminator, which makes whole pictures from noise"
            }
            _ => "it is an image VAE, whose pixels follow from a code",
        };
        Err(Error::model(self.folder.path(), what).with_hint(
            "models that complete and score pictures are trained by: ensuite train pictures",
        ))
    }

    /// Refuses options that do not apply to the medium of this model.
    pub(crate) fn refuse_options(&self, options: &[MediumOption]) -> Result<()> {
        let medium = self.manifest.medium.name();
        let foreign = |(_, given, media): &&MediumOption| *given && !media.contains(&medium);
        match options.iter().find(foreign) {
            Some((option, ..)) => Err(Error::usage(format!(
                "{option} does not apply to a model of {medium}"
            ))
            .with_hint("omit it")),
            None => Ok(()),
        }
    }
}

/// An option by its flag, whether it was given, and the media it applies to.
pub(crate) type MediumOption = (&'static str, bool, &'static [&'static str]);

/// The error for a model of one medium where another is needed.
pub(crate) fn wrong_medium(model: &Path, found: &Medium, wanted: &str) -> Error {
    Error::model(
        model,
        format!(
            "it is a model of {}, and this needs a model of {wanted}",
            found.name()
        ),
    )
    .with_hint("show what a model is: ensuite info MODEL")
}
