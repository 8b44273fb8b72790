/*! Seeds, classes and items: what generating and completing share. */

use rand_core::Rng;

use crate::app::OpenModel;
use crate::base::labels::{Classes, Label, describe};
use crate::base::rng::rng_stream;
use crate::checkpoint::{Medium, ModelManifest};
use crate::error::{Error, Result};
use crate::image::PictureFormat;
use crate::latent::draw_from_prior;
use crate::models::ModelSpec;
use crate::sequence::{Item, Sampler, Sampling, Token};

/// A new seed, short enough to type.
pub fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos() as u64);
    (now ^ u64::from(std::process::id()) << 20) % 1_000_000
}

/// The labels of item `item`: the given ones, the others drawn from the seed.
pub(crate) fn labels_of_item(
    classes: &Classes,
    given: &[Label],
    seed: u64,
    item: u64,
) -> Vec<Label> {
    let mut rng = rng_stream(seed, *b"classes ", item);
    classes.complete(given, |count| (rng.next_u64() % count as u64) as usize)
}

/// How tokens are to be drawn; what is missing is chosen for the medium.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SamplingOptions {
    /// Divides the logits: below 1 prefers likely tokens, 0 always takes the likeliest. 0.7 for the samples of a sound model
    /// of two tiers where it is missing, 0 for an image VAE whose pixels are independent given the code, else 1.
    pub temperature: Option<f32>,
    /// Keeps the k likeliest tokens.
    pub top_k: Option<usize>,
    /// Keeps the likeliest tokens that together have this probability.
    pub top_p: Option<f32>,
    /// Keeps tokens at least this many times as likely as the likeliest. In pictures in colour it compares the colours beside
    /// the likeliest, which keeps its probability, and is 0.005 where no filter is given.
    pub min_p: Option<f32>,
}

/// The min-p of pictures in colour: their stray pixels come from the many colours that are each unlikely. A higher one makes
/// cleaner, but duller pictures.
const MIN_P_OF_COLORS: f32 = 0.005;
/// The temperature of samples that frames steer.
const SAMPLE_TEMPERATURE: f32 = 0.7;

impl SamplingOptions {
    /// The settings for a model.
    pub(crate) fn settings(&self, manifest: &ModelManifest) -> Sampling {
        match &manifest.medium {
            Medium::Sound(sound) if sound.frames.is_some() => self.or(SAMPLE_TEMPERATURE, None),
            Medium::Pictures(format) => {
                self.of_pictures(format, manifest.recipe.model.has_independent_pixels())
            }
            _ => self.or(1.0, None),
        }
    }

    /// The settings for pictures, whose pixels may be independent given a code.
    pub(crate) fn of_pictures(&self, format: &PictureFormat, independent: bool) -> Sampling {
        let filtered = self.top_k.is_some() || self.top_p.is_some() || self.min_p.is_some();
        let colors = format.codec.palette().has_colors();
        // Drawn one by one, independent pixels are noise on the picture. Where each depends on those before, likeliest colours soon
        // make an empty one.
        let temperature = if independent { 0.0 } else { 1.0 };
        Sampling {
            // Also where a figure begins, each colour is unlikely beside the background.
            spares_likeliest: colors,
            ..self.or(
                temperature,
                (colors && !filtered).then_some(MIN_P_OF_COLORS),
            )
        }
    }

    /// The settings with these where none are given.
    fn or(&self, temperature: f32, min_p: Option<f32>) -> Sampling {
        Sampling {
            temperature: self.temperature.unwrap_or(temperature),
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p.or(min_p),
            spares_likeliest: false,
        }
    }

    /// Refuses what is out of range, and any of it for a model that draws no token.
    pub(crate) fn check(&self, model: &ModelSpec) -> Result<()> {
        if model.makes_pictures_from_noise() && *self != Self::default() {
            let what = "--temperature, --top-k, --top-p or --min-p does not apply: this model makes all pixels of a picture at once";
            return Err(Error::usage(what).with_hint("omit it"));
        }
        self.validate()
    }

