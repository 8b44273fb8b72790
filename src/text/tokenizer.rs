/*! The codec between sentences and tokens: a tokenizer of the Hugging Face library, stored as `tokenizer.json`. */

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tokenizers::models::ModelWrapper;
use tokenizers::{DecoderWrapper, PreTokenizerWrapper, Tokenizer};

use crate::error::{Error, IoContext, Result};
use crate::sequence::{Alphabet, Codec, Grammar, Token};
use crate::text::grammar::Utf8Grammar;
use crate::text::vocabulary::{UNKNOWN, learn, named_byte, refused};
use crate::text::{TokenizerKind, TokenizerSettings};

/// A vocabulary of V tokens: `0..V` are pieces of text, V is `stop` (the end of a sentence), V + 1 is the input-only
/// `start`. Neither `stop` nor `start` is in `tokenizer.json`, so that no typed text can contain them.
pub struct TextCodec {
    tokenizer: Tokenizer,
    kind: TokenizerKind,
    /// The bytes of all tokens, concatenated. A token may be part of a character.
    bytes: Vec<u8>,
    /// The end of each token in `bytes`.
    ends: Vec<usize>,
    grammar: Option<Arc<Utf8Grammar>>,
}

impl TextCodec {
    /// Learns a vocabulary from sentences. The same sentences give the same vocabulary.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn train<'a>(
        settings: &TokenizerSettings,
        sentences: impl Iterator<Item = &'a str> + Send,
    ) -> Result<Self> {
        let tokenizer = learn(settings, sentences)?;
        Self::new(tokenizer).map_err(|reason| Error::usage(format!("the new tokenizer {reason}")))
    }

    /// Opens a `tokenizer.json` with the content of [`json`](Self::json).
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is not a tokenizer that reproduces every text exactly.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).reading(path)?;
        text.parse::<Tokenizer>()
            .map_err(|error| format!("is damaged or not a tokenizer: {error}"))
            .and_then(Self::new)
            .map_err(|reason| {
                Error::model(path, format!("the tokenizer {reason}"))
                    .with_hint("restore the tokenizer.json of this model, which ensuite wrote")
            })
    }

    /// The content of a `tokenizer.json`.
    ///
    /// # Errors
    /// When the tokenizer library fails.
    pub fn json(&self) -> Result<String> {
        self.tokenizer.to_string(true).map_err(refused)
    }

    /// The kind of tokens.
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// The number of tokens without `stop` and `start`.
    pub fn vocabulary(&self) -> usize {
        self.ends.len()
    }

    /// The tokens of a sentence, without `stop`.
    ///
    /// # Errors
    /// When the tokenizer library fails.
    pub fn tokens(&self, sentence: &str) -> Result<Vec<Token>> {
        let encoding = self.tokenizer.encode_fast(sentence, false);
        Ok(encoding.map_err(refused)?.get_ids().to_vec())
    }

    /// The tokens of a sentence, each with its byte span in the sentence. A span may end inside a character.
    ///
    /// # Errors
    /// When the tokenizer library fails.
    pub fn spans(&self, sentence: &str) -> Result<Vec<(Token, Range<usize>)>> {
        let encoding = self.tokenizer.encode(sentence, false).map_err(refused)?;
        let mut begin = 0;
        let spans = encoding.get_ids().iter().zip(encoding.get_offsets());
        let spans = spans.map(|(&token, &(from, to))| {
            if self.kind == TokenizerKind::Words {
                return (token, from..to);
            }
            // The library rounds its offsets to whole characters.
            let span = begin..begin + self.bytes_of(token).len();
            begin = span.end;
            (token, span)
        });
        Ok(spans.collect())
    }

    /// The words of a sentence that are not in the vocabulary, each once, in order. Empty for the open kinds.
    pub fn unknown_words<'a>(&self, sentence: &'a str) -> Vec<&'a str> {
        let mut unknown = Vec::new();
        if self.kind == TokenizerKind::Words {
            for word in sentence.split_whitespace() {
                if self.tokenizer.token_to_id(word).is_none() && !unknown.contains(&word) {
                    unknown.push(word);
                }
            }
        }
        unknown
    }

    /// The characters of a sentence that occur in no token and are spelled in bytes, each once, in order. Every ASCII
    /// character occurs in a byte-pair encoding, as a byte.
    pub fn unknown_characters(&self, sentence: &str) -> Vec<char> {
        let mut unknown = Vec::new();
        for character in sentence.chars() {
            let mut buffer = [0; 4];
            let text: &str = character.encode_utf8(&mut buffer);
            let known = match self.kind {
                TokenizerKind::Words => true,
                TokenizerKind::Characters => self.tokenizer.token_to_id(text).is_some(),
                TokenizerKind::Bpe => (0..self.vocabulary()).any(|token| {
                    let mut parts = self.bytes_of(token as Token).windows(text.len());
                    parts.any(|part| part == text.as_bytes())
                }),
            };
            if !known && !unknown.contains(&character) {
                unknown.push(character);
            }
        }
        unknown
    }

    /// The constraint under which generated tokens decode to valid UTF-8; `None` where every sequence of tokens does.
    ///
    /// Give it to [`Sampler::with_grammar`](crate::sequence::Sampler::with_grammar) or
    /// [`beam_search`](crate::sequence::beam_search).
    pub fn grammar(&self) -> Option<Arc<dyn Grammar>> {
        self.grammar
            .clone()
            .map(|grammar| grammar as Arc<dyn Grammar>)
    }

    /// Appends the bytes of a token, after a space where tokens are words and it is not the `first`. `stop` has none.
    pub(super) fn append(&self, token: Token, first: bool, out: &mut Vec<u8>) -> Result<()> {
        let vocabulary = self.vocabulary();
        if token as usize == vocabulary {
            return Ok(());
        }
        if token as usize > vocabulary {
            return Err(Error::usage(format!(
                "token {token} is not in the alphabet, 0 to {vocabulary}"
            )));
        }
        if self.kind == TokenizerKind::Words && !first {
            out.push(b' ');
        }
        out.extend_from_slice(self.bytes_of(token));
        Ok(())
    }

    fn bytes_of(&self, token: Token) -> &[u8] {
        let token = token as usize;
        let begin = if token == 0 { 0 } else { self.ends[token - 1] };
        &self.bytes[begin..self.ends[token]]
    }

    /// Checks a tokenizer. An error is a predicate: the reason, to follow the tokenizer's name.
    fn new(tokenizer: Tokenizer) -> std::result::Result<Self, String> {
        let kind = kind(&tokenizer).ok_or("is of an unsupported kind")?;
        let mut codec = Self {
            kind,
            bytes: Vec::new(),
            ends: Vec::new(),
            grammar: None,
            tokenizer,
        };
        let mut single = [false; 256];
        for id in 0..codec.tokenizer.get_vocab_size(false) {
            let name = codec.tokenizer.id_to_token(id as Token);
            let name = name.ok_or_else(|| format!("has no token number {id}"))?;
            let begin = codec.bytes.len();
            match (kind, named_byte(&name)) {
                (TokenizerKind::Bpe, _) => {
                    for character in name.chars() {
                        let byte = represented_byte(character);
                        codec.bytes.push(byte.ok_or_else(|| {
                            format!("has a token '{name}' that does not consist of bytes")
                        })?);
                    }
                }
                (TokenizerKind::Characters, Some(byte)) => codec.bytes.push(byte),
                _ => codec.bytes.extend_from_slice(name.as_bytes()),
            }
            if let [byte] = codec.bytes[begin..] {
                single[byte as usize] = true;
            }
            codec.ends.push(codec.bytes.len());
        }
        let complete = match kind {
            TokenizerKind::Bpe | TokenizerKind::Characters => single.iter().all(|&known| known),
            TokenizerKind::Words => codec.tokenizer.token_to_id(UNKNOWN).is_some(),
        };
        if !complete {
            return Err("lacks some of the 256 bytes, or <unk>".to_owned());
        }
        if kind != TokenizerKind::Words {
            let tokens = (0..codec.vocabulary()).map(|token| codec.bytes_of(token as Token));
            codec.grammar = Some(Arc::new(Utf8Grammar::new(tokens)));
        }
        Ok(codec)
    }
}

