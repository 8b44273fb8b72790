/*! `ensuite info`: what a model is and how fast it is on this machine, or how a file was made. */

use std::path::PathBuf;

use crate::app::{OpenModel, SignedFile};
use crate::cli::terminal::{print, print_json};
use crate::error::Result;

/// Show model details and speed, or how a file was made
///
/// WAV, PNG and GIF files that this program made say which model, seed and command made them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder or the name of a model, or a WAV, PNG or GIF file that was made by one
    #[arg(value_name = "MODEL|FILE")]
    model: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<()> {
    if args.model.is_file() {
        let found = SignedFile::read(&args.model)?;
        return if args.json {
            print_json(&found)
        } else {
            print(&found.to_string())
        };
    }
    let info = OpenModel::open(&args.model)?.info()?;
    if args.json {
        print_json(&info)
    } else {
        print(&info.to_string())
    }
}
