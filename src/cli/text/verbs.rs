/*! What the verbs ask of text. */

use std::path::Path;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::media::Verbs;
use crate::cli::text::{codes, eval, generate, interpolate, latent_eval, score};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::text::TextFormat;

impl Verbs for TextFormat {
    fn generate(
        &self,
        args: &crate::cli::generate::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()> {
        generate::run(args, self, folder, manifest, ui)
    }

    fn eval(
        &self,
        args: &crate::cli::eval::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()> {
        if manifest.recipe.model.latent().is_some() {
            return latent_eval::run(args, self, folder, manifest, ui);
        }
        args.refuse_codes(folder.path())?;
        eval::run(args, self, folder, manifest, ui)
    }

    fn score(
        &self,
        args: &crate::cli::score::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()> {
        score::run(args, self, folder, manifest, ui)
    }

    fn interpolate(
        &self,
        args: &crate::cli::interpolate::Args,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()> {
        interpolate::run(args, self, folder, manifest, ui)
    }

    fn encode(
        &self,
        args: &crate::cli::codes::EncodeArgs,
        folder: &ModelFolder,
        manifest: &ModelManifest,
        ui: &Ui,
    ) -> Result<()> {
        codes::encode(args, self, folder, manifest, ui)
    }

    fn decode(
        &self,
        args: &crate::cli::codes::DecodeArgs,
        folder: &ModelFolder,
        manifest: &ModelManifest,
    ) -> Result<()> {
        codes::decode(args, self, folder, manifest)
    }

    fn facts(&self, manifest: &ModelManifest) -> Vec<(&'static str, String)> {
        let mut facts = vec![(
            "tokenizer",
            format!("{}, {} tokens", self.tokenizer, self.vocabulary),
        )];
        if let Some(latent) = manifest.recipe.model.latent() {
            facts.push((
                "codes",
                format!("{latent} numbers a sentence; validation is the negative ELBO, a bound"),
            ));
        }
        facts
    }

    fn extent(&self, tokens: usize) -> String {
        format!("{tokens} tokens")
    }

    fn pace(&self, _: f64) -> String {
        "one sentence after the other".into()
    }

    fn advice(&self, manifest: &ModelManifest) -> &'static str {
        if manifest.recipe.model.latent().is_some() {
            return "Walk with it: `ensuite interpolate MODEL \"one sentence\" \"another one\"`.";
        }
        "Write with it: `ensuite generate MODEL -n 10 --prompt \"it was\"`."
    }

    fn invitation(&self, model: &Path, manifest: &ModelManifest) -> String {
        if manifest.recipe.model.latent().is_some() {
            let model = ui::quoted(model);
            return format!(
                "walk with: ensuite interpolate {model} \"one sentence\" \"another one\""
            );
        }
        format!("write with: ensuite generate {} -n 10", ui::quoted(model))
    }
}
