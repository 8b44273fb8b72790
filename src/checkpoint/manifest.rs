/*! `model.json`: what a model is. Formats older than [`FORMAT`] are migrated when they are read. */

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::labels::{Classes, Label, LabelRule};
use crate::base::split::Split;
use crate::checkpoint::Medium;
use crate::error::{Error, Result};
use crate::models::wavenet::Calibration;
use crate::models::{Interface, Model, ModelSpec};
use crate::sequence::{Clock, SideInputs};
use crate::train::{Metric, Recipe};

/// The version of the model folder that this program writes. Since 2: the model's family and the SHA-256 of its weights.
pub const FORMAT: u32 = 2;

/// What a model is: the content of `model.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// That program and its version.
    pub program: String,
    /// The medium of its data.
    pub medium: Medium,
    /// The distances of earlier tokens that are inputs beside the current one.
    pub lags: Vec<usize>,
    /// The functions of the position that are inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<Clock>,
    /// How the labels of a file are found.
    pub labels: LabelRule,
    /// The classes that can condition it.
    pub classes: Classes,
    /// The model and how it is trained.
    pub recipe: Recipe,
    /// The data it is trained on.
    pub split: Split,
    /// The options that its training was begun with, and the held-out part that its corpus names, each with its value as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// The training step of its weights.
    pub step: u64,
    /// The evaluation of these weights on held-out data.
    pub validation: Option<Metric>,
    /// Eight-bit weights, where the network has them.
    pub int8: Option<Int8>,
    /// Whether the weights are stored in half precision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half: bool,
    /// SHA-256 of the file of weights, in hexadecimal; set when the weights are saved. Without it they are not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_sha256: Option<String>,
}

/// Eight-bit weights: how activations are quantised, and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int8 {
    /// The sizes of the activations on training data.
    pub calibration: Calibration,
    /// The NLL of some held-out data with f32 weights, in bits a token.
    pub f32_bits: f64,
    /// The same with eight-bit weights.
    pub int8_bits: f64,
}

impl Int8 {
    /// The largest acceptable increase of the NLL, in bits a token.
    pub const COST: f64 = 0.01;

    /// Whether eight-bit weights predict almost as well.
    pub fn is_good(&self) -> bool {
        self.int8_bits - self.f32_bits <= Self::COST
    }
}

impl ModelManifest {
    /// The unit of its losses and of its validation: bits a token; of a GAN and a classifier what they are judged by.
    pub fn unit(&self) -> String {
        match self.recipe.model {
            ModelSpec::Gan { .. } | ModelSpec::Energy { .. } | ModelSpec::Colorizer { .. } => {
                "Fréchet distance".into()
            }
            ModelSpec::Classifier { .. } => "% right".into(),
            _ => self.medium.unit(),
        }
    }

    /// What a sequence network for this model reads and predicts.
    pub fn interface(&self) -> Interface {
        let frames = match &self.medium {
            Medium::Sound(sound) => sound.frames.map(|frames| (frames, sound.sample_rate)),
            _ => None,
        };
        let of_frames = frames.map_or(0, |(frames, rate)| frames.condition_width(rate));
        Interface {
            alphabet: self.medium.alphabet(),
            side_inputs: SideInputs {
                lags: self.lags.clone(),
                clocks: self.clocks.clone(),
                prediction: frames.map(|(frames, rate)| frames.prediction(rate)),
            },
            condition: of_frames + self.classes.width() + self.medium.condition(),
        }
    }

    /// The condition vector of one label in each group; `None`, which stands for zeros, without classes.
    ///
    /// # Errors
    /// A usage error that lists the known groups or values, if one is unknown or missing.
    pub fn condition(&self, labels: &[Label]) -> Result<Option<Vec<f32>>> {
        if self.classes.width() == 0 {
            self.classes.check(labels)?;
            return Ok(None);
        }
        let mut condition = self.classes.vector(labels)?;
        condition.resize(self.classes.width() + self.medium.condition(), 0.0);
        Ok(Some(condition))
    }

    /// The model with its initial weights, on a plain device.
    ///
    /// # Errors
    /// When the sizes in the recipe cannot work.
    pub fn build(&self, device: &Device) -> Result<Model> {
        let Recipe { model, seed, .. } = &self.recipe;
        model.build(self.interface(), *seed, device)
    }

    /// Reads the text of `file`.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self> {
        let damaged = |error: serde_json::Error| {
            Error::model(
                file,
                format!("it is damaged or not written by ensuite ({error})"),
            )
        };
        let mut value: Value = serde_json::from_str(text).map_err(damaged)?;
        let Version { format } = Version::deserialize(&value).map_err(damaged)?;
        if format > FORMAT {
            return Err(Error::model(
                file,
                format!("it has format {format}, and this program reads up to {FORMAT}"),
            )
            .with_hint("use a newer ensuite"));
        }
        if format == 1 {
            migrate_from_1(&mut value);
        }
        serde_json::from_value(value).map_err(|error| Error::model(file, error.to_string()))
    }
}

/// Only the version, whatever else there is.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// Format 1 had `network` and, for a sentence VAE, `elbo` in the recipe, and the validation as a plain number.
fn migrate_from_1(manifest: &mut Value) {
    manifest["format"] = FORMAT.into();
    let mut family = "sequence";
    if let Some(recipe) = manifest["recipe"].as_object_mut() {
        let mut network = recipe.remove("network").unwrap_or_default();
        if network["kind"] == "sentence-vae" {
            family = "sentence-vae";
            network.as_object_mut().and_then(|n| n.remove("kind"));
        }
        let mut model = json!({"family": family, "network": network});
        if let Some(elbo) = recipe.remove("elbo") {
            model["elbo"] = elbo;
        }
        recipe.insert("model".into(), model);
    }
    let Some(fields) = manifest.as_object_mut() else {
        return;
    };
    let validation = match fields.remove("validation_bits") {
        Some(Value::Number(bits)) => {
            let name = if family == "sequence" {
                "nll"
            } else {
                "negative_elbo"
            };
            json!({"name": name, "value": bits, "unit": "bits/token", "direction": "lower"})
        }
        _ => Value::Null,
    };
    fields.insert("validation".into(), validation);
}
