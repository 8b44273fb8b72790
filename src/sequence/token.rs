/*! What a sequence is made of. */

/// One element of a sequence: a class number.
pub type Token = u32;

/// The tokens of one medium and the two special ones.
///
/// `start` is fed before token 0 and never scored; it may be an input-only symbol, that is, equal to
/// `size` or above. Token 0 is scored, and so is `stop` where sequences end. Padding is `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alphabet {
    /// How many classes a network predicts: the tokens `0..size`.
    pub size: usize,
    /// Fed before the first token, and used as padding.
    pub start: Token,
    /// Ends a sequence; `None` where sequences go on for as long as one likes.
    pub stop: Option<Token>,
}

impl Alphabet {
    /// How many different tokens a network may be fed: `size`, or one more when `start` is input-only.
    pub fn inputs(&self) -> usize {
        self.size.max(self.start as usize + 1)
    }

    /// True for tokens that can be predicted and scored.
    pub fn contains(&self, token: Token) -> bool {
        (token as usize) < self.size
    }
}
