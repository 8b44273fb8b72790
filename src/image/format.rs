/*! What the tokens of a picture model stand for, and how its pictures are read. */

use serde::{Deserialize, Serialize};

use crate::image::binarize::Binarize;
use crate::image::{Augmentation, Color, Fit, ImportSettings, LabelSource, PixelCodec, Size};
use crate::sequence::{Clock, SideInputs};

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
    /// Whether training flips, shifts and recolours its pictures, and the condition tells how.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub augment: bool,
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

    /// Numbers of the condition vector after those of the classes; zero for a picture as it is.
    pub fn condition(&self) -> usize {
        if self.augment {
            Augmentation::COLUMNS
        } else {
            0
        }
    }

    /// What a network reads beside the last pixel: the column and the row of the predicted pixel and, with `above`, the
    /// pixels above it (right, straight, left).
    pub fn side_inputs(size: Size, above: bool) -> SideInputs {
        let (width, height) = (size.width() as usize, size.height() as usize);
        // The pixel straight above was fed width − 1 steps before the last token.
        let mut lags: Vec<usize> = [width.saturating_sub(2), width - 1, width]
            .into_iter()
            .filter(|&lag| above && lag > 0)
            .collect();
        lags.dedup();
        let clock = |every, states| Clock { every, states };
        SideInputs {
            prediction: None,
            lags,
            clocks: vec![clock(1, width), clock(width, height)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_sees_column_row_and_the_pixels_above() {
        let (width, height) = (5, 3);
        let side_inputs = PictureFormat::side_inputs(Size::new(width, height).unwrap(), true);
        let [column, row] = side_inputs.clocks[..] else {
            panic!("two clocks");
        };
        for pixel in 0..15 {
            assert_eq!(column.state(pixel), pixel % 5);
            assert_eq!(row.state(pixel), pixel / 5);
        }
        // While pixel p is predicted, the current token is pixel p − 1, and a lag of n is pixel p − 1 − n.
        let above: Vec<usize> = side_inputs.lags.iter().map(|lag| lag + 1).collect();
        assert_eq!(above, [4, 5, 6]);
    }
}
