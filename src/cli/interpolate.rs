/*! `ensuite interpolate MODEL A B`: what lies between two things. */

use std::path::PathBuf;

use crate::checkpoint::ModelFolder;
use crate::cli::media;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::latent::Interpolation;
use crate::models::sentence_vae::Refinement;

/// Walk from one sentence to another, through the sentences that lie between
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, of a model that was trained by `train sentence-vae`
    model: PathBuf,
    /// Where to begin
    #[arg(value_name = "A")]
    pub(super) from: String,
    /// Where to end
    #[arg(value_name = "B")]
    pub(super) to: String,
    /// How many lines, both ends counted
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(2..=200))]
    pub(super) points: u64,
    /// How many lines are pursued at each point
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(super) beam: u64,
    /// Steps at most to refine the codes of both ends until they say what was typed; 0: none
    #[arg(long, value_name = "STEPS", default_value_t = 100)]
    refine: usize,
    /// The way between the codes: lerp, the straight line, or slerp, the arc
    #[arg(long, value_name = "WAY", default_value_t = Interpolation::Lerp)]
    pub(super) path: Interpolation,
    /// As JSON, with codes, likelihoods and distances
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    media::verbs(&manifest.medium).interpolate(args, &folder, &manifest, ui)
}

impl Args {
    /// How the codes of both ends are refined.
    pub(super) fn refinement(&self) -> Refinement {
        Refinement {
            steps: self.refine,
            ..Refinement::default()
        }
    }
}
