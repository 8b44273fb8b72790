/*! `ensuite encode MODEL` and `ensuite decode MODEL`: codes as JSON, for others to do arithmetic with. */

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::checkpoint::ModelFolder;
use crate::cli::media;
use crate::cli::ui::Ui;
use crate::error::{Error, IoContext, Result};

/// Say the codes of sentences, as JSON
#[derive(Debug, clap::Args)]
pub(super) struct EncodeArgs {
    /// The model folder, of a model that was trained by `train sentence-vae`
    model: PathBuf,
    /// Sentences [default: the lines of standard input]
    #[arg(value_name = "SENTENCE")]
    sentences: Vec<String>,
    /// Steps at most to refine each code until it says its sentence
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    pub(super) refine: usize,
}

/// Say the sentences of codes
#[derive(Debug, clap::Args)]
pub(super) struct DecodeArgs {
    /// The model folder, of a model that was trained by `train sentence-vae`
    model: PathBuf,
    /// Codes as JSON: what `encode` gives, or a list of lists of numbers [default: standard input]
    #[arg(value_name = "FILE")]
    codes: Option<PathBuf>,
    /// How many sentences are pursued for each code
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(super) beam: u64,
}

pub(super) fn encode(args: &EncodeArgs, ui: &Ui) -> Result<()> {
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    media::verbs(&manifest.medium).encode(args, &folder, &manifest, ui)
}

pub(super) fn decode(args: &DecodeArgs) -> Result<()> {
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    media::verbs(&manifest.medium).decode(args, &folder, &manifest)
}

impl EncodeArgs {
    /// The sentences that were given.
    pub(super) fn sentences(&self) -> Result<Vec<String>> {
        if !self.sentences.is_empty() {
            return Ok(self.sentences.clone());
        }
        Ok(read(None)?.0.lines().map(str::to_owned).collect())
    }
}

impl DecodeArgs {
    /// The codes that were given, `dims` numbers each.
    pub(super) fn codes(&self, dims: usize) -> Result<Vec<Vec<f32>>> {
        let (text, name) = read(self.codes.as_deref())?;
        let refuse = |reason: String| {
            Error::input(&name, reason).with_hint(format!(
                "codes are a list of lists of {dims} numbers, or what ensuite encode gives"
            ))
        };
        let all: Vec<serde_json::Value> = serde_json::from_str(&text)
            .map_err(|error| refuse(format!("it is no list in JSON ({error})")))?;
        all.into_iter()
            .enumerate()
            .map(|(index, value)| {
                let numbers = value.get("code").cloned().unwrap_or(value);
                let code: Vec<f32> = serde_json::from_value(numbers)
                    .map_err(|error| refuse(format!("code {}: {error}", index + 1)))?;
                if code.len() != dims {
                    return Err(refuse(format!(
                        "code {} has {} numbers, and this model's have {dims}",
                        index + 1,
                        code.len()
                    )));
                }
                if code.iter().any(|number| !number.is_finite()) {
                    return Err(refuse(format!("code {} is not finite", index + 1)));
                }
                Ok(code)
            })
            .collect()
    }
}

/// The text of a file, or of standard input; and what it is called.
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
