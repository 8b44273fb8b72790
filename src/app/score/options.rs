/*! What to score, and under which condition. */

use std::path::{Path, PathBuf};

use crate::app::OpenModel;
use crate::base::labels::{Label, describe};
use crate::error::{Error, Result};

/// What to score, and where to write the result.
#[derive(Debug, Clone)]
pub struct ScoreOptions {
    /// A recording, a picture or a text file, like the model's data.
    pub file: PathBuf,
    /// The file to write; its extension chooses the format.
    pub output: PathBuf,
    /// Its classes; the others are read from its path.
    pub classes: Vec<Label>,
}

impl ScoreOptions {
    /// The extension of the output, which must be one of these.
    pub(super) fn format(&self, known: &[&'static str]) -> Result<&'static str> {
        let given = self.output.extension().and_then(|e| e.to_str());
        known
            .iter()
            .find(|known| Some(**known) == given)
            .copied()
            .ok_or_else(|| {
                let known: Vec<_> = known.iter().map(|known| format!(".{known}")).collect();
                Error::usage(format!(
                    "the format of {} is not known",
                    self.output.display()
                ))
                .with_hint(format!(
                    "give -o a name that ends in {}",
                    known.join(" or ")
                ))
            })
    }

    /// The condition of the file: the given classes, and for the others what its path says.
    pub(super) fn condition(&self, model: &OpenModel) -> Result<Option<Vec<f32>>> {
        let classes = &model.manifest.classes;
        if classes.width() == 0 {
            return Ok(None);
        }
        let mut labels = self.classes.clone();
        if labels.len() < classes.groups().len() {
            for label in labels_of_path(model, &self.file)? {
                if !labels.iter().any(|(name, _)| *name == label.0) {
                    labels.push(label);
                }
            }
        }
        model.manifest.condition(&labels)
    }
}

/// The labels that a file's path gives. Where the dataset folder ends in the path is not known: every part of it
/// is tried, and all that fit must agree.
fn labels_of_path(model: &OpenModel, file: &Path) -> Result<Vec<Label>> {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let mut found: Vec<Vec<Label>> = (0..parts.len())
        .filter_map(|from| model.manifest.labels.labels(&parts[from..].join("/")).ok())
        .filter(|labels| model.manifest.classes.check(labels).is_ok())
        .collect();
    found.sort();
    found.dedup();
    if found.len() > 1 {
        let classes: Vec<_> = found.iter().map(|labels| describe(labels)).collect();
        return Err(Error::usage(format!(
            "the path of {} may mean {}",
            file.display(),
            classes.join(" or ")
        ))
        .with_hint("choose one with --class"));
    }
    Ok(found.pop().unwrap_or_default())
}
