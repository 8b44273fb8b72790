/*! Evaluating a sentence VAE: bounds on the likelihood, and what the latent codes carry. */

use std::fmt;

use serde::Serialize;

use super::interpolations::{InterpolationEvaluation, Judge, evaluate_interpolations, shuffled};
use super::options::EvaluateOptions;
use crate::app::sentence_space::SentenceSpace;
use crate::app::{Event, Observer, OpenModel};
use crate::error::{Error, Result};
use crate::eval::TextLikelihood;
use crate::latent::{Normals, Posteriors, WeightedCodes, standard_log_density};
use crate::models::Vae;
use crate::models::sentence_vae::conditional_nll;
use crate::sequence::Token;

/// Sentences of the importance-weighted likelihood, unless all are asked for.
const SUBSET: usize = 500;
/// Beams at each point of an interpolation: the default of `interpolate`.
const BEAMS: usize = 5;
/// Latent codes a sentence for the estimate of the mutual information.
const CODES: usize = 1;

/// How well a sentence VAE models sentences. Likelihoods are in nats a sentence.
#[derive(Debug, Clone, Serialize)]
pub struct SentenceVaeEvaluation {
    /// Sentences.
    pub sentences: usize,
    /// −ELBO.
    pub negative_elbo: f64,
    /// −ln p(sentence | code) with a code drawn from the posterior.
    pub reconstruction: f64,
    /// KL divergence of the posteriors from the prior.
    pub kl: f64,
    /// Between sentences and latent codes.
    pub mutual_information: f64,
    /// KL divergence of the aggregate posterior from the prior.
    pub marginal_kl: f64,
    /// Dimensions whose posterior mean varies.
    pub active_units: usize,
    /// Dimensions of the latent code.
    pub latent: usize,
    /// −ln of the mean of importance weights.
    pub importance_weighted_nll: f64,
    /// Of how many codes of each sentence.
    pub importance_weighted_codes: usize,
    /// Over how many sentences.
    pub importance_weighted_sentences: usize,
    /// From the importance-weighted NLL; `None` for scripts without spaces between words.
    pub word_perplexity: Option<f64>,
    /// Of interpolations, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub walks: Option<InterpolationEvaluation>,
}

impl fmt::Display for SentenceVaeEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let perplexity = self
            .word_perplexity
            .map_or(String::new(), |p| format!(", word perplexity {p:.1}"));
        write!(
            f,
            "{:.2} nats a sentence at most (negative ELBO): reconstruction {:.2}, KL {:.2}; {} sentences\n\
             {:.2} nats a sentence, importance-weighted with {} codes over {} sentences{perplexity}\n\
             mutual information {:.2} nats, {} of {} units active",
            self.negative_elbo,
            self.reconstruction,
            self.kl,
            self.sentences,
            self.importance_weighted_nll,
            self.importance_weighted_codes,
            self.importance_weighted_sentences,
            self.mutual_information,
            self.active_units,
            self.latent
        )?;
        match &self.walks {
            Some(walks) => write!(f, "\n{walks}"),
            None => Ok(()),
        }
    }
}

pub(super) fn evaluate(
    model: &OpenModel,
    options: &EvaluateOptions,
    observer: &mut dyn Observer,
) -> Result<SentenceVaeEvaluation> {
    let device = options.device.resolve_one()?;
    let space = SentenceSpace::open(model, BEAMS, device)?;
    let judge = options.judge.as_deref().map(Judge::open).transpose()?;
    let (text, _) = model.text()?;
    let (asked, known) = options.sentences(model, text, observer)?;
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
            &options.path,
            "it has fewer than two sentences that the model can read",
        ));
    }
    if lines.len() < asked.len() {
        observer.warn(format!(
            "{} sentences are empty, too long for the model or hold control characters, and are left out",
            asked.len() - lines.len()
        ));
    }
    let posteriors = space.encode(&tokens);
    let measures = measures(options, &space, &lines, &tokens, &posteriors, observer);
    let walks = match options.walks {
        None => None,
        Some(count) => Some(evaluate_interpolations(
            (count as usize, options.seed),
            &space,
            &lines,
            known.as_ref(),
            judge.as_ref(),
            observer,
        )?),
    };
    Ok(SentenceVaeEvaluation { walks, ..measures })
}

fn measures(
    options: &EvaluateOptions,
    space: &SentenceSpace,
    lines: &[&str],
    tokens: &[Vec<Token>],
    posteriors: &Posteriors,
    observer: &mut dyn Observer,
) -> SentenceVaeEvaluation {
    let count = lines.len();
    let codes: Vec<Vec<f32>> = (0..count)
        .map(|item| {
            let mut normals = Normals::new(*b"evidence", options.seed, item as u64);
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
    let information = posteriors.information(CODES, options.seed);
    let subset = if options.whole {
        (0..count).collect()
    } else {
        chosen(count, SUBSET, options.seed)
    };
    let mut total = TextLikelihood::default();
    for (done, &index) in subset.iter().enumerate() {
        observer.event(Event::Progress {
            activity: "importance-weighted likelihood:",
            done,
            total: subset.len(),
            unit: "sentences",
        });
        let mut normals = Normals::new(*b"weighted", options.seed, index as u64);
        let sentence = tokens[index].as_slice();
        let posterior = posteriors.posterior(index);
        let drawn =
            WeightedCodes::draw(posterior, options.codes_per_item(), &mut normals, |codes| {
                let pairs: Vec<(&[Token], &[f32])> =
                    codes.iter().map(|code| (sentence, &code[..])).collect();
                conditional_nll(&space.vae, &pairs, &space.device)
            });
        total.score(lines[index], drawn.nll(standard_log_density));
    }
    observer.event(Event::ProgressDone);
    let kl = posteriors.kl();
    SentenceVaeEvaluation {
        sentences: count,
        negative_elbo: reconstruction + kl,
        reconstruction,
        kl,
        mutual_information: information.mutual_information,
        marginal_kl: information.marginal_kl,
        active_units: posteriors.active_units(),
        latent: space.vae.latent(),
        importance_weighted_nll: total.nats_per_sentence(),
        importance_weighted_codes: options.codes_per_item(),
        importance_weighted_sentences: subset.len(),
        word_perplexity: total.has_words().then(|| total.word_perplexity()),
        walks: None,
    }
}

/// `most` of `count` numbers in ascending order, drawn with a seed; all where there are fewer.
fn chosen(count: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut order = shuffled(*b"chosen  ", count, seed, 0);
    order.truncate(most);
    order.sort_unstable();
    order
}
