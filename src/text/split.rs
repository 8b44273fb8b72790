/*! The split of a corpus into training and held-out sentences. */

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::Sentences;

/// The held-out part of a corpus; stored as text: `one-in:20`, `last:3370` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum HeldOut {
    /// About one sentence in N, chosen by a hash of its letters and digits. Equal sentences are in the same part, and a
    /// sentence stays in its part when the corpus grows.
    OneIn(u64),
    /// The last N sentences, for corpora in a meaningful order.
    Last(usize),
    /// The sentences of another file.
    File(PathBuf),
}

impl HeldOut {
    /// Splits a corpus into the training and the held-out sentences, both in order. Neither part is empty. The sentences of a
    /// `.jsonl` file are in its `field`.
    ///
    /// # Errors
    /// A usage error when there are too few sentences for two parts; an error when the other file cannot be read.
    pub fn split(&self, sentences: Sentences, field: &str) -> Result<(Sentences, Sentences)> {
        let count = sentences.len();
        match self {
            Self::File(path) => Ok((sentences, Sentences::read(path, field)?)),
            Self::Last(last) => {
                if !(1..count).contains(last) {
                    return Err(Error::usage(format!(
                        "cannot hold out the last {last} of {count} sentences"
                    ))
                    .with_hint("hold out at least one and leave at least one to train on"));
                }
                Ok(sentences.part(|index, _| index >= count - last))
            }
            Self::OneIn(n) => {
                if *n < 2 {
                    return Err(Error::usage(format!("cannot hold out one sentence in {n}"))
                        .with_hint("hold out one in 2 or more"));
                }
                let keys = || sentences.iter().map(key);
                let (lowest, highest) = (keys().min(), keys().max());
                if lowest == highest {
                    return Err(Error::usage("all sentences of the corpus are the same")
                        .with_hint(
                            "at least two different sentences are needed: one to train on, one to hold out",
                        ));
                }
                let chosen = |key: u64| key.is_multiple_of(*n);
                // In a small corpus one part may be empty: then it gets the sentences with the lowest key.
                let (any, all) = (keys().any(chosen), keys().all(chosen));
                Ok(sentences.part(|_, sentence| {
                    let key = key(sentence);
                    if any && !all {
                        chosen(key)
                    } else {
                        (Some(key) == lowest) != all
                    }
                }))
            }
        }
    }
}

/// The 64-bit FNV-1a hash of a sentence's lower-case letters and digits, or, without any, of all its characters, mixed so
/// that remainders are uniform. It decides which sentences of trained models are held out: it must not change.
fn key(sentence: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    let letters = || {
        sentence
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
    };
    let hash = |hash: u64, c: char| {
        u32::from(c).to_le_bytes().iter().fold(hash, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let mut key = match letters().next() {
        Some(_) => letters().fold(BASIS, hash),
        None => sentence.chars().fold(BASIS, hash),
    };
    // The finalizer of MurmurHash3.
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        key = (key ^ (key >> 33)).wrapping_mul(factor);
    }
    key ^ (key >> 33)
}

impl Default for HeldOut {
    fn default() -> Self {
        Self::OneIn(20)
    }
}

impl fmt::Display for HeldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneIn(n) => write!(f, "one-in:{n}"),
            Self::Last(n) => write!(f, "last:{n}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromStr for HeldOut {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |number: &str| number.parse::<u64>().ok().filter(|&number| number > 0);
        let parsed = match text.split_once(':') {
            Some(("one-in", n)) => number(n).filter(|&n| n > 1).map(Self::OneIn),
            Some(("last", n)) => number(n).map(|n| Self::Last(n as usize)),
            Some(("file", path)) if !path.is_empty() => Some(Self::File(path.into())),
            _ => None,
        };
        parsed.ok_or_else(|| {
            Error::usage(format!("invalid validation split '{text}'"))
                .with_hint("use one-in:N, last:N or file:PATH, for example one-in:20")
        })
    }
}

impl From<HeldOut> for String {
    fn from(held_out: HeldOut) -> Self {
        held_out.to_string()
    }
}

impl TryFrom<String> for HeldOut {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn split(held_out: &HeldOut, lines: &[String]) -> Result<(Vec<String>, Vec<String>)> {
        let sentences = Sentences::from_lines(lines.iter().map(String::as_str));
        let (training, out) = held_out.split(sentences, "text")?;
        let list = |part: &Sentences| part.iter().map(str::to_owned).collect();
        Ok((list(&training), list(&out)))
    }

    fn lines(count: usize) -> Vec<String> {
        (0..count)
            .map(|i| format!("Line {}, so", i % 700))
            .collect()
    }

    #[test]
    fn one_in_n_holds_out_about_that_many_and_no_sentence_twice() {
        let (training, out) = split(&HeldOut::OneIn(10), &lines(2_100)).unwrap();
        assert_eq!(training.len() + out.len(), 2_100);
        assert!((120..300).contains(&out.len()), "{}", out.len());
        let training: HashSet<_> = training.into_iter().collect();
        assert!(out.iter().all(|line| !training.contains(line)));
    }

    #[test]
    fn case_and_punctuation_do_not_change_the_key() {
        for (a, b) in [("Go on!", "go, on."), ("ÄRGER", "ärger"), ("…", "…")] {
            assert_eq!(key(a), key(b));
        }
        assert_ne!(key("…"), key("!"));
        assert_ne!(key("a"), key("b"));
    }

    #[test]
    fn a_sentence_stays_in_its_part_when_the_corpus_grows() {
        let (_, few) = split(&HeldOut::OneIn(7), &lines(300)).unwrap();
        let (_, many) = split(&HeldOut::OneIn(7), &lines(600)).unwrap();
        assert!(many.starts_with(&few) && many.len() > few.len());
    }

    #[test]
    fn even_two_lines_have_two_parts() {
        for n in [2, 3, 1_000_000] {
            for count in 2..12 {
                let (training, out) = split(&HeldOut::OneIn(n), &lines(count)).unwrap();
                assert!(!training.is_empty() && !out.is_empty());
                assert_eq!(training.len() + out.len(), count);
            }
        }
        let same = vec!["Again.".to_owned(), "again".to_owned()];
        assert!(split(&HeldOut::OneIn(2), &same).unwrap_err().is_usage());
    }

    #[test]
    fn the_last_sentences_or_another_file() {
        let all = lines(10);
        let (training, out) = split(&HeldOut::Last(3), &all).unwrap();
        assert_eq!(
            (training.as_slice(), out.as_slice()),
            (&all[..7], &all[7..])
        );
        for last in [0, 10, 11] {
            assert!(split(&HeldOut::Last(last), &all).unwrap_err().is_usage());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("valid.txt");
        std::fs::write(&path, "x\n").unwrap();
        let (training, out) = split(&HeldOut::File(path), &all).unwrap();
        assert_eq!((training, out), (all, vec!["x".to_owned()]));
    }

    #[test]
    fn it_is_stored_as_it_is_typed() {
        for text in ["one-in:20", "last:3370", "file:a b/c:d.txt"] {
            let held_out: HeldOut = text.parse().unwrap();
            assert_eq!(held_out.to_string(), text);
            let json = serde_json::to_string(&held_out).unwrap();
            assert_eq!(serde_json::from_str::<HeldOut>(&json).unwrap(), held_out);
        }
        for text in ["", "20", "last:0", "last:x", "one-in:1", "file:", "first:2"] {
            assert!(text.parse::<HeldOut>().unwrap_err().is_usage(), "{text}");
        }
    }
}
