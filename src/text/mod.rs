/*!
Sentences in and out.

[`Sentences`] reads a corpus, one sentence a line; a [`TextCodec`] learns its vocabulary from them and turns a sentence
into tokens and back; [`Tokenized`] keeps the tokens of a whole corpus. On the way out a [`TextStream`] gives whole
characters while tokens are still being made, and [`Marks`] shows which words of a sentence surprised a network.

A sentence is any Unicode text. With the two open tokenizers it comes back exactly, byte for byte.
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

pub use corpus::{ReadSettings, Sentences, Skipped, Summary};
pub use dataset::{TrainValSplit, fingerprint};
pub use format::TextFormat;
pub use highlight::{Mark, Marks, Style};
pub use lines::MAX_SENTENCE;
pub use split::HeldOut;
pub use stream::TextStream;
pub use tokenizer::TextCodec;
pub use tokens::Tokenized;
pub use unit::TextUnit;
pub use vocabulary::{TokenizerKind, TokenizerSettings};
