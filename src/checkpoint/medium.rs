/*! The only list of media. */

use serde::{Deserialize, Serialize};

use crate::audio::frames::FrameFormat;
use crate::audio::{MuLaw, SoundFormat};
use crate::image::PictureFormat;
use crate::sequence::{Alphabet, Codec};
use crate::text::TextFormat;

/// The medium of a model's tokens; saved with the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Medium {
    /// Mono sound.
    Sound(SoundFormat),
    /// The frames of sound: the slow tier of a sound model.
    Frames(FrameFormat),
    /// Pictures as sequences of pixels.
    Pictures(PictureFormat),
    /// Sentences.
    Text(TextFormat),
}

impl Medium {
    /// The alphabet of its tokens.
    pub fn alphabet(&self) -> Alphabet {
        match self {
            Self::Sound(_) => MuLaw.alphabet(),
            Self::Frames(_) => FrameFormat::alphabet(),
            Self::Pictures(pictures) => pictures.codec.alphabet(),
            Self::Text(text) => text.alphabet(),
        }
    }

    /// Numbers of a condition vector after those of the classes.
    pub fn condition(&self) -> usize {
        match self {
            Self::Pictures(pictures) => pictures.condition(),
            Self::Sound(_) | Self::Frames(_) | Self::Text(_) => 0,
        }
    }

    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sound(_) => "sound",
            Self::Frames(_) => "frames",
            Self::Pictures(_) => "pictures",
            Self::Text(_) => "text",
        }
    }

    /// The unit of an NLL, such as `bits/sample`.
    pub fn unit(&self) -> String {
        format!("bits/{}", self.token_name())
    }

    /// The name of one token: `sample`, `pixel`, `token`.
    pub fn token_name(&self) -> &'static str {
        match self {
            Self::Sound(_) => "sample",
            Self::Pictures(_) => "pixel",
            Self::Frames(_) | Self::Text(_) => "token",
        }
    }
}
