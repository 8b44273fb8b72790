/*!
Resizes pictures to the size of a model.

An enlargement with hard edges, as of pixel art, is reduced to the pixels it was made from, and a picture is enlarged
by a whole factor with hard edges: neither gets new colours. All other pictures are resampled with the cubic filter of
Catmull and Rom, widened when shrinking to avoid aliasing; it is sharp, and rings less than Lanczos beside hard edges.
*/

use image::RgbImage;
use image::imageops::{self, FilterType};
use serde::{Deserialize, Serialize};

use crate::image::{Color, Picture, Size};

/// How a picture with another aspect ratio is resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Fill the size from the centre of the picture, and cut off the rest.
    #[default]
    Crop,
    /// Keep the whole picture, and pad it with the background.
    Pad,
}

impl Picture {
    /// The whole picture resized to this size, whatever its shape.
    #[must_use]
    pub fn stretched(&self, width: u32, height: u32) -> Self {
        resample(self, width, height)
    }

    /// The picture resized to this size, which is a copy when it has that size or no pixels.
    #[must_use]
    pub fn fitted(&self, size: Size, fit: Fit, background: Color) -> Self {
        let (width, height) = (size.width(), size.height());
        if self.has_size(size) || self.pixels.is_empty() {
            return self.clone();
        }
        match fit {
            Fit::Crop => resample(&centre_crop(self, size), width, height),
            Fit::Pad => {
                let (inner_width, inner_height) = inner_size(self, size);
                let inner = resample(self, inner_width, inner_height);
                let mut padded = Self::filled(width, height, background);
                let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
                padded.paste(&inner, left, top);
                padded
            }
        }
    }
}

/// The largest part around the centre with the aspect ratio of `size`, to the nearest pixel.
fn centre_crop(picture: &Picture, size: Size) -> Picture {
    let (width, height) = (u64::from(size.width()), u64::from(size.height()));
    let (w, h) = (u64::from(picture.width), u64::from(picture.height));
    let (cut_w, cut_h) = if w * height > h * width {
        (rounded(h * width, height).min(w), h)
    } else {
        (w, rounded(w * height, width).min(h))
    };
    let (left, top) = ((w - cut_w) / 2, (h - cut_h) / 2);
    let rows = picture.pixels.chunks_exact(w as usize);
    let columns = left as usize..(left + cut_w) as usize;
    Picture {
        width: cut_w as u32,
        height: cut_h as u32,
        pixels: rows
            .skip(top as usize)
            .take(cut_h as usize)
            .flat_map(|row| &row[columns.clone()])
            .copied()
            .collect(),
    }
}

/// The largest size inside `size` with the aspect ratio of the picture, to the nearest pixel.
fn inner_size(picture: &Picture, size: Size) -> (u32, u32) {
    let (width, height) = (u64::from(size.width()), u64::from(size.height()));
    let (w, h) = (u64::from(picture.width), u64::from(picture.height));
    if w * height > h * width {
        (width as u32, rounded(h * width, w).min(height) as u32)
    } else {
        (rounded(w * height, h).min(width) as u32, height as u32)
    }
}

/// a / b, rounded, at least 1.
fn rounded(a: u64, b: u64) -> u64 {
    ((a + b / 2) / b).max(1)
}

fn resample(picture: &Picture, width: u32, height: u32) -> Picture {
    if (picture.width, picture.height) == (width, height) {
        return picture.clone();
    }
    if let Some(factor) = whole_factor(width, height, picture.width, picture.height) {
        return picture.enlarged(factor);
    }
    if let Some(factor) = whole_factor(picture.width, picture.height, width, height) {
        let small = subsample(picture, factor);
        if small.enlarged(factor) == *picture {
            return small;
        }
    }
    let bytes = picture.pixels.as_flattened().to_vec();
    let source = RgbImage::from_raw(picture.width, picture.height, bytes)
        .expect("three bytes for each pixel");
    let resized = imageops::resize(&source, width, height, FilterType::CatmullRom);
    Picture {
        width,
        height,
        pixels: resized.pixels().map(|pixel| pixel.0).collect(),
    }
}

