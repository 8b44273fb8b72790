/*! The ranges of a WaveNet's activations, which set the scales of their quantisation. */

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::wavenet::stepper::{Activation, WaveNetStepper, WaveNetWeights};
use crate::sequence::{Stepper, Token};

/// The largest absolute values of a WaveNet's activations on typical sequences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The residual stream at the input of each layer.
    pub x: Vec<f32>,
    /// The rectified sum of skips.
    pub skip: f32,
    /// The rectified hidden units of the head.
    pub hidden: f32,
}

impl Calibration {
    /// Runs the f32 stepper over `sequences`, each with its condition, and keeps the largest values.
    ///
    /// # Errors
    /// If the weights do not pass [`WaveNetWeights::validate`], a token is outside the alphabet, a condition has another
    /// length than the network's, or there is no token at all.
    pub(crate) fn collect(
        weights: &Arc<WaveNetWeights>,
        sequences: &[(&[Token], Option<&[f32]>)],
    ) -> Result<Self> {
        let mut stepper = WaveNetStepper::new(weights.clone(), 1)?;
        let mut calibration = Self {
            x: vec![0.0; weights.dilations.len()],
            skip: 0.0,
            hidden: 0.0,
        };
        if sequences.iter().all(|(tokens, _)| tokens.is_empty()) {
            return Err(Error::usage("calibration needs at least one token"));
        }
        for (tokens, condition) in sequences {
            check_sequence(weights, tokens, *condition)?;
            stepper.reset(0, *condition);
            for &token in *tokens {
                stepper.step(&[token]);
                stepper.net().activations(|layer, values| {
                    let maximum = match layer {
                        Activation::Layer(i) => &mut calibration.x[i],
                        Activation::Skip => &mut calibration.skip,
                        Activation::Hidden => &mut calibration.hidden,
                    };
                    *maximum = values.iter().fold(*maximum, |m, v| m.max(v.abs()));
                });
            }
        }
        Ok(calibration)
    }

    /// Refuses maxima of another number of layers, and values that are negative, NaN or infinite.
    pub(crate) fn validate(&self, layers: usize) -> Result<()> {
        if self.x.len() != layers {
            return Err(Error::usage(format!(
                "the calibration is for {} layers, but the network has {layers}",
                self.x.len()
            )));
        }
        let maxima = self.x.iter().chain([&self.skip, &self.hidden]);
        match maxima.into_iter().find(|m| !(m.is_finite() && **m >= 0.0)) {
            None => Ok(()),
            Some(bad) => Err(Error::usage(format!(
                "the calibration has the invalid largest value {bad}"
            ))),
        }
    }
}

fn check_sequence(w: &WaveNetWeights, tokens: &[Token], condition: Option<&[f32]>) -> Result<()> {
    let inputs = w.alphabet.inputs();
    if let Some(token) = tokens.iter().find(|t| **t as usize >= inputs) {
        return Err(Error::usage(format!(
            "token {token} of the calibration is not among the {inputs} inputs of the network"
        )));
    }
    let length = condition.map_or(w.condition, <[f32]>::len);
    if length != w.condition {
        return Err(Error::usage(format!(
            "a condition of the calibration has {length} values, the network's has {}",
            w.condition
        )));
    }
    Ok(())
}
