/*! `ensuite encode MODEL` and `ensuite decode MODEL`: latent codes as JSON, for arithmetic elsewhere. */

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::app::{OpenModel, parse_codes};
use crate::cli::terminal::{Terminal, print, print_json};
use crate::error::{IoContext, Result};

/// Encode sentences to latent codes, as JSON
#[derive(Debug, clap::Args)]
pub(super) struct EncodeArgs {
    /// The folder or the name of a model trained by `train sentence-vae`
    model: PathBuf,
    /// Sentences [default: the lines of standard input]
    #[arg(value_name = "SENTENCE")]
    sentences: Vec<String>,
    /// The most steps that refine each latent code until it decodes to its sentence
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    refine: usize,
}

/// Decode latent codes to sentences
#[derive(Debug, clap::Args)]
pub(super) struct DecodeArgs {
    /// The folder or the name of a model trained by `train sentence-vae`
    model: PathBuf,
    /// Latent codes as JSON: what `encode` gives, or a list of lists of numbers [default: standard input]
    #[arg(value_name = "FILE")]
    codes: Option<PathBuf>,
    /// Beams of the search at each latent code
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=64))]
    beam: u64,
}

pub(super) fn encode(args: EncodeArgs, terminal: &mut Terminal) -> Result<()> {
    let model = OpenModel::open(&args.model)?;
    model.latent_dimensions()?;
    let sentences = if args.sentences.is_empty() {
        read(None)?.0.lines().map(str::to_owned).collect()
    } else {
        args.sentences
    };
    print_json(&model.encode(sentences, args.refine, terminal)?)
}

pub(super) fn decode(args: &DecodeArgs) -> Result<()> {
    let model = OpenModel::open(&args.model)?;
    let dimensions = model.latent_dimensions()?;
    let (text, name) = read(args.codes.as_deref())?;
    let codes = parse_codes(&text, &name, dimensions)?;
    let sentences = model.decode(&codes, args.beam as usize)?;
    sentences.iter().try_for_each(|sentence| print(sentence))
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
