/*! The size of an energy model, and how it is trained. */

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::layers::check_halvings;
use crate::models::picture_numbers::planes;
use crate::models::weights::check_sizes;

/// The size of an energy model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyConfig {
    /// Pixels in a row.
    pub width: usize,
    /// Pixels in a column.
    pub height: usize,
    /// The colour of each token: red, green and blue.
    pub colors: Vec<[u8; 3]>,
    /// Channels of convolutions of 4×4 pixels, each of which halves the sides.
    pub channels: Vec<usize>,
    /// Units of the dense layer.
    pub hidden: usize,
}

/// How an energy model makes pictures, in training and after it (Grathwohl et al. 2020, "Your classifier is secretly an energy based
/// model", appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergySettings {
    /// Langevin steps of each made picture in one update.
    pub steps: usize,
    /// How far a step goes along the gradient of the score.
    pub step_size: f64,
    /// The deviation of the noise that a step adds.
    pub noise: f64,
    /// Made pictures that are kept; those of an update go on from some of them.
    pub pool: usize,
    /// The share of made pictures that begin anew, from noise.
    pub fresh: f64,
    /// The weight of the squared scores in the loss.
    pub flatness: f64,
}

impl Default for EnergySettings {
    fn default() -> Self {
        Self {
            steps: 20,
            step_size: 1.0,
            noise: 0.01,
            pool: 2000,
            fresh: 0.05,
            flatness: 0.05,
        }
    }
}

impl EnergyConfig {
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
        check_sizes("an energy model", &sizes)?;
        check_halvings("an energy model", &self.channels, self.sides())
    }

    /// Height and width.
    pub(crate) fn sides(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Numbers of a picture.
    pub(crate) fn numbers(&self) -> usize {
        self.width * self.height * planes(&self.colors)
    }
}

impl EnergySettings {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// A usage error naming the setting, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("adversarial.steps", self.steps, 10_000),
            ("adversarial.pool", self.pool, 1 << 20),
        ];
        check_sizes("an energy model", &sizes)?;
        for (name, value, largest) in [
            ("step_size", self.step_size, 1e4),
            ("noise", self.noise, 1.0),
            ("fresh", self.fresh, 1.0),
            ("flatness", self.flatness, 1e4),
        ] {
            if !(0.0..=largest).contains(&value) {
                let what = format!("adversarial.{name} = {value} cannot work");
                return Err(
                    Error::usage(what).with_hint(format!("it is a number from 0 to {largest}"))
                );
            }
        }
        Ok(())
    }
}
