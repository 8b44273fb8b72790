/*! `ensuite info MODEL`: what a model is, and how fast it is on this machine. */

use std::path::PathBuf;

use crate::app::OpenModel;
use crate::cli::terminal::{print, print_json};
use crate::error::Result;

/// Show model details and speed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    model: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let info = OpenModel::open(&args.model)?.info()?;
    if args.json {
        print_json(&info)
    } else {
        print(&info.to_string())
    }
}
