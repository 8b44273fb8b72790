/*!
A library of pictures of one size, from files as they come: a folder of picture files, an IDX file, or rows of colour
indices. What a file is, its first bytes say.

All pictures lie in memory: one byte a pixel in grey and in palette colours, three in colour, 4 GiB at most together.
*/

mod builder;
pub(super) mod decode;
mod folder;
mod idx;
mod labels;
mod rows;
mod stream;
mod summary;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::base::files::Skipped;
use crate::base::labels::Label;
use crate::error::{Error, IoContext, Result};
use crate::image::import::builder::Builder;
use crate::image::import::labels::Labels;
use crate::image::picture::grey;
use crate::image::{Color, Fit, Palette, Picture, Size};

pub use labels::LabelSource;
pub use summary::Summary;

/// Colours of a palette that nobody chose a number for: what the lecture's pictures have.
const DEFAULT_COLORS: usize = 167;
/// Palettes are clustered from no more pixels than these, evenly spread.
const CLUSTERED: usize = 1 << 22;

/// How pictures are read.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    /// The size all pictures are brought to; `None`: the one they all have.
    pub size: Option<Size>,
    /// What happens to pictures of another shape.
    pub fit: Fit,
    /// What shows through transparent pixels, and around padded pictures. White by default: that is what sprites
    /// stand on in the lecture's pictures and on most pages, and black outlines stay visible.
    pub background: Color,
    /// Colours become greys of their lightness.
    pub grey: bool,
    /// The colour map of rows of indices; `None`: `colormap.txt` beside them.
    pub colormap: Option<PathBuf>,
    /// Where labels come from.
    pub labels: LabelSource,
}

impl Default for ImportSettings {
    fn default() -> Self {
        Self {
            size: None,
            fit: Fit::default(),
            background: [255; 3],
            grey: false,
            colormap: None,
            labels: LabelSource::None,
        }
    }
}

/// What the bytes of a picture are.
#[derive(Debug, Clone, PartialEq)]
pub enum PixelFormat {
    /// One byte a pixel, from black to white.
    Grey,
    /// Three bytes a pixel: red, green, blue.
    Rgb,
    /// One byte a pixel: the number of a colour.
    Indexed(Palette),
}

impl PixelFormat {
    /// Bytes a pixel.
    pub fn channels(&self) -> usize {
        match self {
            Self::Grey | Self::Indexed(_) => 1,
            Self::Rgb => 3,
        }
    }
}

/// Pictures of one size.
#[derive(Debug, Clone)]
pub struct Pictures {
    size: Size,
    format: PixelFormat,
    names: Vec<String>,
    labels: Vec<Vec<Label>>,
    /// `[len, height, width, channels]`.
    bytes: Vec<u8>,
    skipped: Vec<Skipped>,
    digest: String,
    summary: Summary,
}

