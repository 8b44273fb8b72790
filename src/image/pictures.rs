/*!
A library of pictures of one size.

All pictures are in memory: one byte a pixel for greys and palette indices, three for colours, at most 4 GiB in all.
*/

use std::collections::BTreeSet;
use std::ops::Range;

use crate::base::files::{Skipped, counted};
use crate::base::labels::Label;
use crate::error::{Error, Result};
use crate::image::picture::grey;
use crate::image::summary::Summary;
use crate::image::{Color, Palette, Picture, PixelFormat, Size};

/// The default number of colours in a palette: that of the lecture's pictures.
const DEFAULT_COLORS: usize = 167;
/// Fewer pictures than this are few to learn from.
const FEW: usize = 20;
/// The most pixels, evenly spread, from which a palette is clustered.
const CLUSTERED: usize = 1 << 22;

/// Pictures of one size.
#[derive(Debug, Clone)]
pub struct Pictures {
    pub(super) size: Size,
    pub(super) format: PixelFormat,
    pub(super) names: Vec<String>,
    pub(super) labels: Vec<Vec<Label>>,
    /// `[len, height, width, channels]`.
    pub(super) bytes: Vec<u8>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) digest: String,
    pub(super) summary: Summary,
}

impl Pictures {
    /// The number of pictures; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a library is never empty")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The size of all pictures.
    pub fn size(&self) -> Size {
        self.size
    }

    /// What the bytes of the pictures are.
    pub fn format(&self) -> &PixelFormat {
        &self.format
    }

    /// The names of the pictures, in the order of their indices.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// One list of labels for each picture; all empty without a [`LabelSource`](crate::image::LabelSource).
    pub fn labels(&self) -> &[Vec<Label>] {
        &self.labels
    }

