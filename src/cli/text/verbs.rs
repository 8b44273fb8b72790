/*! What the verbs ask of text. */

use std::path::Path;

use super::{eval, generate, score};
use crate::checkpoint::{Description, ModelFolder};
use crate::cli::media::Verbs;
use crate::cli::ui::{self, Ui};
use crate::error::Result;
use crate::medium::Text;

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

    fn facts(&self, _: &Description) -> Vec<(&'static str, String)> {
        vec![(
            "tokenizer",
            format!("{}, {} tokens", self.tokenizer, self.vocabulary),
        )]
    }

    fn extent(&self, tokens: usize) -> String {
        format!("{tokens} tokens")
    }

    fn pace(&self, _: f64) -> String {
        "one sentence after the other".into()
    }

    fn advice(&self) -> &'static str {
        "Write with it: `ensuite generate MODEL -n 10 --prompt \"it was\"`."
    }

    fn invitation(&self, model: &Path) -> String {
        format!("write with: ensuite generate {} -n 10", ui::quoted(model))
    }
}
