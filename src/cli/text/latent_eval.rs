/*! `ensuite eval` on sentences by a VAE: bounds on the likelihood, what the codes know, and how good walks are. */

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use burn::prelude::*;
use rayon::prelude::*;
use serde::Serialize;

use crate::base::rng::rng_stream;
use crate::base::rng::shuffle;
use crate::checkpoint::Medium;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::eval::Args;
use crate::cli::text::space::{SentenceSpace, unit_of};
use crate::cli::text::{asked_and_known, codec};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::eval::{TextLikelihood, Unit, Walk, WalkSummary, token_splice};
use crate::latent::{Interpolation, Normals, interpolate, standard_log_density};
use crate::latent::{Posteriors, importance_weighted_nll, nearest_code};
use crate::models::Model;
use crate::models::sentence_vae::{Refinement, conditional_nll};
use crate::sequence::{Codec, Token};
use crate::text::TextFormat;
use crate::text::{Sentences, TextCodec};

/// Codes drawn for each sentence of the importance-weighted bound.
const SAMPLES: usize = 500;
/// Sentences of it, unless all are asked for.
const SUBSET: usize = 500;
/// Points of a walk, and beams at each: as `interpolate` has them.
const POINTS: usize = 11;
const BEAMS: usize = 5;
/// Walks lead between sentences of at most so many words (three times as many characters, without words).
const WORDS: usize = 12;
/// The mutual information is estimated with so many codes a sentence.
const CODES: usize = 1;

#[derive(Serialize)]
struct Measures {
    sentences: usize,
    /// −ELBO, nats a sentence.
    negative_elbo: f64,
    reconstruction: f64,
    kl: f64,
    mutual_information: f64,
    /// KL of all codes together from the prior.
    marginal_kl: f64,
    active_units: usize,
    latent: usize,
    /// −ln of the mean of 500 importance weights, nats a sentence, and of how many sentences.
    importance_weighted_nll: f64,
    importance_weighted_sentences: usize,
    word_perplexity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    walks: Option<Walks>,
}

#[derive(Serialize)]
struct Walks {
    seed: u64,
    /// The share of ends that come back from the encoder's mean as it is.
    exact_ends_unrefined: f64,
    model: Summary,
    /// Trivial walks: from word to word, and through the nearest sentences of the training set.
    baselines: BTreeMap<&'static str, Summary>,
    /// Perplexity of the judge on the held-out sentences themselves.
    judge_held_out: Option<f64>,
}

#[derive(Serialize)]
struct Summary {
    walks: usize,
    exact_ends: f64,
    exact_walks: f64,
    path_efficiency: f64,
    distinct_lines: f64,
    largest_jump: f64,
    self_bleu: f64,
    /// `None` where the training set is not at hand.
    copied: Option<f64>,
    judge: Option<f64>,
}

pub(super) fn run(
    args: &Args,
    text: &TextFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let device = args.device.device.resolve_one()?;
    let space = SentenceSpace::open(folder, manifest, text, BEAMS, device)?;
    let judge = args.judge.as_deref().map(Judge::open).transpose()?;
    let (asked, known) = asked_and_known(args, text, manifest, ui)?;
    let mut lines: Vec<&str> = Vec::new();
    let mut tokens = Vec::new();
    for line in asked.iter().map(str::trim) {
        if let Ok(found) = space.tokens(line) {
            lines.push(line);
            tokens.push(found);
        }
    }
    if lines.len() < 2 {
        return Err(Error::input(
            &args.path,
            "it has fewer than two sentences that the model can read",
        ));
    }
    if lines.len() < asked.len() {
        ui.warn(format!(
            "{} sentences are empty, too long for the model or hold control characters, and are left out",
            asked.len() - lines.len()
        ));
    }
    let posteriors = space.encode(&tokens);
    let measures = measures(args, &space, &lines, &tokens, &posteriors, ui);
    let walks = match args.walks {
        None => None,
        Some(count) => Some(walks(
            (count as usize, args.seed),
            unit_of(text),
            &space,
            &lines,
            known.as_ref(),
            judge.as_ref(),
            ui,
        )?),
    };
    let measures = Measures { walks, ..measures };
    if args.json {
        return ui::print_json(&measures);
    }
    print(&measures)
}

