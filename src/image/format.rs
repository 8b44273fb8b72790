/*! What a picture model's tokens stand for. */

use serde::{Deserialize, Serialize};

use crate::image::binarize::Binarize;
use crate::image::{Color, Fit, ImportSettings, LabelSource, PixelCodec};

/// Pictures of one size, pixel by pixel, each pixel the number of its colour in a palette.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureFormat {
    /// Size and palette.
    pub codec: PixelCodec,
    /// What is done with pictures of another shape.
    pub fit: Fit,
    /// What lies behind transparent pixels.
    pub background: Color,
    /// Whether colours became greys.
    pub grey: bool,
    /// How grey became black and white, if it did.
    pub binarize: Option<Binarize>,
    /// Where labels come from.
    pub labelled: Labelled,
}

/// Where the labels of pictures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labelled {
    /// Their paths, by the model's rule.
    ByPath,
    /// The IDX file of labels beside theirs.
    Beside,
    /// A file that is named each time.
    ByFile,
}

impl PictureFormat {
    /// How pictures are read for this model, so that they are what it was trained on; their labels are the caller's to
    /// find.
    pub fn import_settings(&self) -> ImportSettings {
        ImportSettings {
            size: Some(self.codec.size()),
            fit: self.fit,
            background: self.background,
            grey: self.grey,
            colormap: None,
            labels: LabelSource::None,
        }
    }

    /// The tokens around the one that is foreseen, beside the last: those above it, to the right, straight, and to the
    /// left, as lags of a picture of this width.
    pub fn lags_above(width: u32) -> Vec<usize> {
        let width = width as usize;
        // The pixel above what is foreseen was fed width − 1 steps before the last.
        let mut lags: Vec<usize> = [width.saturating_sub(2), width - 1, width]
            .into_iter()
            .filter(|&lag| lag > 0)
            .collect();
        lags.dedup();
        lags
    }
}
