/*! `info`: what a model is, and how fast it is on this machine. */

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use burn::prelude::*;
use serde::Serialize;

use crate::app::words::short_count;
use crate::app::{OpenModel, precision};
use crate::audio::frames::{FRAMES_A_SECOND, SLOTS};
use crate::base::labels::Group;
use crate::checkpoint::{Medium, ModelManifest};
use crate::error::Result;
use crate::models::{Model, PictureGenerator, parameters};
use crate::sequence::{Sampler, Sampling, Stepper};

/// What a model is. Displays as a table.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// Sound, pictures or text.
    pub medium: &'static str,
    /// The architecture.
    pub network: &'static str,
    /// What it can be conditioned on.
    pub classes: Vec<Group>,
    /// Tokens that reach one prediction; `None` where all earlier ones do.
    pub receptive_field_tokens: Option<usize>,
    /// Numbers in its weights.
    pub parameters: usize,
    /// Multiply-adds of one step.
    pub multiply_adds_per_token: usize,
    /// Size of the files needed to generate.
    pub megabytes: f64,
    /// The training step of its weights.
    pub step: u64,
    /// Validation with these weights, in the unit of the model: for most bits a token.
    pub validation_bits: Option<f64>,
    /// What int8 weights cost, bits a token; `None` where there are none.
    pub int8_cost_bits: Option<f64>,
    /// Tokens a second of one stream on this machine, sampling included.
    pub tokens_per_second: f64,
    /// What only this medium has.
    pub facts: BTreeMap<&'static str, String>,
    #[serde(skip)]
    rows: Vec<(&'static str, String)>,
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self
            .rows
            .iter()
            .map(|(name, value)| format!("{name:<16} {value}"));
        f.write_str(&rows.collect::<Vec<_>>().join("\n"))
    }
}

impl OpenModel {
    /// Shows what the model is, and times it.
    ///
    /// # Errors
    /// When its weights are missing or damaged.
    pub fn info(&self) -> Result<Info> {
        let manifest = &self.manifest;
        let model = self.load(&Device::flex())?;
        let spec = &manifest.recipe.model;
        let mut info = Info {
            medium: manifest.medium.name(),
            network: spec.name(),
            classes: manifest.classes.groups().to_vec(),
            receptive_field_tokens: spec.receptive_field(),
            parameters: parameters(&model).iter().map(|p| p.values.len()).sum(),
            multiply_adds_per_token: model.multiply_adds_per_token(),
            megabytes: self.folder.size() as f64 / 1e6,
            step: manifest.step,
            validation_bits: manifest.validation.as_ref().map(|metric| metric.value),
            int8_cost_bits: manifest
                .int8
                .as_ref()
                .map(|int8| int8.int8_bits - int8.f32_bits),
            tokens_per_second: match (&model, model.pictures()) {
                (Model::Classifier(net), _) => speed_of_reading(net.pixels(), |pictures| {
                    drop(net.classify(pictures));
                }),
                (Model::Colorizer(net), _) => speed_of_reading(net.pixels(), |pictures| {
                    drop(net.color(pictures));
                }),
                (_, Some(generator)) => speed_of_pictures(generator, manifest),
                _ => speed(precision::stepper(&model, manifest, None, 1)?)?,
            },
            facts: facts(manifest).into_iter().collect(),
            rows: Vec::new(),
        };
        info.rows = rows(&info, manifest);
        Ok(info)
    }
}

fn rows(info: &Info, manifest: &ModelManifest) -> Vec<(&'static str, String)> {
    let (unit, token) = (manifest.unit(), manifest.medium.token_name());
    let classes: Vec<String> = info
        .classes
        .iter()
        .map(|group| format!("{}: {}", group.name, group.values.join(" ")))
        .collect();
    let trained = match info.validation_bits {
        Some(bits) => format!("{} steps, {bits:.3} {unit} on the held-out data", info.step),
        None => format!("{} steps", info.step),
    };
    let int8 = match &manifest.int8 {
        Some(int8) => format!(
            "{}used: costs {:.4} {unit}",
            if int8.is_good() { "" } else { "not " },
            int8.int8_bits - int8.f32_bits
        ),
        None => "none".into(),
    };
    let mut rows = vec![("medium", info.medium.to_owned())];
    rows.extend(facts(manifest));
    rows.extend([(
        "network",
        format!(
            "{}, {} parameters, {:.1} MB",
            info.network,
            short_count(info.parameters as f64),
            info.megabytes
        ),
    )]);
    match (manifest.recipe.model.latent(), info.receptive_field_tokens) {
        (Some(numbers), _) => rows.push(("latent code", format!("{numbers} numbers"))),
        // It reads or makes whole pictures.
        (None, Some(0)) => {}
        (None, None) => rows.push(("receptive field", "all earlier tokens".into())),
        (None, Some(tokens)) => {
            rows.push((
                "receptive field",
                describe_context(&manifest.medium, tokens),
            ));
        }
    }
    rows.extend([
        (
            "multiply-adds",
            format!(
                "{} a {token}",
                short_count(info.multiply_adds_per_token as f64)
            ),
        ),
        (
            "classes",
            if classes.is_empty() {
                "none".into()
            } else {
                classes.join("; ")
            },
        ),
        ("trained", trained),
        ("int8", int8),
        (
            "speed here",
            format!(
                "{} {token}s/s on one core, {}",
                short_count(info.tokens_per_second),
                describe_speed(&manifest.medium, info.tokens_per_second)
            ),
        ),
    ]);
    rows
}

