/*! `ensuite complete MODEL IMAGE`: complete a picture of which a part is given. */

use std::path::PathBuf;

use crate::app::Label;
use crate::app::{
    CompleteOptions, Making, OpenModel, SamplingOptions, check_picture_output, refuse_overwriting,
};
use crate::cli::arguments::{MetadataArgs, PrecisionArg, SamplingArgs, parse_label};
use crate::cli::terminal::Terminal;
use crate::error::{Error, Result};

/// Complete a picture of which a part is given
///
/// Writes a sheet: what was given, the continuations, and the whole picture. The given pixels are kept, in the model's colours. A
/// model that was trained with --to color is given the grey of a picture, and completes it with colours: one picture, of any size;
/// only -o, --scale and --no-metadata apply.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, or the name of a model
    model: PathBuf,
    /// The picture; what is beyond --keep is ignored
    image: PathBuf,
    /// The file to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How much of the picture is given, from the top [default: 0.5, half of it]
    #[arg(long, allow_negative_numbers = true)]
    keep: Option<f64>,
    /// How many continuations [default: 5; 1 with --gif]
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    number: Option<u64>,
    /// Choose a class, as in digit=7; classes that are not given are drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// Refuse a picture of another size or with other colours than the model's
    #[arg(long)]
    strict: bool,
    /// Show the picture being drawn, as a GIF, instead of a sheet
    #[arg(long)]
    gif: bool,
    /// How many times to enlarge each pixel
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    scale: Option<u32>,
    /// The number format of the weights [default: int8 where it predicts nearly as well]
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Colours the picture.
fn color(args: &Args, model: &OpenModel, words: &[String], terminal: &mut Terminal) -> Result<()> {
    let sampling = args.sampling.sampling();
    for (option, given) in [
        ("--keep", args.keep.is_some()),
        ("-n", args.number.is_some()),
        ("--class", !args.classes.is_empty()),
        ("--strict", args.strict),
        ("--gif", args.gif),
        ("--precision", args.precision.is_some()),
        ("--seed", args.sampling.seed.is_some()),
        (
            "--temperature, --top-k, --top-p or --min-p",
            sampling != SamplingOptions::default(),
        ),
    ] {
        if given {
            let what = format!("{option} does not apply to a model that colours pictures");
            return Err(Error::usage(what).with_hint("omit it"));
        }
    }
    model.color_file(&args.image, &args.output, args.scale)?;
    if !args.metadata.no_metadata {
        let making = Making {
            command: words,
            seed: None,
            sampling,
            classes: &[],
            one_item_each: false,
        };
        model.sign(std::slice::from_ref(&args.output), &making)?;
    }
    terminal.say(format!(
        "{}: the grey is that of {}",
        args.output.display(),
        args.image.display()
    ));
    Ok(())
}

pub(super) fn run(args: Args, words: &[String], terminal: &mut Terminal) -> Result<()> {
    refuse_overwriting(&args.output, [&*args.image])?;
    let model = OpenModel::open(&args.model)?;
    if model.colors_pictures() {
        return color(&args, &model, words, terminal);
    }
    let defaults = CompleteOptions::new(args.image);
    let number = if args.gif { 1 } else { defaults.number };
    let options = CompleteOptions {
        keep: args.keep.unwrap_or(defaults.keep),
        number: args.number.unwrap_or(number),
        classes: args.classes,
        strict: args.strict,
        precision: args.precision.map(Into::into),
        sampling: args.sampling.sampling(),
        seed: args.sampling.seed,
        ..defaults
    };
    if args.gif && options.number > 1 {
        return Err(Error::usage("--gif shows one picture being drawn").with_hint("omit -n"));
    }
    check_picture_output(&model, &args.output, args.gif, args.scale)?;
    let completion = model.complete(&options, terminal)?;
    if args.gif {
        completion.write_gif(&args.output, args.scale)?;
    } else {
        completion.write_sheet(&args.output, args.scale)?;
    }
    if !args.metadata.no_metadata {
        let making = Making {
            command: words,
            seed: Some(completion.seed),
            sampling: options.sampling,
            classes: &options.classes,
            one_item_each: false,
        };
        model.sign(std::slice::from_ref(&args.output), &making)?;
    }
    terminal.say(format!(
        "{}: {} of {} pixels given, {} continuations, seed {}",
        args.output.display(),
        completion.given,
        completion.pixels(),
        options.number,
        completion.seed
    ));
    Ok(())
}
