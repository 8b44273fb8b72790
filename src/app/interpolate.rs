/*! `interpolate`: the sentences between two sentences. */

use burn::prelude::*;
use serde::Serialize;

use crate::app::sentence_space::SentenceSpace;
use crate::app::{Observer, OpenModel};
use crate::error::Result;
use crate::latent::{Interpolation, interpolate, norm};
use crate::models::sentence_vae::Refinement;

/// Between what to interpolate, and how.
#[derive(Debug, Clone)]
pub struct InterpolateOptions {
    /// The first sentence.
    pub from: String,
    /// The last sentence.
    pub to: String,
    /// Lines, both ends included.
    pub points: usize,
    /// Beams of the search at each latent code.
    pub beams: usize,
    /// The most steps that refine the latent codes of both ends.
    pub refine: usize,
    /// The path between the latent codes.
    pub path: Interpolation,
}

/// An interpolation between two sentences.
#[derive(Debug, Clone, Serialize)]
pub struct SentenceInterpolation {
    /// As it was typed.
    pub from: String,
    /// As it was typed.
    pub to: String,
    /// Whether the first and the last line are the sentences that were typed.
    pub exact: bool,
    /// The lines and their latent codes.
    pub points: Vec<InterpolationPoint>,
}

/// One line of an interpolation.
#[derive(Debug, Clone, Serialize)]
pub struct InterpolationPoint {
    /// How far along the path, from 0 to 1.
    pub at: f64,
    /// The sentence.
    pub line: String,
    /// ln p(line | code), in nats.
    pub log_likelihood: f64,
    /// Words (characters, where there are no spaces) inserted, deleted or replaced since the line before.
    pub edits: usize,
    /// The latent code.
    pub code: Vec<f32>,
    /// ‖code‖.
    pub norm: f64,
}

impl OpenModel {
    /// Interpolates between two sentences.
    ///
    /// # Errors
    /// When the model has no latent codes, or a sentence is empty or too long.
    pub fn interpolate(
        &self,
        options: &InterpolateOptions,
        observer: &mut dyn Observer,
    ) -> Result<SentenceInterpolation> {
        let space = SentenceSpace::open(self, options.beams, Device::flex())?;
        let ends = [options.from.trim(), options.to.trim()];
        let tokens = space.tokenize_input(&ends, observer)?;
        if ends[0] == ends[1] {
            observer.warn("both sentences are the same: nothing lies between");
        }
        let refinement = Refinement {
            steps: options.refine,
            ..Refinement::default()
        };
        let codes = space.codes(&tokens, &refinement);
        let codes = interpolate(options.path, &codes[0], &codes[1], options.points)?;
        let lines = space
            .interpolations(std::slice::from_ref(&codes))?
            .remove(0);
        let mut exact = true;
        for (end, line) in ends.iter().zip([&lines[0], &lines[lines.len() - 1]]) {
            if *end != line.text {
                exact = false;
                observer.warn(format!(
                    "\"{end}\" is not recovered: its latent code decodes to \"{}\"",
                    line.text
                ));
            }
        }
        let last = (codes.len() - 1) as f64;
        let points = codes
            .into_iter()
            .zip(&lines)
            .enumerate()
            .map(|(index, (code, line))| InterpolationPoint {
                at: index as f64 / last,
                line: line.text.clone(),
                log_likelihood: line.log_probability,
                edits: index.checked_sub(1).map_or(0, |before| {
                    space.unit.distance(&lines[before].text, &line.text)
                }),
                norm: norm(&code),
                code,
            })
            .collect();
        Ok(SentenceInterpolation {
            from: ends[0].to_owned(),
            to: ends[1].to_owned(),
            exact,
            points,
        })
    }
}
