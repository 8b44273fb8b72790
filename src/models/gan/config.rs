/*! The size of a GAN. */

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::models::layers::check_halvings;
use crate::models::picture_numbers::planes;
use crate::models::weights::check_sizes;

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
        check_halvings("a GAN", &self.channels, self.sides())
    }

    /// Numbers of a pixel.
    pub(crate) fn planes(&self) -> usize {
        planes(&self.colors)
    }

    /// Height and width.
    pub(crate) fn sides(&self) -> [usize; 2] {
        [self.height, self.width]
    }
}
