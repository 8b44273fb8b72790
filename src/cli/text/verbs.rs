/*! What the verbs ask of text. */

use std::path::Path;

use super::{codes, eval, generate, interpolate, latent_eval, score};
use crate::checkpoint::{Description, ModelFolder};
use crate::cli::media::Verbs;
use crate::cli::ui::{self, Ui};
use crate::error::Result;
use crate::medium::Text;
use crate::network::NetworkConfig;

impl Verbs for Text {
    fn generate(
        &self,
        args: &crate::cli::generate::Args,
        folder: &ModelFolder,
        description: &Description,
        ui: &Ui,
    ) -> Result<()> {
        generate::run(args, self, folder, description, ui)
    }

    fn eval(
        &self,
        args: &crate::cli::eval::Args,
        folder: &ModelFolder,
        description: &Description,
        ui: &Ui,
    ) -> Result<()> {
        if description.recipe.elbo.is_some() {
            return latent_eval::run(args, self, folder, description, ui);
        }
        args.refuse_codes(folder.path())?;
        eval::run(args, self, folder, description, ui)
    }

    fn score(
        &self,
        args: &crate::cli::score::Args,
        folder: &ModelFolder,
        description: &Description,
        ui: &Ui,
    ) -> Result<()> {
        score::run(args, self, folder, description, ui)
    }

    fn interpolate(
        &self,
        args: &crate::cli::interpolate::Args,
        folder: &ModelFolder,
        description: &Description,
        ui: &Ui,
    ) -> Result<()> {
        interpolate::run(args, self, folder, description, ui)
    }

    fn encode(
        &self,
        args: &crate::cli::codes::EncodeArgs,
        folder: &ModelFolder,
        description: &Description,
        ui: &Ui,
    ) -> Result<()> {
        codes::encode(args, self, folder, description, ui)
    }

    fn decode(
        &self,
        args: &crate::cli::codes::DecodeArgs,
        folder: &ModelFolder,
        description: &Description,
    ) -> Result<()> {
        codes::decode(args, self, folder, description)
    }

    fn facts(&self, description: &Description) -> Vec<(&'static str, String)> {
        let mut facts = vec![(
            "tokenizer",
            format!("{}, {} tokens", self.tokenizer, self.vocabulary),
        )];
        if let NetworkConfig::SentenceVae(vae) = &description.recipe.network {
            facts.push((
                "codes",
                format!(
                    "{} numbers a sentence; validation is the negative ELBO, a bound",
                    vae.latent
                ),
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

    fn advice(&self, description: &Description) -> &'static str {
        if description.recipe.elbo.is_some() {
            return "Walk with it: `ensuite interpolate MODEL \"one sentence\" \"another one\"`.";
        }
        "Write with it: `ensuite generate MODEL -n 10 --prompt \"it was\"`."
    }

    fn invitation(&self, model: &Path, description: &Description) -> String {
        if description.recipe.elbo.is_some() {
            let model = ui::quoted(model);
            return format!(
                "walk with: ensuite interpolate {model} \"one sentence\" \"another one\""
            );
        }
        format!("write with: ensuite generate {} -n 10", ui::quoted(model))
    }
}
