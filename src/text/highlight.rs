/*! The negative log likelihood of each word of a sentence, as text, HTML or a table. */

use std::fmt::Write;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::sequence::Token;

/// The lower bounds of levels 1 to 3 in nats: probabilities of about 1/20, 1/400 and 1/8,000.
const LEVELS: [f64; 3] = [3.0, 6.0, 9.0];

/// Represents the end of a sentence.
const END: &str = "¶";

/// A piece of a sentence and its negative log likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Highlight<'a> {
    /// A word, a punctuation mark or a Chinese character, with the white space before it.
    pub text: &'a str,
    /// −ln of its probability given the text before it.
    pub nats: f64,
}

impl Highlight<'_> {
    /// The level of highlighting, 0 (none) to 3.
    pub fn level(&self) -> usize {
        LEVELS.iter().filter(|&&least| self.nats >= least).count()
    }
}

/// A sentence in pieces.
///
/// Pieces are the words of Unicode (UAX #29). Words that share a token are one piece. The NLL of a piece is the sum over
/// its tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Highlights<'a> {
    /// Their texts concatenate to the sentence.
    pub pieces: Vec<Highlight<'a>>,
    /// The NLL of `stop` in nats.
    pub end: f64,
}

/// The output format of [`Highlights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The NLL follows each word of level 1 or above: `the zebra[7.2] ran`.
    Plain,
    /// A web page; the tooltip of a word shows its NLL.
    Html,
    /// Tab-separated columns: sentence, word, nats.
    Tsv,
}

impl<'a> Highlights<'a> {
    /// The highlights of a sentence from the byte span of each token and the NLL of each token and of `stop`, in nats.
    ///
    /// # Panics
    /// If `nats` does not have one more element than `spans`.
    pub fn new(sentence: &'a str, spans: &[(Token, Range<usize>)], nats: &[f64]) -> Self {
        assert_eq!(
            nats.len(),
            spans.len() + 1,
            "one NLL for each token and for stop"
        );
        let mut pieces = Vec::new();
        let mut begin = 0;
        let mut tokens = spans.iter().zip(nats).peekable();
        for (place, word) in sentence.split_word_bound_indices() {
            let end = place + word.len();
            let last = end == sentence.len();
            if word.trim().is_empty() && !last {
                continue;
            }
            let mut sum = 0.0;
            let mut inside = tokens.clone();
            while let Some((_, nats)) = inside.next_if(|((_, span), _)| span.start < end) {
                sum += nats;
            }
            // A token that continues beyond the word joins it to the next word.
            let taken = spans.len() - inside.len();
            if last || taken == 0 || spans[taken - 1].1.end <= end {
                pieces.push(Highlight {
                    text: &sentence[begin..end],
                    nats: sum,
                });
                begin = end;
                tokens = inside;
            }
        }
        Self {
            pieces,
            end: nats[spans.len()],
        }
    }

    #[cfg(test)]
    fn nats(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.nats).sum::<f64>() + self.end
    }

    /// Formats the sentence, with a line break at its end. `number` is the sentence's number in the table.
    pub fn show(&self, style: Style, number: usize) -> String {
        let end = Highlight {
            text: END,
            nats: self.end,
        };
        let mut out = String::new();
        if style == Style::Html {
            out += "<p>";
        }
        for piece in &self.pieces {
            piece.show(style, number, &mut out);
        }
        if style != Style::Plain || end.level() > 0 {
            end.show(style, number, &mut out);
        }
        match style {
            Style::Html => out += "</p>\n",
            Style::Plain => out.push('\n'),
            Style::Tsv => {}
        }
        out
    }
}

impl Highlight<'_> {
    fn show(&self, style: Style, number: usize, out: &mut String) {
        let word = self.text.trim_start();
        let space = &self.text[..self.text.len() - word.len()];
        let nats = self.nats;
        let written = match style {
            Style::Plain if self.level() == 0 => write!(out, "{space}{}", visible(word)),
            Style::Plain => write!(out, "{space}{}[{nats:.1}]", visible(word)),
            Style::Html => {
                let strength = (nats / 12.0).clamp(0.0, 1.0);
                write!(
                    out,
                    "{space}<span style=\"background: rgba(226, 88, 34, {strength:.2})\" title=\"{nats:.2} nats\">{}</span>",
                    html(word)
                )
            }
            Style::Tsv => writeln!(out, "{number}\t{}\t{nats:.4}", visible(word)),
        };
        written.expect("writing to a String succeeds");
    }
}

