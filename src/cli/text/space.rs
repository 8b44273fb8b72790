/*! A sentence VAE as the verbs use it: sentences to codes, codes to sentences. */

use burn::prelude::*;
use rayon::prelude::*;

use super::codec;
use crate::checkpoint::{Description, ModelFolder};
use crate::cli::media::no_codes;
use crate::error::{Error, Result};
use crate::latent::{Choice, Interpolation, PathSettings, choose, walk};
use crate::measure::{Posteriors, Unit};
use crate::medium::Text;
use crate::nets::{SentenceVae, SequenceModel};
use crate::network::Network;
use crate::sequence::{BeamSettings, Codec, Hypothesis, Query, Token, beam_search};
use crate::text::{TextCodec, TokenizerKind};
use crate::train::{Refinement, encode, refine};

/// A model whose codes stand for sentences.
pub(super) struct Space {
    pub(super) vae: SentenceVae,
    pub(super) codec: TextCodec,
    /// The most tokens of a sentence, its end counted.
    window: usize,
    /// Lanes that search each code.
    beams: usize,
    /// Where sentences are read in numbers.
    pub(super) device: Device,
}

/// A line that was found for a code.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) text: String,
    /// ln p(line | code), in nats.
    pub(super) log_probability: f64,
}

/// At most so many lanes search in one thread.
const LANES: usize = 320;

impl Space {
    /// Opens a model; `beams` lanes search each code.
    pub(super) fn open(
        folder: &ModelFolder,
        description: &Description,
        text: &Text,
        beams: usize,
        device: Device,
    ) -> Result<Self> {
        if description.recipe.elbo.is_none() {
            return Err(no_codes(folder.path(), description));
        }
        let Network::SentenceVae(vae) = folder.load(description, &device)? else {
            return Err(no_codes(folder.path(), description));
        };
        Ok(Self {
            vae,
            codec: codec(folder, text)?,
            window: description.recipe.batches.window,
            beams,
            device,
        })
    }

    /// The tokens of a sentence with its end. Space around it does not count, as in training.
    pub(super) fn tokens(&self, sentence: &str) -> Result<Vec<Token>> {
        let sentence = sentence.trim();
        if sentence.contains(char::is_control) {
            return Err(
                Error::usage("a sentence is one line, without tabs and the like")
                    .with_hint("type it in one line"),
            );
        }
        if sentence.is_empty() {
            return Err(Error::usage("there is nothing in an empty sentence")
                .with_hint("type a sentence of a few words"));
        }
        let mut tokens = self.codec.tokens(sentence)?;
        tokens.extend(self.codec.alphabet().stop);
        if tokens.len() <= self.window {
            return Ok(tokens);
        }
        let words = sentence.split_whitespace().count();
        Err(Error::usage(format!(
            "a sentence of {words} words ({} tokens) is too long for this model",
            tokens.len() - 1
        ))
        .with_hint(format!("it reads up to {} tokens", self.window - 1)))
    }

    /// What the encoder says of sentences.
    pub(super) fn encode(&self, sentences: &[Vec<Token>]) -> Posteriors {
        let views: Vec<&[Token]> = sentences.iter().map(Vec::as_slice).collect();
        encode(&self.vae, &views)
    }

    /// The code of each sentence: the mean that the encoder says, refined until the sentence comes back.
    pub(super) fn codes(&self, sentences: &[Vec<Token>], refinement: &Refinement) -> Vec<Vec<f32>> {
        let posteriors = self.encode(sentences);
        let means: Vec<Vec<f32>> = posteriors
            .means()
            .chunks(self.vae.latent())
            .map(<[f32]>::to_vec)
            .collect();
        let views: Vec<&[Token]> = sentences.iter().map(Vec::as_slice).collect();
        refine(&self.vae, &views, &means, refinement)
    }

