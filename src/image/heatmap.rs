/*!
The NLL of each pixel as a picture, from black for 0 to nearly white.

The caller chooses the value of the lightest colour, so that pictures side by side can be compared.
*/

use crate::base::colormap::magma;
use crate::image::{Picture, Size};

/// Draws one value for each pixel, `[height, width]`; values of `most` and above get the lightest colour.
///
/// # Panics
/// If the number of values is not the number of pixels.
pub(crate) fn draw(values: &[f32], size: Size, most: f32) -> Picture {
    assert_eq!(values.len(), size.area());
    Picture {
        width: size.width(),
        height: size.height(),
        pixels: values.iter().map(|&value| magma(value / most)).collect(),
    }
}

/// The greatest finite value, at least `f32::MIN_POSITIVE`; for `most` in [`draw`].
pub(crate) fn greatest(values: &[f32]) -> f32 {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.fold(f32::MIN_POSITIVE, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_nll_is_lighter() {
        let size = Size::new(4, 1).unwrap();
        let picture = draw(&[0.0, 2.0, 4.0, 9.0], size, 4.0);
        assert_eq!(picture.pixels, [0.0, 0.5, 1.0, 1.0].map(magma));
    }

    #[test]
    fn the_greatest_is_finite_and_positive() {
        assert_eq!(greatest(&[1.0, 5.5, f32::INFINITY, f32::NAN]), 5.5);
        assert!(greatest(&[]) > 0.0);
    }
}
