/*! `ensuite train`: train a model on your own data. */

mod classifier;
mod gan;
mod image_vae;
#[cfg(feature = "play")]
mod listen;
mod pictures;
mod shared;
mod sound;
mod text;

use clap::Subcommand;

use crate::app::train::TextTask;
use crate::cli::terminal::Terminal;
use crate::error::Result;

/// Train a model on your own data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(alias = "wavenet")]
    Sound(sound::Args),
    #[command(alias = "pixelrnn")]
    Pictures(pictures::Args),
    /// Train a language model on sentences, one a line
    #[command(alias = "language-model")]
    Text(text::Args),
    /// Train a sentence VAE, to interpolate between sentences
    SentenceVae(text::Args),
    ImageVae(image_vae::Args),
    Gan(gan::Args),
    Classifier(classifier::Args),
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    match args.what {
        What::Sound(args) => sound::run(args, terminal),
        What::Pictures(args) => pictures::run(args, terminal),
        What::Text(args) => text::run(args, TextTask::LanguageModel, terminal),
        What::ImageVae(args) => image_vae::run(args, terminal),
        What::Classifier(args) => classifier::run(args, terminal),
        What::Gan(args) => gan::run(args, terminal),
        What::SentenceVae(args) => text::run(args, TextTask::SentenceVae, terminal),
    }
}
