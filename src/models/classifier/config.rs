/*! The size of a classifier. */

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::layers::check_halvings;
use crate::models::weights::check_sizes;

/// The size of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Pixels in a row.
    pub width: usize,
    /// Pixels in a column.
    pub height: usize,
    /// The colour of each token: red, green and blue.
    pub colors: Vec<[u8; 3]>,
    /// The values of each group of classes.
    pub groups: Vec<usize>,
    /// Channels of convolutions of 4×4 pixels, each of which halves the sides.
    pub channels: Vec<usize>,
    /// Units of the dense layer: the features.
    pub hidden: usize,
    /// The share of features that training drops.
    pub dropout: f64,
}

impl ClassifierConfig {
    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("width", self.width, 1 << 12),
            ("height", self.height, 1 << 12),
            ("hidden", self.hidden, 8192),
        ];
        check_sizes("a classifier", &sizes)?;
        check_halvings("a classifier", &self.channels, [self.height, self.width])?;
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(
                Error::usage(format!("a dropout of {} cannot work", self.dropout))
                    .with_hint("it is a share from 0 to below 1"),
            );
        }
        Ok(())
    }
}
