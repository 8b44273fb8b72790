/*!
How surprising each pixel is, as a picture: black for what was foreseen, nearly white for the greatest surprise.

Numbers are bits or nats a pixel; what is white the caller chooses, so that pictures beside each other compare.
*/

use crate::base::colormap::magma;
use crate::image::{Picture, Size};

/// One number for each pixel, `[height, width]`, as a picture of that size; `most` and beyond is lightest.
///
/// # Panics
/// If there are not as many numbers as pixels.
pub fn draw(values: &[f32], size: Size, most: f32) -> Picture {
    assert_eq!(values.len(), size.area());
    Picture {
        width: size.width(),
        height: size.height(),
        pixels: values.iter().map(|&value| magma(value / most)).collect(),
    }
}

/// The greatest of the numbers that is one; for `most` in [`draw`]. At least `f32::MIN_POSITIVE`.
pub fn greatest(values: &[f32]) -> f32 {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.fold(f32::MIN_POSITIVE, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_surprise_is_lighter() {
        let size = Size::new(4, 1).unwrap();
        let picture = draw(&[0.0, 2.0, 4.0, 9.0], size, 4.0);
        assert_eq!(picture.pixels, [0.0, 0.5, 1.0, 1.0].map(magma));
    }

    #[test]
    fn the_greatest_is_a_number() {
        assert_eq!(greatest(&[1.0, 5.5, f32::INFINITY, f32::NAN]), 5.5);
        assert!(greatest(&[]) > 0.0);
    }
}