    /// Refuses what is out of range.
    ///
    /// # Errors
    /// A usage error that names the setting, its value and the range.
    pub fn validate(&self) -> Result<()> {
        let plain = Sampling::default();
        self.or(plain.temperature, None).validate()
    }
}

/// `number` items to generate from one seed, and the labels of each in words.
pub(crate) fn items(
    model: &OpenModel,
    number: u64,
    given: &[Label],
    sampling: SamplingOptions,
    seed: u64,
    prompt: &[Token],
) -> Result<(Vec<Item>, Vec<String>)> {
    let classes = &model.manifest.classes;
    let sampling = sampling.settings(&model.manifest);
    (0..number)
        .map(|item| {
            let labels = labels_of_item(classes, given, seed, item);
            let made = Item {
                stream: None,
                sampler: Sampler::new(sampling, seed, item)?,
                condition: condition_of(&model.manifest, &labels, seed, item)?,
                prompt: prompt.to_vec(),
            };
            Ok((made, describe(&labels)))
        })
        .collect::<Result<Vec<_>>>()
        .map(|all| all.into_iter().unzip())
}

/// The condition of an item: its labels and, for a model of pictures with latent codes, a code from the prior N(0, I).
pub(crate) fn condition_of(
    manifest: &ModelManifest,
    labels: &[Label],
    seed: u64,
    item: u64,
) -> Result<Option<Vec<f32>>> {
    match (&manifest.medium, manifest.recipe.model.latent()) {
        (Medium::Pictures(_), Some(latent)) => {
            let mut condition = class_vector(manifest, labels)?;
            condition.extend(draw_from_prior(latent, seed, item));
            Ok(Some(condition))
        }
        _ => manifest.condition(labels),
    }
}

/// The class vector of labels, with what the medium adds; empty without either.
pub(crate) fn class_vector(manifest: &ModelManifest, labels: &[Label]) -> Result<Vec<f32>> {
    let width = manifest.interface().condition;
    Ok(manifest
        .condition(labels)?
        .unwrap_or_else(|| vec![0.0; width]))
}

/// Refuses lengths of sound that are not possible.
pub(crate) fn check_seconds(seconds: f64) -> Result<()> {
    if seconds.is_finite() && seconds > 0.0 && seconds <= 1e6 {
        return Ok(());
    }
    Err(Error::usage(format!("--seconds {seconds} is not possible"))
        .with_hint("a length is above 0 and at most 1000000 seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Fit, Labelled, Palette, PixelCodec, Size};

    #[test]
    fn only_pictures_in_colour_are_filtered_and_only_where_no_filter_is_asked_for() {
        let pictures = |palette| PictureFormat {
            codec: PixelCodec::new(Size::new(4, 4).expect("a size"), palette),
            fit: Fit::Crop,
            background: [255; 3],
            grey: false,
            binarize: None,
            labelled: Labelled::ByPath,
            augment: false,
        };
        let colors = pictures(Palette::new(vec![[0; 3], [200, 0, 0]]).expect("two colours"));
        let plain = SamplingOptions::default();
        let greys = pictures(Palette::binary());
        assert_eq!(plain.of_pictures(&greys, false), Sampling::default());
        assert_eq!(plain.of_pictures(&greys, true).temperature, 0.0);
        let cool = SamplingOptions {
            temperature: Some(0.7),
            ..plain
        };
        let settings = cool.of_pictures(&colors, false);
        assert_eq!(
            (settings.temperature, settings.min_p),
            (0.7, Some(MIN_P_OF_COLORS))
        );
        assert!(settings.spares_likeliest);
        for asked in [
            SamplingOptions {
                min_p: Some(0.0),
                ..plain
            },
            SamplingOptions {
                top_k: Some(5),
                ..plain
            },
            SamplingOptions {
                top_p: Some(0.9),
                ..plain
            },
        ] {
            assert_eq!(asked.of_pictures(&colors, false).min_p, asked.min_p);
        }
    }
}