fn measures(
    args: &Args,
    space: &SentenceSpace,
    lines: &[&str],
    tokens: &[Vec<Token>],
    posteriors: &Posteriors,
    ui: &Ui,
) -> Measures {
    let count = lines.len();
    let codes: Vec<Vec<f32>> = (0..count)
        .map(|item| {
            let mut normals = Normals::new(*b"evidence", args.seed, item as u64);
            posteriors.posterior(item).sample(&mut normals)
        })
        .collect();
    let pairs: Vec<(&[Token], &[f32])> = tokens
        .iter()
        .zip(&codes)
        .map(|(tokens, code)| (tokens.as_slice(), code.as_slice()))
        .collect();
    let reconstruction = conditional_nll(&space.vae, &pairs, &space.device)
        .iter()
        .sum::<f64>()
        / count as f64;
    let information = posteriors.information(CODES, args.seed);
    let subset = if args.whole {
        (0..count).collect()
    } else {
        chosen(count, SUBSET, args.seed)
    };
    let live = ui.live();
    let mut total = TextLikelihood::default();
    for (done, &index) in subset.iter().enumerate() {
        live.set_message(format!(
            "importance-weighted likelihood: {done} of {} sentences",
            subset.len()
        ));
        let nll = importance_weighted(space, &tokens[index], posteriors, index, args.seed);
        total.score(lines[index], nll);
    }
    live.finish_and_clear();
    let kl = posteriors.kl();
    Measures {
        sentences: count,
        negative_elbo: reconstruction + kl,
        reconstruction,
        kl,
        mutual_information: information.mutual_information,
        marginal_kl: information.marginal_kl,
        active_units: posteriors.active_units(),
        latent: space.vae.latent(),
        importance_weighted_nll: total.nats_per_sentence(),
        importance_weighted_sentences: subset.len(),
        word_perplexity: total.has_words().then(|| total.word_perplexity()),
        walks: None,
    }
}

/// −ln (1/K Σ p(x|z) p(z) / q(z|x)) with codes z drawn from q (Burda et al. 2016, "Importance weighted autoencoders", eq. 8).
fn importance_weighted(
    space: &SentenceSpace,
    sentence: &[Token],
    posteriors: &Posteriors,
    index: usize,
    seed: u64,
) -> f64 {
    let mut normals = Normals::new(*b"weighted", seed, index as u64);
    let posterior = posteriors.posterior(index);
    let codes: Vec<Vec<f32>> = (0..SAMPLES)
        .map(|_| posterior.sample(&mut normals))
        .collect();
    let pairs: Vec<(&[Token], &[f32])> = codes
        .iter()
        .map(|code| (sentence, code.as_slice()))
        .collect();
    let weights: Vec<f64> = conditional_nll(&space.vae, &pairs, &space.device)
        .iter()
        .zip(&codes)
        .map(|(nats, code)| standard_log_density(code) - posterior.log_density(code) - nats)
        .collect();
    importance_weighted_nll(&weights)
}

/// `most` of `count` numbers in their order, drawn with a seed; all where there are not so many.
fn chosen(count: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut order = shuffled(*b"chosen  ", count, seed, 0);
    order.truncate(most);
    order.sort_unstable();
    order
}

/// All numbers below `count` in an order drawn with a seed for a purpose; each round has its own.
fn shuffled(purpose: [u8; 8], count: usize, seed: u64, round: u64) -> Vec<usize> {
    let mut rng = rng_stream(seed, &purpose, round);
    let mut order: Vec<usize> = (0..count).collect();
    shuffle(&mut order, &mut rng);
    order
}

