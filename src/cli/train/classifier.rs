/*! `ensuite train classifier`. */

use crate::app::train::{PictureFamily, PictureTraining, train_pictures};
use crate::cli::terminal::Terminal;
use crate::cli::train::pictures;
use crate::error::Result;

/// Train a classifier of pictures, which judges what other models make
///
/// Pictures need classes (--label-folders and the like). Each report gives the share of held-out pictures that it
/// classifies correctly. With it, eval --judge tells how often a generated picture is of the class that was asked for, and compares
/// sets of pictures by its features.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pictures: pictures::Args,
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let (pictures, options) = args.pictures.parts()?;
    let data = PictureTraining {
        family: PictureFamily::Classifier,
        ..pictures
    };
    train_pictures(&data, &options, terminal).map(drop)
}
