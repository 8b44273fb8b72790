/*! What the verbs ask of pictures. */

use std::path::Path;

use super::{eval, generate, score};
use crate::checkpoint::{Description, ModelFolder};
use crate::cli::media::Verbs;
use crate::cli::ui::{self, Ui};
use crate::error::Result;
use crate::medium::Pictures;

impl Verbs for Pictures {
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
        vec![
            ("size", format!("{} pixels", self.codec.size())),
            ("palette", format!("{} colours", self.codec.palette().len())),
        ]
    }

    fn extent(&self, tokens: usize) -> String {
        format!(
            "{tokens} pixels, {:.1} rows",
            tokens as f64 / f64::from(self.codec.size().width())
        )
    }

    fn pace(&self, tokens_per_second: f64) -> String {
        format!(
            "{:.2} pictures/s one after the other",
            tokens_per_second / self.codec.size().area() as f64
        )
    }

    fn advice(&self, _: &Description) -> &'static str {
        "Draw with it: `ensuite generate MODEL -n 64 -o sheet.png`. The palette is in `palette.png`."
    }

    fn invitation(&self, model: &Path, _: &Description) -> String {
        format!(
            "draw with: ensuite generate {} -n 64 -o sheet.png",
            ui::quoted(model)
        )
    }
}
