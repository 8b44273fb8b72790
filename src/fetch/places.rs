/*! Where corpora and models lie on this machine. */

use std::path::{Component, Path, PathBuf};

use etcetera::BaseStrategy;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};
use crate::fetch::ModelCatalog;

/// Models that a package installs.
const SYSTEM_MODELS: &str = "/usr/share/ensuite/models";
/// What a fetched corpus says about itself.
const SETTINGS: &str = "corpus.toml";

/// The folder that corpora are fetched to: `$ENSUITE_CORPORA`, else `ensuite/corpora` in the user's data folder.
///
/// # Errors
/// When there is no home folder.
pub fn corpora_folder() -> Result<PathBuf> {
    place("ENSUITE_CORPORA", "corpora")
}

/// The folder that models are fetched to: `$ENSUITE_MODELS`, else `ensuite/models` in the user's data folder.
///
/// # Errors
/// When there is no home folder.
pub fn models_folder() -> Result<PathBuf> {
    place("ENSUITE_MODELS", "models")
}

fn place(variable: &str, inner: &str) -> Result<PathBuf> {
    match std::env::var_os(variable) {
        Some(folder) if !folder.is_empty() => Ok(folder.into()),
        _ => Ok(data_folder(variable)?.join(inner)),
    }
}

fn data_folder(variable: &str) -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Error::usage(format!("the user's data folder is not known: {error}"))
            .with_hint(format!("name a folder in the variable {variable}"))
    })?;
    Ok(base.data_dir().join("ensuite"))
}

/// The folder of a model: the path as it is, or for a name without a slash that folder in `$ENSUITE_MODELS`, in the user's data
/// folder or in `/usr/share/ensuite/models`.
///
/// # Errors
/// When a name is in none of them.
pub fn model_folder(model: &Path) -> Result<PathBuf> {
    let Some(name) = bare_name(model).filter(|_| !model.exists()) else {
        return Ok(model.to_owned());
    };
    let mut folders: Vec<PathBuf> = std::env::var_os("ENSUITE_MODELS")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    folders.extend(data_folder("ENSUITE_MODELS").map(|data| data.join("models")));
    folders.push(SYSTEM_MODELS.into());
    let found = folders.iter().map(|folder| folder.join(name));
    if let Some(found) = found.into_iter().find(|folder| folder.is_dir()) {
        return Ok(found);
    }
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(Error::model(
        model,
        format!(
            "there is no model folder here, and none of this name in {}",
            folders.join(", ")
        ),
    )
    .with_hint(match ModelCatalog::read()?.get(name) {
        Ok(_) => format!("fetch it: ensuite models fetch {name}"),
        Err(_) => "list the models that come with the program: ensuite models list".into(),
    }))
}

/// The name, where the path is one without a folder.
fn bare_name(path: &Path) -> Option<&str> {
    let mut parts = path.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None)
            if !path.as_os_str().to_string_lossy().ends_with('/') =>
        {
            name.to_str()
        }
        _ => None,
    }
}

/// Data as it is, or the folder of a fetched corpus of this name.
pub fn corpus_folder(data: &Path) -> PathBuf {
    let fetched = bare_name(data)
        .filter(|_| !data.exists())
        .and_then(|name| Some(corpora_folder().ok()?.join(name)))
        .filter(|folder| folder.is_dir());
    fetched.unwrap_or_else(|| data.to_owned())
}

/// What a fetched corpus says about itself: which file is read, and what is held out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusSettings {
    /// A regular expression for the one file that is read; the whole folder where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// A regular expression for the files to hold out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// A file of the folder that lists what to hold out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_list: Option<String>,
}

impl CorpusSettings {
    /// The settings in the folder of a corpus; the default where it has none.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(SETTINGS);
        if !file.is_file() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&file).reading(&file)?;
        toml::from_str(&text).map_err(|error| {
            Error::input(&file, format!("it is damaged: {error}"))
                .with_hint("remove it to read the folder as any other, or fetch the corpus again")
        })
    }

    /// Writes them to the folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join(SETTINGS);
        let text = toml::to_string(self).map_err(|error| Error::input(&file, error.to_string()))?;
        std::fs::write(&file, text).writing(&file)
    }

    /// What is read of the folder: the one file that `data` names, or the folder itself.
    ///
    /// # Errors
    /// When not exactly one file matches.
    pub fn data_in(&self, folder: &Path) -> Result<PathBuf> {
        let Some(pattern) = &self.data else {
            return Ok(folder.to_owned());
        };
        let settings = folder.join(SETTINGS);
        let pattern =
            Regex::new(pattern).map_err(|error| Error::input(&settings, error.to_string()))?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).reading(folder)? {
            let path = entry.reading(folder)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if pattern.is_match(&name) {
                found.push(path);
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(Error::input(
                &settings,
                format!("{} files match {pattern}, and it is to be one", found.len()),
            )
            .with_hint("name the file itself")),
        }
    }
}
