/*! `ensuite interpolate MODEL A B`: the sentences between two sentences. */

use std::path::PathBuf;

use crate::app::Interpolation;
use crate::app::{InterpolateOptions, OpenModel};
use crate::cli::terminal::{Terminal, print, print_json};
use crate::error::Result;

/// Interpolate between two sentences in the latent space
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, of a model trained by `train sentence-vae`
    model: PathBuf,
    /// The first sentence
    #[arg(value_name = "A")]
    from: String,
    /// The last sentence
    #[arg(value_name = "B")]
    to: String,
    /// How many lines, both ends included
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(2..=200))]
    points: u64,
    /// Beams of the search at each latent code
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=64))]
    beam: u64,
    /// The most steps that refine the latent codes of both ends until they decode to what was typed; 0: none
    #[arg(long, value_name = "STEPS", default_value_t = 100)]
    refine: usize,
    /// The path between the latent codes: lerp, the straight line, or slerp, the arc
    #[arg(long, value_name = "PATH", default_value_t = Interpolation::Lerp)]
    path: Interpolation,
    /// Print JSON, with latent codes, likelihoods and distances
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let options = InterpolateOptions {
        from: args.from,
        to: args.to,
        points: args.points as usize,
        beams: args.beam as usize,
        refine: args.refine,
        path: args.path,
    };
    let found = OpenModel::open(&args.model)?.interpolate(&options, terminal)?;
    if args.json {
        return print_json(&found);
    }
    found.points.iter().try_for_each(|point| print(&point.line))
}