    /// The likeliest lines of each code, the likeliest first. What one code finds does not depend on the others.
    pub(super) fn search(&self, codes: &[Vec<f32>]) -> Result<Vec<Vec<Line>>> {
        let settings = BeamSettings {
            beams: self.beams,
            max_length: self.window - 1,
            // A code says how long its sentence is: nothing has to be made up for.
            length_penalty: 0.0,
        };
        let threads = rayon::current_num_threads();
        let share = codes.len().div_ceil(threads).max(1);
        let found: Vec<Result<Vec<Vec<Hypothesis>>>> = codes
            .par_chunks(share)
            .map(|codes| {
                let queries: Vec<Query> = codes
                    .iter()
                    .map(|code| Query {
                        condition: Some(code),
                        prompt: &[],
                    })
                    .collect();
                let lanes = (LANES / self.beams).clamp(1, codes.len()) * self.beams;
                beam_search(&mut *self.vae.stepper(lanes)?, &queries, &settings)
            })
            .collect();
        let mut all = Vec::with_capacity(codes.len());
        for found in found {
            for hypotheses in found? {
                all.push(self.lines(&hypotheses)?);
            }
        }
        Ok(all)
    }

    fn lines(&self, hypotheses: &[Hypothesis]) -> Result<Vec<Line>> {
        hypotheses
            .iter()
            .map(|hypothesis| {
                Ok(Line {
                    text: self.codec.decode(&hypothesis.tokens)?,
                    log_probability: hypothesis.log_probability,
                })
            })
            .collect()
    }
}

/// A line that a walk shows.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) line: Line,
    /// How far along the way its code is, from 0 to 1.
    pub(super) at: f64,
    pub(super) code: Vec<f32>,
}

/// Around each point of a walk so many codes are searched: what lies between two sentences changes here in leaps and
/// stands still there, and what to show is chosen among all that is found.
const FINENESS: usize = 3;

/// The codes that are searched for a walk of so many points.
pub(super) fn codes_of_walk(
    way: Interpolation,
    [from, to]: [&[f32]; 2],
    points: usize,
) -> Result<Vec<Vec<f32>>> {
    walk(way, from, to, (points - 1) * FINENESS + 1)
}

/// What to show of the lines found at the codes of a walk: the likeliest at its ends, and between them those that go well
/// together.
pub(super) fn choose_lines(
    codes: &[Vec<f32>],
    found: &[Vec<Line>],
    unit: Unit,
) -> Result<Vec<Shown>> {
    let last = codes.len() - 1;
    let points = last / FINENESS + 1;
    let offered: Vec<Vec<(usize, &Line)>> = (0..points)
        .map(|point| {
            let middle = point * FINENESS;
            if middle == 0 || middle == last {
                return vec![(middle, &found[middle][0])];
            }
            // As many on each side as there are to the middle between two points; the nearest first.
            let reach = (FINENESS - 1) / 2;
            let mut around: Vec<usize> = (middle - reach..=middle + reach).collect();
            around.sort_by_key(|code| code.abs_diff(middle));
            around
                .into_iter()
                .flat_map(|code| found[code].iter().map(move |line| (code, line)))
                .collect()
        })
        .collect();
    let choices: Vec<Vec<Choice<&str>>> = offered
        .iter()
        .map(|lines| {
            lines
                .iter()
                .map(|(_, line)| Choice {
                    parts: unit.parts(&line.text),
                    score: line.log_probability,
                })
                .collect()
        })
        .collect();
    let chosen = choose(&choices, &PathSettings::default())?;
    Ok(offered
        .iter()
        .zip(chosen)
        .map(|(lines, index)| {
            let (code, line) = lines[index];
            Shown {
                line: line.clone(),
                at: code as f64 / last as f64,
                code: codes[code].clone(),
            }
        })
        .collect())
}

/// What edits of lines are counted in: characters where they are the tokens, else words.
pub(super) fn unit_of(text: &Text) -> Unit {
    match text.tokenizer {
        TokenizerKind::Characters => Unit::Characters,
        TokenizerKind::Bpe | TokenizerKind::Words => Unit::Words,
    }
}
