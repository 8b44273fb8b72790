/*! The likelihood of sentences: nats per sentence, bits per character, word perplexity. */

use std::fmt;

/// The NLL of sentences and its denominators. These do not depend on the tokens, so that networks with different open
/// tokenizers can be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TextLikelihood {
    /// −ln of the probability of all sentences, `stop` included.
    pub nats: f64,
    /// The number of sentences.
    pub sentences: u64,
    /// The number of Unicode scalar values.
    pub characters: u64,
    /// The number of words between white space.
    pub words: u64,
}

impl TextLikelihood {
    /// Adds a sentence with an NLL of `nats`, `stop` included.
    pub fn score(&mut self, sentence: &str, nats: f64) {
        self.nats += nats;
        self.sentences += 1;
        self.characters += sentence.chars().count() as u64;
        self.words += sentence.split_whitespace().count() as u64;
    }

    /// nats / sentences. This and the other ratios are NaN without sentences.
    pub fn nats_per_sentence(&self) -> f64 {
        self.nats / self.sentences as f64
    }

    /// nats / ln 2 / (characters + sentences): the end of a sentence counts as one character, like its line break.
    pub fn bits_per_character(&self) -> f64 {
        self.nats / std::f64::consts::LN_2 / (self.characters + self.sentences) as f64
    }

    /// exp(nats / (words + sentences)): the end of a sentence counts as one word, as usual for the Penn Treebank (Mikolov
    /// et al. 2010). Meaningless for text [without words](Self::has_words).
    pub fn word_perplexity(&self) -> f64 {
        (self.nats / (self.words + self.sentences) as f64).exp()
    }

    /// False for scripts without spaces between words: if the mean word has more than ten characters.
    pub fn has_words(&self) -> bool {
        self.characters <= 10 * self.words
    }
}

impl fmt::Display for TextLikelihood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} nats a sentence, {:.3} bits a character",
            self.nats_per_sentence(),
            self.bits_per_character()
        )?;
        if self.has_words() {
            write!(f, ", word perplexity {:.1}", self.word_perplexity())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_guessing_has_the_expected_nll() {
        let mut text = TextLikelihood::default();
        // The first sentence has three words and an end, each one of 50, and five characters and an end.
        text.score("ä b c", 4.0 * 50_f64.ln());
        text.score("d", 2.0 * 50_f64.ln());
        assert!((text.word_perplexity() - 50.0).abs() < 1e-9);
        assert!((text.nats_per_sentence() - 3.0 * 50_f64.ln()).abs() < 1e-9);
        assert!((text.bits_per_character() - 6.0 * 50_f64.log2() / 8.0).abs() < 1e-9);
        assert_eq!(
            text.to_string(),
            "11.74 nats a sentence, 4.233 bits a character, word perplexity 50.0"
        );
    }

    #[test]
    fn text_without_spaces_has_no_word_perplexity() {
        let mut text = TextLikelihood::default();
        text.score("秦川雄帝宅，函谷壯皇居。", 60.0);
        assert!(!text.has_words());
        assert_eq!(
            text.to_string(),
            "60.00 nats a sentence, 6.659 bits a character"
        );
    }

    #[test]
    fn without_sentences_the_ratios_are_nan() {
        assert!(TextLikelihood::default().nats_per_sentence().is_nan());
        assert!(TextLikelihood::default().word_perplexity().is_nan());
    }
}
