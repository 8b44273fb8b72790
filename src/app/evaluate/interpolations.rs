/*! Evaluating interpolations between sentences, beside trivial ones. */

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;

use burn::prelude::*;
use rayon::prelude::*;
use serde::Serialize;

use crate::app::sentence_space::SentenceSpace;
use crate::app::{Observer, OpenModel};
use crate::base::rng::{rng_stream, shuffle};
use crate::error::{Error, Result};
use crate::eval::{TextLikelihood, Walk, WalkSummary, token_splice};
use crate::latent::{Interpolation, interpolate, nearest_code};
use crate::models::Model;
use crate::models::sentence_vae::{Refinement, conditional_nll};
use crate::sequence::{Codec, Token};
use crate::text::{Sentences, TextCodec, TextUnit};

/// Points of an interpolation: the default of `interpolate`.
const POINTS: usize = 11;
/// The most words of a sentence at an end (three times as many characters, without words).
const WORDS: usize = 12;

/// How good interpolations are.
#[derive(Debug, Clone, Serialize)]
pub struct InterpolationEvaluation {
    /// The seed that chose the ends.
    pub seed: u64,
    /// The share of ends that the posterior mean decodes to, without refinement.
    pub exact_ends_unrefined: f64,
    /// Of the model.
    pub model: InterpolationSummary,
    /// Of trivial interpolations: word by word, and through the nearest training sentences.
    pub baselines: BTreeMap<&'static str, InterpolationSummary>,
    /// Perplexity of the judge on the sentences themselves.
    pub judge_held_out: Option<f64>,
}

/// Means over interpolations.
#[derive(Debug, Clone, Serialize)]
pub struct InterpolationSummary {
    /// How many.
    pub walks: usize,
    /// The share of ends that are the sentences asked for.
    pub exact_ends: f64,
    /// The share with both ends exact.
    pub exact_walks: f64,
    /// Edits between the ends over edits along the path.
    pub path_efficiency: f64,
    /// Distinct lines.
    pub distinct_lines: f64,
    /// The largest share of a line that changes in one step.
    pub largest_jump: f64,
    /// Similarity of the lines to each other.
    pub self_bleu: f64,
    /// The share of lines that are training sentences; `None` where the training set is not at hand.
    pub copied: Option<f64>,
    /// Perplexity of the judge.
    pub judge: Option<f64>,
}

impl fmt::Display for InterpolationEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} walks of {POINTS} lines, seed {}: {:.1} % of ends exact without refinement",
            self.model.walks,
            self.seed,
            100.0 * self.exact_ends_unrefined
        )?;
        let held_out = self
            .judge_held_out
            .map_or(String::new(), |p| format!(" (held-out lines {p:.1})"));
        write!(
            f,
            "\n{:<24} {:>6} {:>11} {:>9} {:>6} {:>10} {:>7} judge{held_out}",
            "", "exact", "efficiency", "distinct", "jump", "self-BLEU", "copied"
        )?;
        let baselines = self
            .baselines
            .iter()
            .map(|(name, summary)| (*name, summary));
        for (name, s) in std::iter::once(("the model", &self.model)).chain(baselines) {
            let optional =
                |x: Option<f64>, digits: usize| x.map_or("-".into(), |x| format!("{x:.digits$}"));
            write!(
                f,
                "\n{name:<24} {:>5.1}% {:>11.3} {:>9.2} {:>6.3} {:>10.3} {:>7} {}",
                100.0 * s.exact_ends,
                s.path_efficiency,
                s.distinct_lines,
                s.largest_jump,
                s.self_bleu,
                optional(s.copied, 3),
                optional(s.judge, 1)
            )?;
        }
        Ok(())
    }
}

