/*! The tokens of a corpus in memory. */

use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;
use crate::sequence::{Codec, SequenceDataset, Token};
use crate::text::{Sentences, TextCodec};

/// Sentences that one thread tokenizes at a time.
const CHUNK: usize = 1_024;

/// The tokens of all sentences of a corpus, each ending with `stop`; two bytes a token if the alphabet permits.
pub struct Tokenized {
    tokens: Store,
    /// The end of each sentence in `tokens`.
    ends: Vec<usize>,
}

enum Store {
    Narrow(Vec<u16>),
    Wide(Vec<Token>),
}

impl Tokenized {
    /// Tokenizes all sentences in order.
    ///
    /// # Errors
    /// When the tokenizer library fails.
    pub fn new(codec: &TextCodec, sentences: &Sentences) -> Result<Self> {
        let alphabet = codec.alphabet();
        let mut tokenized = Self {
            tokens: if alphabet.size <= 1 << 16 {
                Store::Narrow(Vec::new())
            } else {
                Store::Wide(Vec::new())
            },
            ends: Vec::with_capacity(sentences.len()),
        };
        let starts: Vec<usize> = (0..sentences.len()).step_by(CHUNK).collect();
        // One chunk per thread at a time limits the tokens that are in memory twice.
        for starts in starts.chunks(rayon::current_num_threads()) {
            let chunks: Vec<Result<Vec<Vec<Token>>>> = starts
                .par_iter()
                .map(|&start| {
                    (start..sentences.len().min(start + CHUNK))
                        .map(|index| codec.tokens(sentences.get(index)))
                        .collect()
                })
                .collect();
            for chunk in chunks {
                for mut tokens in chunk? {
                    tokens.extend(alphabet.stop);
                    tokenized.push(&tokens);
                }
            }
        }
        Ok(tokenized)
    }

    #[cfg(test)]
    pub(super) fn tokens(&self, index: usize) -> Vec<Token> {
        let range = self.range(index);
        match &self.tokens {
            Store::Narrow(tokens) => tokens[range].iter().map(|&token| token.into()).collect(),
            Store::Wide(tokens) => tokens[range].to_vec(),
        }
    }

    /// Keeps the sentences of at most `most` tokens, `stop` included.
    pub fn keep_up_to(&mut self, most: usize) {
        let kept: Vec<Range<usize>> = (0..self.ends.len())
            .map(|index| self.range(index))
            .filter(|range| range.len() <= most)
            .collect();
        self.ends.clear();
        let mut end = 0;
        for range in kept {
            let length = range.len();
            match &mut self.tokens {
                Store::Narrow(tokens) => tokens.copy_within(range, end),
                Store::Wide(tokens) => tokens.copy_within(range, end),
            }
            end += length;
            self.ends.push(end);
        }
        match &mut self.tokens {
            Store::Narrow(tokens) => tokens.truncate(end),
            Store::Wide(tokens) => tokens.truncate(end),
        }
    }

    /// The total number of tokens, `stop` included.
    pub fn total(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn push(&mut self, tokens: &[Token]) {
        let end = match &mut self.tokens {
            Store::Narrow(all) => {
                all.extend(tokens.iter().map(|&token| token as u16));
                all.len()
            }
            Store::Wide(all) => {
                all.extend_from_slice(tokens);
                all.len()
            }
        };
        self.ends.push(end);
    }

    fn range(&self, index: usize) -> Range<usize> {
        index.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[index]
    }
}

impl SequenceDataset for Tokenized {
    fn count(&self) -> usize {
        self.ends.len()
    }

    fn length(&self, index: usize) -> usize {
        self.range(index).len()
    }

    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let sentence = self.range(index);
        assert!(range.end <= sentence.len(), "a range inside the sentence");
        let range = sentence.start + range.start..sentence.start + range.end;
        match &self.tokens {
            Store::Narrow(tokens) => {
                for (out, &token) in out.iter_mut().zip(&tokens[range]) {
                    *out = token.into();
                }
            }
            Store::Wide(tokens) => out.copy_from_slice(&tokens[range]),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{TokenizerKind, TokenizerSettings};

    fn check(lines: &[String], settings: TokenizerSettings) -> Tokenized {
        let sentences = Sentences::from_lines(lines.iter().map(String::as_str));
        let codec = TextCodec::train(&settings, sentences.iter()).unwrap();
        let tokenized = Tokenized::new(&codec, &sentences).unwrap();
        let stop = codec.alphabet().stop.unwrap();
        assert_eq!(tokenized.count(), lines.len());
        let mut total = 0;
        for (index, line) in lines.iter().enumerate() {
            let expected = [codec.tokens(line).unwrap(), vec![stop]].concat();
            assert_eq!(tokenized.tokens(index), expected);
            assert_eq!(tokenized.length(index), expected.len());
            total += expected.len();
            for range in [0..expected.len(), 1..expected.len(), 0..0] {
                let mut out = vec![0; range.len()];
                tokenized.read(index, range.clone(), &mut out).unwrap();
                assert_eq!(out, expected[range]);
            }
        }
        assert_eq!(tokenized.total(), total);
        tokenized
    }

    #[test]
    fn long_sentences_are_dropped_and_the_others_kept() {
        let lines = ["a b", "a b c d e f", "c", "a b c d e f g h", "d e"];
        let sentences = Sentences::from_lines(lines);
        let settings = TokenizerSettings::usual(TokenizerKind::Characters);
        let codec = TextCodec::train(&settings, sentences.iter()).unwrap();
        let mut tokenized = Tokenized::new(&codec, &sentences).unwrap();
        let expected = [0, 2, 4].map(|index| tokenized.tokens(index));
        tokenized.keep_up_to(expected[0].len());
        let kept: Vec<_> = (0..tokenized.count())
            .map(|index| tokenized.tokens(index))
            .collect();
        assert_eq!(kept, expected);
        assert_eq!(tokenized.total(), expected.concat().len());
    }

    #[test]
    fn sentences_become_their_tokens_and_stop() {
        let lines: Vec<String> = (0..3_000)
            .map(|i| format!("line {i} of väry many"))
            .collect();
        let tokenized = check(&lines, TokenizerSettings::usual(TokenizerKind::Bpe));
        assert!(matches!(tokenized.tokens, Store::Narrow(_)));
        check(&[], TokenizerSettings::usual(TokenizerKind::Bpe));
    }

    #[test]
    fn a_large_vocabulary_is_stored_wide() {
        let words: Vec<String> = (0..70_000).map(|i| format!("w{i}")).collect();
        let lines: Vec<String> = words.chunks(1_000).map(|words| words.join(" ")).collect();
        let settings = TokenizerSettings {
            kind: TokenizerKind::Words,
            vocabulary: 100_000,
            min_count: 1,
        };
        assert!(matches!(check(&lines, settings).tokens, Store::Wide(_)));
    }
}
