/*! `ensuite eval MODEL PATH`: how well a model foresees given data, beside trivial baselines. */

use std::path::{Path, PathBuf};

use crate::checkpoint::ModelFolder;
use crate::cli::arguments::DeviceArgs;
use crate::cli::media;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};

/// Measure how well a model foresees given data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    model: PathBuf,
    /// Data of the model's kind: recordings, pictures, sentences
    pub(super) path: PathBuf,
    /// Only what was held out when the model was trained
    #[arg(long, conflicts_with = "trained_on")]
    pub(super) held_out: bool,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// What trained the model, for the trivial baselines to learn from (pictures, text)
    #[arg(long, value_name = "PATH")]
    pub(super) trained_on: Option<PathBuf>,
    /// The pictures' classes, where the model learned its classes from a file
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    pub(super) labels: Option<PathBuf>,
    /// The colour map of rows of indices [default: colormap.txt beside them]
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    pub(super) colormap: Option<PathBuf>,
    /// Also walk between so many pairs of the sentences, and measure the walks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000), help_heading = "Sentence VAE")]
    pub(super) walks: Option<u64>,
    /// A language model that says how natural the lines of walks are
    #[arg(
        long,
        value_name = "MODEL",
        requires = "walks",
        help_heading = "Sentence VAE"
    )]
    pub(super) judge: Option<PathBuf>,
    /// The importance-weighted likelihood of all sentences, not of 500
    #[arg(long, help_heading = "Sentence VAE")]
    pub(super) whole: bool,
    /// The seed of codes, of the 500 sentences and of walks
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Sentence VAE"
    )]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

impl Args {
    /// Refuses flags that only a model with codes has a use for.
    pub(super) fn refuse_codes(&self, model: &Path) -> Result<()> {
        let given = [("--walks", self.walks.is_some()), ("--whole", self.whole)];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Error::usage(format!(
                "{flag} means nothing for {}, a model without codes",
                model.display()
            ))
            .with_hint("leave it away")),
            None => Ok(()),
        }
    }
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    media::refuse_foreign(
        &manifest.medium,
        &[
            (
                "--trained-on",
                args.trained_on.is_some(),
                &["pictures", "text"],
            ),
            ("--walks", args.walks.is_some(), &["text"]),
            ("--whole", args.whole, &["text"]),
            ("--labels", args.labels.is_some(), &["pictures"]),
            ("--colormap", args.colormap.is_some(), &["pictures"]),
        ],
    )?;
    media::verbs(&manifest.medium).eval(args, &folder, &manifest, ui)
}
