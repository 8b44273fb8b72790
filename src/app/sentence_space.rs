/*! A sentence VAE with its tokenizer: sentences to latent codes, latent codes to sentences. */

use std::sync::Arc;

use burn::prelude::*;
use rayon::prelude::*;

use crate::app::{Observer, OpenModel};
use crate::error::{Error, Result};
use crate::latent::{Choice, LineSelectionSettings, Posteriors, draw_from_prior, select_lines};
use crate::models::rnn::{RecurrentWeights, RnnStepper};
use crate::models::sentence_vae::{Refinement, encode, refine};
use crate::models::{Model, SentenceVae, Vae};
use crate::sequence::{BeamSettings, Codec, Hypothesis, Query, Token, beam_search};
use crate::text::{TextCodec, TextUnit};

/// A sentence VAE and its tokenizer.
pub(crate) struct SentenceSpace {
    pub(crate) vae: SentenceVae,
    pub(crate) codec: TextCodec,
    /// The decoder's weights, for its stepper.
    decoder: Arc<RecurrentWeights>,
    /// The most tokens of a sentence, `stop` included.
    window: usize,
    /// Beams of the search at each latent code.
    beams: usize,
    /// Where many sentences are encoded and scored.
    pub(crate) device: Device,
    /// What edits of lines are counted in.
    pub(crate) unit: TextUnit,
}

/// A line that was found for a latent code.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Its tokens with `stop`.
    tokens: Vec<Token>,
    /// ln p(line | code), in nats.
    pub(crate) log_probability: f64,
}

/// The most lanes that search in one thread.
const LANES: usize = 320;

impl SentenceSpace {
    /// Loads a model; a search has `beams` beams at each latent code.
    pub(crate) fn open(model: &OpenModel, beams: usize, device: Device) -> Result<Self> {
        model.latent_dimensions()?;
        let (text, codec) = model.text()?;
        let Model::SentenceVae(vae) = model.load(&device)? else {
            return Err(model.no_latent_codes());
        };
        Ok(Self {
            decoder: Arc::new(vae.decoder().weights()),
            vae,
            codec,
            unit: text.unit(),
            window: model.manifest.recipe.batches.window,
            beams,
            device,
        })
    }

