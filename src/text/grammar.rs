/*! The grammar of tokens whose bytes are valid UTF-8. */

use crate::sequence::{Grammar, GrammarState, Token};

/// The states of a UTF-8 decoder (Unicode 15, table 3-7), named after what they wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Utf8 {
    /// A new character.
    Closed,
    /// One continuation byte.
    One,
    /// Two continuation bytes.
    Two,
    /// Three continuation bytes.
    Three,
    /// Two bytes after E0, which excludes overlong forms.
    AfterE0,
    /// Two bytes after ED, which excludes surrogates.
    AfterED,
    /// Three bytes after F0, which excludes overlong forms.
    AfterF0,
    /// Three bytes after F4, which excludes code points above U+10FFFF.
    AfterF4,
}

impl Utf8 {
    const ALL: [Self; 8] = [
        Self::Closed,
        Self::One,
        Self::Two,
        Self::Three,
        Self::AfterE0,
        Self::AfterED,
        Self::AfterF0,
        Self::AfterF4,
    ];

    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Closed, 0x00..=0x7F) | (Self::One, 0x80..=0xBF) => Self::Closed,
            (Self::Closed, 0xC2..=0xDF)
            | (Self::Two, 0x80..=0xBF)
            | (Self::AfterE0, 0xA0..=0xBF)
            | (Self::AfterED, 0x80..=0x9F) => Self::One,
            (Self::Closed, 0xE0) => Self::AfterE0,
            (Self::Closed, 0xED) => Self::AfterED,
            (Self::Closed, 0xE1..=0xEF)
            | (Self::Three, 0x80..=0xBF)
            | (Self::AfterF0, 0x90..=0xBF)
            | (Self::AfterF4, 0x80..=0x8F) => Self::Two,
            (Self::Closed, 0xF0) => Self::AfterF0,
            (Self::Closed, 0xF1..=0xF3) => Self::Three,
            (Self::Closed, 0xF4) => Self::AfterF4,
            _ => return None,
        })
    }

    /// The number of bytes that complete the character.
    fn missing(self) -> usize {
        match self {
            Self::Closed => 0,
            Self::One => 1,
            Self::Two | Self::AfterE0 | Self::AfterED => 2,
            Self::Three | Self::AfterF0 | Self::AfterF4 => 3,
        }
    }
}

/// Tokens that compose to valid UTF-8. `stop` may follow only complete characters.
#[derive(Debug)]
pub(super) struct Utf8Grammar {
    /// The state after each token from each state, `[tokens, states]`; the last token is `stop`.
    next: Vec<[Option<Utf8>; Utf8::ALL.len()]>,
}

impl Utf8Grammar {
    /// The grammar of tokens with these bytes, all 256 single bytes among them.
    pub(super) fn new<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> Self {
        let next = |bytes: &[u8]| {
            Utf8::ALL.map(|state| {
                bytes
                    .iter()
                    .try_fold(state, |state, &byte| state.next(byte))
            })
        };
        let mut next: Vec<_> = tokens.map(next).collect();
        next.push(Utf8::ALL.map(|state| (state == Utf8::Closed).then_some(state)));
        Self { next }
    }
}

impl Grammar for Utf8Grammar {
    fn next(&self, GrammarState(state): GrammarState, token: Token) -> Option<GrammarState> {
        let next = self.next.get(token as usize)?[usize::from(state)]?;
        Some(GrammarState(next as u8))
    }

