/*! A sentence VAE as the verbs use it: sentences to codes, codes to sentences. */

use std::sync::Arc;

use burn::prelude::*;
use rayon::prelude::*;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::media::no_codes;
use crate::cli::text::{codec, warn_of_unknown};
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::eval::Unit;
use crate::latent::Posteriors;
use crate::latent::{Choice, LineSelectionSettings, select_lines};
use crate::models::Model;
use crate::models::SentenceVae;
use crate::models::rnn::{RecurrentWeights, RnnStepper};
use crate::models::sentence_vae::{Refinement, encode, refine};
use crate::sequence::{BeamSettings, Codec, Hypothesis, Query, Token, beam_search};
use crate::text::TextFormat;
use crate::text::{TextCodec, TokenizerKind};

/// A model whose codes stand for sentences.
pub(super) struct SentenceSpace {
    pub(super) vae: SentenceVae,
    pub(super) codec: TextCodec,
    /// The decoder as the engine has it.
    decoder: Arc<RecurrentWeights>,
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
    /// The same with its end.
    tokens: Vec<Token>,
    /// ln p(line | code), in nats.
    pub(super) log_probability: f64,
}

/// At most so many lanes search in one thread.
const LANES: usize = 320;

impl SentenceSpace {
    /// Opens a model; `beams` lanes search each code.
    pub(super) fn open(
        folder: &ModelFolder,
        manifest: &ModelManifest,
        text: &TextFormat,
        beams: usize,
        device: Device,
    ) -> Result<Self> {
        let Model::SentenceVae(vae) = folder.load(manifest, &device)? else {
            return Err(no_codes(folder.path(), manifest));
        };
        Ok(Self {
            decoder: Arc::new(vae.decoder().weights()),
            vae,
            codec: codec(folder, text)?,
            window: manifest.recipe.batches.window,
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

    /// The tokens of sentences that a person gave; says which of their words are not known.
    pub(super) fn typed(&self, sentences: &[&str], ui: &Ui) -> Result<Vec<Vec<Token>>> {
        sentences
            .iter()
            .map(|sentence| {
                warn_of_unknown(&self.codec, sentence, ui);
                self.tokens(sentence)
            })
            .collect()
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

    /// A line of tokens without their end.
    fn line(&self, mut tokens: Vec<Token>, log_probability: f64) -> Result<Line> {
        let text = self.codec.decode(&tokens)?;
        tokens.extend(self.codec.alphabet().stop);
        Ok(Line {
            text,
            tokens,
            log_probability,
        })
    }

    /// What each code says: of the lines that a search finds for it, the one for which ln p(line | code) + ln q(code | line)
    /// is largest, so that encoder and decoder agree on it (Li et al. 2016, "A diversity-promoting objective function for
    /// neural conversation models", §4.2: reranking by what the answer says of the question).
    pub(super) fn say(&self, codes: &[Vec<f32>]) -> Result<Vec<Line>> {
        Ok(self.agreed(codes, self.search(codes)?))
    }

    /// Of the lines found for each code the one that both agree on.
    fn agreed(&self, codes: &[Vec<f32>], found: Vec<Vec<Line>>) -> Vec<Line> {
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
            // A code says how long its sentence is: nothing has to be made up for.
            length_penalty: 0.0,
        };
        let share = queries.len().div_ceil(rayon::current_num_threads()).max(1);
        let found: Vec<Result<Vec<Vec<Hypothesis>>>> = queries
            .par_chunks(share)
            .map(|queries| {
                let lanes = (LANES / self.beams).clamp(1, queries.len()) * self.beams;
                let mut engine = RnnStepper::new(self.decoder.clone(), lanes)?;
                beam_search(&mut engine, queries, &settings)
            })
            .collect();
        Ok(found.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }

    /// What to show at each code of each walk: what the codes say at both ends, and between them lines that go well together.
    pub(super) fn walks(&self, walks: &[Vec<Vec<f32>>], unit: Unit) -> Result<Vec<Vec<Line>>> {
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
        let mut ends = self.agreed(&end_codes, end_lines).into_iter();
        for offered in &mut offered {
            for end in [0, offered.len() - 1] {
                offered[end].extend(ends.next());
            }
        }
        let choose_all = |offered: &[Vec<Vec<Line>>]| -> Result<Vec<Vec<Line>>> {
            offered
                .par_iter()
                .map(|offered| choose_lines(offered, unit))
                .collect()
        };
        let mut shown = choose_all(&offered)?;
        for _ in 0..ROUNDS {
            self.bridge(walks, &shown, unit, &mut offered)?;
            shown = choose_all(&offered)?;
        }
        Ok(shown)
    }

    /// Where neighbours have little in common, offers lines that begin as the one does and go on as the code of the
    /// other wants.
    fn bridge(
        &self,
        walks: &[Vec<Vec<f32>>],
        shown: &[Vec<Line>],
        unit: Unit,
        offered: &mut [Vec<Vec<Line>>],
    ) -> Result<()> {
        let mut places = Vec::new();
        let mut prompts = Vec::new();
        for (walk, lines) in shown.iter().enumerate() {
            let inner = 1..lines.len() - 1;
            for (before, pair) in lines.windows(2).enumerate() {
                if unit.share(&pair[0].text, &pair[1].text) <= GAP {
                    continue;
                }
                // Both of them, and those next to them: a gap is best closed in several steps.
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
                    let parts = unit.parts(&other.text);
                    // An empty line has no beginning.
                    let mut lengths: Vec<usize> = [1, 2, 3]
                        .iter()
                        .map(|quarter| (parts.len() * quarter / 4).max(1).min(parts.len()))
                        .filter(|&kept| kept > 0)
                        .collect();
                    lengths.dedup();
                    for kept in lengths {
                        places.push((walk, point));
                        prompts.push(self.codec.tokens(&unit.join(&parts[..kept]))?);
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

/// Neighbours of which more than this share of the longer line differs are bridged.
const GAP: f64 = 0.3;
/// So many lines are offered at a point, at most: the likeliest.
const MOST: usize = 64;
/// So often gaps are bridged.
const ROUNDS: usize = 3;

/// One of the lines offered at each point of a walk.
fn choose_lines(offered: &[Vec<Line>], unit: Unit) -> Result<Vec<Line>> {
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

/// What edits of lines are counted in: characters where they are the tokens, else words.
pub(super) fn unit_of(text: &TextFormat) -> Unit {
    match text.tokenizer {
        TokenizerKind::Characters => Unit::Characters,
        TokenizerKind::Bpe | TokenizerKind::Words => Unit::Words,
    }
}
