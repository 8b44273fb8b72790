/*! What a text model's tokens stand for. */

use serde::{Deserialize, Serialize};

use crate::sequence::{Alphabet, Token};
use crate::text::{HeldOut, TextUnit, TokenizerKind};

/// Sentences in the tokens of a tokenizer, which lies beside the model as `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFormat {
    /// How sentences are cut.
    pub tokenizer: TokenizerKind,
    /// Tokens that are text.
    pub vocabulary: usize,
    /// The field of JSON lines that held the sentences.
    pub field: String,
    /// Which sentences were held out.
    pub held_out: HeldOut,
}

impl TextFormat {
    /// The tokens of the text, one to end a sentence, and one that is only ever read.
    pub fn alphabet(&self) -> Alphabet {
        let stop = self.vocabulary as Token;
        Alphabet {
            size: self.vocabulary + 1,
            start: stop + 1,
            stop: Some(stop),
        }
    }

    /// The unit in which edits between two sentences are counted.
    pub fn unit(&self) -> TextUnit {
        match self.tokenizer {
            TokenizerKind::Characters => TextUnit::Characters,
            TokenizerKind::Bpe | TokenizerKind::Words => TextUnit::Words,
        }
    }
}
