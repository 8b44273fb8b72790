/*! What every model offers that makes a whole picture of noise at once. */

use crate::models::NoiseKind;

/// A model that makes a picture of noise and classes.
pub trait PictureGenerator {
    /// Numbers of a noise vector.
    fn latent(&self) -> usize;

    /// How noise is distributed.
    fn noise(&self) -> NoiseKind;

    /// A picture for each condition, its classes and then its noise: red, green and blue of each pixel, row by row.
    fn draw(&self, conditions: &[&[f32]]) -> Vec<Vec<[u8; 3]>>;
}
