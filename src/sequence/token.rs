/*! Tokens and alphabets. */

/// One element of a sequence: a class number.
pub type Token = u32;

/// The tokens of one medium with `start` and `stop`.
///
/// `start` is fed before the first token and never scored; it may be input-only, that is, `size` or above. The first
/// token is scored, and so is `stop` where sequences end. Padding is `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alphabet {
    /// The number of classes that a network predicts: tokens `0..size`.
    pub size: usize,
    /// Fed before the first token, and used as padding.
    pub start: Token,
    /// Ends a sequence; `None` where sequences are endless.
    pub stop: Option<Token>,
}

impl Alphabet {
    /// The number of input tokens: `size`, or one more if `start` is input-only.
    pub fn inputs(&self) -> usize {
        self.size.max(self.start as usize + 1)
    }

    /// True for a token that can be predicted and scored.
    pub fn contains(&self, token: Token) -> bool {
        (token as usize) < self.size
    }
}
