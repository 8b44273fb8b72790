/*! What the verbs ask of sound. */

use std::path::Path;

use crate::audio::SoundFormat;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::media::Verbs;
use crate::cli::sound::{eval, generate, score};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::Result;

impl Verbs for SoundFormat {
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
        vec![("sample rate", format!("{} Hz", self.sample_rate))]
    }

    fn extent(&self, tokens: usize) -> String {
        let ms = 1000.0 * tokens as f64 / f64::from(self.sample_rate);
        format!("{tokens} samples, {ms:.0} ms")
    }

    fn pace(&self, tokens_per_second: f64) -> String {
        format!(
            "{:.1} times real time",
            tokens_per_second / f64::from(self.sample_rate)
        )
    }

    fn advice(&self, _: &ModelManifest) -> &'static str {
        "Make sound with it: `ensuite generate MODEL -o more.wav --seconds 10`."
    }

    fn invitation(&self, model: &Path, _: &ModelManifest) -> String {
        format!(
            "make sound with: ensuite generate {} -o more.wav",
            ui::quoted(model)
        )
    }
}
