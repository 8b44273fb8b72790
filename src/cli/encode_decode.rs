/*! `ensuite encode MODEL` and `ensuite decode MODEL`: latent codes as JSON, for arithmetic elsewhere. */

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::app::{
    DecodePicturesOptions, EncodePicturesOptions, Label, OpenModel, check_rows_output, fresh_seed,
};
use crate::cli::arguments::parse_label;
use crate::cli::terminal::{Terminal, print, print_json_list};
use crate::error::{Error, IoContext, Result};

/// Encode sentences or pictures to latent codes, as JSON
///
/// Prints a list with one line for each sentence or picture: what it is, its code, the standard deviation of each number of the
/// code, and its classes where the model has classes. `ensuite decode` reads it.
#[derive(Debug, clap::Args)]
pub(super) struct EncodeArgs {
    /// The folder or the name of a model trained by `train sentence-vae` or `train image-vae`
    model: PathBuf,
    /// Sentences [default: the lines of standard input]; or pictures: files, folders, IDX files
    #[arg(value_name = "SENTENCE|PICTURES")]
    items: Vec<String>,
    /// Sentences: the most steps that refine each latent code until it decodes to its sentence [default: 0]
    #[arg(long, value_name = "STEPS")]
    refine: Option<usize>,
    /// Pictures: the class of all of them, as in digit=7 [default: that of the path, if the model learned classes from paths;
    /// else the likeliest]
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// Pictures: resize and recolour them to fit the model, instead of refusing other sizes and colours
    #[arg(long)]
    adapt: bool,
}

/// Decode latent codes to sentences or pictures
#[derive(Debug, clap::Args)]
pub(super) struct DecodeArgs {
    /// The folder or the name of a model trained by `train sentence-vae` or `train image-vae`
    model: PathBuf,
    /// Latent codes as JSON: what `encode` gives, or a list of lists of numbers [default: standard input]
    #[arg(value_name = "FILE")]
    codes: Option<PathBuf>,
    /// Sentences: beams of the search at each latent code [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    beam: Option<u64>,
    /// Pictures: the file to write, .png for a sheet or .gif for one after another; - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Pictures: the class of all of them, as in digit=7 [default: that beside each code, else drawn]
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// Pictures: 0 takes the likeliest colour of each pixel, 1 draws it [default: 0 where pixels are independent given the code, else 1]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Pictures: the seed of what is drawn, the same for every picture
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Pictures: how many times to enlarge each pixel
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    scale: Option<u32>,
}

pub(super) fn encode(args: EncodeArgs, terminal: &mut Terminal) -> Result<()> {
    let model = OpenModel::open(&args.model)?;
    model.latent_dimensions()?;
    model.refuse_options(&[
        ("--refine", args.refine.is_some(), &["text"]),
        ("--class", !args.classes.is_empty(), &["pictures"]),
        ("--adapt", args.adapt, &["pictures"]),
    ])?;
    if model.is_of_pictures() {
        if args.items.is_empty() {
            return Err(Error::usage("there is no picture to encode")
                .with_hint("name a folder: ensuite encode MODEL FOLDER"));
        }
        let paths: Vec<PathBuf> = args.items.into_iter().map(PathBuf::from).collect();
        let options = EncodePicturesOptions {
            classes: args.classes,
            adapt: args.adapt,
        };
        return print_json_list(&model.encode_pictures(&paths, &options, terminal)?);
    }
    let sentences = if args.items.is_empty() {
        read(None)?.0.lines().map(str::to_owned).collect()
    } else {
        args.items
    };
    print_json_list(&model.encode(sentences, args.refine.unwrap_or(0), terminal)?)
}

pub(super) fn decode(args: DecodeArgs, terminal: &mut Terminal) -> Result<()> {
    let model = OpenModel::open(&args.model)?;
    model.latent_dimensions()?;
    let pictures_only: &[_] = &["pictures"];
    model.refuse_options(&[
        ("--beam", args.beam.is_some(), &["text"]),
        ("--output", args.output.is_some(), pictures_only),
        ("--class", !args.classes.is_empty(), pictures_only),
        ("--temperature", args.temperature.is_some(), pictures_only),
        ("--seed", args.seed.is_some(), pictures_only),
        ("--scale", args.scale.is_some(), pictures_only),
    ])?;
    let output = match &args.output {
        None if model.is_of_pictures() => {
            return Err(Error::usage("the pictures need a file to be written to")
                .with_hint("give one, as in -o sheet.png"));
        }
        None => None,
        Some(output) => {
            check_rows_output(&model, output, args.scale)?;
            Some(output)
        }
    };
    let (text, name) = read(args.codes.as_deref())?;
    let codes = model.parse_codes(&text, &name)?;
    let Some(output) = output else {
        let sentences = model.decode(&codes, args.beam.unwrap_or(5) as usize)?;
        return sentences.iter().try_for_each(|sentence| print(sentence));
    };
    if codes.is_empty() {
        return Err(Error::input(&name, "it holds no code"));
    }
    let options = DecodePicturesOptions {
        classes: args.classes,
        temperature: args.temperature,
        seed: args.seed.unwrap_or_else(fresh_seed),
    };
    let decoded = model.decode_pictures(&codes, &options, terminal)?;
    decoded.write(output, args.scale)?;
    terminal.say(format!(
        "{}: {} decoded, seed {}",
        output.display(),
        match codes.len() {
            1 => "a picture".into(),
            count => format!("{count} pictures"),
        },
        options.seed
    ));
    Ok(())
}

/// The text of a file or of standard input, and its name.
fn read(path: Option<&Path>) -> Result<(String, PathBuf)> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => Ok((std::fs::read_to_string(path).reading(path)?, path.into())),
        None => {
            let name = PathBuf::from("standard input");
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).reading(&name)?;
            Ok((text, name))
        }
    }
}
