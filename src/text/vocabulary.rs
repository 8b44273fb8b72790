/*!
Learning a vocabulary of word pieces, characters or words.

The result is a tokenizer of the Hugging Face library, which its Python version opens too.
*/

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{DecoderWrapper, PreTokenizerWrapper, Tokenizer};

use crate::error::{Error, Result};

/// The single bytes, which an open vocabulary contains.
const BYTES: usize = 256;

/// The token of unknown words.
pub(super) const UNKNOWN: &str = "<unk>";

/// The kind of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerKind {
    /// Pieces of words by byte-level byte-pair encoding (Sennrich et al. 2016; over bytes: Radford et al. 2019, §2.2).
    /// Open: it reproduces any text exactly.
    Bpe,
    /// Unicode scalar values; rare ones are spelled as their UTF-8 bytes. Open, too.
    Characters,
    /// Words between white space. Unknown words become `<unk>` and spacing is lost: only for comparison with papers.
    Words,
}

impl fmt::Display for TokenizerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bpe => "bpe",
            Self::Characters => "characters",
            Self::Words => "words",
        })
    }
}

impl FromStr for TokenizerKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "bpe" => Ok(Self::Bpe),
            "characters" => Ok(Self::Characters),
            "words" => Ok(Self::Words),
            _ => Err(Error::usage(format!("unknown tokenizer '{text}'"))
                .with_hint("use bpe, characters or words")),
        }
    }
}

/// Settings for learning a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerSettings {
    /// The kind of tokens.
    pub kind: TokenizerKind,
    /// The largest number of tokens. The open kinds need 256 for the single bytes.
    pub vocabulary: usize,
    /// Pieces, characters and words that occur less often get no token, so that a small corpus has a small vocabulary.
    pub min_count: u64,
}

impl TokenizerSettings {
    /// The default settings of each kind.
    pub fn usual(kind: TokenizerKind) -> Self {
        let (vocabulary, min_count) = match kind {
            TokenizerKind::Bpe => (4_096, 10),
            TokenizerKind::Characters => (8_192, 2),
            TokenizerKind::Words => (10_000, 1),
        };
        Self {
            kind,
            vocabulary,
            min_count,
        }
    }

    /// Checks the size of the vocabulary.
    ///
    /// # Errors
    /// A usage error that names the range.
    pub fn validate(&self) -> Result<()> {
        let least = match self.kind {
            TokenizerKind::Bpe | TokenizerKind::Characters => BYTES,
            TokenizerKind::Words => 2,
        };
        if (least..=1 << 20).contains(&self.vocabulary) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "vocabulary size {} is out of range",
            self.vocabulary
        ))
        .with_hint(format!(
            "with the tokenizer {} use a size from {least} to {}",
            self.kind,
            1 << 20
        )))
    }
}

/// Learns a vocabulary from `lines`. The same lines give the same vocabulary.
pub(super) fn learn<'a>(
    settings: &TokenizerSettings,
    lines: impl Iterator<Item = &'a str> + Send,
) -> Result<Tokenizer> {
    settings.validate()?;
    match settings.kind {
        TokenizerKind::Bpe => learn_pieces(settings, lines),
        TokenizerKind::Characters => {
            let mut buffer = [0; 4];
            let mut counts = HashMap::<char, u64>::new();
            for character in lines.flat_map(str::chars) {
                *counts.entry(character).or_default() += 1;
            }
            let counts = counts
                .into_iter()
                .map(|(character, count)| (character.encode_utf8(&mut buffer).to_owned(), count));
            let bytes = (0..BYTES).map(byte_name);
            let model = json!({
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true, "ignore_merges": false,
                "vocab": number(bytes.chain(most_frequent(counts.collect(), settings, BYTES))), "merges": [],
            });
            let decoder = json!({
                "type": "Sequence", "decoders": [{ "type": "ByteFallback" }, { "type": "Fuse" }],
            });
            assemble(&model, &Value::Null, &decoder)
        }
        TokenizerKind::Words => {
            let mut counts = HashMap::<&str, u64>::new();
            for word in lines.flat_map(str::split_whitespace) {
                *counts.entry(word).or_default() += 1;
            }
            counts.remove(UNKNOWN);
            let counts = counts
                .into_iter()
                .map(|(word, count)| (word.to_owned(), count));
            let words = most_frequent(counts.collect(), settings, 1);
            let model = json!({
                "type": "WordLevel", "unk_token": UNKNOWN,
                "vocab": number(std::iter::once(UNKNOWN.to_owned()).chain(words)),
            });
            // Without a decoder, the library puts a space between tokens.
            assemble(&model, &json!({ "type": "WhitespaceSplit" }), &Value::Null)
        }
    }
}

/// Byte-pair encoding within words, numbers and punctuation, each with the space before it.
fn learn_pieces<'a>(
    settings: &TokenizerSettings,
    lines: impl Iterator<Item = &'a str> + Send,
) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    tokenizer
        .with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(ByteLevel::new(
            false, false, true,
        ))))
        .with_decoder(Some(DecoderWrapper::ByteLevel(ByteLevel::new(
            false, false, true,
        ))));
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(settings.vocabulary)
        // With 1, pairs that occur once would become tokens.
        .min_frequency(settings.min_count.max(2))
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer
        .train(&mut TrainerWrapper::BpeTrainer(trainer), lines)
        .map_err(refused)?;
    Ok(tokenizer)
}