    /// The tokens of a sentence with `stop`. White space around it is ignored, as in training.
    pub(crate) fn tokens(&self, sentence: &str) -> Result<Vec<Token>> {
        let sentence = sentence.trim();
        if sentence.contains(char::is_control) {
            return Err(
                Error::usage("a sentence is one line without control characters")
                    .with_hint("type it in one line"),
            );
        }
        if sentence.is_empty() {
            return Err(
                Error::usage("a sentence is empty").with_hint("type a sentence of a few words")
            );
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

    /// The tokens of sentences that a person typed, after a warning about unknown words.
    pub(crate) fn tokenize_input(
        &self,
        sentences: &[&str],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Token>>> {
        sentences
            .iter()
            .map(|sentence| {
                warn_of_unknown(&self.codec, sentence, observer);
                self.tokens(sentence)
            })
            .collect()
    }

    /// The posteriors of sentences.
    pub(crate) fn encode(&self, sentences: &[Vec<Token>]) -> Posteriors {
        let views: Vec<&[Token]> = sentences.iter().map(Vec::as_slice).collect();
        encode(&self.vae, &views)
    }

    /// The latent code of each sentence: the posterior mean, refined until it decodes to the sentence.
    pub(crate) fn codes(&self, sentences: &[Vec<Token>], refinement: &Refinement) -> Vec<Vec<f32>> {
        let posteriors = self.encode(sentences);
        let means: Vec<Vec<f32>> = posteriors
            .means()
            .chunks(self.vae.latent())
            .map(<[f32]>::to_vec)
            .collect();
        let views: Vec<&[Token]> = sentences.iter().map(Vec::as_slice).collect();
        refine(&self.vae, &views, &means, refinement)
    }

    /// The likeliest lines of each latent code, the likeliest first. One code's result does not depend on the others.
    fn search(&self, codes: &[Vec<f32>]) -> Result<Vec<Vec<Line>>> {
        let queries: Vec<Query> = codes
            .iter()
            .map(|code| Query {
                condition: Some(code),
                prompt: &[],
            })
            .collect();
        self.search_from(&queries)?
            .into_iter()
            .map(|hypotheses| {
                hypotheses
                    .iter()
                    .map(|hypothesis| {
                        self.line(hypothesis.tokens.clone(), hypothesis.log_probability)
                    })
                    .collect()
            })
            .collect()
    }

    /// A line of tokens without `stop`.
    fn line(&self, mut tokens: Vec<Token>, log_probability: f64) -> Result<Line> {
        let text = self.codec.decode(&tokens)?;
        tokens.extend(self.codec.alphabet().stop);
        Ok(Line {
            text,
            tokens,
            log_probability,
        })
    }

    /// Decodes latent codes: of the lines that a search finds, the one with the largest ln p(line | code) + ln q(code | line),
    /// so that encoder and decoder agree on it (Li et al. 2016, "A diversity-promoting objective function for neural
    /// conversation models", §4.2: reranking by the probability of the question given the answer).
    pub(crate) fn decode(&self, codes: &[Vec<f32>]) -> Result<Vec<Line>> {
        Ok(self.rerank(codes, self.search(codes)?))
    }

    /// Of the lines found for each latent code, the one on which encoder and decoder agree most.
    fn rerank(&self, codes: &[Vec<f32>], found: Vec<Vec<Line>>) -> Vec<Line> {
        let candidates: Vec<&[Token]> = found
            .iter()
            .flatten()
            .map(|line| line.tokens.as_slice())
            .collect();
        let posteriors = encode(&self.vae, &candidates);
        let mut item = 0;
        let mut best = Vec::with_capacity(codes.len());
        for (code, lines) in codes.iter().zip(found) {
            let scored = lines.into_iter().map(|line| {
                let density = posteriors.posterior(item).log_density(code);
                item += 1;
                (line.log_probability + density, line)
            });
            let line = scored.max_by(|(a, _), (b, _)| a.total_cmp(b));
            best.push(line.expect("a search finds a line").1);
        }
        best
    }

    /// The likeliest continuations of each query.
    fn search_from(&self, queries: &[Query]) -> Result<Vec<Vec<Hypothesis>>> {
        let settings = BeamSettings {
            beams: self.beams,
            max_length: self.window - 1,
            // A latent code determines the length of its sentence: short ones need no penalty.
            length_penalty: 0.0,
        };
        let grammar = self.codec.grammar();
        let share = queries.len().div_ceil(rayon::current_num_threads()).max(1);
        let found: Vec<Result<Vec<Vec<Hypothesis>>>> = queries
            .par_chunks(share)
            .map(|queries| {
                let lanes = (LANES / self.beams).clamp(1, queries.len()) * self.beams;
                let mut stepper = RnnStepper::new(self.decoder.clone(), lanes)?;
                beam_search(&mut stepper, queries, &settings, grammar.as_deref())
            })
            .collect();
        Ok(found.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }

    /// One line for each latent code of each interpolation: the decoded lines at both ends, and between them lines that
    /// change little from one to the next.
    pub(crate) fn interpolations(&self, walks: &[Vec<Vec<f32>>]) -> Result<Vec<Vec<Line>>> {
        let mut found = self.search(&walks.concat())?.into_iter();
        let mut offered: Vec<Vec<Vec<Line>>> = walks
            .iter()
            .map(|codes| found.by_ref().take(codes.len()).collect())
            .collect();
        let (mut end_codes, mut end_lines) = (Vec::new(), Vec::new());
        for (codes, offered) in walks.iter().zip(&mut offered) {
            for end in [0, codes.len() - 1] {
                end_codes.push(codes[end].clone());
                end_lines.push(std::mem::take(&mut offered[end]));
            }
        }
        let mut ends = self.rerank(&end_codes, end_lines).into_iter();
        for offered in &mut offered {
            for end in [0, offered.len() - 1] {
                offered[end].extend(ends.next());
            }
        }
        let select_all = |offered: &[Vec<Vec<Line>>]| -> Result<Vec<Vec<Line>>> {
            offered
                .par_iter()
                .map(|offered| select(offered, self.unit))
                .collect()
        };
        let mut shown = select_all(&offered)?;
        for _ in 0..ROUNDS {
            self.bridge(walks, &shown, &mut offered)?;
            shown = select_all(&offered)?;
        }
        Ok(shown)
    }

    /// Where neighbouring lines differ much, offers lines that begin like the one and continue by the latent code of the
    /// other.
    fn bridge(
        &self,
        walks: &[Vec<Vec<f32>>],
        shown: &[Vec<Line>],
        offered: &mut [Vec<Vec<Line>>],
    ) -> Result<()> {
        let mut places = Vec::new();
        let mut prompts = Vec::new();
        for (walk, lines) in shown.iter().enumerate() {
            let inner = 1..lines.len() - 1;
            for (before, pair) in lines.windows(2).enumerate() {
                if self.unit.share(&pair[0].text, &pair[1].text) <= GAP {
                    continue;
                }
                // Both of them and their neighbours: a gap is best closed in several steps.
                let near = [
                    (before.wrapping_sub(1), &pair[1]),
                    (before, &pair[1]),
                    (before + 1, &pair[0]),
                    (before + 2, &pair[0]),
                ];
                for (point, other) in near {
                    if !inner.contains(&point) {
                        continue;
                    }
                    let parts = self.unit.parts(&other.text);
                    let mut lengths: Vec<usize> = [1, 2, 3]
                        .iter()
                        .map(|quarter| (parts.len() * quarter / 4).max(1).min(parts.len()))
                        .filter(|&kept| kept > 0)
                        .collect();
                    lengths.dedup();
                    for kept in lengths {
                        places.push((walk, point));
                        prompts.push(self.codec.tokens(&self.unit.join(&parts[..kept]))?);
                    }
                }
            }
        }
        let queries: Vec<Query> = places
            .iter()
            .zip(&prompts)
            .map(|(&(walk, point), prompt)| Query {
                condition: Some(&walks[walk][point]),
                prompt,
            })
            .collect();
        for ((&(walk, point), prompt), hypotheses) in
            places.iter().zip(&prompts).zip(self.search_from(&queries)?)
        {
            for hypothesis in hypotheses {
                let tokens = [&prompt[..], &hypothesis.tokens].concat();
                let nats = hypothesis.prompt_log_probability + hypothesis.log_probability;
                let line = self.line(tokens, nats)?;
                let offered = &mut offered[walk][point];
                if offered.iter().all(|other| other.text != line.text) {
                    offered.push(line);
                }
            }
        }
        for offered in offered.iter_mut().flatten() {
            offered.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
            offered.truncate(MOST);
        }
        Ok(())
    }
}

/// Neighbours are bridged where more than this share of the longer line differs.
const GAP: f64 = 0.3;
/// The most lines offered at a point: the likeliest.
const MOST: usize = 64;
/// How often gaps are bridged.
const ROUNDS: usize = 3;

/// Selects one of the lines offered at each point of an interpolation.
fn select(offered: &[Vec<Line>], unit: TextUnit) -> Result<Vec<Line>> {
    let choices: Vec<Vec<Choice<&str>>> = offered
        .iter()
        .map(|lines| {
            lines
                .iter()
                .map(|line| Choice {
                    parts: unit.parts(&line.text),
                    score: line.log_probability,
                })
                .collect()
        })
        .collect();
    let chosen = select_lines(&choices, &LineSelectionSettings::default())?;
    Ok(offered
        .iter()
        .zip(chosen)
        .map(|(lines, index)| lines[index].clone())
        .collect())
}

/// A latent code drawn from the prior with stream `stream` of the seed; `None` for a model without latent codes.
pub(crate) fn prior_code(model: &Model, seed: u64, stream: u64) -> Option<Vec<f32>> {
    let latent = model.latent()?;
    Some(draw_from_prior(latent.latent(), seed, stream))
}

/// Warns of words and characters that the tokenizer does not know.
pub(crate) fn warn_of_unknown(codec: &TextCodec, sentence: &str, observer: &mut dyn Observer) {
    let unknown = codec.unknown_words(sentence);
    if !unknown.is_empty() {
        observer.warn(format!(
            "the model does not know {}; it reads <unk> instead",
            unknown.join(", ")
        ));
    }
    let unknown: Vec<String> = codec
        .unknown_characters(sentence)
        .iter()
        .map(char::to_string)
        .collect();
    if !unknown.is_empty() {
        observer.warn(format!(
            "training never saw {}; the model reads each as bytes, which it has learned nothing about",
            unknown.join(" ")
        ));
    }
}
