/*! What the tokens of a picture model stand for, and how its pictures are read. */

use serde::{Deserialize, Serialize};

use crate::image::binarize::Binarize;
use crate::image::{Color, Fit, ImportSettings, LabelSource, PixelCodec};

/// The format of a model's pictures; each pixel is an index into a palette.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureFormat {
    /// Size and palette.
    pub codec: PixelCodec,
    /// How pictures with another aspect ratio are resized.
    pub fit: Fit,
    /// The colour behind transparent pixels.
    pub background: Color,
    /// Colours become greys.
    pub grey: bool,
    /// How grey pixels become black or white, if they do.
    pub binarize: Option<Binarize>,
    /// Where labels come from.
    pub labelled: Labelled,
}

/// Where the labels of pictures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labelled {
    /// The paths of the pictures, by the model's rule.
    ByPath,
    /// The IDX label file beside the pictures.
    Beside,
    /// A file that the user names each time.
    ByFile,
}

impl PictureFormat {
    /// The settings that read pictures as this model's training did, without labels and colour map.
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

    /// Lags, in steps before the last token, of the pixels above the predicted one: above right, above, above left.
    pub fn lags_above(width: u32) -> Vec<usize> {
        let width = width as usize;
        // The pixel straight above was fed width − 1 steps before the last token.
        let mut lags: Vec<usize> = [width.saturating_sub(2), width - 1, width]
            .into_iter()
            .filter(|&lag| lag > 0)
            .collect();
        lags.dedup();
        lags
    }
}
