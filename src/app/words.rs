/*! Numbers, paths and next steps in words. */

use std::path::Path;

use crate::checkpoint::{Medium, ModelManifest};
use crate::models::ModelSpec;

/// The next thing to do with a trained model: a verb and the command.
pub fn next_step(manifest: &ModelManifest, model: &Path) -> String {
    let model = quoted(&model.display().to_string());
    if let ModelSpec::Classifier { .. } = manifest.recipe.model {
        return format!(
            "judge a model's pictures with: ensuite eval OTHER DATA --judge {model} --generated 1000"
        );
    }
    if let ModelSpec::Colorizer { .. } = manifest.recipe.model {
        return format!("colour a picture with: ensuite complete {model} grey.png -o colour.png");
    }
    // The noise of an energy model has a number for each of a picture's: too many sliders.
    let latent = manifest.recipe.model.latent().is_some()
        && !matches!(manifest.recipe.model, ModelSpec::Energy { .. });
    if latent && matches!(manifest.medium, Medium::Pictures(_)) {
        return format!("move its sliders with: ensuite sliders {model} -o sliders.png");
    }
    if latent {
        return format!(
            "interpolate with: ensuite interpolate {model} \"one sentence\" \"another one\""
        );
    }
    match &manifest.medium {
        Medium::Sound(_) => format!("generate sound with: ensuite generate {model} -o more.wav"),
        Medium::Frames(_) => "the frame tier is a part of the model whose folder it is in".into(),
        Medium::Pictures(_) => {
            format!("draw with: ensuite generate {model} -n 64 -o sheet.png")
        }
        Medium::Text(_) => format!("write with: ensuite generate {model} -n 10"),
    }
}

/// A word as a shell reads it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// `12`, `3.4k`, `5.6M`.
pub fn short_count(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1}G", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// `1:02:03` or `4:05`.
pub fn short_duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 {
        format!("{h}:{m:02}:{s:02}")
    } else {
        format!("{m}:{s:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(short_duration(3723.9), "1:02:03");
        assert_eq!(short_duration(245.0), "4:05");
        assert_eq!(
            [short_count(12.0), short_count(3400.0), short_count(5.6e6)],
            ["12", "3.4k", "5.6M"]
        );
    }
}