    /// The bytes of a picture in the library's [`format`](Self::format), `[height, width, channels]`.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let len = self.size.area() * self.format.channels();
        &self.bytes[index * len..(index + 1) * len]
    }

    /// A picture in RGB.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn picture(&self, index: usize) -> Picture {
        Picture {
            width: self.size.width(),
            height: self.size.height(),
            pixels: (0..self.size.area())
                .map(|pixel| self.color(index, pixel))
                .collect(),
        }
    }

    /// The pixels `range` of a picture as greys of the same lightness.
    ///
    /// # Panics
    /// If the range exceeds the picture, or `out` does not have its length.
    pub fn greys(&self, index: usize, range: Range<usize>, out: &mut [u8]) {
        assert_eq!(range.len(), out.len());
        match self.format {
            PixelFormat::Grey => out.copy_from_slice(&self.bytes(index)[range]),
            _ => {
                for (out, pixel) in out.iter_mut().zip(range) {
                    *out = grey(self.color(index, pixel));
                }
            }
        }
    }

    /// Writes a picture as indices of the nearest colours of a palette. Indices of that same palette are copied.
    ///
    /// # Panics
    /// If there is no such picture, or `out` does not have one element for each pixel.
    pub fn index(&self, index: usize, palette: &Palette, out: &mut [u8]) {
        let bytes = self.bytes(index);
        match &self.format {
            PixelFormat::Grey => {
                for (out, &grey) in out.iter_mut().zip(bytes) {
                    *out = palette.nearest_grey(grey);
                }
            }
            PixelFormat::Rgb => palette.nearest_all(bytes.as_chunks().0, out),
            PixelFormat::Indexed(own) if own == palette => out.copy_from_slice(bytes),
            PixelFormat::Indexed(own) => {
                let mut table = vec![0; own.len()];
                palette.nearest_all(own.colors(), &mut table);
                for (out, &index) in out.iter_mut().zip(bytes) {
                    *out = table[usize::from(index)];
                }
            }
        }
    }

    /// A palette for the pictures `members`: their own palette for indexed pictures, evenly spaced greys (by default
    /// 256) for grey ones, and colours clustered from them (by default 167) for coloured ones.
    ///
    /// # Errors
    /// A usage error when `colors` is out of range or not the size of the pictures' own palette, and when coloured
    /// pictures have no members.
    pub fn palette(&self, members: &[usize], colors: Option<usize>, seed: u64) -> Result<Palette> {
        match &self.format {
            PixelFormat::Indexed(palette) => match colors {
                Some(k) if k != palette.len() => Err(Error::usage(format!(
                    "these pictures have a palette of {} colours, not of {k}",
                    palette.len()
                ))
                .with_hint("omit the number of colours")),
                _ => Ok(palette.clone()),
            },
            PixelFormat::Grey => Palette::grey(colors.unwrap_or(256)),
            PixelFormat::Rgb => self.cluster(members, colors.unwrap_or(DEFAULT_COLORS), seed),
        }
    }

    /// The pictures that were not imported, ordered by name.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// SHA-256 over all names and pixels, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What was found and imported.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Warnings about pictures from which a model can be trained, but hardly learns; empty for the others.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.len() < FEW {
            let (are, them) = match self.len() {
                1 => ("is", "it"),
                _ => ("are", "them"),
            };
            warnings.push(format!(
                "{} {are} few: the model will hardly do more than repeat {them}",
                counted(self.len(), "picture")
            ));
        }
        let mut pixels = self.bytes.chunks_exact(self.format.channels());
        let first = pixels.next();
        if pixels.all(|pixel| Some(pixel) == first) {
            warnings.push("all pixels are of one colour: the model will draw nothing else".into());
        }
        warnings
    }

    fn color(&self, index: usize, pixel: usize) -> Color {
        let bytes = self.bytes(index);
        match &self.format {
            PixelFormat::Grey => [bytes[pixel]; 3],
            PixelFormat::Rgb => bytes.as_chunks().0[pixel],
            PixelFormat::Indexed(palette) => palette.colors()[usize::from(bytes[pixel])],
        }
    }

    /// Takes the colours as they are when there are no more than `k`; clusters them from evenly spread pixels otherwise.
    fn cluster(&self, members: &[usize], k: usize, seed: u64) -> Result<Palette> {
        let area = self.size.area();
        let all = || {
            members
                .iter()
                .flat_map(|&member| self.bytes(member).as_chunks::<3>().0)
        };
        let mut distinct = BTreeSet::new();
        let mut last = None;
        for &pixel in all() {
            if last != Some(pixel) {
                distinct.insert(pixel);
                if distinct.len() > k {
                    break;
                }
            }
            last = Some(pixel);
        }
        if distinct.len() <= k {
            return Palette::cluster(&distinct.into_iter().collect::<Vec<_>>(), k, seed);
        }
        // A step that shares no factor with the width visits every column.
        let mut step = (members.len() * area).div_ceil(CLUSTERED).max(1);
        while common_factor(step, self.size.width() as usize) {
            step += 1;
        }
        let some: Vec<Color> = all().step_by(step).copied().collect();
        Palette::cluster(&some, k, seed)
    }
}

fn common_factor(mut a: usize, mut b: usize) -> bool {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pictures_and_pictures_of_one_colour_give_a_warning() {
        let size: Size = "2".parse().unwrap();
        let warnings = |pictures: &[[u8; 4]]| {
            let pictures: Vec<_> = pictures.iter().map(|greys| greys.to_vec()).collect();
            Pictures::from_greys(size, &pictures).warnings()
        };
        let (uniform, varied) = ([7; 4], [7, 7, 7, 8]);
        let one = warnings(&[varied]);
        assert!(matches!(one.as_slice(), [few] if few.starts_with("1 picture is few")));
        let few = warnings(&[varied; FEW - 1]);
        assert!(matches!(few.as_slice(), [few] if few.starts_with("19 pictures are few")));
        let one_colour = warnings(&[uniform; FEW]);
        assert!(matches!(one_colour.as_slice(), [only] if only.contains("one colour")));
        assert_eq!(warnings(&[uniform]).len(), 2);
        let mut enough = [uniform; FEW];
        enough[FEW - 1] = varied;
        assert!(warnings(&enough).is_empty());
    }

    #[test]
    fn coloured_pictures_of_one_colour_are_seen() {
        let mut pictures = Pictures::from_greys("1x2".parse().unwrap(), &vec![vec![1, 1]; FEW]);
        pictures.format = PixelFormat::Rgb;
        pictures.bytes = [1, 2, 3].repeat(2 * FEW);
        assert_eq!(pictures.warnings().len(), 1);
        pictures.bytes[5] = 1;
        assert!(pictures.warnings().is_empty());
    }
}