impl Style {
    /// The text before the first sentence.
    pub fn head(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Html => {
                "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Surprise</title></head>\n\
                 <body style=\"font: 1.1em/1.7 serif; max-width: 45em; margin: 2em auto; white-space: pre-wrap\">\n"
            }
            Self::Tsv => "sentence\tword\tnats\n",
        }
    }

    /// The text after the last sentence.
    pub fn foot(self) -> &'static str {
        match self {
            Self::Html => "</body></html>\n",
            _ => "",
        }
    }
}

/// Replaces control characters by visible symbols: a sentence must not control a terminal or break a table.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or(c),
            '\x7f' => '\u{2421}',
            '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TokenizerKind;
    use crate::text::tokenizer::tests::{random_texts, trained};

    /// Highlights where token i costs i + 1 nats and `stop` half a nat.
    fn highlights(kind: TokenizerKind, sentence: &str) -> Highlights<'_> {
        let spans = trained(kind).spans(sentence).unwrap();
        let mut nats: Vec<f64> = (0..spans.len()).map(|i| i as f64 + 1.0).collect();
        nats.push(0.5);
        Highlights::new(sentence, &spans, &nats)
    }

    fn list<'a>(highlights: &Highlights<'a>) -> Vec<(&'a str, f64)> {
        highlights.pieces.iter().map(|m| (m.text, m.nats)).collect()
    }

    #[test]
    fn words_have_the_space_before_them_and_the_nll_of_their_tokens() {
        let highlights = highlights(TokenizerKind::Characters, "he  went, 秦川");
        assert_eq!(
            list(&highlights),
            [
                ("he", 3.0),
                ("  went", 33.0),
                (",", 9.0),
                (" 秦", 21.0),
                ("川", 12.0)
            ]
        );
        assert_eq!(highlights.nats(), 78.5);
    }

    #[test]
    fn words_that_share_a_token_are_one_piece() {
        let highlights = highlights(TokenizerKind::Words, " he <unk> co-op, sea ");
        assert_eq!(
            list(&highlights),
            [
                (" he", 1.0),
                (" <unk>", 2.0),
                (" co-op,", 3.0),
                (" sea", 4.0),
                (" ", 0.0)
            ]
        );
    }

    #[test]
    fn pieces_concatenate_to_the_sentence_and_keep_its_nll() {
        for kind in [
            TokenizerKind::Bpe,
            TokenizerKind::Characters,
            TokenizerKind::Words,
        ] {
            let codec = trained(kind);
            for text in random_texts(500) {
                let spans = codec.spans(&text).unwrap();
                let nats: Vec<f64> = (0..=spans.len()).map(|i| (i * i % 7) as f64).collect();
                let highlights = Highlights::new(&text, &spans, &nats);
                let pieces: String = highlights.pieces.iter().map(|piece| piece.text).collect();
                assert_eq!(pieces, text);
                assert!((highlights.nats() - nats.iter().sum::<f64>()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn each_style_shows_unlikely_words_and_no_control_characters() {
        let highlights = Highlights {
            pieces: vec![
                Highlight {
                    text: "a",
                    nats: 0.1,
                },
                Highlight {
                    text: " <\x1b&",
                    nats: 6.04,
                },
            ],
            end: 9.5,
        };
        assert_eq!(highlights.show(Style::Plain, 1), "a <␛&[6.0]¶[9.5]\n");
        assert_eq!(
            highlights.show(Style::Tsv, 3),
            "3\ta\t0.1000\n3\t<␛&\t6.0400\n3\t¶\t9.5000\n"
        );
        let page = highlights.show(Style::Html, 1);
        assert!(page.contains(">&lt;␛&amp;</span>") && page.contains("title=\"6.04 nats\""));
        assert!(Style::Html.head().starts_with("<!DOCTYPE html>"));
        let levels = [2.9, 3.0, 6.0, 9.0].map(|nats| Highlight { text: "", nats }.level());
        assert_eq!(levels, [0, 1, 2, 3]);
    }
}
