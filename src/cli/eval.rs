/*! `ensuite eval MODEL PATH`: evaluate a model on a dataset, beside trivial baselines. */

use std::path::PathBuf;

use crate::app::{Dataset, EvaluateOptions, OpenModel};
use crate::cli::arguments::{CodeArgs, DeviceArgs, DrawArgs, FrameSamplingArgs};
use crate::cli::terminal::{Terminal, print, print_json};
use crate::error::Result;

/// Evaluate a model on a dataset
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, or the name of a model
    model: PathBuf,
    /// Recordings, pictures or sentences, like the model's data, or the name of a corpus
    path: PathBuf,
    /// Evaluate only on what was held out when the model was trained
    #[arg(long, conflicts_with = "trained_on")]
    held_out: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The data that trained the model, for the trivial baselines to learn from (pictures, text)
    #[arg(long, value_name = "PATH")]
    trained_on: Option<PathBuf>,
    /// Also generate N sounds or pictures with seed 1 and compare them with held-out data. Sounds have the median length of the
    /// held-out recordings, at most 5 s. The floor is the distance of as much training data. A GAN makes 1000 pictures without this
    /// option
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    generated: Option<u64>,
    /// Latent codes of each picture or sentence that the importance-weighted likelihood of a VAE draws [default: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    iw: Option<u64>,
    /// Compute the importance-weighted likelihood of all pictures or sentences, not of 200 pictures or 500 sentences
    #[arg(long)]
    whole: bool,
    /// The pictures' classes, where the model learned its classes from a file
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    labels: Option<PathBuf>,
    /// The colour map of rows of indices [default: colormap.txt beside them]
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    colormap: Option<PathBuf>,
    /// Also interpolate between N pairs of the sentences, and evaluate the lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000), help_heading = "Sentence VAE")]
    walks: Option<u64>,
    /// A model that judges the generated data. Pictures, with --generated or of a GAN: a classifier, which tells how often they are of the class
    /// asked for, and how they compare with held-out ones in its features. A sentence VAE, with --walks: a language model,
    /// which measures how natural interpolated lines are
    #[arg(long, value_name = "MODEL")]
    judge: Option<PathBuf>,
    /// The seed of latent codes, of the 500 sentences and of interpolations
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Sentence VAE"
    )]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    draw: DrawArgs,
    #[command(flatten)]
    frames: FrameSamplingArgs,
    #[command(flatten)]
    codes: CodeArgs,
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let options = EvaluateOptions {
        path: Dataset::locate(&args.path)?.path,
        held_out: args.held_out,
        trained_on: args.trained_on,
        labels: args.labels,
        colormap: args.colormap,
        generated: args.generated,
        walks: args.walks,
        judge: args.judge,
        importance_weights: args.iw,
        whole: args.whole,
        seed: args.seed,
        device: args.device.device,
        sampling: args.draw.sampling(),
        codes: args.codes.codes(),
        frames: args.frames.frames(),
    };
    let found = OpenModel::open(&args.model)?.evaluate(&options, terminal)?;
    if args.json {
        print_json(&found)
    } else {
        print(&found.to_string())
    }
}