fn walks(
    (count, seed): (usize, u64),
    unit: Unit,
    space: &SentenceSpace,
    lines: &[&str],
    known: Option<&Sentences>,
    judge: Option<&Judge>,
    ui: &Ui,
) -> Result<Walks> {
    let longest = match unit {
        Unit::Words => WORDS,
        Unit::Characters => 3 * WORDS,
    };
    let mut seen = HashSet::new();
    let fitting: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| unit.length(line) <= longest && seen.insert(*line))
        .collect();
    if fitting.len() < 2 {
        return Err(Error::usage(format!(
            "walks lead between sentences of at most {longest} {}, and there are fewer than two",
            if unit == Unit::Words {
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
    ui.say(format!("{count} walks: ends as they are encoded"));
    let none = Refinement {
        steps: 0,
        ..Refinement::default()
    };
    let plain = space.say(&space.codes(&tokens, &none))?;
    let came_back = plain
        .iter()
        .zip(&ends)
        .filter(|(line, end)| line.text == **end);
    let exact_ends_unrefined = came_back.count() as f64 / ends.len() as f64;
    ui.say(format!("{count} walks: ends refined"));
    let codes = space.codes(&tokens, &Refinement::default());
    ui.say(format!("{count} walks: what lies between"));
    let points = codes
        .chunks_exact(2)
        .map(|ends| interpolate(Interpolation::Lerp, &ends[0], &ends[1], POINTS))
        .collect::<Result<Vec<_>>>()?;
    let ours: Vec<Walk> = space
        .walks(&points, unit)?
        .into_iter()
        .zip(ends.chunks_exact(2))
        .map(|(lines, ends)| walk_of(ends, lines.into_iter().map(|line| line.text)))
        .collect();
    let training: HashSet<&str> = known.iter().flat_map(|known| known.iter()).collect();
    let summary = |walks: &[Walk]| -> Result<Summary> {
        let found = WalkSummary::new(walks, unit, &training);
        let interior = walks.iter().flat_map(Walk::interior).map(String::as_str);
        Ok(Summary {
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
    Ok(Walks {
        seed,
        exact_ends_unrefined,
        model: summary(&ours)?,
        baselines,
        judge_held_out: judge
            .map(|judge| judge.perplexity(fitting.iter().copied()))
            .transpose()?,
    })
}

/// Twice `count` numbers below `of`: the ends of walks, all different as long as there are enough, and those of one
/// walk always.
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

/// Walks that show, at each point, the training sentence whose code is nearest.
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

/// A language model that says how natural lines are.
struct Judge {
    net: Model,
    codec: TextCodec,
}

impl Judge {
    fn open(path: &Path) -> Result<Self> {
        let (folder, manifest) = ModelFolder::open(path)?;
        match &manifest.medium {
            Medium::Text(text) if manifest.recipe.model.latent().is_none() => Ok(Self {
                net: folder.load(&manifest, &Device::flex())?,
                codec: codec(&folder, text)?,
            }),
            _ => Err(
                Error::model(path, "it is no language model, so that it cannot judge")
                    .with_hint("train a judge with: ensuite train text"),
            ),
        }
    }

    /// A word; a character where lines have no spaces.
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

fn print(measures: &Measures) -> Result<()> {
    let m = measures;
    ui::print(&format!(
        "{:.2} nats a sentence at most (negative ELBO): reconstruction {:.2}, KL {:.2}; {} sentences",
        m.negative_elbo, m.reconstruction, m.kl, m.sentences
    ))?;
    let perplexity = m
        .word_perplexity
        .map_or(String::new(), |p| format!(", word perplexity {p:.1}"));
    ui::print(&format!(
        "{:.2} nats a sentence, importance-weighted with {SAMPLES} codes over {} sentences{perplexity}",
        m.importance_weighted_nll, m.importance_weighted_sentences
    ))?;
    ui::print(&format!(
        "mutual information {:.2} nats, {} of {} units active",
        m.mutual_information, m.active_units, m.latent
    ))?;
    let Some(walks) = &m.walks else {
        return Ok(());
    };
    ui::print(&format!(
        "{} walks of {POINTS} lines, seed {}: {:.1} % of ends exact without refinement",
        walks.model.walks,
        walks.seed,
        100.0 * walks.exact_ends_unrefined
    ))?;
    let held_out = walks
        .judge_held_out
        .map_or(String::new(), |p| format!(" (held-out lines {p:.1})"));
    ui::print(&format!(
        "{:<24} {:>6} {:>11} {:>9} {:>6} {:>10} {:>7} judge{held_out}",
        "", "exact", "efficiency", "distinct", "jump", "self-BLEU", "copied"
    ))?;
    let all = std::iter::once(("the model", &walks.model)).chain(
        walks
            .baselines
            .iter()
            .map(|(name, summary)| (*name, summary)),
    );
    for (name, s) in all {
        let optional =
            |x: Option<f64>, digits: usize| x.map_or("-".into(), |x| format!("{x:.digits$}"));
        ui::print(&format!(
            "{name:<24} {:>5.1}% {:>11.3} {:>9.2} {:>6.3} {:>10.3} {:>7} {}",
            100.0 * s.exact_ends,
            s.path_efficiency,
            s.distinct_lines,
            s.largest_jump,
            s.self_bleu,
            optional(s.copied, 3),
            optional(s.judge, 1)
        ))?;
    }
    Ok(())
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
