/*! What to score, and under which condition. */

use std::path::PathBuf;

use crate::app::OpenModel;
use crate::base::labels::Label;
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
        let labels = model.labels_of(&self.classes, &self.file)?;
        model.manifest.condition(&labels)
    }
}
