/*! The way from a medium to tokens and back. */

use crate::error::Result;
use crate::sequence::{Alphabet, Token};

/// Translates a medium into tokens and back; exact where the medium allows it.
pub trait Codec {
    /// What people hear, see or read.
    type Media;

    /// The tokens this codec writes and reads.
    fn alphabet(&self) -> Alphabet;

    /// Media to tokens.
    ///
    /// # Errors
    /// When the media cannot be expressed in this alphabet.
    fn encode(&self, media: &Self::Media) -> Result<Vec<Token>>;

    /// Tokens to media.
    ///
    /// # Errors
    /// When a token is not of this alphabet.
    fn decode(&self, tokens: &[Token]) -> Result<Self::Media>;
}