/// The factor between the sizes, if it is a whole number above 1 and the same for both sides.
fn whole_factor(large_w: u32, large_h: u32, small_w: u32, small_h: u32) -> Option<u32> {
    let factor = large_w / small_w;
    (factor > 1
        && small_w * factor == large_w
        && u64::from(small_h) * u64::from(factor) == u64::from(large_h))
    .then_some(factor)
}

/// The upper left pixel of each square of `factor` × `factor`.
fn subsample(picture: &Picture, factor: u32) -> Picture {
    let step = factor as usize;
    let rows = picture.pixels.chunks_exact(picture.width as usize);
    Picture {
        width: picture.width / factor,
        height: picture.height / factor,
        pixels: rows
            .step_by(step)
            .flat_map(|row| row.iter().step_by(step))
            .copied()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: u32, height: u32) -> Picture {
        let pixel = |i: u32| i.wrapping_mul(2_654_435_761).to_be_bytes();
        Picture {
            width,
            height,
            pixels: (0..width * height)
                .map(|i| [pixel(i)[0], pixel(i)[1], pixel(i)[2]])
                .collect(),
        }
    }

    fn size(text: &str) -> Size {
        text.parse().unwrap()
    }

    #[test]
    fn hard_edges_survive_whole_factors_both_ways() {
        let small = noise(9, 5);
        for factor in [2, 3, 7] {
            let large_size = Size::new(9 * factor, 5 * factor).unwrap();
            for how in [Fit::Crop, Fit::Pad] {
                let large = small.fitted(large_size, how, [0; 3]);
                assert_eq!(large, small.enlarged(factor));
                assert_eq!(large.fitted(size("9x5"), how, [0; 3]), small);
            }
        }
    }

    #[test]
    fn any_size_becomes_any_other_and_one_colour_stays_one() {
        let color = [10, 200, 90];
        for (w, h) in [(1, 1), (1, 400), (400, 1), (37, 11), (20, 20), (3, 1000)] {
            for to in ["1", "20", "7x31", "31x7", "64x1"] {
                for how in [Fit::Crop, Fit::Pad] {
                    let fitted = Picture::filled(w, h, color).fitted(size(to), how, color);
                    assert!(fitted.has_size(size(to)));
                    assert_eq!(fitted.pixels.len(), size(to).area());
                    assert!(fitted.pixels.iter().all(|&pixel| pixel == color));
                }
            }
        }
    }

    #[test]
    fn crop_keeps_the_middle_and_pad_keeps_all() {
        let mut wide = Picture::filled(60, 20, [0, 0, 255]);
        wide.paste(&Picture::filled(20, 20, [255, 0, 0]), 20, 0);
        let cropped = wide.fitted(size("20"), Fit::Crop, [0; 3]);
        assert!(cropped.pixels.iter().all(|&pixel| pixel == [255, 0, 0]));
        let padded = wide.fitted(size("30"), Fit::Pad, [9; 3]);
        let rows: Vec<_> = padded.pixels.chunks(30).collect();
        assert!(rows[..10].concat().iter().all(|&pixel| pixel == [9; 3]));
        assert!(rows[20..].concat().iter().all(|&pixel| pixel == [9; 3]));
        assert_eq!(rows[15][0], [0, 0, 255]);
        assert_eq!(rows[15][15], [255, 0, 0]);
        assert_eq!(rows[15][29], [0, 0, 255]);
    }

    #[test]
    fn shrinking_averages_instead_of_picking() {
        let checks = Picture {
            width: 64,
            height: 64,
            pixels: (0..64 * 64)
                .map(|i| [if (i + i / 64) % 2 == 0 { 0 } else { 255 }; 3])
                .collect(),
        };
        let small = checks.fitted(size("8"), Fit::Crop, [0; 3]);
        assert!(small.pixels.iter().all(|p| (117..=138).contains(&p[0])));
    }
}
