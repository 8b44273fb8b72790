/*! The hidden layer of a condition and the table on the logits, step by step. */

use std::sync::Arc;

use crate::base::simd::InstructionSet;
use crate::error::Result;
use crate::kernels::step::blocks::columns;
use crate::kernels::step::matrix::Matrix;
use crate::models::weights::check_shape;
use crate::sequence::Forecast;

/// Units of the hidden layer.
pub(crate) const FEATURES: usize = 128;

/// The parameters as plain row-major arrays, see [`ForecastHead`](crate::models::forecast::ForecastHead).
#[derive(Debug, Clone)]
pub(crate) struct ForecastWeights {
    /// Numbers of a condition behind the parameters of the prediction.
    pub inputs: usize,
    pub levels: usize,
    pub classes: usize,
    pub features: Vec<f32>,
    pub features_bias: Vec<f32>,
    pub table: Vec<f32>,
}

impl ForecastWeights {
    /// Checks every length.
    ///
    /// # Errors
    /// If a tensor has another length than its shape says.
    pub(crate) fn validate(&self) -> Result<()> {
        check_shape(
            "forecast.features",
            &self.features,
            &[self.inputs, FEATURES],
        )?;
        check_shape("forecast.features_bias", &self.features_bias, &[FEATURES])?;
        check_shape(
            "forecast.table",
            &self.table,
            &[self.levels, 2 * self.classes - 1],
        )
    }

    /// Adds the table to logits `[lanes, classes]`.
    pub(crate) fn add_table(&self, logits: &mut [f32], forecasts: &[Forecast]) {
        for (logits, forecast) in logits.chunks_exact_mut(self.classes).zip(forecasts) {
            let first = forecast.level * (2 * self.classes - 1) + self.classes - 1 - forecast.class;
            for (logit, more) in logits.iter_mut().zip(&self.table[first..]) {
                *logit += more;
            }
        }
    }
}

/// The hidden layer of the condition and the table, packed for steps on the CPU.
pub(crate) struct PackedForecast {
    weights: Arc<ForecastWeights>,
    features: Matrix,
}

impl PackedForecast {
    pub(crate) fn new(weights: &ForecastWeights) -> Self {
        let all: Vec<_> = columns(0..FEATURES).collect();
        Self {
            features: Matrix::pack(
                weights.inputs,
                &weights.features,
                &weights.features_bias,
                &all,
            ),
            weights: Arc::new(weights.clone()),
        }
    }

    /// The features of a condition; `None` stands for zeros.
    pub(crate) fn features(&self, level: InstructionSet, condition: Option<&[f32]>) -> Vec<f32> {
        let inputs = self.weights.inputs;
        let read = condition.map(|condition| &condition[condition.len() - inputs..]);
        let zeros = vec![0.0; inputs];
        let blocks = self.features.apply(level, read.unwrap_or(&zeros));
        blocks
            .iter()
            .flat_map(|block| block.0)
            .map(|x| x.max(0.0))
            .collect()
    }

    /// Adds the table to logits `[lanes, classes]`.
    pub(crate) fn add_table(&self, logits: &mut [f32], forecasts: &[Forecast]) {
        self.weights.add_table(logits, forecasts);
    }
}
