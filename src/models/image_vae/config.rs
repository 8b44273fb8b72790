/*! The size of an image VAE. */

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::SequenceConfig;
use crate::models::weights::check_sizes;

/// The size of an image VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageVaeConfig {
    /// Pixels of a picture.
    pub pixels: usize,
    /// Pixels in a row. Convolutions need it.
    #[serde(default)]
    pub width: usize,
    /// Dimensions of the latent code.
    pub latent: usize,
    /// Features of a pixel: of its colour in the encoder, and before its colour in a decoder of all pixels. One fewer than
    /// there are colours tell all of them apart; more are not used.
    pub embedding: usize,
    /// Channels of convolutions of 4×4 pixels, each of which halves the sides; the decoder transposes them. Empty for
    /// dense layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<usize>,
    /// Units of the hidden layers.
    pub hidden: usize,
    /// Features of each pixel, made from the code, that an autoregressive decoder is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<usize>,
    /// The autoregressive network that decodes; without one, pixels are independent given the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<SequenceConfig>,
}

/// What decodes a latent code, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageDecoder {
    /// Transposed convolutions: all pixels at once.
    #[default]
    Conv,
    /// Dense layers: all pixels at once.
    Dense,
    /// A WaveNet that sees a few pixels on the left and above.
    WaveNet,
    /// A small LSTM.
    Lstm,
}

impl ImageVaeConfig {
    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("pixels", self.pixels, 1 << 20),
            ("latent", self.latent, 8192),
            ("embedding", self.embedding, 1024),
            ("hidden", self.hidden, 8192),
            ("guide", self.guide(), 1024),
        ];
        check_sizes("an image VAE", &sizes)?;
        if let Some(decoder) = &self.decoder {
            decoder.validate()?;
            if decoder.stride() > 1 {
                return Err(Error::usage(
                    "a decoder of pictures cannot read several pixels in one step",
                )
                .with_hint("set stride = 1 in [network.decoder]"));
            }
        }
        if self.channels.is_empty() {
            return Ok(());
        }
        for &channels in &self.channels {
            check_sizes("an image VAE", &[("channels", channels, 4096)])?;
        }
        if self.width == 0 || !self.pixels.is_multiple_of(self.width) {
            return Err(Error::usage(format!(
                "rows of {} pixels do not make a picture of {}",
                self.width, self.pixels
            )));
        }
        let shortest = self.width.min(self.pixels / self.width);
        if shortest >> self.channels.len() == 0 {
            return Err(Error::usage(format!(
                "{} convolutions cannot halve a side of {shortest} pixels so often",
                self.channels.len()
            ))
            .with_hint("give fewer channels, or none: channels = []"));
        }
        Ok(())
    }

    /// Whether the pixels of a picture are independent given a code.
    pub(crate) fn has_independent_pixels(&self) -> bool {
        self.decoder.is_none()
    }

    /// Features of each pixel that an autoregressive decoder is told.
    pub(crate) fn guide(&self) -> usize {
        self.guide.unwrap_or(16)
    }

    /// Height and width.
    pub(crate) fn sides(&self) -> [usize; 2] {
        let width = self.width.max(1);
        [self.pixels / width, width]
    }
}
