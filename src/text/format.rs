/*! The text format of a model, as its manifest stores it. */

use serde::{Deserialize, Serialize};

use crate::sequence::{Alphabet, Token};
use crate::text::{HeldOut, TextUnit, TokenizerKind};

/// Sentences as tokens of the tokenizer in `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFormat {
    /// The kind of tokens.
    pub tokenizer: TokenizerKind,
    /// The number of tokens without `stop` and `start`.
    pub vocabulary: usize,
    /// The JSON field of the sentences.
    pub field: String,
    /// The held-out sentences.
    pub held_out: HeldOut,
}

impl TextFormat {
    /// The text tokens, `stop` and the input-only `start`.
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