impl Codec for TextCodec {
    type Media = String;

    fn alphabet(&self) -> Alphabet {
        let vocabulary = self.vocabulary();
        Alphabet {
            size: vocabulary + 1,
            start: vocabulary as Token + 1,
            stop: Some(vocabulary as Token),
        }
    }

    fn encode(&self, sentence: &String) -> Result<Vec<Token>> {
        self.tokens(sentence)
    }

    /// Bytes that are not UTF-8 become U+FFFD; [`grammar`](Self::grammar) keeps a model from generating them.
    fn decode(&self, tokens: &[Token]) -> Result<String> {
        let mut bytes = Vec::new();
        for (index, &token) in tokens.iter().enumerate() {
            self.append(token, index == 0, &mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The kind of a tokenizer; none if it also normalizes, truncates or adds tokens.
fn kind(tokenizer: &Tokenizer) -> Option<TokenizerKind> {
    let plain = tokenizer.get_normalizer().is_none()
        && tokenizer.get_post_processor().is_none()
        && tokenizer.get_truncation().is_none()
        && tokenizer.get_padding().is_none()
        && tokenizer.get_added_vocabulary().get_vocab().is_empty();
    if !plain {
        return None;
    }
    match (
        tokenizer.get_model(),
        tokenizer.get_pre_tokenizer(),
        tokenizer.get_decoder(),
    ) {
        (
            ModelWrapper::BPE(model),
            Some(PreTokenizerWrapper::ByteLevel(before)),
            Some(DecoderWrapper::ByteLevel(_)),
        ) if !before.add_prefix_space && !model.byte_fallback => Some(TokenizerKind::Bpe),
        (ModelWrapper::BPE(model), None, Some(DecoderWrapper::Sequence(_)))
            if model.byte_fallback =>
        {
            Some(TokenizerKind::Characters)
        }
        (ModelWrapper::WordLevel(_), Some(PreTokenizerWrapper::WhitespaceSplit(_)), None) => {
            Some(TokenizerKind::Words)
        }
        _ => None,
    }
}

/// The byte of a character in byte-level tokens (Radford et al. 2019, `bytes_to_unicode`): printable Latin-1 characters
/// represent their own code, characters from U+0100 on the other bytes in order.
fn represented_byte(character: char) -> Option<u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u8::try_from(character) {
        Ok(byte) => Some(byte).filter(printable),
        Err(_) => (0..=255_u8)
            .filter(|byte| !printable(byte))
            .nth((character as usize).checked_sub(256)?),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        "He went to the store to buy some groceries, didn't he?",
        "  “Don’t worry about it,” she said\t— naïve café 😀",
        "秦川雄帝宅，函谷壯皇居。",
        "he went to the river and to the sea in 1984",
    ];

    pub(in crate::text) fn trained(kind: TokenizerKind) -> TextCodec {
        let settings = TokenizerSettings {
            min_count: 1,
            ..TokenizerSettings::usual(kind)
        };
        TextCodec::train(&settings, LINES.iter().copied()).unwrap()
    }

    const OPEN: [TokenizerKind; 2] = [TokenizerKind::Bpe, TokenizerKind::Characters];

    /// Random texts of any scalar values, strings that tokenizers often mistreat, and parts of known lines.
    pub(in crate::text) fn random_texts(count: usize) -> impl Iterator<Item = String> {
        const TRAPS: [&str; 24] = [
            " ",
            "  ",
            "\t",
            "\n",
            "\r\n",
            "\0",
            "\u{7f}",
            "e\u{301}",
            "\u{200d}",
            "\u{feff}",
            "👩‍👩‍👧",
            "\u{fffd}",
            "Ġ",
            "▁",
            "##",
            "<unk>",
            "<0x41>",
            "</s>",
            "[UNK]",
            "'s",
            "ﬁ",
            "İ",
            "ẞ",
            "\u{10ffff}",
        ];
        let mut state = 88_172_645_463_325_252_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) as usize % below
        };
        (0..count).map(move |_| {
            let mut text = String::new();
            for _ in 0..random(24) {
                match random(4) {
                    0 => text.extend(char::from_u32(random(0x11_0000) as u32)),
                    1 => text += TRAPS[random(TRAPS.len())],
                    2 => text.push((32 + random(95) as u8) as char),
                    _ => {
                        let line = LINES[random(LINES.len())];
                        text.extend(line.chars().skip(random(20)).take(random(12)));
                    }
                }
            }
            text
        })
    }

    #[test]
    fn random_texts_are_reproduced_exactly() {
        for kind in OPEN {
            let codec = trained(kind);
            for text in random_texts(10_000) {
                let tokens = codec.encode(&text).unwrap();
                assert!(
                    tokens
                        .iter()
                        .all(|&token| (token as usize) < codec.vocabulary())
                );
                assert_eq!(codec.decode(&tokens).unwrap(), text, "{kind}");
                assert!(codec.unknown_words(&text).is_empty());
            }
        }
    }

    #[test]
    fn the_library_decodes_to_the_same_text() {
        for kind in OPEN {
            let codec = trained(kind);
            for text in random_texts(500) {
                let tokens = codec.encode(&text).unwrap();
                assert_eq!(codec.tokenizer.decode(&tokens, false).unwrap(), text);
            }
        }
        let words = trained(TokenizerKind::Words);
        let tokens = words.tokens("  he went to   xyz ").unwrap();
        assert_eq!(words.decode(&tokens).unwrap(), "he went to <unk>");
        assert_eq!(
            words.tokenizer.decode(&tokens, false).unwrap(),
            "he went to <unk>"
        );
    }

    #[test]
    fn learned_pieces_are_used() {
        let codec = trained(TokenizerKind::Bpe);
        assert_eq!(codec.tokens(" went to the").unwrap().len(), 3);
        let characters = trained(TokenizerKind::Characters);
        assert_eq!(characters.tokens("went 秦😀").unwrap().len(), 7);
    }

    #[test]
    fn start_and_stop_have_no_text() {
        for kind in [OPEN[0], OPEN[1], TokenizerKind::Words] {
            let codec = trained(kind);
            let alphabet = codec.alphabet();
            assert_eq!(alphabet.size, codec.vocabulary() + 1);
            assert_eq!(alphabet.inputs(), alphabet.size + 1);
            let stop = alphabet.stop.unwrap();
            assert!(alphabet.contains(stop) && !alphabet.contains(alphabet.start));
            let tokens = codec.tokens("went").unwrap();
            let ended = [tokens.as_slice(), &[stop]].concat();
            assert_eq!(codec.decode(&ended).unwrap(), "went");
            assert!(codec.decode(&[alphabet.start]).is_err());
        }
    }

    #[test]
    fn spans_cover_the_sentence() {
        for kind in OPEN {
            let codec = trained(kind);
            for text in random_texts(500) {
                let mut end = 0;
                for (token, span) in codec.spans(&text).unwrap() {
                    assert_eq!(span.start, end);
                    assert_eq!(&text.as_bytes()[span.clone()], codec.bytes_of(token));
                    end = span.end;
                }
                assert_eq!(end, text.len());
            }
        }
        let words = trained(TokenizerKind::Words);
        let text = " é went  to";
        let spans = words.spans(text).unwrap();
        let texts: Vec<_> = spans.into_iter().map(|(_, span)| &text[span]).collect();
        assert_eq!(texts, ["é", "went", "to"]);
    }

    #[test]
    fn unknown_words_are_named_once() {
        let words = trained(TokenizerKind::Words);
        let unknown = words.unknown_words("he bought zebras and zebras <unk> quaggas");
        assert_eq!(unknown, ["bought", "zebras", "quaggas"]);
    }

    #[test]
    fn unknown_characters_are_named_once() {
        let lines = ["the naïve café", "the naïve 秦川雄帝宅"].repeat(20);
        let train = |kind| TextCodec::train(&TokenizerSettings::usual(kind), lines.iter().copied());
        let characters = train(TokenizerKind::Characters).unwrap();
        let sentence = "naïve 秦 函谷 Zoë 函 <0x41>";
        let unknown = characters.unknown_characters(sentence);
        assert_eq!(
            unknown,
            ['函', '谷', 'Z', 'o', 'ë', '<', '0', 'x', '4', '1', '>']
        );
        let pieces = train(TokenizerKind::Bpe).unwrap();
        assert_eq!(pieces.unknown_characters(sentence), ['函', '谷', 'ë']);
        let words = train(TokenizerKind::Words).unwrap();
        assert!(words.unknown_characters(sentence).is_empty());
        for codec in [characters, pieces] {
            assert!(
                lines
                    .iter()
                    .all(|line| codec.unknown_characters(line).is_empty())
            );
        }
    }

    #[test]
    fn a_saved_tokenizer_loads_with_the_same_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        for kind in [OPEN[0], OPEN[1], TokenizerKind::Words] {
            let codec = trained(kind);
            fs::write(&path, codec.json().unwrap()).unwrap();
            let loaded = TextCodec::load(&path).unwrap();
            assert_eq!(loaded.kind(), kind);
            assert_eq!((&loaded.bytes, &loaded.ends), (&codec.bytes, &codec.ends));
            for text in random_texts(200) {
                assert_eq!(loaded.tokens(&text).unwrap(), codec.tokens(&text).unwrap());
            }
        }
    }

    #[test]
    fn damaged_and_foreign_tokenizers_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let codec = trained(TokenizerKind::Characters);
        let good = codec.tokenizer.to_string(false).unwrap();
        for bad in [
            String::new(),
            "{}".into(),
            good[..good.len() / 2].into(),
            good.replace("<0x41>", "<0xQQ>"),
            good.replace(
                "\"normalizer\":null",
                "\"normalizer\":{\"type\":\"Lowercase\"}",
            ),
            good.replace("\"byte_fallback\":true", "\"byte_fallback\":false"),
        ] {
            assert_ne!(bad, good);
            fs::write(&path, bad).unwrap();
            let error = TextCodec::load(&path).err().unwrap();
            assert!(error.to_string().contains("tokenizer.json"), "{error}");
            assert!(error.hint().is_some());
        }
        assert!(TextCodec::load(&folder.path().join("none.json")).is_err());
    }
}
