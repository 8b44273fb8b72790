/*! `ensuite train pictures`. */

use std::path::PathBuf;

use clap::ValueEnum;

use crate::app::Binarize;
use crate::app::Dataset;
use crate::app::train::{PictureFamily, PictureTraining, TrainOptions, train_pictures};
use crate::app::{Color, Fit, Size, parse_color};
use crate::cli::arguments::{in_one_line, parsed};
use crate::cli::terminal::Terminal;
use crate::cli::train::shared::TrainArgs;
use crate::error::Result;

/// Train on pictures, pixel by pixel (PNG, JPEG, GIF, WebP, BMP, TIFF, TGA; IDX; rows of colour indices)
///
/// Every picture becomes the sequence of its pixels' colours, row by row. samples/ in the model folder holds what the
/// model draws at each report, and how it completes held-out pictures.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder of pictures, with subfolders; an IDX file; a text file with one row of colour indices for each picture; or the name of a corpus
    pictures: PathBuf,
    #[command(flatten)]
    train: TrainArgs,
    /// Resize every picture to this size, such as 32 or 40x30 [default: the one they all have]
    #[arg(long, value_name = "WxH", value_parser = parsed::<Size>, help_heading = "Pictures")]
    size: Option<Size>,
    /// What to do with pictures of another shape
    #[arg(long, value_enum, help_heading = "Pictures")]
    fit: Option<FitArg>,
    /// The colour behind transparent pixels [default: white]
    #[arg(long, value_name = "COLOUR", value_parser = color, help_heading = "Pictures")]
    background: Option<Color>,
    /// Colours in the palette [default: 167 clustered from the pictures; 256 greys; those of a colour map]
    #[arg(long, value_name = "K", help_heading = "Pictures")]
    colors: Option<usize>,
    /// Convert pictures to grey
    #[arg(long, help_heading = "Pictures")]
    grey: bool,
    /// Train in black and white: how greys become black or white
    #[arg(long, value_enum, help_heading = "Pictures")]
    binarize: Option<BinarizeArg>,
    /// The colour map of rows of indices [default: colormap.txt beside them]
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    colormap: Option<PathBuf>,
    /// Do not give the network the pixels above the predicted one as further inputs; a WaveNet still sees them among the pixels before
    #[arg(long, help_heading = "Pictures")]
    no_above: bool,
    /// Flip, shift and recolour half of the pictures in each epoch, and tell the network which; a GAN shows changed pictures, real and generated ones, to its discriminator; not for classifiers and --objective energy [default: on for fewer than 5000 pictures in colour, for a GAN also in grey]
    #[arg(long, value_enum, value_name = "ON|OFF", help_heading = "Pictures")]
    augment: Option<AugmentArg>,
    /// Make the first folder of each picture's path its class
    #[arg(long, help_heading = "Pictures", conflicts_with = "label_pattern")]
    label_folders: bool,
    /// Find classes in the pictures' paths, or in the rows of --labels, by the named groups of a regular expression
    #[arg(long, value_name = "REGEX", help_heading = "Pictures")]
    label_pattern: Option<String>,
    /// The pictures' classes: an IDX or CSV file, or 'beside' for the IDX file beside the pictures'
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Pictures",
        conflicts_with = "label_folders"
    )]
    labels: Option<PathBuf>,
    /// The group and the names of the numbers 0, 1 and so on in an IDX label file, as in item=shirt,coat,bag
    #[arg(
        long,
        value_name = "GROUP=NAME,NAME",
        help_heading = "Pictures",
        requires = "labels"
    )]
    label_names: Option<String>,
    /// Hold out the pictures whose path or number matches, or file:PATH for a list of them [default: the corpus's own, or one in ten]
    #[arg(long, value_name = "REGEX|file:PATH", help_heading = "Pictures")]
    validation: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FitArg {
    /// Fill the size and cut off the rest
    Crop,
    /// Keep the whole picture, on the background
    Pad,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum AugmentArg {
    /// Change pictures
    On,
    /// Show each picture as it is
    Off,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BinarizeArg {
    /// White from one half on
    #[value(alias = "static")]
    Threshold,
    /// White with the grey value as probability, sampled once
    Fixed,
    /// The same, sampled anew in each epoch
    Dynamic,
}

fn color(text: &str) -> std::result::Result<Color, String> {
    parse_color(text).map_err(|error| in_one_line(&error))
}

impl Args {
    /// The data, and how to train on it.
    pub(super) fn parts(self) -> Result<(PictureTraining, TrainOptions)> {
        let args = self;
        let corpus = Dataset::locate(&args.pictures)?;
        let data = PictureTraining {
            pictures: corpus.path,
            size: args.size,
            fit: args.fit.map(|fit| match fit {
                FitArg::Crop => Fit::Crop,
                FitArg::Pad => Fit::Pad,
            }),
            background: args.background,
            colors: args.colors,
            grey: args.grey,
            binarize: args.binarize.map(|how| match how {
                BinarizeArg::Threshold => Binarize::Threshold,
                BinarizeArg::Fixed => Binarize::Fixed,
                BinarizeArg::Dynamic => Binarize::Dynamic,
            }),
            colormap: args.colormap,
            no_above: args.no_above,
            augment: args.augment.map(|augment| augment == AugmentArg::On),
            label_folders: args.label_folders,
            label_pattern: args.label_pattern,
            labels: args.labels,
            label_names: args.label_names,
            validation: args.train.held_out(args.validation, corpus.validation),
            judge: None,
            family: PictureFamily::Pixels,
        };
        Ok((data, args.train.options()))
    }
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let (data, options) = args.parts()?;
    train_pictures(&data, &options, terminal).map(drop)
}
