/*! Evaluating a language model: nats a sentence, bits a character and word perplexity beside an n-gram. */

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::options::EvaluateOptions;
use crate::app::{Observer, OpenModel};
use crate::error::Result;
use crate::eval::{Ngram, TextLikelihood};
use crate::text::{Sentences, Tokenized};
use crate::train::{DataLoader, likelihood};

/// The order of the n-gram baseline.
const ORDER: usize = 5;

/// How well a language model predicts sentences.
#[derive(Debug, Clone, Serialize)]
pub struct TextEvaluation {
    /// Sentences.
    pub sentences: u64,
    /// Tokens.
    pub tokens: u64,
    /// NLL of the model, nats a sentence.
    pub nats_per_sentence: f64,
    /// The same in bits a character.
    pub bits_per_character: f64,
    /// `None` for scripts without spaces between words.
    pub word_perplexity: Option<f64>,
    /// NLL in nats a token.
    pub nats_per_token: f64,
    /// An interpolated 5-gram over the same tokens, learned from what trained the model; `None` where that is not at
    /// hand.
    pub ngram_nats_per_sentence: Option<f64>,
    /// The same in bits a character.
    pub ngram_bits_per_character: Option<f64>,
    /// Its word perplexity.
    pub ngram_word_perplexity: Option<f64>,
    #[serde(skip)]
    lines: String,
}

impl fmt::Display for TextEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)
    }
}

pub(super) fn evaluate(
    model: &OpenModel,
    options: &EvaluateOptions,
    observer: &mut dyn Observer,
) -> Result<TextEvaluation> {
    let device = options.device.resolve_one()?;
    let (text, codec) = model.text()?;
    let (asked, known) = options.sentences(model, text, observer)?;
    let asked_tokens = Tokenized::new(&codec, &asked)?;
    let net = model.load(&device)?;
    let conditions = vec![Vec::new(); asked.len()];
    let members: Vec<usize> = (0..asked.len()).collect();
    let loader = DataLoader::new(
        &asked_tokens,
        &members,
        &conditions,
        text.alphabet(),
        model.manifest.recipe.cut_to_measure(),
        0,
    );
    let found = likelihood(net.require_sequence()?, &loader, &device)?;
    let ours = in_text(&asked, found.nats);
    let ngram = match known {
        Some(known) => {
            let known = Tokenized::new(&codec, &known)?;
            let ngram = Ngram::train(&known, text.alphabet(), ORDER)?;
            let nats = ngram.score(&asked_tokens)?.iter().map(|l| l.nats).sum();
            Some(in_text(&asked, nats))
        }
        None => None,
    };
    let mut lines = format!("{ours} over {} sentences", ours.sentences);
    if let Some(ngram) = &ngram {
        let _ = write!(lines, "\n{ngram}: an interpolated {ORDER}-gram");
    }
    let perplexity = |l: &TextLikelihood| l.has_words().then(|| l.word_perplexity());
    Ok(TextEvaluation {
        sentences: ours.sentences,
        tokens: asked_tokens.total() as u64,
        nats_per_sentence: ours.nats_per_sentence(),
        bits_per_character: ours.bits_per_character(),
        word_perplexity: perplexity(&ours),
        nats_per_token: found.nats_per_token(),
        ngram_nats_per_sentence: ngram.as_ref().map(TextLikelihood::nats_per_sentence),
        ngram_bits_per_character: ngram.as_ref().map(TextLikelihood::bits_per_character),
        ngram_word_perplexity: ngram.as_ref().and_then(perplexity),
        lines,
    })
}

/// A likelihood in the units of text.
fn in_text(sentences: &Sentences, nats: f64) -> TextLikelihood {
    let mut total = TextLikelihood::default();
    for sentence in sentences.iter() {
        total.score(sentence, 0.0);
    }
    total.nats = nats;
    total
}
