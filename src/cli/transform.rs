/*! `ensuite transform MODEL RECORDING`: a recording in the sound of a model. */

use std::path::PathBuf;

use crate::app::{Label, Making, OpenModel, TransformOptions, fresh_seed};
use crate::cli::arguments::{ChangeArgs, MetadataArgs, PrecisionArg, SamplingArgs, parse_label};
use crate::cli::terminal::Terminal;
use crate::error::Result;

/// Make a recording anew in the sound of a model of two tiers: its tune, rhythm and words stay
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, or the name of a model
    model: PathBuf,
    /// The recording
    recording: PathBuf,
    /// The WAV file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Choose a class, as in speaker=theo; classes that are not given are drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// The number format of the weights [default: int8 where it predicts nearly as well]
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

pub(super) fn run(args: Args, words: &[String], terminal: &mut Terminal) -> Result<()> {
    let seed = args.sampling.seed.unwrap_or_else(fresh_seed);
    let options = TransformOptions {
        recording: args.recording,
        output: args.output,
        classes: args.classes,
        sampling: args.sampling.sampling(),
        seed: Some(seed),
        precision: args.precision.map(Into::into),
        change: args.change.change(),
    };
    let model = OpenModel::open(&args.model)?;
    model.transform(&options, terminal)?;
    if !args.metadata.no_metadata {
        let making = Making {
            command: words,
            seed: Some(seed),
            sampling: options.sampling,
            classes: &options.classes,
            one_item_each: true,
        };
        model.sign(std::slice::from_ref(&options.output), &making)?;
    }
    Ok(())
}
