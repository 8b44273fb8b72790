/*! The size of a colorizer, and how it is trained. */

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::layers::check_halvings;
use crate::models::picture_numbers::planes;
use crate::models::weights::check_sizes;

/// The size of a colorizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorizerConfig {
    /// Pixels in a row.
    pub width: usize,
    /// Pixels in a column.
    pub height: usize,
    /// The colour of each token: red, green and blue.
    pub colors: Vec<[u8; 3]>,
    /// Channels of convolutions of 4×4 pixels, each of which halves the sides.
    pub channels: Vec<usize>,
}

/// How a colorizer is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorizerSettings {
    /// The weight of the mean absolute error: λ of Isola et al. 2017, eq. 4.
    pub absolute_error: f64,
    /// Whether a discriminator judges the coloured pictures too.
    pub discriminator: bool,
    /// Whether pictures are shifted and flipped.
    pub augment: bool,
}

impl Default for ColorizerSettings {
    fn default() -> Self {
        Self {
            absolute_error: 100.0,
            discriminator: true,
            augment: false,
        }
    }
}

impl ColorizerConfig {
    /// Refuses invalid sizes, and pictures without colours.
    ///
    /// # Errors
    /// A usage error naming what is wrong.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("width", self.width, 1 << 12),
            ("height", self.height, 1 << 12),
        ];
        check_sizes("a colorizer", &sizes)?;
        check_halvings("a colorizer", &self.channels, self.sides())?;
        if !self.colors.is_empty() && planes(&self.colors) == 1 {
            return Err(Error::usage("all pictures are grey").with_hint(
                "a model that colours grey pictures learns from coloured ones: omit --grey, or give others",
            ));
        }
        Ok(())
    }

    /// Height and width.
    pub(crate) fn sides(&self) -> [usize; 2] {
        [self.height, self.width]
    }
}

impl ColorizerSettings {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// A usage error naming what is wrong.
    pub fn validate(&self) -> Result<()> {
        if self.absolute_error.is_finite() && self.absolute_error > 0.0 {
            return Ok(());
        }
        let what = format!(
            "adversarial.absolute_error = {} cannot work",
            self.absolute_error
        );
        Err(Error::usage(what).with_hint("it is a number above 0"))
    }
}
