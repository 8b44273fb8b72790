/*! How pictures are read. */

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::image::import::labels::LabelSource;
use crate::image::{Color, Fit, Size};

/// How pictures are read.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    /// The size to which all pictures are resized; `None`: the size that they share.
    pub size: Option<Size>,
    /// How pictures with another aspect ratio are resized.
    pub fit: Fit,
    /// The colour behind transparent pixels and around padded pictures. White is the default because the lecture's
    /// sprites stand on white, and black outlines stay visible.
    pub background: Color,
    /// Colours become greys of the same lightness.
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

/// The size that pictures of `path` share, as the size of a model.
pub(super) fn shared_size(path: &Path, width: u32, height: u32) -> Result<Size> {
    Size::new(width, height).map_err(|_| {
        Error::input(
            path,
            format!("its pictures of {width}x{height} pixels are too large for a model"),
        )
        .with_hint("resize them with --size, such as --size 32x32")
    })
}
