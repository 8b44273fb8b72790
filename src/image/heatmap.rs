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

/// The scale: a bar of these pixels, from 0 at the left to `most` at the right.
pub fn legend(width: u32, height: u32) -> Picture {
    let steps = width.saturating_sub(1).max(1) as f32;
    let row: Vec<_> = (0..width).map(|x| magma(x as f32 / steps)).collect();
    Picture {
        width,
        height,
        pixels: row.repeat(height as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_surprise_is_lighter() {
        let size = Size::new(4, 1).unwrap();
        let picture = draw(&[0.0, 2.0, 4.0, 9.0], size, 4.0);
        let bar = legend(101, 2);
        assert_eq!(picture.pixels[0], bar.pixels[0]);
        assert_eq!(picture.pixels[1], bar.pixels[50]);
        assert_eq!(picture.pixels[2], bar.pixels[100]);
        assert_eq!(picture.pixels[3], bar.pixels[100]);
        assert_eq!(bar.pixels.len(), 202);
    }

    #[test]
    fn the_greatest_is_a_number() {
        assert_eq!(greatest(&[1.0, 5.5, f32::INFINITY, f32::NAN]), 5.5);
        assert!(greatest(&[]) > 0.0);
        assert_eq!(legend(1, 1).pixels.len(), 1);
    }
}
