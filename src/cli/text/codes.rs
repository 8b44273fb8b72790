/*! `ensuite encode` and `ensuite decode` on sentences. */

use burn::prelude::*;
use serde::Serialize;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::codes::{DecodeArgs, EncodeArgs};
use crate::cli::text::space::SentenceSpace;
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::models::sentence_vae::Refinement;
use crate::text::TextFormat;

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
    text: &TextFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let space = SentenceSpace::open(folder, manifest, text, 1, Device::flex())?;
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
    text: &TextFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
) -> Result<()> {
    let space = SentenceSpace::open(folder, manifest, text, args.beam as usize, Device::flex())?;
    let codes = args.codes(space.vae.latent())?;
    space
        .say(&codes)?
        .iter()
        .try_for_each(|line| ui::print(&line.text))
}
