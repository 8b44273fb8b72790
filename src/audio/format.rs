/*! The format of a sound model's tokens. */

use serde::{Deserialize, Serialize};

use crate::audio::frames::FrameFormat;
use crate::audio::{Emphasis, ImportSettings};

/// Mono sound in 8-bit µ-law tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundFormat {
    /// Samples a second.
    pub sample_rate: u32,
    /// How samples become tokens.
    pub codec: SoundCodec,
    /// Whether the import evened the loudness of the recordings.
    pub even_loudness: bool,
    /// Whether the import trimmed silence at both ends.
    pub trim_silence: bool,
    /// Seconds of silence that the import added behind each recording.
    pub trailing_silence: f32,
    /// Whether the import removed what lies below 30 Hz.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove_offset: bool,
    /// What the import did before companding.
    #[serde(default, skip_serializing_if = "Emphasis::is_none")]
    pub emphasis: Emphasis,
    /// The frames that the samples are made from; `None` for a model of one tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<FrameFormat>,
}

impl SoundFormat {
    /// The settings that import recordings as the training data was imported.
    pub fn import_settings(&self) -> ImportSettings {
        ImportSettings {
            sample_rate: Some(self.sample_rate),
            even_loudness: self.even_loudness,
            trim_silence: self.trim_silence,
            trailing_silence: self.trailing_silence,
            remove_offset: self.remove_offset,
            emphasis: self.emphasis,
        }
    }
}

/// How samples become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SoundCodec {
    /// Companding with µ = 255 to 256 classes.
    #[serde(rename = "mu-law-8")]
    MuLaw,
}
