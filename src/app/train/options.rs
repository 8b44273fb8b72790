/*! How to train, whatever the medium. */

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use crate::app::OpenModel;
use crate::app::open_model::wrong_medium;
use crate::checkpoint::ModelFolder;
use crate::error::{Error, IoContext, Result};
use crate::ops::device::DeviceChoice;
use crate::train::{Budget, Recipe};

/// How to train, whatever the medium. Where a setting is missing, the preset decides.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// The model folder to make.
    pub out: PathBuf,
    /// The network: `wavenet`, `lstm` or `gru`.
    pub network: Option<String>,
    /// A named recipe.
    pub preset: Option<String>,
    /// A TOML file that changes the preset.
    pub config: Option<PathBuf>,
    /// How long to train; 30 minutes where it is missing.
    pub budget: Option<Budget>,
    /// Windows, sentences or pictures of an update.
    pub batch: Option<usize>,
    /// The peak learning rate.
    pub learning_rate: Option<f64>,
    /// The seed of the weights and of the order of the data.
    pub seed: Option<u64>,
    /// Whether to continue where the model in `out` stopped.
    pub resume: bool,
    /// Whether to replace the model in `out`.
    pub force: bool,
    /// Whether the weights are stored in half precision.
    pub half: bool,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Set from outside to save and stop.
    pub stop: Arc<AtomicBool>,
}

impl TrainOptions {
    /// The defaults, for a model folder that is not there yet.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self {
            out: out.into(),
            network: None,
            preset: None,
            config: None,
            budget: None,
            batch: None,
            learning_rate: None,
            seed: None,
            resume: false,
            force: false,
            half: false,
            device: DeviceChoice::Auto,
            stop: Arc::default(),
        }
    }

    /// The recipe for a new model: preset, then config file, then options. `preset` and `network` are the defaults.
    pub(super) fn recipe(
        &self,
        recipe_of: impl Fn(&str, &str) -> Result<Recipe>,
        preset: &str,
        network: &str,
    ) -> Result<Recipe> {
        let mut recipe = recipe_of(
            self.preset.as_deref().unwrap_or(preset),
            self.network.as_deref().unwrap_or(network),
        )?;
        if let Some((_, changes)) = self.config_parts()? {
            recipe = self.overridden(&recipe, changes)?;
        }
        recipe.batches.rows = self.batch.unwrap_or(recipe.batches.rows);
        recipe.training.learning_rate = self.learning_rate.unwrap_or(recipe.training.learning_rate);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.validate()?;
        Ok(recipe)
    }

    /// The recipe of a frame tier: its defaults, then the section `[frames]` of the config file, then the seed.
    pub(super) fn frame_recipe(&self) -> Result<Recipe> {
        let mut recipe = Recipe::frames();
        if let Some((frames, _)) = self.config_parts()? {
            recipe = self.overridden(&recipe, frames)?;
        }
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.validate()?;
        Ok(recipe)
    }

    /// The section `[frames]` of the config file, and the rest of it.
    fn config_parts(&self) -> Result<Option<(toml::Table, toml::Table)>> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).reading(path)?;
        let invalid = |reason: String| Error::input(path, reason.trim().to_owned());
        let mut rest: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| invalid(error.to_string()))?;
        match rest
            .remove("frames")
            .unwrap_or_else(|| toml::Table::new().into())
        {
            toml::Value::Table(frames) => Ok(Some((frames, rest))),
            _ => Err(invalid("frames is a section".into())),
        }
    }

    fn overridden(&self, recipe: &Recipe, changes: toml::Table) -> Result<Recipe> {
        let path = self.config.clone().unwrap_or_default();
        recipe
            .overridden(changes)
            .map_err(|reason| Error::input(path, reason.trim().to_owned()))
    }

    /// Refuses what can be refused before any data is read: the recipe, the budget and the device.
    pub(super) fn check(
        &self,
        recipe_of: impl Fn(&str, &str) -> Result<Recipe>,
        preset: &str,
        network: &str,
    ) -> Result<()> {
        self.checked_budget()?;
        self.device.resolve_all()?;
        if !self.resume {
            self.recipe(recipe_of, preset, network)?;
        }
        Ok(())
    }

    /// How long to train.
    pub(super) fn checked_budget(&self) -> Result<Budget> {
        let budget = self.budget.unwrap_or(Budget::Minutes(30.0));
        match budget {
            Budget::Steps(0) => {
                Err(Error::usage("--steps 0 trains nothing").with_hint("give 1 or more"))
            }
            Budget::Minutes(minutes)
                if !(minutes.is_finite() && minutes > 0.0 && minutes <= 1e6) =>
            {
                Err(Error::usage(format!("--minutes {minutes} is not possible"))
                    .with_hint("give a number above 0, at most 1000000"))
            }
            _ => Ok(budget),
        }
    }

    /// What was given of these options and of those of the data: what a resumed run may repeat and not change.
    pub(super) fn given(&self, of_data: Given) -> Result<Given> {
        let config = match self.config_parts()? {
            Some((frames, rest)) => json!([rest, frames]),
            None => Value::Null,
        };
        let mut given = given(&[
            ("--network", json!(self.network)),
            ("--preset", json!(self.preset)),
            ("--config", config),
            ("--batch", json!(self.batch)),
            (
                "--learning-rate",
                json!(self.learning_rate.map(|rate| rate.to_string())),
            ),
            ("--seed", json!(self.seed)),
            ("--half", json!(self.half)),
        ]);
        given.extend(of_data);
        Ok(given)
    }

    /// The model to resume, which has to be of `medium`; `None` for a new one.
    pub(super) fn resumed(&self, medium: &str) -> Result<Option<OpenModel>> {
        if !self.resume {
            ModelFolder::check_free(&self.out, self.force)?;
            return Ok(None);
        }
        if !self.out.exists() {
            return Err(Error::input(&self.out, "there is no model to resume")
                .with_hint("omit --resume to begin one"));
        }
        let model = OpenModel::open(&self.out)?;
        if model.manifest.medium.name() != medium {
            return Err(wrong_medium(&self.out, &model.manifest.medium, medium));
        }
        Ok(Some(model))
    }
}

/// Options by name, each with its value as text; empty for one that has none.
pub(super) type Given = BTreeMap<String, String>;

/// Those of these options that were given.
pub(super) fn given(options: &[(&str, Value)]) -> Given {
    let text = |value: &Value| match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    options
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), text(value)?)))
        .collect()
}

/// Refuses options that were not given in the same way when the model was begun: a resumed run goes on as it began.
pub(super) fn refuse_changes(model: &OpenModel, given: &Given) -> Result<()> {
    let begun = &model.manifest.options;
    // What `--binarize threshold` was called.
    let begun_with = |name: &str| {
        let value = begun.get(name)?;
        let renamed = (name, value.as_str()) == ("--binarize", "static");
        Some(if renamed { "threshold" } else { value })
    };
    let Some((name, _)) = given
        .iter()
        .find(|(name, value)| begun_with(name) != Some(value))
    else {
        return Ok(());
    };
    let with = match begun_with(name) {
        Some(value) if name != "--config" => format!("; it was begun with {name} {value}"),
        _ => String::new(),
    };
    Err(Error::usage(format!(
        "{name} cannot change a model that is already in training{with}"
    ))
    .with_hint("omit it to resume, or train a new model with another --out"))
}
