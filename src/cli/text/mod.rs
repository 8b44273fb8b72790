/*! The verbs on text, and what they share. */

mod codes;
mod eval;
mod generate;
mod interpolate;
mod latent_eval;
mod score;
mod space;
pub(super) mod train;
mod verbs;

use crate::base::files::hash_parts;
use std::ops::Range;
use std::path::Path;

use crate::checkpoint::{ModelFolder, ModelManifest, TOKENIZER};
use crate::cli::eval as eval_verb;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::sequence::{SequenceDataset, Token};
use crate::text::TextFormat;
use crate::text::{ReadSettings, Sentences, TextCodec, Tokenized};

/// A model's own tokenizer.
fn codec(folder: &ModelFolder, text: &TextFormat) -> Result<TextCodec> {
    let path = folder.path().join(TOKENIZER);
    let codec = TextCodec::load(&path)?;
    if (codec.kind(), codec.vocabulary()) != (text.tokenizer, text.vocabulary) {
        return Err(Error::model(&path, "it is another model's tokenizer"));
    }
    Ok(codec)
}

/// Says which words a tokenizer of words does not know.
fn warn_of_unknown(codec: &TextCodec, sentence: &str, ui: &Ui) {
    let unknown = codec.unknown_words(sentence);
    if !unknown.is_empty() {
        ui.warn(format!(
            "the model does not know {}; it reads <unk> instead",
            unknown.join(", ")
        ));
    }
}

/// A code for a VAE to begin from, drawn from the prior with a stream of the seed; none for a language model.
fn drawn_code(net: &Model, seed: u64, stream: u64) -> Option<Vec<f32>> {
    net.latent().map(|latent| latent.draw(seed, stream))
}

/// What tells the data of a model from any other: a hash over what it learned from and what was held out.
fn fingerprint(learned: &Sentences, held_out: &Sentences) -> String {
    hash_parts([learned.digest(), held_out.digest()])
}

/// Reads sentences and says what was found.
fn read(path: &Path, field: &str, ui: &Ui) -> Result<Sentences> {
    let settings = ReadSettings {
        field: field.to_owned(),
        ..ReadSettings::default()
    };
    let sentences = Sentences::read(path, &settings)?;
    ui.say(sentences.summary().to_string());
    Ok(sentences)
}

/// What is asked about, and what trained the model, as far as it is at hand.
fn asked_and_known(
    args: &eval_verb::Args,
    text: &TextFormat,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<(Sentences, Option<Sentences>)> {
    let settings = ReadSettings {
        field: text.field.clone(),
        ..ReadSettings::default()
    };
    // The two parts of the data the model was trained on; an error if it is other data.
    let parts = |path: &Path, whole: Sentences| {
        let (learned, held_out) = text.held_out.split(whole, &settings)?;
        if fingerprint(&learned, &held_out) == manifest.split.hash {
            return Ok((learned, held_out));
        }
        Err(
            Error::input(path, "these are not the sentences the model was trained on")
                .with_hint("give the file it was trained on"),
        )
    };
    let whole = read(&args.path, &text.field, ui)?;
    if args.held_out {
        let (learned, held_out) = parts(&args.path, whole)?;
        return Ok((held_out, Some(learned)));
    }
    if parts(&args.path, whole.clone()).is_ok() {
        ui.warn("the model was trained on most of these very sentences; --held-out measures what it has not seen");
    }
    let known = match &args.trained_on {
        None => None,
        Some(path) => Some(parts(path, read(path, &text.field, ui)?)?.0),
    };
    Ok((whole, known))
}

/// Sentences to learn from, and behind them those held out.
struct TrainValSplit {
    learned: Tokenized,
    held_out: Tokenized,
}

impl TrainValSplit {
    fn of(&self, index: usize) -> (&Tokenized, usize) {
        match index.checked_sub(self.learned.count()) {
            None => (&self.learned, index),
            Some(index) => (&self.held_out, index),
        }
    }
}

impl SequenceDataset for TrainValSplit {
    fn count(&self) -> usize {
        self.learned.count() + self.held_out.count()
    }

    fn length(&self, index: usize) -> usize {
        let (part, index) = self.of(index);
        part.length(index)
    }

    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let (part, index) = self.of(index);
        part.read(index, range, out)
    }
}
