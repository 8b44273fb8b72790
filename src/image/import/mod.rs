/*!
Reads a library of pictures of one size from a folder of picture files, an IDX file, or rows of colour indices. The
first bytes of a file decide what it is.
*/

mod builder;
mod decode;
mod folder;
mod idx;
mod idx_pictures;
mod labels;
mod rows;
mod settings;
mod stream;

use std::fs;
use std::path::Path;

use crate::error::{Error, IoContext, Result};
use crate::image::Pictures;
use crate::image::import::builder::Builder;
use crate::image::import::decode::FORMAT_NAMES;
use crate::image::import::labels::Labels;

pub use labels::LabelSource;
pub use settings::ImportSettings;

impl Pictures {
    /// Reads the pictures at `path` whose name `keep` accepts. `path` is a folder of picture files (with its
    /// subfolders; hidden files and files with other extensions are ignored), one picture file, an IDX file of
    /// pictures, or a text file of colour indices; the last two may be gzip-compressed.
    ///
    /// The name of a picture is its path within the folder, or its number from 0 within a file. A damaged picture of
    /// a folder is [`skipped`](Self::skipped) with its reason; a damaged file of many pictures is an error. Several
    /// threads call `progress(done, total)`; for rows of indices, whose number is not known before the end, both
    /// arguments are the number read.
    ///
    /// # Errors
    /// When there are no usable pictures; when they have different sizes and `settings` names none; when a file of
    /// many pictures, its labels or its colour map is invalid; when the pictures would take too much memory.
    pub fn import(
        path: &Path,
        settings: &ImportSettings,
        progress: &(dyn Fn(usize, usize) + Sync),
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Self> {
        let source = Source::detect(path)?;
        let labels = Labels::load(&settings.labels, path, matches!(source, Source::Files))?;
        let builder: Builder = match source {
            Source::Files => folder::import(path, settings, &labels, progress, keep)?,
            Source::Idx => idx_pictures::import(path, settings, &labels, progress, keep)?,
            Source::Rows => rows::import(path, settings, &labels, progress, keep)?,
        };
        builder.finish()
    }

    /// Grey pictures made in memory.
    #[cfg(test)]
    pub(super) fn from_greys(size: crate::image::Size, pictures: &[Vec<u8>]) -> Self {
        let mut builder = Builder::colors(size, false, Path::new("test"));
        for (number, greys) in pictures.iter().enumerate() {
            let pixels: Vec<_> = greys.iter().map(|&grey| [grey; 3]).collect();
            builder.push_colors(number.to_string(), Vec::new(), &pixels);
        }
        builder.finish().expect("some pictures")
    }
}

/// What a path holds.
enum Source {
    /// A folder of picture files, or one file.
    Files,
    Idx,
    Rows,
}

impl Source {
    fn detect(path: &Path) -> Result<Self> {
        if fs::metadata(path).reading(path)?.is_dir() {
            return Ok(Self::Files);
        }
        let mut file = stream::open(path)?;
        match stream::peek(path, &mut file)? {
            [] => Err(Error::input(path, "empty (0 bytes)")),
            start if decode::is_picture(start, path) => Ok(Self::Files),
            start if idx::is_idx(start) => Ok(Self::Idx),
            start if rows::is_rows(start) => Ok(Self::Rows),
            _ => Err(Error::input(
                path,
                "not a picture, an IDX file or rows of colour indices",
            )
            .with_hint(format!(
                "{FORMAT_NAMES} files (or a folder of them), IDX files and rows of colour indices can be read"
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
