/*! The ranges of a WaveNet's activations, which set the scales of their quantisation. */

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::wavenet::stepper::{Activation, WaveNetStepper, WaveNetWeights};
use crate::sequence::{Conditions, Prediction, Stepper, Token};

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
    /// Runs the f32 stepper over `sequences`, each with its conditions, and keeps the largest values.
    ///
    /// # Errors
    /// If the weights do not pass [`WaveNetWeights::validate`], a token is outside the alphabet, a condition has another
    /// length than the network's, or there is no token at all.
    pub(crate) fn collect(
        weights: &Arc<WaveNetWeights>,
        sequences: &[(&[Token], Conditions)],
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
        for (tokens, conditions) in sequences {
            check_sequence(weights, tokens, conditions.first())?;
            stepper.reset(0, conditions.first());
            for (position, &token) in tokens.iter().enumerate() {
                if let Some(condition) = conditions.at(position).filter(|_| position > 0) {
                    stepper.recondition(0, Some(condition));
                }
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
    let parameters = w
        .side_inputs
        .prediction
        .as_ref()
        .map_or(0, Prediction::parameters);
    let wanted = w
        .forecast
        .as_ref()
        .map_or(w.condition, |forecast| forecast.inputs + parameters);
    let length = condition.map_or(wanted, <[f32]>::len);
    if length != wanted {
        return Err(Error::usage(format!(
            "a condition of the calibration has {length} values, the network's has {wanted}"
        )));
    }
    Ok(())
}
