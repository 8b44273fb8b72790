/*! `ensuite score MODEL FILE`: how surprising each part of something is. */

use std::path::PathBuf;

use crate::app::{Label, OpenModel, ScoreOptions};
use crate::cli::arguments::parse_label;
use crate::cli::terminal::{Terminal, print};
use crate::error::Result;

/// Show how surprising each part of a recording, a picture or a text is
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, or the name of a model
    model: PathBuf,
    /// A recording, a picture or a text file, like the model's data
    file: PathBuf,
    /// The file to write: a picture (.png) or a table (.csv); for sentences a page (.html), a table (.tsv) or text (.txt)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Its class, as in digit=7 [default: read from its path]
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let options = ScoreOptions {
        file: args.file,
        output: args.output,
        classes: args.classes,
    };
    print(&OpenModel::open(&args.model)?.score(&options, terminal)?)
}
