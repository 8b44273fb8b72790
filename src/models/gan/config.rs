/*! The size of a GAN. */

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::weights::{check_sizes, check_width};

/// The slope of every leaky ReLU below zero.
pub(crate) const SLOPE: f32 = 0.2;

/// The size of a GAN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GanConfig {
    /// Pixels in a row.
    pub width: usize,
    /// Pixels in a column.
    pub height: usize,
    /// The colour of each token: red, green and blue.
    pub colors: Vec<[u8; 3]>,
    /// Numbers of a noise vector.
    pub noise: usize,
    /// Channels of convolutions of 4×4 pixels, each of which halves the sides; the generator transposes them.
    pub channels: Vec<usize>,
    /// Units of the dense layer of each network.
    pub hidden: usize,
}

impl GanConfig {
    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("width", self.width, 1 << 12),
            ("height", self.height, 1 << 12),
            ("noise", self.noise, 8192),
            ("hidden", self.hidden, 8192),
        ];
        check_sizes("a GAN", &sizes)?;
        check_width("the number of layers of channels", self.channels.len())?;
        for &channels in &self.channels {
            check_sizes("a GAN", &[("channels", channels, 4096)])?;
        }
        let shortest = self.width.min(self.height);
        if shortest >> self.channels.len() == 0 {
            return Err(Error::usage(format!(
                "{} convolutions cannot halve a side of {shortest} pixels so often",
                self.channels.len()
            ))
            .with_hint("give fewer channels, or larger pictures"));
        }
        Ok(())
    }

    /// Numbers of a pixel: one where all colours are grey, else three.
    pub(crate) fn planes(&self) -> usize {
        let grey = |color: &[u8; 3]| color[0] == color[1] && color[1] == color[2];
        if self.colors.iter().all(grey) { 1 } else { 3 }
    }

    /// The numbers of each token, −1 for dark to 1 for bright, `[tokens, planes]`.
    pub(crate) fn brightness(&self) -> Vec<f32> {
        let planes = self.planes();
        let of = |color: &[u8; 3]| color[..planes].to_vec();
        let all = self.colors.iter().flat_map(of);
        all.map(|value| f32::from(value) / 127.5 - 1.0).collect()
    }

    /// Height and width.
    pub(crate) fn sides(&self) -> [usize; 2] {
        [self.height, self.width]
    }
}
