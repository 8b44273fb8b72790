/*! `ensuite encode` and `ensuite decode` on sentences. */

use burn::prelude::*;
use serde::Serialize;

use super::space::Space;
use crate::checkpoint::{Description, ModelFolder};
use crate::cli::codes::{DecodeArgs, EncodeArgs};
use crate::cli::ui::{self, Ui};
use crate::error::Result;
use crate::medium::Text;
use crate::train::Refinement;

#[derive(Serialize)]
struct Code {
    sentence: String,
    /// The mean the encoder says; refined, if that was asked for.
    code: Vec<f32>,
    /// The standard deviation it says of each number.
    deviation: Vec<f32>,
}

pub(super) fn encode(
    args: &EncodeArgs,
    text: &Text,
    folder: &ModelFolder,
    description: &Description,
    ui: &Ui,
) -> Result<()> {
    let space = Space::open(folder, description, text, 1, Device::flex())?;
    let sentences = args.sentences()?;
    let views: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let tokens = space.typed(&views, ui)?;
    let posteriors = space.encode(&tokens);
    let settings = Refinement {
        steps: args.refine,
        ..Refinement::default()
    };
    let codes = space.codes(&tokens, &settings);
    let all: Vec<Code> = sentences
        .into_iter()
        .zip(codes)
        .enumerate()
        .map(|(index, (sentence, code))| Code {
            sentence,
            code,
            deviation: posteriors.posterior(index).deviations(),
        })
        .collect();
    ui::print_json(&all)
}

pub(super) fn decode(
    args: &DecodeArgs,
    text: &Text,
    folder: &ModelFolder,
    description: &Description,
) -> Result<()> {
    let space = Space::open(
        folder,
        description,
        text,
        args.beam as usize,
        Device::flex(),
    )?;
    let codes = args.codes(space.vae.latent())?;
    space
        .say(&codes)?
        .iter()
        .try_for_each(|line| ui::print(&line.text))
}