/// Interpolates between pairs of the lines and measures the result.
pub(super) fn evaluate_interpolations(
    (count, seed): (usize, u64),
    space: &SentenceSpace,
    lines: &[&str],
    known: Option<&Sentences>,
    judge: Option<&Judge>,
    observer: &mut dyn Observer,
) -> Result<InterpolationEvaluation> {
    let unit = space.unit;
    let longest = match unit {
        TextUnit::Words => WORDS,
        TextUnit::Characters => 3 * WORDS,
    };
    let mut seen = HashSet::new();
    let fitting: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| unit.length(line) <= longest && seen.insert(*line))
        .collect();
    if fitting.len() < 2 {
        return Err(Error::usage(format!(
            "interpolations need sentences of at most {longest} {}, and there are fewer than two",
            if unit == TextUnit::Words {
                "words"
            } else {
                "characters"
            }
        )));
    }
    let ends: Vec<&str> = pairs(fitting.len(), count, seed)
        .into_iter()
        .map(|index| fitting[index])
        .collect();
    let tokens = ends
        .iter()
        .map(|line| space.tokens(line))
        .collect::<Result<Vec<_>>>()?;
    observer.info(format!("{count} interpolations: ends without refinement"));
    let none = Refinement {
        steps: 0,
        ..Refinement::default()
    };
    let plain = space.decode(&space.codes(&tokens, &none))?;
    let recovered = plain
        .iter()
        .zip(&ends)
        .filter(|(line, end)| line.text == **end);
    let exact_ends_unrefined = recovered.count() as f64 / ends.len() as f64;
    observer.info(format!("{count} interpolations: ends refined"));
    let codes = space.codes(&tokens, &Refinement::default());
    observer.info(format!("{count} interpolations: the lines between"));
    let points = codes
        .chunks_exact(2)
        .map(|ends| interpolate(Interpolation::Lerp, &ends[0], &ends[1], POINTS))
        .collect::<Result<Vec<_>>>()?;
    let ours: Vec<Walk> = space
        .interpolations(&points)?
        .into_iter()
        .zip(ends.chunks_exact(2))
        .map(|(lines, ends)| walk_of(ends, lines.into_iter().map(|line| line.text)))
        .collect();
    let training: HashSet<&str> = known.iter().flat_map(|known| known.iter()).collect();
    let summary = |walks: &[Walk]| -> Result<InterpolationSummary> {
        let found = WalkSummary::new(walks, unit, &training);
        let interior = walks.iter().flat_map(Walk::interior).map(String::as_str);
        Ok(InterpolationSummary {
            walks: found.walks,
            exact_ends: found.exact_ends,
            exact_walks: found.exact_walks,
            path_efficiency: found.efficiency,
            distinct_lines: found.distinct * POINTS as f64,
            largest_jump: found.largest_jump,
            self_bleu: found.self_bleu,
            copied: known.map(|_| found.copied),
            judge: judge.map(|judge| judge.perplexity(interior)).transpose()?,
        })
    };
    let mut baselines = BTreeMap::new();
    let spliced: Vec<Walk> = ends
        .chunks_exact(2)
        .map(|ends| {
            let [a, b] = [unit.parts(ends[0]), unit.parts(ends[1])];
            let lines = token_splice(&a, &b, POINTS).into_iter();
            walk_of(ends, lines.map(|parts| unit.join(&parts)))
        })
        .collect();
    baselines.insert("token splice", summary(&spliced)?);
    if let Some(known) = known {
        let quoted = quoted(space, known, &ends, &points);
        baselines.insert("nearest training lines", summary(&quoted)?);
    }
    Ok(InterpolationEvaluation {
        seed,
        exact_ends_unrefined,
        model: summary(&ours)?,
        baselines,
        judge_held_out: judge
            .map(|judge| judge.perplexity(fitting.iter().copied()))
            .transpose()?,
    })
}

/// Twice `count` numbers below `of`: the ends of interpolations. The two of one differ always, those of different ones
/// as long as there are enough.
fn pairs(of: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut all = Vec::with_capacity(2 * count);
    let mut round = 0;
    while all.len() < 2 * count {
        let order = shuffled(*b"pairs   ", of, seed, round);
        all.extend(order.chunks_exact(2).flatten());
        round += 1;
    }
    all.truncate(2 * count);
    all
}

