/*! What a model records of its frames, without the codebooks. */

use serde::{Deserialize, Serialize};

use super::analysis::hop;
use super::bands;
use super::tokens::{self, GAINS, LEVELS, PITCHES};
use crate::audio::MuLaw;
use crate::sequence::{Alphabet, Codec, Prediction, Token};

/// The range of pitches of the frames of a model. The codebooks are in a file of their own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameFormat {
    /// The lower end of the lowest pitch class, in Hz.
    pub lowest_pitch: f64,
    /// The upper end of the highest pitch class, in Hz.
    pub highest_pitch: f64,
}

impl FrameFormat {
    /// Five slots a frame, each with its own range, and `stop`.
    pub fn alphabet() -> Alphabet {
        tokens::alphabet()
    }

    /// What predicts samples of this rate from frames.
    pub fn prediction(&self, rate: u32) -> Prediction {
        prediction(rate, self.lowest_pitch)
    }

    /// The length of the condition that frames give: the parameters of the prediction, and the features of three frames.
    pub fn condition_width(&self, rate: u32) -> usize {
        let features = features_width(bands::count(rate.into()));
        self.prediction(rate).parameters() + 3 * features
    }
}

/// The order of the linear prediction.
pub(super) fn order(rate: u32) -> usize {
    rate as usize / 1_000 + 8
}

/// What predicts samples of this rate, whose lowest pitch is in Hz.
pub(super) fn prediction(rate: u32, lowest_pitch: f64) -> Prediction {
    Prediction {
        values: (0..MuLaw.alphabet().size)
            .map(|class| MuLaw::decode_token(class as Token))
            .collect(),
        order: order(rate),
        longest: (f64::from(rate) / lowest_pitch).ceil() as usize,
        window: 2 * hop(rate),
        refine: hop(rate) / 4,
        levels: LEVELS,
    }
}

/// The length of the features of one frame with this number of bands.
pub(super) fn features_width(bands: usize) -> usize {
    GAINS + PITCHES + bands + LEVELS
}
