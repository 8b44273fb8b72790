/*!
Judges generated pictures beside held-out ones: the Fréchet distance of random convolutional features, and the nearest
training picture.
*/

mod comparison;
mod nearest;

pub use comparison::{PictureComparison, PictureProfile, compare};
pub use nearest::{Nearest, nearest};
