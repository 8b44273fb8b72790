/*! `ensuite train gan`. */

use std::path::PathBuf;

use crate::app::train::{
    ColorizerTraining, GanTraining, PictureFamily, PictureTraining, train_pictures,
};
use crate::app::{NoiseKind, Objective};
use crate::cli::arguments::in_one_line;
use crate::cli::terminal::Terminal;
use crate::cli::train::pictures;
use crate::error::{Error, Result};

/// Train a GAN: a generator that makes pictures from noise, and a discriminator that judges them
///
/// The discriminator learns to tell real pictures from generated ones, and the generator to make pictures that it takes for real.
/// Reports measure the Fréchet distance of generated pictures to held-out ones; the best generator is kept. samples/ in the model
/// folder holds pictures from the same noise at each report. With classes (--label-folders and the like) you can ask for pictures
/// of a class. With --to color the generator colours grey pictures instead: ensuite complete MODEL grey.png -o colour.png.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pictures: pictures::Args,
    /// What both networks are trained for: ns (non-saturating), mm (minimax), lsgan (least squares), wgan, wgan-gp, dragan,
    /// began, r3gan (relativistic, with penalties on gradients), or energy (the discriminator alone, which makes pictures by raising
    /// their score) [default: r3gan]
    #[arg(long, value_name = "NAME", help_heading = "GAN", value_parser = objective, conflicts_with = "to")]
    objective: Option<ObjectiveArg>,
    /// Discriminator updates for each update of the generator [default: 5 for wgan and wgan-gp, else 1]
    #[arg(long, value_name = "K", help_heading = "GAN", conflicts_with = "to")]
    discriminator_steps: Option<usize>,
    /// The distribution of the noise [default: gaussian]
    #[arg(long, value_name = "KIND", help_heading = "GAN", conflicts_with = "to")]
    noise: Option<NoiseArg>,
    /// Numbers of a noise vector [default: 32 in the preset tiny, 64 in small and medium, 128 in large]
    #[arg(long, value_name = "N", help_heading = "GAN", conflicts_with = "to")]
    noise_size: Option<usize>,
    /// With classes: a classifier; each report tells how often it finds the requested class in generated pictures
    #[arg(
        long,
        value_name = "MODEL",
        help_heading = "GAN",
        conflicts_with = "to"
    )]
    judge: Option<PathBuf>,
    /// Learn to colour grey pictures
    #[arg(long, value_name = "WHAT", help_heading = "GAN")]
    to: Option<TargetArg>,
    /// With --to color: learn from the absolute error alone, without a discriminator
    #[arg(long, help_heading = "GAN", requires = "to")]
    error_alone: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum TargetArg {
    /// Their colours
    Color,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum NoiseArg {
    /// N(0, 1)
    Gaussian,
    /// From -1 to 1
    Uniform,
}

#[derive(Debug, Clone, Copy)]
enum ObjectiveArg {
    /// Of two networks.
    Two(Objective),
    /// Of the discriminator alone.
    Energy,
}

fn objective(name: &str) -> std::result::Result<ObjectiveArg, String> {
    if name == "energy" {
        return Ok(ObjectiveArg::Energy);
    }
    let found = Objective::named(name).map(ObjectiveArg::Two);
    found.map_err(|error| in_one_line(&error) + ", energy")
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let (pictures, options) = args.pictures.parts()?;
    let family = match (args.to, args.objective) {
        (Some(TargetArg::Color), _) => PictureFamily::Colorizer(ColorizerTraining {
            error_alone: args.error_alone,
        }),
        (None, Some(ObjectiveArg::Energy)) => {
            for (option, given) in [
                ("--discriminator-steps", args.discriminator_steps.is_some()),
                ("--noise", args.noise.is_some()),
                ("--noise-size", args.noise_size.is_some()),
                ("--judge", args.judge.is_some()),
            ] {
                if given {
                    let what = format!("{option} does not apply to --objective energy");
                    return Err(Error::usage(what).with_hint("omit it"));
                }
            }
            PictureFamily::Energy
        }
        (None, objective) => PictureFamily::Gan(GanTraining {
            objective: match objective {
                Some(ObjectiveArg::Two(objective)) => Some(objective),
                _ => None,
            },
            discriminator_steps: args.discriminator_steps,
            noise: args.noise.map(|noise| match noise {
                NoiseArg::Uniform => NoiseKind::Uniform,
                NoiseArg::Gaussian => NoiseKind::Gaussian,
            }),
            noise_size: args.noise_size,
        }),
    };
    let data = PictureTraining {
        family,
        judge: args.judge,
        ..pictures
    };
    train_pictures(&data, &options, terminal).map(drop)
}
