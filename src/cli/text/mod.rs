/*! The verbs on text, and what they share. */

mod eval;
mod generate;
mod score;
pub(super) mod train;
mod verbs;

use std::ops::Range;
use std::path::Path;

use crate::checkpoint::{ModelFolder, Split, TOKENIZER};
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::medium::Text;
use crate::sequence::{Sequences, Token};
use crate::text::{ReadSettings, Sentences, TextCodec, Tokenized};

/// A model's own tokenizer.
fn codec(folder: &ModelFolder, text: &Text) -> Result<TextCodec> {
    let path = folder.path().join(TOKENIZER);
    let codec = TextCodec::load(&path)?;
    if (codec.kind(), codec.vocabulary()) != (text.tokenizer, text.vocabulary) {
        return Err(Error::model(&path, "it is another model's tokenizer"));
    }
    Ok(codec)
}

/// What tells the data of a model from any other: a hash over what it learned from and what was held out.
fn fingerprint(learned: &Sentences, held_out: &Sentences) -> String {
    Split::hash_of([learned.digest(), held_out.digest()])
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

/// Sentences to learn from, and behind them those held out.
struct Both {
    learned: Tokenized,
    held_out: Tokenized,
}

impl Both {
    fn of(&self, index: usize) -> (&Tokenized, usize) {
        match index.checked_sub(self.learned.count()) {
            None => (&self.learned, index),
            Some(index) => (&self.held_out, index),
        }
    }
}

impl Sequences for Both {
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