    fn tokens_to_end(&self, GrammarState(state): GrammarState) -> usize {
        Utf8::ALL[usize::from(state)].missing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::sequence::{
        Alphabet, BeamSettings, Codec, Item, Query, Sampler, Sampling, Stepper, beam_search,
        generate_many,
    };
    use crate::text::tokenizer::tests::{random_texts, trained};
    use crate::text::{TextCodec, TokenizerKind};

    fn accepts(bytes: &[u8]) -> bool {
        let end = bytes
            .iter()
            .try_fold(Utf8::Closed, |state, &byte| state.next(byte));
        end == Some(Utf8::Closed)
    }

    #[test]
    fn states_stand_at_their_own_index() {
        for (index, state) in Utf8::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index);
        }
    }

    #[test]
    fn it_accepts_exactly_what_the_standard_library_accepts() {
        for a in 0..=255_u8 {
            assert_eq!(accepts(&[a]), str::from_utf8(&[a]).is_ok());
            for b in 0..=255_u8 {
                assert_eq!(accepts(&[a, b]), str::from_utf8(&[a, b]).is_ok());
                // The bounds of all ranges of table 3-7.
                for c in [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF] {
                    let three = [a, b, c];
                    assert_eq!(
                        accepts(&three),
                        str::from_utf8(&three).is_ok(),
                        "{three:X?}"
                    );
                    for d in [0x7F, 0x80, 0xBF, 0xC0] {
                        let four = [a, b, c, d];
                        assert_eq!(accepts(&four), str::from_utf8(&four).is_ok(), "{four:X?}");
                    }
                }
            }
        }
    }

    #[test]
    fn some_byte_always_leads_closer_to_the_end() {
        for state in Utf8::ALL {
            let fewest = (0..=255)
                .filter_map(|byte| state.next(byte))
                .map(Utf8::missing)
                .min();
            assert_eq!(fewest, Some(state.missing().saturating_sub(1)));
        }
    }

    /// Logits that depend only on the last token. Byte tokens are likely, so that most sequences are not UTF-8.
    struct RandomModel {
        alphabet: Alphabet,
        seed: u64,
        logits: Vec<f32>,
    }

    impl RandomModel {
        fn new(codec: &TextCodec, seed: u64, lanes: usize) -> Self {
            let alphabet = codec.alphabet();
            Self {
                alphabet,
                seed,
                logits: vec![0.0; alphabet.size * lanes],
            }
        }
    }

    impl Stepper for RandomModel {
        fn alphabet(&self) -> Alphabet {
            self.alphabet
        }

        fn lanes(&self) -> usize {
            self.logits.len() / self.alphabet.size
        }

        fn reset(&mut self, _: usize, _: Option<&[f32]>) {}

        fn recondition(&mut self, _: usize, _: Option<&[f32]>) {}

        fn step(&mut self, tokens: &[Token]) -> &[f32] {
            let rows = self.logits.chunks_mut(self.alphabet.size);
            for (logits, &token) in rows.zip(tokens) {
                let mut random = Lcg(self.seed * 100_003 + u64::from(token));
                random.uniform();
                for logit in logits.iter_mut() {
                    *logit = 4.0 * random.uniform();
                }
            }
            &self.logits
        }

        fn gather(&mut self, _: &[usize]) {}
    }

    /// All texts of one model, sampled and searched, as bytes.
    fn made(codec: &TextCodec, seed: u64, constrained: bool) -> Vec<Vec<u8>> {
        let grammar = codec.grammar().filter(|_| constrained);
        let base = Sampling::default();
        let variants = [
            base,
            Sampling::greedy(),
            Sampling {
                temperature: 3.0,
                ..base
            },
            Sampling {
                top_k: Some(1),
                ..base
            },
            Sampling {
                top_k: Some(5),
                top_p: Some(0.7),
                ..base
            },
            Sampling {
                top_p: Some(0.3),
                ..base
            },
            Sampling {
                min_p: Some(0.5),
                ..base
            },
        ];
        let prompts = ["", "he went", "naïve 秦😀"].map(|text| codec.tokens(text).unwrap());
        let mut texts = Vec::new();
        for longest in [1, 2, 3, 7, 20] {
            let mut items: Vec<Item> = (0..21)
                .map(|item| Item {
                    stream: None,
                    sampler: Sampler::new(variants[item % 7], seed, item as u64)
                        .unwrap()
                        .with_grammar(grammar.clone()),
                    condition: None,
                    prompt: prompts[item / 7].clone(),
                })
                .collect();
            let mut tokens = vec![Vec::new(); items.len()];
            let mut model = RandomModel::new(codec, seed, 4);
            generate_many(&mut model, &mut items, longest, &mut |item, token| {
                tokens[item].push(token);
                Ok(())
            })
            .unwrap();
            for beams in [1, 3] {
                let settings = BeamSettings {
                    beams,
                    max_length: longest,
                    length_penalty: 0.6,
                };
                let queries = prompts.each_ref().map(|prompt| Query {
                    condition: None,
                    prompt,
                });
                let mut model = RandomModel::new(codec, seed, 2 * beams);
                let found = beam_search(&mut model, &queries, &settings, grammar.as_deref());
                let found = found.unwrap().into_iter().flatten();
                tokens.extend(found.map(|hypothesis| hypothesis.tokens));
            }
            assert!(tokens.iter().all(|tokens| tokens.len() <= longest));
            for tokens in tokens {
                let mut bytes = Vec::new();
                for &token in &tokens {
                    codec.append(token, bytes.is_empty(), &mut bytes).unwrap();
                }
                let decoded = codec.decode(&tokens).unwrap();
                assert_eq!(decoded, String::from_utf8_lossy(&bytes));
                texts.push(bytes);
            }
        }
        texts
    }

    #[test]
    fn every_generated_text_is_valid_utf8() {
        for kind in [TokenizerKind::Bpe, TokenizerKind::Characters] {
            let codec = trained(kind);
            for seed in 1..40 {
                for bytes in made(&codec, seed, true) {
                    let text = str::from_utf8(&bytes).expect("valid UTF-8");
                    assert!(!text.contains(char::REPLACEMENT_CHARACTER));
                }
            }
            let broken = made(&codec, 1, false);
            assert!(broken.iter().any(|bytes| str::from_utf8(bytes).is_err()));
        }
    }

    #[test]
    fn every_text_of_a_corpus_is_allowed() {
        for kind in [TokenizerKind::Bpe, TokenizerKind::Characters] {
            let codec = trained(kind);
            let grammar = codec.grammar().unwrap();
            for text in random_texts(2_000) {
                let mut tokens = codec.tokens(&text).unwrap();
                tokens.extend(codec.alphabet().stop);
                let start = GrammarState::default();
                let end = tokens
                    .iter()
                    .try_fold(start, |state, &token| grammar.next(state, token));
                assert_eq!(end, Some(start));
            }
        }
        assert!(trained(TokenizerKind::Words).grammar().is_none());
    }
}
