/*! What each verb asks of a medium: the command line's only list of media. */

use std::path::Path;

use crate::checkpoint::Medium;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::codes::{DecodeArgs, EncodeArgs};
use crate::cli::ui::Ui;
use crate::cli::{eval, generate, interpolate, score};
use crate::error::{Error, Result};

/// A medium as the verbs see it. A model comes with its folder and its description.
pub(super) trait Verbs {
    /// `ensuite generate`, after the arguments that every medium shares are checked.
    fn generate(
        &self,
        args: &generate::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()>;

    /// `ensuite eval`.
    fn eval(
        &self,
        args: &eval::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()>;

    /// `ensuite score`.
    fn score(
        &self,
        args: &score::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()>;

    /// `ensuite interpolate`.
    fn interpolate(
        &self,
        _args: &interpolate::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        _ui: &Ui,
    ) -> Result<()> {
        Err(no_codes(folder.path(), manifest))
    }

    /// `ensuite encode`.
    fn encode(
        &self,
        _args: &EncodeArgs,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        _ui: &Ui,
    ) -> Result<()> {
        Err(no_codes(folder.path(), manifest))
    }

    /// `ensuite decode`.
    fn decode(
        &self,
        _args: &DecodeArgs,
        folder: &ModelFolder,
        manifest: &ModelManifest,
    ) -> Result<()> {
        Err(no_codes(folder.path(), manifest))
    }

    /// Lines for `ensuite info` that only this medium has: a name and a value each.
    fn facts(&self, manifest: &ModelManifest) -> Vec<(&'static str, String)>;

    /// How long the network's receptive field is, in the medium's own measure.
    fn extent(&self, tokens: usize) -> String;

    /// What so many tokens a second mean to a person.
    fn pace(&self, tokens_per_second: f64) -> String;

    /// What the model card says one can do with it, as a sentence of Markdown.
    fn advice(&self, manifest: &ModelManifest) -> &'static str;

    /// What to do with a trained model: the next command.
    fn invitation(&self, model: &Path, manifest: &ModelManifest) -> String;
}

/// The verbs of a model's medium.
pub(super) fn verbs(medium: &Medium) -> &dyn Verbs {
    match medium {
        Medium::Sound(sound) => sound,
        Medium::Pictures(pictures) => pictures,
        Medium::Text(text) => text,
    }
}

/// A model of one medium where another is needed.
pub(super) fn other_medium(model: &Path, found: &Medium, wanted: &str) -> Error {
    Error::model(
        model,
        format!(
            "it is a model of {}, and this needs one of {wanted}",
            found.name()
        ),
    )
    .with_hint("see what a model is with: ensuite info MODEL")
}

/// A model without codes where codes are needed.
pub(super) fn no_codes(model: &Path, manifest: &ModelManifest) -> Error {
    let medium = &manifest.medium;
    Error::model(
        model,
        format!("it is a model of {} without codes", medium.name()),
    )
    .with_hint(format!(
        "{}; codes are learned by: ensuite train sentence-vae",
        verbs(medium).invitation(model, manifest)
    ))
}

/// A flag, whether it was given, and the media it means something for.
pub(super) type MediumFlag = (&'static str, bool, &'static [&'static str]);

/// Refuses flags that mean nothing for a medium.
pub(super) fn refuse_foreign(medium: &Medium, flags: &[MediumFlag]) -> Result<()> {
    let foreign = |(_, given, media): &&MediumFlag| *given && !media.contains(&medium.name());
    match flags.iter().find(foreign) {
        Some((flag, ..)) => Err(Error::usage(format!(
            "{flag} means nothing for a model of {}",
            medium.name()
        ))
        .with_hint("leave it away")),
        None => Ok(()),
    }
}
