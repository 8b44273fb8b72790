/*! Conversion between a medium and tokens. */

use crate::error::Result;
use crate::sequence::{Alphabet, Token};

/// Converts a medium to tokens and back, without loss where the medium permits.
pub trait Codec {
    /// The decoded form: samples, a picture, a sentence.
    type Media;

    /// The tokens of this codec.
    fn alphabet(&self) -> Alphabet;

    /// Converts media to tokens.
    ///
    /// # Errors
    /// When this alphabet cannot represent the media.
    fn encode(&self, media: &Self::Media) -> Result<Vec<Token>>;

    /// Converts tokens to media.
    ///
    /// # Errors
    /// When a token is not in this alphabet.
    fn decode(&self, tokens: &[Token]) -> Result<Self::Media>;
}
