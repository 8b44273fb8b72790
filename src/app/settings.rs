/*! The settings inside what is made: which model made it, and with which command. */

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::sampling::{SamplingOptions, labels_of_item};
use crate::app::words::quoted;
use crate::app::{Label, OpenModel};
use crate::base::embedded_text;
use crate::error::{Error, Result};

/// The name of this program, as in what it makes.
const PROGRAM: &str = concat!("ensuite ", env!("CARGO_PKG_VERSION"));

/// What a file says about how it was made. Displays as a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The program and its version.
    pub program: String,
    /// The name of the model.
    pub model: String,
    /// The SHA-256 of its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_sha256: Option<String>,
    /// The seed, where something was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How tokens were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<String>,
    /// The classes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, String>,
    /// The number of this file, where one command made several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<usize>,
    /// The command that makes it again, without the file to write.
    pub command: String,
}

/// What a command knows of how a file is made.
#[derive(Debug, Clone)]
pub struct Making<'a> {
    /// The words of the command, without the model, the seed and the file to write.
    pub command: &'a [String],
    /// The seed; `None` where nothing was drawn.
    pub seed: Option<u64>,
    /// How tokens were drawn.
    pub sampling: SamplingOptions,
    /// The classes that were given.
    pub classes: &'a [Label],
    /// Whether each file is one item, whose other classes were drawn from the seed.
    pub one_item_each: bool,
}

impl OpenModel {
    /// Writes the settings into files that this model made with one command. What is no file, such as standard output, is left out.
    ///
    /// # Errors
    /// When a file is no WAV, PNG or GIF file, or cannot be written.
    pub fn sign(&self, files: &[PathBuf], making: &Making<'_>) -> Result<()> {
        for (item, file) in files.iter().enumerate() {
            if file.is_file() && file != Path::new("-") {
                let item = (files.len() > 1).then_some(item);
                let settings = self.settings(making, item);
                let text = serde_json::to_string(&settings).expect("our settings are JSON");
                embedded_text::embed(file, PROGRAM, &text)?;
            }
        }
        Ok(())
    }

    fn settings(&self, making: &Making<'_>, item: Option<usize>) -> Settings {
        let sampling = making.sampling.settings(&self.manifest);
        let filters = [
            ("top-k", sampling.top_k.map(|k| k.to_string())),
            ("top-p", sampling.top_p.map(|p| p.to_string())),
            (
                "min-p",
                sampling.min_p.filter(|p| *p > 0.0).map(|p| p.to_string()),
            ),
        ];
        let filters = filters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let sampling = filters.fold(
            format!("temperature {}", sampling.temperature),
            |text, (name, value)| format!("{text}, {name} {value}"),
        );
        let classes = &self.manifest.classes;
        let number = item.unwrap_or(0) as u64;
        let classes = if making.one_item_each {
            labels_of_item(classes, making.classes, making.seed.unwrap_or(0), number)
        } else {
            making.classes.to_vec()
        };
        let path = self.folder.path();
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let model = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // The model follows the verb.
        let (verb, arguments) = making.command.split_at(1.min(making.command.len()));
        let words = [verb, std::slice::from_ref(&model), arguments].concat();
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        Settings {
            program: PROGRAM.into(),
            weights_sha256: self.manifest.weights_sha256.clone(),
            seed: making.seed,
            sampling: making.seed.map(|_| sampling),
            classes: classes.into_iter().collect(),
            item,
            command: match making.seed {
                Some(seed) => format!("ensuite {} --seed {seed}", words.join(" ")),
                None => format!("ensuite {}", words.join(" ")),
            },
            model,
        }
    }
}

/// The settings in a file, and what is known of its model here. Displays as a table.
#[derive(Debug, Clone, Serialize)]
pub struct SignedFile {
    /// The settings.
    #[serde(flatten)]
    pub settings: Settings,
    /// Whether the model of this name on this machine has the same weights; missing where there is none.
    pub same_model_here: Option<bool>,
    /// The whole command, which writes another file.
    pub again: String,
}

impl SignedFile {
    /// Reads the settings in a WAV, PNG or GIF file.
    ///
    /// # Errors
    /// When it has none, or cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let none = || {
            Error::input(path, "it has no settings of ensuite in it").with_hint(
                "generate, complete, sliders, interpolate and transform keep them in WAV, PNG and GIF files, without --no-metadata",
            )
        };
        let text = embedded_text::read(path)?.ok_or_else(none)?;
        let settings: Settings = serde_json::from_str(&text).map_err(|_| none())?;
        let here = OpenModel::open(&settings.model).ok();
        let same_model_here =
            here.map(|model| model.manifest.weights_sha256 == settings.weights_sha256);
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        Ok(Self {
            again: format!("{} -o again.{extension}", settings.command),
            settings,
            same_model_here,
        })
    }
}

impl fmt::Display for SignedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        let here = match self.same_model_here {
            None => "not found here by its name",
            Some(true) => "here, with the same weights",
            Some(false) => "here, but with other weights",
        };
        let classes: Vec<String> = settings
            .classes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut rows = vec![
            ("made by", settings.program.clone()),
            ("model", format!("{}, {here}", settings.model)),
        ];
        if let Some(hash) = &settings.weights_sha256 {
            rows.push(("weights", format!("SHA-256 {hash}")));
        }
        if let (Some(seed), Some(sampling)) = (settings.seed, &settings.sampling) {
            rows.push(("seed", seed.to_string()));
            rows.push(("sampling", sampling.clone()));
        }
        if !classes.is_empty() {
            rows.push(("classes", classes.join(" ")));
        }
        if let Some(item) = settings.item {
            rows.push((
                "item",
                format!("{item}, counted from 0, of those that the command makes"),
            ));
        }
        rows.push(("command", self.again.clone()));
        let rows = rows
            .iter()
            .map(|(name, value)| format!("{name:<16} {value}"));
        f.write_str(&rows.collect::<Vec<_>>().join("\n"))
    }
}
