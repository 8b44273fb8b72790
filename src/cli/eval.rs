/*! `ensuite eval MODEL PATH`: how well a model foresees given data, beside trivial baselines. */

use std::path::PathBuf;

use super::arguments::DeviceArgs;
use super::media;
use super::ui::Ui;
use crate::checkpoint::ModelFolder;
use crate::error::Result;

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
    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    let (folder, description) = ModelFolder::open(&args.model)?;
    media::refuse_foreign(
        &description.medium,
        &[
            (
                "--trained-on",
                args.trained_on.is_some(),
                &["pictures", "text"],
            ),
            ("--labels", args.labels.is_some(), &["pictures"]),
            ("--colormap", args.colormap.is_some(), &["pictures"]),
        ],
    )?;
    media::verbs(&description.medium).eval(args, &folder, &description, ui)
}
