/*! Models by name: listing and fetching those that come with the program. */

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::Observer;
use crate::app::corpora::{byte_count, megabytes};
use crate::error::{Error, Result};
use crate::fetch::{ModelCatalog, fetch_model, model_folder, models_folder};

/// A model that comes with the program.
#[derive(Debug, Clone, Serialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// What it does.
    pub title: String,
    /// `sound`, `pictures` or `text`.
    pub medium: String,
    /// Its licence.
    pub licence: String,
    /// The bytes of its files.
    pub bytes: u64,
    /// Where it is found; missing where it is not on this machine.
    pub folder: Option<PathBuf>,
}

impl ModelInfo {
    /// One line of a list.
    pub fn line(&self) -> String {
        let state = if self.folder.is_some() { "here" } else { "" };
        let line = format!(
            "{:<16} {:<9} {:>9}  {:<13} {state:<4}  {}",
            self.name,
            self.medium,
            byte_count(self.bytes),
            self.licence,
            self.title
        );
        line.trim_end().to_owned()
    }
}

/// The models that come with the program.
///
/// # Errors
/// When the catalogue is damaged.
pub fn list_models() -> Result<Vec<ModelInfo>> {
    let models = ModelCatalog::read()?.models;
    let infos = models.into_iter().map(|(name, model)| ModelInfo {
        bytes: model.size(),
        folder: model_folder(Path::new(&name)).ok(),
        title: model.title,
        medium: model.medium,
        licence: model.licence,
        name,
    });
    Ok(infos.collect())
}

/// Fetches a model and gives its folder; `from` is a folder that has it, or that has a folder of its name.
///
/// # Errors
/// When there is no address to fetch it from, or what arrives is not the model of the catalogue.
pub fn fetch_model_by_name(
    name: &str,
    from: Option<&Path>,
    observer: &mut dyn Observer,
) -> Result<PathBuf> {
    let catalog = ModelCatalog::read()?;
    let model = catalog.get(name)?;
    observer.info(&model.title);
    observer.info(format!("licence: {}", model.licence));
    observer.info(format!("trained on: {}", model.attribution));
    observer.info(format!("size: {}", byte_count(model.size())));
    let models = models_folder()?;
    let home = models.join(name);
    if home.is_dir() {
        observer.info("it is fetched already");
        return Ok(home);
    }
    if catalog.base.is_empty() && from.is_none() {
        return Err(
            Error::model(name, "the models have no public address yet").with_hint(format!(
                "with the source of the program: ensuite models fetch {name} --from models/{name}; or set ENSUITE_MODELS_URL to an address that holds the folder {name}"
            )),
        );
    }
    let from = from.map(|from| match from.join(name) {
        inner if inner.is_dir() => inner,
        _ => from.to_owned(),
    });
    megabytes(observer, |progress| {
        fetch_model(
            name,
            model,
            &catalog.base,
            &models,
            from.as_deref(),
            progress,
        )
    })
}
