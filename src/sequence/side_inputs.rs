/*! What a network reads at each position beside the current token and the condition. */

use serde::{Deserialize, Serialize};

use crate::sequence::{Forecast, Prediction};

/// A function of the position: `(position / every) mod states`. With width W and height H, the column of a pixel is the
/// clock (1, W), its row the clock (W, H).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Positions between two changes of its state, at least 1.
    pub every: usize,
    /// States until it starts again, at least 1.
    pub states: usize,
}

impl Clock {
    /// The state at a position of a sequence; the first position is 0.
    pub fn state(self, position: usize) -> usize {
        position / self.every % self.states
    }
}

/// The sources beside the current token. Each has a table of rows of its own. The tables follow each other: that of the
/// current token, one for each lag, one for each clock, then that of predicted classes and that of levels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SideInputs {
    /// Distances of earlier tokens; with `[width]` it is the pixel above.
    pub lags: Vec<usize>,
    /// Functions of the position.
    pub clocks: Vec<Clock>,
    /// A forecast of the next token, whose parameters stand at the start of the condition.
    pub prediction: Option<Prediction>,
}

impl SideInputs {
    /// Rows that are summed at each position, that of the current token included.
    pub fn sources(&self) -> usize {
        1 + self.lags.len() + self.clocks.len() + 2 * usize::from(self.prediction.is_some())
    }

    /// Rows of all tables together, if a token has `inputs` rows.
    pub fn entries(&self, inputs: usize) -> usize {
        let clocks: usize = self.clocks.iter().map(|clock| clock.states).sum();
        let forecasts = self.prediction.as_ref().map_or(0, Prediction::rows);
        (1 + self.lags.len()) * inputs + clocks + forecasts
    }

    /// The row of each clock at a position, in the order of the clocks.
    pub fn clock_rows(&self, inputs: usize, position: usize) -> impl Iterator<Item = usize> {
        let mut first = (1 + self.lags.len()) * inputs;
        self.clocks.iter().map(move |clock| {
            let row = first + clock.state(position);
            first += clock.states;
            row
        })
    }

    /// The rows of a forecast: that of the predicted class, that of the level.
    ///
    /// # Panics
    /// Without a prediction.
    pub fn forecast_rows(&self, inputs: usize, forecast: Forecast) -> [usize; 2] {
        let prediction = self.prediction.as_ref().expect("a prediction");
        let first = self.entries(inputs) - prediction.rows();
        let levels = first + prediction.values.len();
        [first + forecast.class, levels + forecast.level]
    }
}
