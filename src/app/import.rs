/*! Reading datasets, with progress and warnings for the observer. */

use std::path::Path;

use crate::app::Observer;
use crate::audio::{self, RecordingDataset};
use crate::base::labels::LabelRule;
use crate::error::Result;
use crate::image::{self, Indexed, Picture, PictureFormat, Pictures};
use crate::text::Sentences;

/// Reads recordings and tells what was found.
pub(crate) fn import_recordings(
    folder: &Path,
    settings: &audio::ImportSettings,
    rule: &LabelRule,
    scratch: &Path,
    observer: &mut dyn Observer,
) -> Result<RecordingDataset> {
    let recordings = observer.counting("reading", "recordings", |progress| {
        RecordingDataset::import(folder, settings, rule, scratch, progress)
    })?;
    observer.info(recordings.corpus.summary().to_string());
    if let Some(first) = recordings.unlabelled.first() {
        observer.warn(format!(
            "{} recordings left out: {} ({})",
            recordings.unlabelled.len(),
            first.path,
            first.reason
        ));
    }
    Ok(recordings)
}

/// Reads pictures and tells what was found.
pub(crate) fn import_pictures(
    path: &Path,
    settings: &image::ImportSettings,
    observer: &mut dyn Observer,
) -> Result<Pictures> {
    let pictures = observer.counting("reading", "pictures", |progress| {
        Pictures::import(path, settings, progress, &|_| true)
    })?;
    observer.info(pictures.summary().to_string());
    Ok(pictures)
}

/// The path of a picture: from the path that was imported, and its name there. In a file of many, `#` and its number follow.
pub(crate) fn picture_path(imported: &Path, name: &str) -> String {
    if imported.is_dir() {
        return imported.join(name).display().to_string();
    }
    if imported.file_name().is_some_and(|file| file == name) {
        return imported.display().to_string();
    }
    format!("{}#{name}", imported.display())
}

/// Reads one picture in the size and the colours of a model, with a warning for each change.
///
/// # Errors
/// When it cannot be read; with `strict`, when it would have to be changed.
pub(crate) fn import_picture(
    path: &Path,
    format: &PictureFormat,
    strict: bool,
    observer: &mut dyn Observer,
) -> Result<Indexed> {
    let picture = Picture::read(path, format.background)?;
    let (fit, background) = (format.fit, format.background);
    let (indexed, warnings) = format
        .codec
        .adapt(&picture, path, fit, background, strict)?;
    for warning in warnings {
        observer.warn(format!("{}: {warning}", path.display()));
    }
    Ok(indexed)
}

/// Reads sentences and tells what was found.
pub(crate) fn read_sentences(
    path: &Path,
    field: &str,
    observer: &mut dyn Observer,
) -> Result<Sentences> {
    let sentences = Sentences::read(path, field)?;
    observer.info(sentences.summary().to_string());
    Ok(sentences)
}
