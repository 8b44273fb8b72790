/*! The only list of media. To add one: a variant here, its floor beside `audio`, its trainer in `cli`. */

use serde::{Deserialize, Serialize};

use crate::audio::{ImportSettings, MuLaw};
use crate::image::binarize::Binarize;
use crate::image::{self, Color, Fit, PixelCodec};
use crate::sequence::{Alphabet, Codec, Token};
use crate::text::{HeldOut, TokenizerKind};

/// What a model's tokens stand for; saved with the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Medium {
    /// Mono sound.
    Sound(Sound),
    /// Pictures as sequences of pixels.
    Pictures(Pictures),
    /// Sentences.
    Text(Text),
}

/// Mono sound in 8-bit µ-law tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// Samples a second.
    pub sample_rate: u32,
    /// How samples become tokens.
    pub codec: SoundCodec,
    /// Whether every recording was brought to the same loudness.
    pub even_loudness: bool,
    /// Whether silence at both ends was cut off.
    pub trim_silence: bool,
    /// Seconds of silence added behind each recording.
    pub trailing_silence: f32,
}

impl Sound {
    /// How recordings are read for this model, so that they are what it was trained on.
    pub fn import_settings(&self) -> ImportSettings {
        ImportSettings {
            sample_rate: Some(self.sample_rate),
            even_loudness: self.even_loudness,
            trim_silence: self.trim_silence,
            trailing_silence: self.trailing_silence,
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

/// Pictures of one size, pixel by pixel, each pixel the number of its colour in a palette.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    /// Size and palette.
    pub codec: PixelCodec,
    /// What is done with pictures of another shape.
    pub fit: Fit,
    /// What lies behind transparent pixels.
    pub background: Color,
    /// Whether colours became greys.
    pub grey: bool,
    /// How grey became black and white, if it did.
    pub binarize: Option<Binarize>,
    /// Where labels come from.
    pub labelled: Labelled,
}

/// Where the labels of pictures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labelled {
    /// Their paths, by the model's rule.
    ByPath,
    /// The IDX file of labels beside theirs.
    Beside,
    /// A file that is named each time.
    ByFile,
}

/// Sentences in the tokens of a tokenizer, which lies beside the model as `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// How sentences are cut.
    pub tokenizer: TokenizerKind,
    /// Tokens that are text.
    pub vocabulary: usize,
    /// The field of JSON lines that held the sentences.
    pub field: String,
    /// Which sentences were held out.
    pub held_out: HeldOut,
}

impl Text {
    /// The tokens of the text, one to end a sentence, and one that is only ever read.
    pub fn alphabet(&self) -> Alphabet {
        let stop = self.vocabulary as Token;
        Alphabet {
            size: self.vocabulary + 1,
            start: stop + 1,
            stop: Some(stop),
        }
    }
}

impl Pictures {
    /// How pictures are read for this model, so that they are what it was trained on; their labels are the caller's to
    /// find.
    pub fn import_settings(&self) -> image::ImportSettings {
        image::ImportSettings {
            size: Some(self.codec.size()),
            fit: self.fit,
            background: self.background,
            grey: self.grey,
            colormap: None,
            labels: image::LabelSource::None,
        }
    }

    /// The tokens around the one that is foreseen, beside the last: those above it, to the right, straight, and to the
    /// left, as lags of a picture of this width.
    pub fn lags_above(width: u32) -> Vec<usize> {
        let width = width as usize;
        // The pixel above what is foreseen was fed width − 1 steps before the last.
        let mut lags: Vec<usize> = [width.saturating_sub(2), width - 1, width]
            .into_iter()
            .filter(|&lag| lag > 0)
            .collect();
        lags.dedup();
        lags
    }
}

impl Medium {
    /// The tokens of this medium.
    pub fn alphabet(&self) -> Alphabet {
        match self {
            Self::Sound(_) => MuLaw.alphabet(),
            Self::Pictures(pictures) => pictures.codec.alphabet(),
            Self::Text(text) => text.alphabet(),
        }
    }

    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sound(_) => "sound",
            Self::Pictures(_) => "pictures",
            Self::Text(_) => "text",
        }
    }

    /// The unit of its likelihoods.
    pub fn unit(&self) -> String {
        format!("bits/{}", self.token_name())
    }

    /// What one token is.
    pub fn token_name(&self) -> &'static str {
        match self {
            Self::Sound(_) => "sample",
            Self::Pictures(_) => "pixel",
            Self::Text(_) => "token",
        }
    }
}
