/*! What the likelihood of sentences is told in: nats a sentence, bits a character, perplexity a word. */

use std::fmt;

/// The surprise of sentences and what it is divided by. The figures do not depend on how sentences are cut into tokens, so
/// that networks with different tokenizers can be compared, as long as the tokenizers are open.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TextLikelihood {
    /// −ln of the probability of all sentences, each with its end.
    pub nats: f64,
    /// How many sentences.
    pub sentences: u64,
    /// How many Unicode scalar values they have together, ends not counted.
    pub characters: u64,
    /// How many words: what stands between white space. Ends are not counted.
    pub words: u64,
}

impl TextLikelihood {
    /// One more sentence, whose surprise with its end is `nats`.
    pub fn score(&mut self, sentence: &str, nats: f64) {
        self.nats += nats;
        self.sentences += 1;
        self.characters += sentence.chars().count() as u64;
        self.words += sentence.split_whitespace().count() as u64;
    }

    /// nats / sentences. Not a number where nothing was scored; so are the others.
    pub fn nats_per_sentence(&self) -> f64 {
        self.nats / self.sentences as f64
    }

    /// nats / ln 2 / (characters + sentences): the end of a sentence counts as one character, as the line's end that it
    /// is in a file.
    pub fn bits_per_character(&self) -> f64 {
        self.nats / std::f64::consts::LN_2 / (self.characters + self.sentences) as f64
    }

    /// exp(nats / (words + sentences)): the end of a sentence counts as one word, as is usual for the Penn Treebank
    /// (Mikolov et al. 2010). It says nothing of text [without words](Self::has_words).
    pub fn word_perplexity(&self) -> f64 {
        (self.nats / (self.words + self.sentences) as f64).exp()
    }

    /// False for scripts that put no space between words, judged by words of more than ten characters in the mean.
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
    fn guessing_evenly_costs_what_it_must() {
        let mut text = TextLikelihood::default();
        // Three words and an end, each one of 50; five characters in all and an end, for the first.
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
    fn text_without_spaces_has_no_words_to_tell_of() {
        let mut text = TextLikelihood::default();
        text.score("秦川雄帝宅，函谷壯皇居。", 60.0);
        assert!(!text.has_words());
        assert_eq!(
            text.to_string(),
            "60.00 nats a sentence, 6.659 bits a character"
        );
    }

    #[test]
    fn nothing_scored_is_no_number() {
        assert!(TextLikelihood::default().nats_per_sentence().is_nan());
        assert!(TextLikelihood::default().word_perplexity().is_nan());
    }
}
