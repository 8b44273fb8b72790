/*! What every model offers that makes a whole picture of noise at once. */

/// A model that makes a picture of noise and classes.
pub trait PictureGenerator {
    /// Numbers of a noise vector, which is drawn from N(0, I).
    fn latent(&self) -> usize;

    /// Multiply-adds of a picture, over its pixels.
    fn multiply_adds_per_pixel(&self) -> usize;

    /// A picture for each condition, its classes and then its noise: red, green and blue of each pixel, row by row.
    fn draw(&self, conditions: &[&[f32]]) -> Vec<Vec<[u8; 3]>>;
}
