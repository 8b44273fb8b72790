/*! What the verbs ask of pictures. */

use std::path::Path;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::media::Verbs;
use crate::cli::pictures::{eval, generate, score};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::image::PictureFormat;

impl Verbs for PictureFormat {
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

    fn facts(&self, _: &ModelManifest) -> Vec<(&'static str, String)> {
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

    fn advice(&self, _: &ModelManifest) -> &'static str {
        "Draw with it: `ensuite generate MODEL -n 64 -o sheet.png`. The palette is in `palette.png`."
    }

    fn invitation(&self, model: &Path, _: &ModelManifest) -> String {
        format!(
            "draw with: ensuite generate {} -n 64 -o sheet.png",
            ui::quoted(model)
        )
    }
}
