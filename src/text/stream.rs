/*! Streaming decoder: tokens in, whole characters out. */

use crate::error::Result;
use crate::sequence::Token;
use crate::text::TextCodec;

/// Decodes tokens one by one to whole characters.
///
/// The results of all pushes and of [`finish`](Self::finish) concatenate to the decoded text of all tokens.
pub struct TextStream<'a> {
    codec: &'a TextCodec,
    /// The bytes of an incomplete character, at most three between pushes.
    pending: Vec<u8>,
    /// True before the first token.
    first: bool,
}

impl TextCodec {
    /// A decoder for tokens that come one by one.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream {
            codec: self,
            pending: Vec::new(),
            first: true,
        }
    }
}

impl TextStream<'_> {
    /// The characters that this token completes. Invalid bytes become U+FFFD, as in [`String::from_utf8_lossy`].
    ///
    /// # Errors
    /// When the token is not in the alphabet.
    pub fn push(&mut self, token: Token) -> Result<String> {
        self.codec.append(token, self.first, &mut self.pending)?;
        self.first = false;
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        while !rest.is_empty() {
            match str::from_utf8(rest) {
                Ok(valid) => {
                    text += valid;
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.extend(str::from_utf8(valid));
                    rest = after;
                    let Some(bad) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[bad..];
                }
            }
        }
        let whole = self.pending.len() - rest.len();
        self.pending.drain(..whole);
        Ok(text)
    }

    /// The text after the last token: U+FFFD for an incomplete character, else nothing.
    pub fn finish(self) -> &'static str {
        if self.pending.is_empty() {
            ""
        } else {
            "\u{fffd}"
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sequence::{Codec, Token};
    use crate::text::TokenizerKind;
    use crate::text::tokenizer::tests::{random_texts, trained};

    const ALL: [TokenizerKind; 3] = [
        TokenizerKind::Bpe,
        TokenizerKind::Characters,
        TokenizerKind::Words,
    ];

    #[test]
    fn pieces_of_a_text_concatenate_to_the_text() {
        for kind in &ALL[..2] {
            let codec = trained(*kind);
            for text in random_texts(2_000).map(|text| text.replace('\u{fffd}', "")) {
                let mut stream = codec.stream();
                let mut pieces = String::new();
                for token in codec.tokens(&text).unwrap() {
                    pieces += &stream.push(token).unwrap();
                    assert!(text.starts_with(&pieces));
                }
                assert_eq!(stream.finish(), "");
                assert_eq!(pieces, text);
            }
        }
    }

    #[test]
    fn pieces_of_any_tokens_concatenate_to_the_decoded_text() {
        for kind in ALL {
            let codec = trained(kind);
            let mut state = 7_u32;
            for length in 0..300 {
                let tokens: Vec<Token> = (0..length % 40)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        // Single bytes are mostly invalid UTF-8.
                        let below = if state & 64 == 0 { 256 } else { usize::MAX };
                        (state >> 8) % below.min(codec.vocabulary() + 1) as u32
                    })
                    .collect();
                let mut bytes = Vec::new();
                for (place, &token) in tokens.iter().enumerate() {
                    codec.append(token, place == 0, &mut bytes).unwrap();
                }
                let whole = String::from_utf8_lossy(&bytes);
                assert_eq!(codec.decode(&tokens).unwrap(), whole);
                let mut stream = codec.stream();
                let mut pieces = String::new();
                for &token in &tokens {
                    pieces += &stream.push(token).unwrap();
                }
                pieces += stream.finish();
                assert_eq!(pieces, whole, "{kind}");
            }
        }
    }

    #[test]
    fn a_character_comes_when_it_is_complete_and_an_incomplete_one_becomes_u_fffd() {
        let codec = trained(TokenizerKind::Characters);
        let mut stream = codec.stream();
        let pieces: Vec<String> = "鳥"
            .bytes()
            .map(|b| stream.push(b.into()).unwrap())
            .collect();
        assert_eq!(pieces, ["", "", "鳥"]);
        assert_eq!(stream.push(0xE9).unwrap(), "");
        assert_eq!(stream.push(u32::from(b'a')).unwrap(), "\u{fffd}a");
        assert_eq!(stream.push(0xE9).unwrap(), "");
        assert_eq!(stream.finish(), "\u{fffd}");
    }
}
