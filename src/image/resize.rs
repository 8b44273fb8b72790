/*!
Pictures of any size brought to one.

A picture that is an enlargement of a smaller one with hard edges (pixel art, usually) gives back the very pixels it
was made from, and a small one is enlarged by a whole factor with hard edges: neither gets a colour it did not have.
Everything else is resampled by the cubic filter of Catmull and Rom, widened where the picture shrinks so that
nothing aliases; among the usual filters it is sharp without the rings that Lanczos leaves beside hard edges.
*/

use image::RgbImage;
use image::imageops::{self, FilterType};
use serde::{Deserialize, Serialize};

use crate::image::{Color, Picture, Size};

/// What to do with a picture of another shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Fill the whole size from the picture's middle, and cut off what stands over.
    #[default]
    Crop,
    /// Keep the whole picture, and fill the rest with the background.
    Pad,
}

/// A picture in this size; one that has it already is returned as it is.
pub fn fit(picture: &Picture, size: Size, how: Fit, background: Color) -> Picture {
    let (width, height) = (size.width(), size.height());
    if picture.has_size(size) || picture.pixels.is_empty() {
        return picture.clone();
    }
    match how {
        Fit::Crop => resample(&middle(picture, size), width, height),
        Fit::Pad => {
            let (inner_width, inner_height) = inside(picture, size);
            let inner = resample(picture, inner_width, inner_height);
            let mut whole = Picture::filled(width, height, background);
            let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
            whole.paste(&inner, left, top);
            whole
        }
    }
}

/// The largest part around the middle that has the shape of `size`, to the nearest pixel.
fn middle(picture: &Picture, size: Size) -> Picture {
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

/// The largest size of the picture's own shape inside `size`, to the nearest pixel.
fn inside(picture: &Picture, size: Size) -> (u32, u32) {
    let (width, height) = (u64::from(size.width()), u64::from(size.height()));
    let (w, h) = (u64::from(picture.width), u64::from(picture.height));
    if w * height > h * width {
        (width as u32, rounded(h * width, w).min(height) as u32)
    } else {
        (rounded(w * height, h).min(width) as u32, height as u32)
    }
}

/// a / b to the nearest whole number, at least 1.
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
        let small = every(picture, factor);
        if small.enlarged(factor) == *picture {
            return small;
        }
    }
    let bytes = picture.pixels.as_flattened().to_vec();
    let whole = RgbImage::from_raw(picture.width, picture.height, bytes)
        .expect("three bytes for each pixel");
    let resized = imageops::resize(&whole, width, height, FilterType::CatmullRom);
    Picture {
        width,
        height,
        pixels: resized.pixels().map(|pixel| pixel.0).collect(),
    }
}

/// By how much the larger size is the smaller one, if that is a whole number in both directions.
fn whole_factor(large_w: u32, large_h: u32, small_w: u32, small_h: u32) -> Option<u32> {
    let factor = large_w / small_w;
    (factor > 1
        && small_w * factor == large_w
        && u64::from(small_h) * u64::from(factor) == u64::from(large_h))
    .then_some(factor)
}

/// The upper left pixel of each square of `factor` × `factor`.
fn every(picture: &Picture, factor: u32) -> Picture {
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
                let large = fit(&small, large_size, how, [0; 3]);
                assert_eq!(large, small.enlarged(factor));
                assert_eq!(fit(&large, size("9x5"), how, [0; 3]), small);
            }
        }
    }

    #[test]
    fn any_size_becomes_any_other_and_one_colour_stays_one() {
        let color = [10, 200, 90];
        for (w, h) in [(1, 1), (1, 400), (400, 1), (37, 11), (20, 20), (3, 1000)] {
            for to in ["1", "20", "7x31", "31x7", "64x1"] {
                for how in [Fit::Crop, Fit::Pad] {
                    let fitted = fit(&Picture::filled(w, h, color), size(to), how, color);
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
        let cropped = fit(&wide, size("20"), Fit::Crop, [0; 3]);
        assert!(cropped.pixels.iter().all(|&pixel| pixel == [255, 0, 0]));
        let padded = fit(&wide, size("30"), Fit::Pad, [9; 3]);
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
        let small = fit(&checks, size("8"), Fit::Crop, [0; 3]);
        assert!(small.pixels.iter().all(|p| (117..=138).contains(&p[0])));
    }
}