/// The tokens that are frequent enough, the most frequent first, ties in string order, without room for `reserved`.
fn most_frequent(
    mut counts: Vec<(String, u64)>,
    settings: &TokenizerSettings,
    reserved: usize,
) -> impl Iterator<Item = String> {
    counts.retain(|(_, count)| *count >= settings.min_count);
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(settings.vocabulary - reserved);
    counts.into_iter().map(|(token, _)| token)
}

fn number(tokens: impl Iterator<Item = String>) -> Map<String, Value> {
    tokens
        .enumerate()
        .map(|(id, token)| (token, Value::from(id)))
        .collect()
}

/// A tokenizer without normalization and without special tokens.
fn assemble(model: &Value, pre_tokenizer: &Value, decoder: &Value) -> Result<Tokenizer> {
    let whole = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": decoder, "model": model,
    });
    whole.to_string().parse().map_err(refused)
}

/// The name of a byte token: `<0x0A>`.
fn byte_name(byte: usize) -> String {
    format!("<0x{byte:02X}>")
}

/// The byte of a byte token.
pub(super) fn named_byte(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// An error of the tokenizer library.
pub(super) fn refused(error: tokenizers::Error) -> Error {
    Error::usage(format!("the tokenizer cannot read this text: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextCodec;

    fn settings(kind: TokenizerKind, vocabulary: usize, min_count: u64) -> TokenizerSettings {
        TokenizerSettings {
            kind,
            vocabulary,
            min_count,
        }
    }

    fn codec(settings: TokenizerSettings, lines: &[&str]) -> TextCodec {
        TextCodec::train(&settings, lines.iter().copied()).unwrap()
    }

    #[test]
    fn a_vocabulary_is_never_larger_than_asked_and_small_for_a_small_corpus() {
        let lines = ["the cat sat on the mat"; 20];
        let size = |settings| codec(settings, &lines).vocabulary();
        assert_eq!(size(settings(TokenizerKind::Bpe, 256, 2)), 256);
        assert_eq!(size(settings(TokenizerKind::Bpe, 260, 2)), 260);
        // The words "the", "cat", "sat", "on", "mat" and their pieces: nothing else can be merged.
        assert!(size(settings(TokenizerKind::Bpe, 4_096, 2)) < 280);
        assert_eq!(size(settings(TokenizerKind::Bpe, 4_096, 1_000)), 256);
        assert_eq!(size(settings(TokenizerKind::Characters, 258, 1)), 258);
        assert_eq!(size(settings(TokenizerKind::Characters, 999, 21)), 256 + 5);
        assert_eq!(size(settings(TokenizerKind::Words, 999, 1)), 6);
        assert_eq!(size(settings(TokenizerKind::Words, 3, 1)), 3);
        assert_eq!(size(settings(TokenizerKind::Words, 999, 21)), 2);
    }

    #[test]
    fn frequent_characters_get_a_token() {
        let lines = ["春眠不覺曉 春", "處處聞啼鳥"];
        let codec = codec(settings(TokenizerKind::Characters, 999, 2), &lines);
        assert_eq!(codec.tokens("春處").unwrap(), [256, 257]);
        assert_eq!(codec.tokens("鳥").unwrap(), [0xE9, 0xB3, 0xA5]);
    }

    #[test]
    fn the_same_lines_give_the_same_vocabulary() {
        let lines: Vec<String> = (0..500_u32)
            .map(|i| {
                let i = i.wrapping_mul(2_654_435_761);
                format!(
                    "{} und {} {}",
                    i % 97,
                    i % 31,
                    "aeiou".repeat((i % 5) as usize)
                )
            })
            .collect();
        for kind in [
            TokenizerKind::Bpe,
            TokenizerKind::Characters,
            TokenizerKind::Words,
        ] {
            let learn = || {
                let tokenizer = learn(&settings(kind, 400, 2), lines.iter().map(String::as_str));
                tokenizer.unwrap().to_string(false).unwrap()
            };
            assert_eq!(learn(), learn(), "{kind}");
        }
    }

    #[test]
    fn sizes_out_of_range_and_unknown_kinds_are_usage_errors() {
        for (kind, vocabulary) in [
            (TokenizerKind::Bpe, 255),
            (TokenizerKind::Characters, 0),
            (TokenizerKind::Words, 1),
            (TokenizerKind::Bpe, usize::MAX),
        ] {
            let error = settings(kind, vocabulary, 1).validate().unwrap_err();
            assert!(error.is_usage() && error.hint().is_some());
            assert_eq!(kind.to_string().parse::<TokenizerKind>().unwrap(), kind);
            assert!(TokenizerSettings::usual(kind).validate().is_ok());
        }
        assert!("letters".parse::<TokenizerKind>().unwrap_err().is_usage());
    }

    #[test]
    fn bytes_have_names() {
        for byte in 0..BYTES {
            assert_eq!(named_byte(&byte_name(byte)), Some(byte as u8));
        }
        assert_eq!(named_byte("<0x123>"), None);
        assert_eq!(named_byte("<unk>"), None);
    }
}
