/*!
Sentences in and out.

[`Sentences`] reads a corpus, one sentence a line. A [`TextCodec`] learns its vocabulary from them and converts a
sentence to tokens and back. [`TrainValSplit`] is the tokenized dataset. A [`TextStream`] decodes tokens to whole
characters while a model generates them. [`Highlights`] shows the negative log likelihood of each word.

A sentence is any Unicode text. The two open tokenizers reproduce it byte for byte.
*/

mod corpus;
mod dataset;
mod format;
mod grammar;
mod highlight;
mod lines;
mod split;
mod stream;
mod tokenizer;
mod tokens;
mod unit;
mod vocabulary;

pub use corpus::Sentences;
pub use dataset::{TrainValSplit, fingerprint};
pub use format::TextFormat;
pub use highlight::{Highlights, Style};
pub use lines::MAX_SENTENCE;
pub use split::HeldOut;
pub use tokenizer::TextCodec;
pub use tokens::Tokenized;
pub use unit::TextUnit;
pub use vocabulary::{TokenizerKind, TokenizerSettings};