impl Pictures {
    /// Reads all pictures at `path` whose name `keep` accepts: a folder (with its subfolders; hidden files and files
    /// that do not look like pictures by their extension are passed over), one picture file, an IDX file of pictures,
    /// or a text file of colour indices, the last two packed with gzip or not.
    ///
    /// A picture of a folder is named by its path within it, one of many in a file by its number from 0. What cannot
    /// be used in a folder is [`skipped`](Self::skipped) with its reason; a damaged file of many pictures is refused.
    /// `progress` is told how many of how many are done, from several threads at a time; for rows of indices both
    /// numbers are how many are read.
    ///
    /// # Errors
    /// Where there are no pictures, or none that can be used; where they have different sizes and none is chosen;
    /// where a file of many pictures, its labels or its colours are faulty; where they would take too much memory.
    pub fn import(
        path: &Path,
        settings: &ImportSettings,
        progress: &(dyn Fn(usize, usize) + Sync),
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Self> {
        let source = Source::of(path)?;
        let labels = Labels::load(&settings.labels, path, matches!(source, Source::Files))?;
        let builder: Builder = match source {
            Source::Files => folder::import(path, settings, &labels, progress, keep)?,
            Source::Idx => idx::import(path, settings, &labels, progress, keep)?,
            Source::Rows => rows::import(path, settings, &labels, progress, keep)?,
        };
        builder.finish()
    }

    /// How many pictures there are; at least one.
    #[expect(
        clippy::len_without_is_empty,
        reason = "there is no library without pictures"
    )]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The size of all pictures.
    pub fn size(&self) -> Size {
        self.size
    }

    /// What the bytes of all pictures are.
    pub fn format(&self) -> &PixelFormat {
        &self.format
    }

    /// The pictures' names, ordered.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// One list for each picture; all empty without a [`LabelSource`].
    pub fn labels(&self) -> &[Vec<Label>] {
        &self.labels
    }

    /// The bytes of a picture, `[height, width, channels]`; see [`format`](Self::format).
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let len = self.size.area() * self.format.channels();
        &self.bytes[index * len..(index + 1) * len]
    }

    /// A picture in colours.
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

    /// The pixels `range` of a picture as greys; colours as that of their lightness.
    ///
    /// # Panics
    /// If the range is not inside the picture, or `out` has another length.
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

    /// A picture in the nearest colours of a palette; pictures in colour numbers of that palette as they are.
    ///
    /// # Panics
    /// If there is no such picture, or `out` has not one place for each pixel.
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

    /// A palette for the pictures `members`: their own where they have one, evenly spaced greys (256) for greys, and
    /// for colours as many as asked for (167) clustered from them.
    ///
    /// # Errors
    /// A usage error for an impossible number of colours, for another number than the pictures' own palette has,
    /// and for no members.
    pub fn palette(&self, members: &[usize], colors: Option<usize>, seed: u64) -> Result<Palette> {
        match &self.format {
            PixelFormat::Indexed(palette) => match colors {
                Some(k) if k != palette.len() => Err(Error::usage(format!(
                    "these pictures are in {} colours of their own, not in {k}",
                    palette.len()
                ))
                .with_hint("leave out the number of colours")),
                _ => Ok(palette.clone()),
            },
            PixelFormat::Grey => Palette::grey(colors.unwrap_or(256)),
            PixelFormat::Rgb => self.cluster(members, colors.unwrap_or(DEFAULT_COLORS), seed),
        }
    }

    /// The pictures that could not be used, ordered by name.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// SHA-256 over all names and pixels, in hexadecimal: equal for equal libraries only.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What was found and made of it.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn color(&self, index: usize, pixel: usize) -> Color {
        let bytes = self.bytes(index);
        match &self.format {
            PixelFormat::Grey => [bytes[pixel]; 3],
            PixelFormat::Rgb => bytes.as_chunks().0[pixel],
            PixelFormat::Indexed(palette) => palette.colors()[usize::from(bytes[pixel])],
        }
    }

    /// Few colours are found among all pixels; many are clustered from some of them, evenly spread.
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
        // A step that shares no factor with the width comes by every column.
        let mut step = (members.len() * area).div_ceil(CLUSTERED).max(1);
        while common_factor(step, self.size.width() as usize) {
            step += 1;
        }
        let some: Vec<Color> = all().step_by(step).copied().collect();
        Palette::cluster(&some, k, seed)
    }

    /// Grey pictures that were never files.
    #[cfg(test)]
    pub(super) fn from_greys(size: Size, pictures: &[Vec<u8>]) -> Self {
        let mut builder = Builder::colors(size, false, Path::new("test"));
        for (number, greys) in pictures.iter().enumerate() {
            let pixels: Vec<Color> = greys.iter().map(|&grey| [grey; 3]).collect();
            builder.push_colors(number.to_string(), Vec::new(), &pixels);
        }
        builder.finish().expect("some pictures")
    }
}

fn common_factor(mut a: usize, mut b: usize) -> bool {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a > 1
}

/// What lies at a path.
enum Source {
    /// A folder of picture files, or one.
    Files,
    Idx,
    Rows,
}

impl Source {
    fn of(path: &Path) -> Result<Self> {
        if fs::metadata(path).reading(path)?.is_dir() {
            return Ok(Self::Files);
        }
        let mut file = stream::open(path)?;
        let start = file.fill_buf().map_err(|error| {
            stream::failed(path, error, || {
                "cut short: it ends in its gzip header".into()
            })
        })?;
        match start {
            [] => Err(Error::input(path, "empty (0 bytes)")),
            _ if decode::is_picture(start) => Ok(Self::Files),
            _ if idx::is_idx(start) => Ok(Self::Idx),
            _ if rows::is_rows(start) => Ok(Self::Rows),
            _ => Err(Error::input(path, "no picture, no IDX file, and no rows of colour indices").with_hint(
                "PNG, JPEG, GIF and WebP files (or a folder of them), IDX files and rows of colour indices are read",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