fn walk_of(ends: &[&str], lines: impl Iterator<Item = String>) -> Walk {
    Walk {
        from: ends[0].to_owned(),
        to: ends[1].to_owned(),
        lines: lines.collect(),
    }
}

/// Interpolations that give, at each point, the training sentence with the nearest latent code.
fn quoted(
    space: &SentenceSpace,
    known: &Sentences,
    ends: &[&str],
    walks: &[Vec<Vec<f32>>],
) -> Vec<Walk> {
    let mut lines = Vec::new();
    let mut tokens = Vec::new();
    for line in known.iter() {
        if let Ok(found) = space.tokens(line) {
            lines.push(line);
            tokens.push(found);
        }
    }
    let known = space.encode(&tokens);
    walks
        .par_iter()
        .zip(ends.par_chunks_exact(2))
        .map(|(codes, ends)| {
            let nearest = codes.iter().map(|code| {
                nearest_code(code, known.means())
                    .map_or("", |index| lines[index])
                    .to_owned()
            });
            walk_of(ends, nearest)
        })
        .collect()
}

/// All numbers below `count` in an order drawn with a seed for a purpose; each round has its own.
pub(super) fn shuffled(purpose: [u8; 8], count: usize, seed: u64, round: u64) -> Vec<usize> {
    let mut rng = rng_stream(seed, purpose, round);
    let mut order: Vec<usize> = (0..count).collect();
    shuffle(&mut order, &mut rng);
    order
}

/// A language model that measures how natural lines are.
pub(super) struct Judge {
    net: Model,
    codec: TextCodec,
}

impl Judge {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let model = OpenModel::open(path)?;
        let refuse = || {
            Error::model(path, "it is not a language model, so that it cannot judge")
                .with_hint("train a judge with: ensuite train text")
        };
        if model.has_latent_codes() {
            return Err(refuse());
        }
        let (_, codec) = model.text().map_err(|_| refuse())?;
        Ok(Self {
            net: model.load(&Device::flex())?,
            codec,
        })
    }

    /// Perplexity a word; a character where lines have no spaces.
    fn perplexity<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Result<f64> {
        let lines: Vec<&str> = lines.collect();
        let tokens = lines
            .iter()
            .map(|line| {
                let mut tokens = self.codec.tokens(line)?;
                tokens.extend(self.codec.alphabet().stop);
                Ok(tokens)
            })
            .collect::<Result<Vec<_>>>()?;
        let pairs: Vec<(&[Token], &[f32])> = tokens
            .iter()
            .map(|tokens| (tokens.as_slice(), &[][..]))
            .collect();
        let mut total = TextLikelihood::default();
        for (line, nats) in lines.iter().zip(conditional_nll(
            self.net.require_sequence()?,
            &pairs,
            &Device::flex(),
        )) {
            total.score(line, nats);
        }
        Ok(if total.has_words() {
            total.word_perplexity()
        } else {
            (total.bits_per_character() * std::f64::consts::LN_2).exp()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_a_walk_differ_and_are_spread_over_all_sentences() {
        for (of, count) in [(2, 5), (7, 3), (7, 20), (2000, 1000)] {
            let all = pairs(of, count, 1);
            assert_eq!(all.len(), 2 * count);
            assert!(all.chunks(2).all(|ends| ends[0] != ends[1] && ends[1] < of));
            let first: HashSet<_> = all.iter().take(of / 2 * 2).collect();
            assert_eq!(first.len(), all.len().min(of / 2 * 2));
        }
        assert_eq!(pairs(50, 9, 3), pairs(50, 9, 3));
        assert_ne!(pairs(50, 9, 3), pairs(50, 9, 4));
    }
}
