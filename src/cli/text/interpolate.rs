/*! `ensuite interpolate` on sentences: the lines that lie between two. */

use burn::prelude::*;
use serde::Serialize;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::interpolate::Args;
use crate::cli::text::space::{SentenceSpace, unit_of};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::latent::{interpolate, norm};
use crate::text::TextFormat;

#[derive(Serialize)]
struct Walk {
    from: String,
    to: String,
    /// Whether the first and the last line are the sentences that were typed.
    exact: bool,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    /// How far along the way, from 0 to 1.
    at: f64,
    line: String,
    /// ln p(line | code), in nats.
    log_likelihood: f64,
    /// Words (characters, where there are no spaces) inserted, deleted or replaced since the line before.
    edits: usize,
    code: Vec<f32>,
    /// ‖code‖.
    norm: f64,
}

pub(super) fn run(
    args: &Args,
    text: &TextFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let space = SentenceSpace::open(folder, manifest, text, args.beam as usize, Device::flex())?;
    let ends = [args.from.trim(), args.to.trim()];
    let tokens = space.typed(&ends, ui)?;
    if ends[0] == ends[1] {
        ui.warn("both sentences are the same: nothing lies between");
    }
    let codes = space.codes(&tokens, &args.refinement());
    let codes = interpolate(args.path, &codes[0], &codes[1], args.points as usize)?;
    let unit = unit_of(text);
    let lines = space.walks(std::slice::from_ref(&codes), unit)?.remove(0);
    let mut exact = true;
    for (end, line) in ends.iter().zip([&lines[0], &lines[lines.len() - 1]]) {
        if *end != line.text {
            exact = false;
            ui.warn(format!(
                "\"{end}\" does not come back: the model says \"{}\"",
                line.text
            ));
        }
    }
    if !args.json {
        return lines.iter().try_for_each(|line| ui::print(&line.text));
    }
    let last = (codes.len() - 1) as f64;
    let points = codes
        .into_iter()
        .zip(&lines)
        .enumerate()
        .map(|(index, (code, line))| Point {
            at: index as f64 / last,
            line: line.text.clone(),
            log_likelihood: line.log_probability,
            edits: index
                .checked_sub(1)
                .map_or(0, |before| unit.distance(&lines[before].text, &line.text)),
            norm: norm(&code),
            code,
        })
        .collect();
    ui::print_json(&Walk {
        from: ends[0].to_owned(),
        to: ends[1].to_owned(),
        exact,
        points,
    })
}
