/*! One picture, as colours and as palette indices. */

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::base::files::write_output;
use crate::error::{Error, Result};
use crate::image::Size;

/// Red, green and blue in 8-bit sRGB.
pub type Color = [u8; 3];

/// A picture of any size, in RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[height, width]`: rows from the top, each from the left.
    pub pixels: Vec<Color>,
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: u32, height: u32, color: Color) -> Self {
        Self {
            width,
            height,
            pixels: vec![color; width as usize * height as usize],
        }
    }

    /// Writes a PNG file, replacing an old one at once.
    ///
    /// # Errors
    /// When the picture has no pixels or the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        write_output(path, &self.png()?)
    }

    /// Encodes the picture as a PNG file.
    ///
    /// # Errors
    /// A usage error when the picture has no pixels.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Enlarged pixels repeat whole rows: the Up filter turns those into zeros, which deflate packs well.
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Up)
            .write_image(
                self.pixels.as_flattened(),
                self.width,
                self.height,
                ExtendedColorType::Rgb8,
            )
            .map_err(|error| Error::usage(error.to_string()))?;
        Ok(bytes)
    }

    /// True when the picture has this size.
    pub fn has_size(&self, size: Size) -> bool {
        (self.width, self.height) == (size.width(), size.height())
    }

    /// Copies `other` into the picture with its upper left corner at (`left`, `top`), cut off at the edges.
    pub fn paste(&mut self, other: &Picture, left: u32, top: u32) {
        let visible = other.width.min(self.width.saturating_sub(left)) as usize;
        let rows = other.height.min(self.height.saturating_sub(top));
        for row in 0..rows {
            let to = (top + row) as usize * self.width as usize + left as usize;
            let from = row as usize * other.width as usize;
            self.pixels[to..to + visible].copy_from_slice(&other.pixels[from..from + visible]);
        }
    }

    /// The picture with another one on its right, and a line of one pixel between them.
    #[must_use]
    pub fn beside(&self, right: &Picture) -> Self {
        const LINE: Color = [255, 0, 128];
        let height = self.height.max(right.height);
        let mut both = Self::filled(self.width + 1 + right.width, height, LINE);
        both.paste(self, 0, 0);
        both.paste(right, self.width + 1, 0);
        both
    }

    /// Repeats each pixel as a square of `factor` × `factor`.
    #[must_use]
    pub fn enlarged(&self, factor: u32) -> Self {
        let wide = self.pixels.chunks(self.width.max(1) as usize).map(|row| {
            let repeat = |&pixel| std::iter::repeat_n(pixel, factor as usize);
            row.iter().flat_map(repeat).collect::<Vec<_>>()
        });
        Self {
            width: self.width * factor,
            height: self.height * factor,
            pixels: wide.flat_map(|row| row.repeat(factor as usize)).collect(),
        }
    }
}

/// A picture of a model's size, each pixel an index into the model's palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The size.
    pub size: Size,
    /// `[height, width]`: rows from the top, each from the left.
    pub indices: Vec<u8>,
}

/// Parses a colour: `#rrggbb` (the `#` is optional), `white`, `black` or `grey`.
///
/// # Errors
/// A usage error for anything else.
pub fn parse_color(text: &str) -> Result<Color> {
    match text {
        "white" => return Ok([255; 3]),
        "black" => return Ok([0; 3]),
        "grey" | "gray" => return Ok([128; 3]),
        _ => {}
    }
    let digits = text.strip_prefix('#').unwrap_or(text);
    let number = u32::from_str_radix(digits, 16)
        .ok()
        .filter(|_| digits.len() == 6 && !digits.starts_with('+'));
    let number = number.ok_or_else(|| {
        Error::usage(format!("invalid colour '{text}'"))
            .with_hint("write #rrggbb, such as #ff8000, or white, black or grey")
    })?;
    let [_, r, g, b] = number.to_be_bytes();
    Ok([r, g, b])
}

/// Lightness of a colour as 8-bit grey, with Rec. 709 weights on the sRGB values; greys keep their value.
pub(super) fn grey([r, g, b]: Color) -> u8 {
    let sum = 2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b);
    ((sum + 5000) / 10_000) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Picture {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| [x as u8, y as u8, 7]));
        Picture {
            width,
            height,
            pixels: pixels.collect(),
        }
    }

    #[test]
    fn enlarging_repeats_every_pixel() {
        let large = gradient(3, 2).enlarged(4);
        assert_eq!((large.width, large.height), (12, 8));
        for (i, pixel) in large.pixels.iter().enumerate() {
            assert_eq!(*pixel, [(i % 12 / 4) as u8, (i / 12 / 4) as u8, 7]);
        }
    }

    #[test]
    fn pasting_changes_only_covered_pixels() {
        let mut canvas = Picture::filled(5, 4, [9; 3]);
        canvas.paste(&gradient(3, 3), 3, 2);
        canvas.paste(&gradient(3, 3), 7, 0);
        let covered = |i: usize| i % 5 >= 3 && i / 5 >= 2;
        for (i, &pixel) in canvas.pixels.iter().enumerate() {
            let expected = [(i % 5) as u8, (i / 5) as u8, 10].map(|v: u8| v.wrapping_sub(3));
            let expected = [expected[0], expected[1].wrapping_add(1), 7];
            assert_eq!(pixel, if covered(i) { expected } else { [9; 3] });
        }
    }

    #[test]
    fn a_picture_beside_another_keeps_both() {
        let (left, right) = (gradient(3, 2), gradient(2, 2));
        let both = left.beside(&right);
        assert_eq!((both.width, both.height), (6, 2));
        for (row, pixels) in both.pixels.chunks(6).enumerate() {
            assert_eq!(pixels[..3], left.pixels[row * 3..][..3]);
            assert_eq!(pixels[4..], right.pixels[row * 2..][..2]);
        }
    }

    #[test]
    fn written_pictures_are_read_back_and_bad_places_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ü 1.png");
        let picture = gradient(3, 2);
        picture.write_png(&path).unwrap();
        assert_eq!(Picture::read(&path, [0; 3]).unwrap(), picture);
        let error = picture.write_png(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a folder; name a file"), "{error}");
        assert!(Picture::filled(0, 0, [0; 3]).png().unwrap_err().is_usage());
    }

    #[test]
    fn colours_are_read() {
        assert_eq!(parse_color("#ff8000").unwrap(), [255, 128, 0]);
        assert_eq!(parse_color("0A0b0C").unwrap(), [10, 11, 12]);
        assert_eq!(parse_color("white").unwrap(), [255; 3]);
        for text in [
            "", "#", "#12345", "1234567", "+12345", "pinkish", "#gg0000", "é12345",
        ] {
            assert!(parse_color(text).unwrap_err().is_usage(), "{text}");
        }
    }

    #[test]
    fn greys_keep_their_value() {
        assert!((0..=255).all(|v| grey([v; 3]) == v));
        assert!(grey([0, 255, 0]) > grey([255, 0, 0]) && grey([255, 0, 0]) > grey([0, 0, 255]));
    }
}
