/*! `ensuite train gan`. */

use std::path::PathBuf;

use crate::app::train::{
    ColorizerTraining, GanTraining, PictureFamily, PictureTraining, train_pictures,
};
use crate::app::{NoiseKind, Objective};
use crate::cli::terminal::Terminal;
use crate::cli::train::pictures;
use crate::error::Result;

/// Train a GAN: a generator that makes pictures of noise, and a discriminator that judges them
///
/// The discriminator learns to tell real pictures from made ones, and the generator to deceive it. Reports measure the Fréchet
/// distance of made pictures to held-out ones; the best generator is kept. samples/ in the model folder holds pictures of the
/// same noise at each report. With classes (--label-folders and the like) pictures are made of a class. With --to color the
/// generator colours grey pictures instead: ensuite complete MODEL grey.png -o colour.png.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pictures: pictures::Args,
    /// What both networks are trained for: ns (non-saturating), mm (minimax), lsgan (least squares), wgan, wgan-gp, dragan,
    /// began, or r3gan (relativistic, with penalties on gradients) [default: r3gan]
    #[arg(long, value_name = "NAME", help_heading = "GAN", value_parser = objective, conflicts_with = "to")]
    objective: Option<Objective>,
    /// Discriminator updates for each update of the generator [default: 5 for wgan and wgan-gp, else 1]
    #[arg(long, value_name = "K", help_heading = "GAN", conflicts_with = "to")]
    discriminator_steps: Option<usize>,
    /// The distribution of noise [default: gaussian]
    #[arg(long, value_name = "KIND", help_heading = "GAN", conflicts_with = "to")]
    noise: Option<NoiseArg>,
    /// Numbers of a noise vector [default: 64 in the preset small]
    #[arg(long, value_name = "N", help_heading = "GAN", conflicts_with = "to")]
    noise_size: Option<usize>,
    /// Pictures of each update [default: 64; 16 with --to color]
    #[arg(long, value_name = "M", help_heading = "GAN")]
    batch: Option<usize>,
    /// With classes: a classifier that tells at each report how many pictures are of the class asked for
    #[arg(
        long,
        value_name = "MODEL",
        help_heading = "GAN",
        conflicts_with = "to"
    )]
    judge: Option<PathBuf>,
    /// Learn to turn the grey of each picture into the picture
    #[arg(long, value_name = "WHAT", help_heading = "GAN")]
    to: Option<TargetArg>,
    /// With --to color: learn from the absolute error alone, without a discriminator
    #[arg(long, help_heading = "GAN", requires = "to")]
    error_alone: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum TargetArg {
    /// Its colours
    Color,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum NoiseArg {
    /// N(0, 1)
    Gaussian,
    /// From -1 to 1
    Uniform,
}

fn objective(name: &str) -> std::result::Result<Objective, String> {
    Objective::named(name).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let (pictures, options) = args.pictures.parts()?;
    let family = match args.to {
        Some(TargetArg::Color) => PictureFamily::Colorizer(ColorizerTraining {
            error_alone: args.error_alone,
            batch: args.batch,
        }),
        None => PictureFamily::Gan(GanTraining {
            objective: args.objective.unwrap_or(Objective::R3gan),
            discriminator_steps: args.discriminator_steps,
            noise: match args.noise {
                Some(NoiseArg::Uniform) => NoiseKind::Uniform,
                Some(NoiseArg::Gaussian) | None => NoiseKind::Gaussian,
            },
            noise_size: args.noise_size,
            batch: args.batch,
        }),
    };
    let data = PictureTraining {
        family,
        judge: args.judge,
        ..pictures
    };
    train_pictures(&data, &options, terminal).map(drop)
}
