/*! `ensuite eval` on text. */

use serde::Serialize;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::eval::Args;
use crate::cli::text::{asked_and_known, codec};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::eval::{Ngram, TextLikelihood};
use crate::text::TextFormat;
use crate::text::{Sentences, Tokenized};
use crate::train::{DataLoader, likelihood};

/// The order of the n-gram baseline.
const ORDER: usize = 5;

#[derive(Serialize)]
struct Measures {
    sentences: u64,
    tokens: u64,
    nats_per_sentence: f64,
    bits_per_character: f64,
    /// `None` for scripts without spaces between words.
    word_perplexity: Option<f64>,
    nats_per_token: f64,
    /// An interpolated 5-gram over the same tokens, learned from what trained the model; `None` where that is not at
    /// hand.
    ngram_nats_per_sentence: Option<f64>,
    ngram_bits_per_character: Option<f64>,
    ngram_word_perplexity: Option<f64>,
}

pub(super) fn run(
    args: &Args,
    text: &TextFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let device = args.device.device.resolve_one()?;
    let codec = codec(folder, text)?;
    let (asked, known) = asked_and_known(args, text, manifest, ui)?;
    let asked_tokens = Tokenized::new(&codec, &asked)?;
    let net = folder.load(manifest, &device)?;
    let conditions = vec![Vec::new(); asked.len()];
    let members: Vec<usize> = (0..asked.len()).collect();
    let batches = DataLoader::new(
        &asked_tokens,
        &members,
        &conditions,
        text.alphabet(),
        manifest.recipe.cut_to_measure(),
        0,
    );
    let found = likelihood(net.require_sequence()?, &batches, &device)?;
    let ours = in_text(&asked, found.nats);
    let ngram = known
        .map(|known| {
            let known = Tokenized::new(&codec, &known)?;
            let ngram = Ngram::train(&known, text.alphabet(), ORDER)?;
            let nats = ngram.score(&asked_tokens)?.iter().map(|l| l.nats).sum();
            Ok::<_, Error>(in_text(&asked, nats))
        })
        .transpose()?;
    if args.json {
        let perplexity = |l: &TextLikelihood| l.has_words().then(|| l.word_perplexity());
        return ui::print_json(&Measures {
            sentences: ours.sentences,
            tokens: asked_tokens.total() as u64,
            nats_per_sentence: ours.nats_per_sentence(),
            bits_per_character: ours.bits_per_character(),
            word_perplexity: perplexity(&ours),
            nats_per_token: found.nats_per_token(),
            ngram_nats_per_sentence: ngram.as_ref().map(TextLikelihood::nats_per_sentence),
            ngram_bits_per_character: ngram.as_ref().map(TextLikelihood::bits_per_character),
            ngram_word_perplexity: ngram.as_ref().and_then(perplexity),
        });
    }
    ui::print(&format!("{ours} over {} sentences", ours.sentences))?;
    match ngram {
        Some(ngram) => ui::print(&format!("{ngram}: an interpolated {ORDER}-gram")),
        None => Ok(()),
    }
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
