/*! `ensuite generate MODEL`: generate sound, pictures or sentences. */

use std::path::PathBuf;

use crate::app::DeviceChoice;
use crate::app::Label;
use crate::app::{GenerateOptions, Making, OpenModel, fresh_seed};
use crate::cli::arguments::{
    CodeArgs, FrameArgs, MetadataArgs, PrecisionArg, SamplingArgs, parse_label,
};
use crate::cli::terminal::Terminal;
use crate::error::Result;

/// Generate sound, pictures or sentences
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, or the name of a model
    model: PathBuf,
    /// The file to write, which is replaced where it exists, or - for standard output; several files get numbers [default: the model's name; standard output for text]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many to generate
    #[arg(short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    number: u64,
    /// What to continue: a recording, or the beginning of a sentence
    #[arg(long, value_name = "FILE|TEXT")]
    prompt: Option<PathBuf>,
    /// Choose a class, as in digit=7; classes that are not given are drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// The number format of the weights [default: int8 where it predicts nearly as well]
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    /// Where to compute: cpu, or cuda or cuda:N for hundreds at once
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceChoice,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// The length in seconds [default: 5, or less where the model ends the sound itself]
    #[arg(long, allow_negative_numbers = true, help_heading = "Sound")]
    seconds: Option<f64>,
    #[command(flatten)]
    frames: FrameArgs,
    /// Write the prompt before its continuation
    #[arg(long, requires = "prompt", help_heading = "Sound")]
    with_prompt: bool,
    #[command(flatten)]
    codes: CodeArgs,
    /// Show a picture being drawn, as a GIF
    #[arg(long, help_heading = "Pictures")]
    gif: bool,
    /// How many times to enlarge each pixel [default: until one picture, or a sheet, is large enough to look at]
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Pictures")]
    scale: Option<u32>,
    /// Write a file for each picture, instead of one sheet
    #[arg(long, help_heading = "Pictures", conflicts_with = "gif")]
    separate: bool,
    /// Draw the nearest picture of a folder, such as that of training, on the right of each generated one, and print how far it is or that it is a copy
    #[arg(
        long,
        value_name = "PICTURES",
        help_heading = "Pictures",
        conflicts_with = "gif"
    )]
    nearest: Option<PathBuf>,
    /// The most tokens of a sentence [default: 200]
    #[arg(long, value_name = "N", help_heading = "Text")]
    max_length: Option<usize>,
    /// Search for the likeliest sentences with N beams, instead of sampling
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256), help_heading = "Text")]
    beam: Option<u64>,
}

pub(super) fn run(args: Args, words: &[String], terminal: &mut Terminal) -> Result<()> {
    let mut options = GenerateOptions {
        number: args.number,
        prompt: args.prompt,
        classes: args.classes,
        sampling: args.sampling.sampling(),
        seed: args.sampling.seed,
        precision: args.precision.map(Into::into),
        codes: args.codes.codes(),
        device: args.device,
        seconds: args.seconds,
        frames: args.frames.sampling.frames(),
        change: args.frames.change.change(),
        with_prompt: args.with_prompt,
        gif: args.gif,
        scale: args.scale,
        separate: args.separate,
        nearest: args.nearest,
        max_length: args.max_length,
        beam: args.beam,
    };
    options.sampling.validate()?;
    let model = OpenModel::open(&args.model)?;
    if model.manifest.medium.name() != "text" {
        options.seed = options.seed.or_else(|| Some(fresh_seed()));
    }
    let files = model.generate_files(&options, args.output.as_deref(), terminal)?;
    if let (false, Some(seed)) = (args.metadata.no_metadata, options.seed) {
        let making = Making {
            command: words,
            seed: Some(seed),
            sampling: options.sampling,
            classes: &options.classes,
            one_item_each: files.len() as u64 == options.number,
        };
        model.sign(&files, &making)?;
    }
    terminal.finish()
}
