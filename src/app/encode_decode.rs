/*! `encode` and `decode`: sentences to latent codes and back, for arithmetic elsewhere. */

use std::path::Path;

use burn::prelude::*;
use serde::Serialize;

use crate::app::sentence_space::SentenceSpace;
use crate::app::{Observer, OpenModel};
use crate::error::{Error, Result};
use crate::models::sentence_vae::Refinement;

/// A sentence and its latent code.
#[derive(Debug, Clone, Serialize)]
pub struct EncodedSentence {
    /// As it was given.
    pub sentence: String,
    /// The posterior mean; refined, if that was asked for.
    pub code: Vec<f32>,
    /// The posterior standard deviation of each number.
    pub deviation: Vec<f32>,
}

impl OpenModel {
    /// Encodes sentences; each code is refined in at most `refine` steps until it decodes to its sentence.
    ///
    /// # Errors
    /// When the model has no latent codes, or a sentence is empty or too long.
    pub fn encode(
        &self,
        sentences: Vec<String>,
        refine: usize,
        observer: &mut dyn Observer,
    ) -> Result<Vec<EncodedSentence>> {
        let space = SentenceSpace::open(self, 1, Device::flex())?;
        let views: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let tokens = space.tokenize_input(&views, observer)?;
        let posteriors = space.encode(&tokens);
        let settings = Refinement {
            steps: refine,
            ..Refinement::default()
        };
        let codes = space.codes(&tokens, &settings);
        Ok(sentences
            .into_iter()
            .zip(codes)
            .enumerate()
            .map(|(index, (sentence, code))| EncodedSentence {
                sentence,
                code,
                deviation: posteriors.posterior(index).deviations(),
            })
            .collect())
    }

    /// Decodes latent codes to sentences, with `beams` beams for each.
    ///
    /// # Errors
    /// When the model has no latent codes, or a code has the wrong length.
    pub fn decode(&self, codes: &[Vec<f32>], beams: usize) -> Result<Vec<String>> {
        let space = SentenceSpace::open(self, beams, Device::flex())?;
        let lines = space.decode(codes)?;
        Ok(lines.into_iter().map(|line| line.text).collect())
    }

    /// Dimensions of the latent code.
    ///
    /// # Errors
    /// When the model has no latent codes.
    pub fn latent_dimensions(&self) -> Result<usize> {
        self.latent_size().ok_or_else(|| self.no_latent_codes())
    }
}

/// Latent codes of `dimensions` numbers from JSON: a list of lists, or what `encode` gives. `name` is for messages.
///
/// # Errors
/// When it is something else, or a number is NaN or infinite.
pub fn parse_codes(text: &str, name: &Path, dimensions: usize) -> Result<Vec<Vec<f32>>> {
    let refuse = |reason: String| {
        Error::input(name, reason).with_hint(format!(
            "latent codes are a list of lists of {dimensions} numbers, or what ensuite encode gives"
        ))
    };
    let all: Vec<serde_json::Value> = serde_json::from_str(text)
        .map_err(|error| refuse(format!("it is not a JSON list ({error})")))?;
    all.into_iter()
        .enumerate()
        .map(|(index, value)| {
            let numbers = value.get("code").cloned().unwrap_or(value);
            let code: Vec<f32> = serde_json::from_value(numbers)
                .map_err(|error| refuse(format!("code {}: {error}", index + 1)))?;
            if code.len() != dimensions {
                return Err(refuse(format!(
                    "code {} has {} numbers, and this model's have {dimensions}",
                    index + 1,
                    code.len()
                )));
            }
            if code.iter().any(|number| !number.is_finite()) {
                return Err(refuse(format!("code {} is NaN or infinite", index + 1)));
            }
            Ok(code)
        })
        .collect()
}
