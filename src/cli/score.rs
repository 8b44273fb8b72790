/*! `ensuite score MODEL FILE`: how surprising each part of something is. */

use std::path::{Path, PathBuf};

use crate::base::labels::{Label, describe};
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::arguments::parse_label;
use crate::cli::media;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};

/// Show how surprising each part of something is
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    model: PathBuf,
    /// Something of the model's kind: a recording, a picture, sentences
    pub(super) file: PathBuf,
    /// What to write: a picture (.png) or a table (.csv); of sentences, a page (.html), a table (.tsv) or text (.txt)
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Its class, as in digit=7 [default: what its name says]
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    manifest.classes.check(&args.classes)?;
    media::verbs(&manifest.medium).score(args, &folder, &manifest, ui)
}

impl Args {
    /// The extension of the file to write, which must be one of these.
    pub(super) fn format(&self, known: &[&'static str]) -> Result<&'static str> {
        let given = self.output.extension().and_then(|e| e.to_str());
        known
            .iter()
            .find(|known| Some(**known) == given)
            .copied()
            .ok_or_else(|| {
                let known: Vec<_> = known.iter().map(|known| format!(".{known}")).collect();
                Error::usage(format!(
                    "what to write to {} is unclear",
                    self.output.display()
                ))
                .with_hint(format!(
                    "give -o a name that ends in {}",
                    known.join(" or ")
                ))
            })
    }

    /// The condition that belongs to the file: the classes given, and for the others what its name says.
    pub(super) fn condition(&self, manifest: &ModelManifest) -> Result<Option<Vec<f32>>> {
        let classes = &manifest.classes;
        if classes.width() == 0 {
            return Ok(None);
        }
        if self.classes.len() == classes.groups().len() {
            return classes.vector(&self.classes).map(Some);
        }
        let mut labels = self.classes.clone();
        for label in named(manifest, &self.file)? {
            if !labels.iter().any(|(name, _)| *name == label.0) {
                labels.push(label);
            }
        }
        classes.vector(&labels).map(Some)
    }
}

/// What a file's path says about it. Where the corpus folder ends in the path is not known: every part of it may be
/// the one, as long as all that make sense say the same.
fn named(manifest: &ModelManifest, file: &Path) -> Result<Vec<Label>> {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let mut found: Vec<Vec<Label>> = (0..parts.len())
        .filter_map(|from| manifest.labels.labels(&parts[from..].join("/")).ok())
        .filter(|labels| manifest.classes.check(labels).is_ok())
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
        .with_hint("say which with --class"));
    }
    Ok(found.pop().unwrap_or_default())
}
