/*! `ensuite score MODEL FILE`: how surprising each part of something is. */

use std::path::{Path, PathBuf};

use super::arguments::parse_label;
use super::media;
use super::ui::Ui;
use crate::checkpoint::{Description, ModelFolder};
use crate::error::{Error, Result};
use crate::labels::{Label, describe};

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
    let (folder, description) = ModelFolder::open(&args.model)?;
    description.classes.check(&args.classes)?;
    media::verbs(&description.medium).score(args, &folder, &description, ui)
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
    pub(super) fn condition(&self, description: &Description) -> Result<Option<Vec<f32>>> {
        let classes = &description.classes;
        if classes.width() == 0 {
            return Ok(None);
        }
        if self.classes.len() == classes.groups().len() {
            return classes.vector(&self.classes).map(Some);
        }
        let mut labels = self.classes.clone();
        for label in named(description, &self.file)? {
            if !labels.iter().any(|(name, _)| *name == label.0) {
                labels.push(label);
            }
        }
        classes.vector(&labels).map(Some)
    }
}

/// What a file's path says about it. Where the corpus folder ends in the path is not known: every part of it may be
/// the one, as long as all that make sense say the same.
fn named(description: &Description, file: &Path) -> Result<Vec<Label>> {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let mut found: Vec<Vec<Label>> = (0..parts.len())
        .filter_map(|from| description.labels.labels(&parts[from..].join("/")).ok())
        .filter(|labels| description.classes.check(labels).is_ok())
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
