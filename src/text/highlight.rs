/*! How surprising each word of a sentence was, and four ways to show it. */

use std::fmt::Write;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::sequence::Token;

/// Words are marked from so much surprise on, in nats: likelier than one in 20, one in 400, one in 8,000, or not even that.
const LEVELS: [f64; 3] = [3.0, 6.0, 9.0];

/// What stands for the end of a sentence.
const END: &str = "¶";

/// A piece of a sentence and how little it was foreseen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark<'a> {
    /// A word, a sign or a Chinese character, with the white space before it.
    pub text: &'a str,
    /// −ln of its probability, given all before it.
    pub nats: f64,
}

impl Mark<'_> {
    /// How surprising it is: 0 (not), 1, 2 or 3.
    pub fn level(&self) -> usize {
        LEVELS.iter().filter(|&&least| self.nats >= least).count()
    }
}

/// A whole sentence, piece by piece.
///
/// Pieces are the words of Unicode (UAX #29), so far as they are made of whole tokens: words and white space that share a
/// token are one piece, and its surprise is that of all its tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks<'a> {
    /// Together they are the sentence.
    pub pieces: Vec<Mark<'a>>,
    /// The surprise of the sentence's end, in nats.
    pub end: f64,
}

/// How marks are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Surprising words are followed by their nats: `the zebra[7.2] ran`.
    Plain,
    /// Colours for a terminal.
    Ansi,
    /// A page for a browser; pointing at a word shows its nats.
    Html,
    /// A table of sentence, word and nats, separated by tabs.
    Tsv,
}

impl<'a> Marks<'a> {
    /// From the tokens of a sentence, with the bytes each stands for, and the surprise of each token and of `stop`.
    ///
    /// # Panics
    /// If there is not one number for each token and one for the end.
    pub fn new(sentence: &'a str, spans: &[(Token, Range<usize>)], nats: &[f64]) -> Self {
        assert_eq!(
            nats.len(),
            spans.len() + 1,
            "one for each token and the end"
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
            // A token that goes on behind the word binds it to the next.
            let taken = spans.len() - inside.len();
            if last || taken == 0 || spans[taken - 1].1.end <= end {
                pieces.push(Mark {
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

    /// The surprise of the whole sentence with its end, in nats.
    pub fn nats(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.nats).sum::<f64>() + self.end
    }

    /// Sentence number `number` in one of the styles, with a line's end.
    pub fn show(&self, style: Style, number: usize) -> String {
        let end = Mark {
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
            Style::Plain | Style::Ansi => out.push('\n'),
            Style::Tsv => {}
        }
        out
    }
}

impl Mark<'_> {
    fn show(&self, style: Style, number: usize, out: &mut String) {
        let word = self.text.trim_start();
        let space = &self.text[..self.text.len() - word.len()];
        let nats = self.nats;
        let written = match style {
            Style::Plain if self.level() == 0 => write!(out, "{space}{}", visible(word)),
            Style::Plain => write!(out, "{space}{}[{nats:.1}]", visible(word)),
            Style::Ansi => match self.level() {
                0 => write!(out, "{space}{}", visible(word)),
                level => {
                    let color = [229, 215, 203][level - 1];
                    write!(out, "{space}\x1b[30;48;5;{color}m{}\x1b[0m", visible(word))
                }
            },
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
        written.expect("a String takes everything");
    }
}

impl Style {
    /// What comes before the first sentence.
    pub fn head(self) -> &'static str {
        match self {
            Self::Plain | Self::Ansi => "",
            Self::Html => {
                "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Surprise</title></head>\n\
                 <body style=\"font: 1.1em/1.7 serif; max-width: 45em; margin: 2em auto; white-space: pre-wrap\">\n"
            }
            Self::Tsv => "sentence\tword\tnats\n",
        }
    }

    /// What comes behind the last.
    pub fn foot(self) -> &'static str {
        match self {
            Self::Html => "</body></html>\n",
            _ => "",
        }
    }
}

/// Control characters as pictures, so that a sentence can neither steer a terminal nor break a table.
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

    /// Token number i cost i + 1 nats, the end half a nat.
    fn marks(kind: TokenizerKind, sentence: &str) -> Marks<'_> {
        let spans = trained(kind).spans(sentence).unwrap();
        let mut nats: Vec<f64> = (0..spans.len()).map(|i| i as f64 + 1.0).collect();
        nats.push(0.5);
        Marks::new(sentence, &spans, &nats)
    }

    fn list<'a>(marks: &Marks<'a>) -> Vec<(&'a str, f64)> {
        marks.pieces.iter().map(|m| (m.text, m.nats)).collect()
    }

    #[test]
    fn words_take_the_space_before_them_and_the_surprise_of_their_tokens() {
        let marks = marks(TokenizerKind::Characters, "he  went, 秦川");
        assert_eq!(
            list(&marks),
            [
                ("he", 3.0),
                ("  went", 33.0),
                (",", 9.0),
                (" 秦", 21.0),
                ("川", 12.0)
            ]
        );
        assert_eq!(marks.nats(), 78.5);
    }

    #[test]
    fn words_that_share_a_token_are_one_piece() {
        let marks = marks(TokenizerKind::Words, " he <unk> co-op, sea ");
        assert_eq!(
            list(&marks),
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
    fn pieces_are_the_sentence_and_no_surprise_is_lost() {
        for kind in [
            TokenizerKind::Bpe,
            TokenizerKind::Characters,
            TokenizerKind::Words,
        ] {
            let codec = trained(kind);
            for text in random_texts(500) {
                let spans = codec.spans(&text).unwrap();
                let nats: Vec<f64> = (0..=spans.len()).map(|i| (i * i % 7) as f64).collect();
                let marks = Marks::new(&text, &spans, &nats);
                let pieces: String = marks.pieces.iter().map(|piece| piece.text).collect();
                assert_eq!(pieces, text);
                assert!((marks.nats() - nats.iter().sum::<f64>()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn each_style_shows_what_is_surprising_and_nothing_harmful() {
        let marks = Marks {
            pieces: vec![
                Mark {
                    text: "a",
                    nats: 0.1,
                },
                Mark {
                    text: " <\x1b&",
                    nats: 6.04,
                },
            ],
            end: 9.5,
        };
        assert_eq!(marks.show(Style::Plain, 1), "a <␛&[6.0]¶[9.5]\n");
        assert_eq!(
            marks.show(Style::Ansi, 1),
            "a \x1b[30;48;5;215m<␛&\x1b[0m\x1b[30;48;5;203m¶\x1b[0m\n"
        );
        assert_eq!(
            marks.show(Style::Tsv, 3),
            "3\ta\t0.1000\n3\t<␛&\t6.0400\n3\t¶\t9.5000\n"
        );
        let page = marks.show(Style::Html, 1);
        assert!(page.contains(">&lt;␛&amp;</span>") && page.contains("title=\"6.04 nats\""));
        assert!(Style::Html.head().starts_with("<!DOCTYPE html>"));
        let levels = [2.9, 3.0, 6.0, 9.0].map(|nats| Mark { text: "", nats }.level());
        assert_eq!(levels, [0, 1, 2, 3]);
    }
}
