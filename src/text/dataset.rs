/*! Sentences as a training dataset. */

use std::ops::Range;

use crate::base::files::hash_parts;
use crate::error::Result;
use crate::sequence::{SequenceDataset, Token};
use crate::text::{Sentences, TextCodec, Tokenized};

/// The training sentences, followed by the held-out ones.
pub struct TrainValSplit {
    training: Tokenized,
    validation: Tokenized,
}

impl TrainValSplit {
    /// Tokenizes both parts.
    ///
    /// # Errors
    /// When the tokenizer refuses a sentence.
    pub fn new(codec: &TextCodec, training: &Sentences, validation: &Sentences) -> Result<Self> {
        Ok(Self {
            training: Tokenized::new(codec, training)?,
            validation: Tokenized::new(codec, validation)?,
        })
    }

    /// The number of training sentences.
    pub fn training_count(&self) -> usize {
        self.training.count()
    }

    /// Drops sentences of more than `longest` tokens, `stop` included, and returns how many were dropped.
    pub fn drop_longer_than(&mut self, longest: usize) -> usize {
        let before = self.count();
        self.training.keep_up_to(longest);
        self.validation.keep_up_to(longest);
        before - self.count()
    }

    /// The part that holds sequence `index`, and the index within that part.
    fn locate(&self, index: usize) -> (&Tokenized, usize) {
        match index.checked_sub(self.training.count()) {
            None => (&self.training, index),
            Some(index) => (&self.validation, index),
        }
    }
}

impl SequenceDataset for TrainValSplit {
    fn count(&self) -> usize {
        self.training.count() + self.validation.count()
    }

    fn length(&self, index: usize) -> usize {
        let (part, index) = self.locate(index);
        part.length(index)
    }

    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let (part, index) = self.locate(index);
        part.read(index, range, out)
    }
}

/// A hash of the training and the held-out sentences. A model stores it to recognise its dataset.
pub fn fingerprint(training: &Sentences, validation: &Sentences) -> String {
    hash_parts([training.digest(), validation.digest()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{TokenizerKind, TokenizerSettings};

    fn tokens(dataset: &dyn SequenceDataset, index: usize) -> Vec<Token> {
        let length = dataset.length(index);
        let mut tokens = vec![0; length];
        dataset.read(index, 0..length, &mut tokens).unwrap();
        tokens
    }

    #[test]
    fn held_out_sentences_follow_the_training_sentences() {
        let training = Sentences::from_lines(["one two", "three", "four five six"]);
        let validation = Sentences::from_lines(["seven", "eight nine ten eleven"]);
        let settings = TokenizerSettings::usual(TokenizerKind::Characters);
        let codec = TextCodec::train(&settings, training.iter()).unwrap();
        let mut split = TrainValSplit::new(&codec, &training, &validation).unwrap();
        let all: Vec<_> = (0..split.count()).map(|i| tokens(&split, i)).collect();
        let expected: Vec<_> = [&training, &validation]
            .map(|part| Tokenized::new(&codec, part).unwrap())
            .iter()
            .flat_map(|part| (0..part.count()).map(|i| part.tokens(i)))
            .collect();
        assert_eq!(all, expected);
        assert_eq!(split.training_count(), 3);

        let longest = expected[0].len();
        let short: Vec<_> = expected
            .into_iter()
            .filter(|t| t.len() <= longest)
            .collect();
        assert_eq!(split.drop_longer_than(longest), 5 - short.len());
        let kept: Vec<_> = (0..split.count()).map(|i| tokens(&split, i)).collect();
        assert_eq!(kept, short);
        assert_eq!(split.training_count(), 2);
    }

    #[test]
    fn the_fingerprint_depends_on_every_sentence_and_on_its_part() {
        let lines = |lines: &[&str]| Sentences::from_lines(lines.iter().copied());
        let whole = fingerprint(&lines(&["a", "b"]), &lines(&["c"]));
        assert_eq!(whole, fingerprint(&lines(&["a", "b"]), &lines(&["c"])));
        for (training, validation) in [
            (&["a"][..], &["b", "c"][..]),
            (&["b", "a"], &["c"]),
            (&["ab"], &["c"]),
        ] {
            assert_ne!(whole, fingerprint(&lines(training), &lines(validation)));
        }
    }
}