/// What only this medium or family has: a name and a value each.
pub(crate) fn facts(manifest: &ModelManifest) -> Vec<(&'static str, String)> {
    match &manifest.medium {
        Medium::Sound(sound) => {
            let tiers = match sound.frames {
                Some(_) => "two: frames of 10 ms, and samples made from them",
                None => "one",
            };
            vec![
                ("sample rate", format!("{} Hz", sound.sample_rate)),
                ("tiers", tiers.into()),
            ]
        }
        Medium::Frames(_) => Vec::new(),
        Medium::Pictures(pictures) => {
            let colors = pictures.codec.palette().len();
            let mut facts = vec![
                ("size", format!("{} pixels", pictures.codec.size())),
                ("palette", format!("{colors} colours (palette.png)")),
            ];
            if pictures.augment {
                let what = "half of the training pictures were flipped, shifted or recoloured";
                facts.push(("augmented", what.into()));
            }
            facts
        }
        Medium::Text(text) => {
            let mut facts = vec![(
                "tokenizer",
                format!("{}, {} tokens", text.tokenizer, text.vocabulary),
            )];
            if let Some(latent) = manifest.recipe.model.latent() {
                facts.push((
                    "latent code",
                    format!(
                        "{latent} numbers a sentence; validation is the negative ELBO, a bound"
                    ),
                ));
            }
            facts
        }
    }
}

/// The length of a receptive field in the medium's own unit.
fn describe_context(medium: &Medium, tokens: usize) -> String {
    match medium {
        Medium::Sound(sound) => {
            let ms = 1000.0 * tokens as f64 / f64::from(sound.sample_rate);
            format!("{tokens} samples, {ms:.0} ms")
        }
        Medium::Pictures(pictures) => {
            let rows = tokens as f64 / f64::from(pictures.codec.size().width());
            format!("{tokens} pixels, {rows:.1} rows")
        }
        Medium::Frames(_) | Medium::Text(_) => format!("{tokens} tokens"),
    }
}

/// A speed in the medium's own unit.
fn describe_speed(medium: &Medium, tokens_per_second: f64) -> String {
    match medium {
        Medium::Sound(sound) => {
            let times = tokens_per_second / f64::from(sound.sample_rate);
            format!("{times:.1} times real time")
        }
        Medium::Pictures(pictures) => {
            let pictures = tokens_per_second / pictures.codec.size().area() as f64;
            format!("{pictures:.2} pictures/s")
        }
        Medium::Frames(_) => {
            let times = tokens_per_second / (SLOTS * FRAMES_A_SECOND) as f64;
            format!("{times:.1} times real time")
        }
        Medium::Text(_) => "one sentence after the other".into(),
    }
}

/// Pixels a second of pictures of so many pixels that a network `reads` together.
fn speed_of_reading(pixels: usize, reads: impl FnOnce(&[Vec<[u8; 3]>])) -> f64 {
    const TOGETHER: usize = 64;
    let pictures = vec![vec![[0; 3]; pixels]; TOGETHER];
    let begun = Instant::now();
    reads(&pictures);
    (TOGETHER * pixels) as f64 / begun.elapsed().as_secs_f64()
}

/// Pixels a second of pictures that are made together.
fn speed_of_pictures(generator: &dyn PictureGenerator, manifest: &ModelManifest) -> f64 {
    const TOGETHER: usize = 64;
    let width = manifest.classes.width() + generator.latent();
    let conditions = vec![vec![0.0; width]; TOGETHER];
    let conditions: Vec<&[f32]> = conditions.iter().map(Vec::as_slice).collect();
    let begun = Instant::now();
    let pixels: usize = generator.draw(&conditions).iter().map(Vec::len).sum();
    pixels as f64 / begun.elapsed().as_secs_f64()
}

/// Tokens a second of one stream on this machine, sampling included.
fn speed(mut stepper: Box<dyn Stepper>) -> Result<f64> {
    const TIMED: Duration = Duration::from_millis(300);
    let mut sampler = Sampler::new(Sampling::default(), 0, 0)?;
    let mut last = stepper.alphabet().start;
    let begun = Instant::now();
    let mut steps = 0_u32;
    while begun.elapsed() < TIMED {
        for _ in 0..50 {
            last = sampler.choose(stepper.step(&[last]));
        }
        steps += 50;
    }
    Ok(f64::from(steps) / begun.elapsed().as_secs_f64())
}
