/*! `ensuite complete MODEL IMAGE`: finish a picture of which a part is given. */

use std::path::PathBuf;

use crate::base::labels::Label;
use crate::checkpoint::Medium;
use crate::checkpoint::ModelFolder;
use crate::cli::arguments::{SamplingArgs, parse_label};
use crate::cli::precision::Precision;
use crate::cli::ui::Ui;
use crate::cli::{media, pictures};
use crate::error::{Error, Result};

/// Finish a picture of which a part is given
///
/// Writes a sheet: what was given, the continuations, and the whole picture. The given pixels are kept exactly.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    pub(super) model: PathBuf,
    /// The picture; what is beyond --keep is not looked at
    pub(super) image: PathBuf,
    /// The file to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// The share of its pixels, from the top, that is given
    #[arg(long, default_value_t = 0.5, allow_negative_numbers = true)]
    pub(super) keep: f64,
    /// How many continuations [default: 5; 1 with --gif]
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) number: Option<u64>,
    /// Its class, as in digit=7; what is not given is drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    pub(super) classes: Vec<Label>,
    /// Refuse a picture of another size or with other colours than the model's
    #[arg(long)]
    pub(super) strict: bool,
    /// Show it being drawn, as a GIF, instead of a sheet
    #[arg(long)]
    pub(super) gif: bool,
    /// How many times to enlarge each pixel
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) scale: Option<u32>,
    /// The weights' numbers [default: int8 where it foresees nearly as well]
    #[arg(long, value_enum)]
    pub(super) precision: Option<Precision>,
    #[command(flatten)]
    pub(super) sampling: SamplingArgs,
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    args.sampling.sampling()?;
    if !(args.keep > 0.0 && args.keep < 1.0) {
        return Err(
            Error::usage(format!("--keep {} leaves nothing to do", args.keep))
                .with_hint("it is a share between 0 and 1, such as 0.5 or 0.25"),
        );
    }
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    manifest.classes.check(&args.classes)?;
    let Medium::Pictures(medium) = &manifest.medium else {
        return Err(media::other_medium(
            &args.model,
            &manifest.medium,
            "pictures",
        ));
    };
    pictures::complete::run(args, medium, &folder, &manifest, ui)
}
