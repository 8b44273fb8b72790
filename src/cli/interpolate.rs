/*! `ensuite interpolate MODEL A B`: the sentences between two sentences, the pictures between two pictures. */

use std::path::{Path, PathBuf};

use crate::app::Interpolation;
use crate::app::{
    InterpolateOptions, InterpolatePicturesOptions, Label, Making, OpenModel, SamplingOptions,
    check_rows_output, fresh_seed, refuse_overwriting,
};
use crate::cli::arguments::{MetadataArgs, parse_label};
use crate::cli::terminal::{Terminal, print, print_json};
use crate::error::{Error, Result};

/// Interpolate between two sentences or pictures in the latent space
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder or the name of a model trained by `train sentence-vae`, `train image-vae` or `train gan`
    model: PathBuf,
    /// The first sentence or picture file; for a GAN a seed
    #[arg(value_name = "A")]
    from: String,
    /// The last sentence or picture file; for a GAN a seed
    #[arg(value_name = "B")]
    to: String,
    /// How many lines or pictures, both ends included
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(2..=200))]
    points: u64,
    /// Sentences: beams of the search at each latent code [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    beam: Option<u64>,
    /// Sentences: the most steps that refine the latent codes of both ends until they decode to what was typed; 0: none [default: 100]
    #[arg(long, value_name = "STEPS")]
    refine: Option<usize>,
    /// The path between the latent codes: lerp, the straight line, or slerp, the arc
    #[arg(long, value_name = "PATH", default_value_t = Interpolation::Lerp, value_parser = path)]
    path: Interpolation,
    /// Sentences: print JSON, with latent codes, likelihoods and distances
    #[arg(long)]
    json: bool,
    /// Pictures: the file to write, .png for a row or .gif for one after another; - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Pictures: choose a class, as in digit=7 [default: that of each end, which changes half-way]
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// Pictures: 0 takes the likeliest colour of each pixel, 1 draws it [default: 0 where pixels are independent given the code, else 1]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Pictures: the seed of what is drawn, the same for every picture
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Pictures: how many times to enlarge each pixel
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    scale: Option<u32>,
    #[command(flatten)]
    metadata: MetadataArgs,
}

pub(super) fn run(args: Args, words: &[String], terminal: &mut Terminal) -> Result<()> {
    let model = OpenModel::open(&args.model)?;
    let (pictures_only, text_only) = (&["pictures"], &["text"]);
    model.refuse_options(&[
        ("--output", args.output.is_some(), pictures_only),
        ("--class", !args.classes.is_empty(), pictures_only),
        ("--temperature", args.temperature.is_some(), pictures_only),
        ("--seed", args.seed.is_some(), pictures_only),
        ("--scale", args.scale.is_some(), pictures_only),
        ("--beam", args.beam.is_some(), text_only),
        ("--refine", args.refine.is_some(), text_only),
        ("--json", args.json, text_only),
    ])?;
    if model.is_of_pictures() {
        return pictures(args, &model, words, terminal);
    }
    let options = InterpolateOptions {
        from: args.from,
        to: args.to,
        points: args.points as usize,
        beams: args.beam.unwrap_or(5) as usize,
        refine: args.refine.unwrap_or(100),
        path: args.path,
    };
    let found = model.interpolate(&options, terminal)?;
    if args.json {
        return print_json(&found);
    }
    found.points.iter().try_for_each(|point| print(&point.line))
}

fn pictures(
    args: Args,
    model: &OpenModel,
    words: &[String],
    terminal: &mut Terminal,
) -> Result<()> {
    let Some(output) = args.output else {
        return Err(Error::usage("the pictures need a file to be written to")
            .with_hint("give one, as in -o walk.png or -o walk.gif"));
    };
    refuse_overwriting(&output, [Path::new(&args.from), Path::new(&args.to)])?;
    check_rows_output(model, &output, args.scale)?;
    let options = InterpolatePicturesOptions {
        from: args.from.into(),
        to: args.to.into(),
        points: args.points as usize,
        path: args.path,
        classes: args.classes,
        temperature: args.temperature,
        seed: args.seed.unwrap_or_else(fresh_seed),
    };
    let found = model.interpolate_pictures(&options, terminal)?;
    found.write(&output, args.scale)?;
    if !args.metadata.no_metadata {
        let making = Making {
            command: words,
            seed: Some(options.seed),
            sampling: SamplingOptions {
                temperature: options.temperature,
                ..SamplingOptions::default()
            },
            classes: &options.classes,
            one_item_each: false,
        };
        model.sign(std::slice::from_ref(&output), &making)?;
    }
    terminal.say(format!(
        "{}: {} pictures, seed {}",
        output.display(),
        options.points,
        options.seed
    ));
    Ok(())
}

fn path(name: &str) -> std::result::Result<Interpolation, String> {
    name.parse().map_err(|error: Error| {
        let hint = error.hint().unwrap_or_default();
        format!("{error}; {hint}")
    })
}
