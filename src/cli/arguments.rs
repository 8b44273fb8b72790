/*! Arguments that several verbs share. */

use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::app::{
    CodeOptions, DeviceChoice, FrameChange, FrameSampling, Label, Precision, Prior, SamplingOptions,
};
use crate::error::Error;

/// `--device`
#[derive(Debug, Args)]
pub(super) struct DeviceArgs {
    /// Where to compute: auto, cpu, cuda or cuda:N; training also on several GPUs, as in cuda:0,1
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: DeviceChoice,
}

/// How tokens are drawn.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(super) struct SamplingArgs {
    #[command(flatten)]
    draw: DrawArgs,
    /// The same seed gives the same result [default: drawn, and printed]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
}

impl SamplingArgs {
    pub(super) fn sampling(&self) -> SamplingOptions {
        self.draw.sampling()
    }
}

/// How tokens are drawn, without the seed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(super) struct DrawArgs {
    /// Below 1 prefers likely tokens, above 1 unlikely ones, 0 always takes the likeliest; not for GANs [default: 1; 0.7 for the samples of sound in two tiers, which are drawn cooler still where there is a pitch; 0 for image VAEs with conv or dense]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Draw from the K likeliest tokens only
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw from the likeliest tokens that together have probability P
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Draw from the tokens at least P times as likely as the likeliest; in pictures in colour, from the likeliest and from those at least P times as likely as the second likeliest [default: 0.005 for pictures in colour without --top-k or --top-p, against stray pixels]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f32>,
}

impl DrawArgs {
    pub(super) fn sampling(&self) -> SamplingOptions {
        SamplingOptions {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
        }
    }
}

/// How the frames of a sound model of two tiers are drawn.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sound")]
pub(super) struct FrameSamplingArgs {
    /// The temperature of the frames of a model of two tiers; --temperature is that of its samples [default: 0.85; 1 with guidance]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    frame_temperature: Option<f32>,
    /// How strongly the frames of a model of two tiers are drawn towards what tells the classes asked for from the others; 0 is not at all. The frame network steps once for each class [default: 1; 0 for more than 64 classes]
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    guidance: Option<f32>,
}

impl FrameSamplingArgs {
    pub(super) fn frames(&self) -> FrameSampling {
        FrameSampling {
            temperature: self.frame_temperature,
            guidance: self.guidance,
        }
    }
}

/// How the noise of a GAN and the latent codes of an image VAE are drawn.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pictures")]
pub(super) struct CodeArgs {
    /// Image VAE: draw latent codes from N(0, I), or from the mixture of Gaussians that was fitted to the codes of training pictures [default: normal]
    #[arg(long, value_enum)]
    prior: Option<PriorArg>,
    /// GAN and image VAE: sample the noise between -T and T only, for typical pictures; try 1
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    truncation: Option<f64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PriorArg {
    /// The standard normal prior
    Normal,
    /// The fitted mixture
    Mixture,
}

impl CodeArgs {
    pub(super) fn codes(&self) -> CodeOptions {
        CodeOptions {
            prior: self.prior.map(|prior| match prior {
                PriorArg::Normal => Prior::Normal,
                PriorArg::Mixture => Prior::Mixture,
            }),
            truncation: self.truncation,
        }
    }
}

/// How the frames of a sound model of two tiers are drawn and changed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sound")]
pub(super) struct FrameArgs {
    #[command(flatten)]
    pub(super) sampling: FrameSamplingArgs,
    #[command(flatten)]
    pub(super) change: ChangeArgs,
}

/// What changes the frames of a sound model of two tiers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sound")]
pub(super) struct ChangeArgs {
    /// Move the pitch by so many semitones (two tiers)
    #[arg(
        long,
        value_name = "SEMITONES",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    transpose: f32,
    /// Make it so many times as long, with the same pitch (two tiers)
    #[arg(
        long,
        value_name = "FACTOR",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    stretch: f64,
}

impl ChangeArgs {
    pub(super) fn change(&self) -> FrameChange {
        FrameChange {
            transpose: self.transpose,
            stretch: self.stretch,
        }
    }
}

/// `--no-metadata`
#[derive(Debug, Args)]
pub(super) struct MetadataArgs {
    /// Keep no settings in the file: by default it says which model, seed and command made it (see `ensuite info FILE`)
    #[arg(long)]
    pub(super) no_metadata: bool,
}

/// An error in one line with its hint, as the parser of arguments shows it.
pub(super) fn in_one_line(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// A value whose error says what is possible.
pub(super) fn parsed<T: FromStr<Err = Error>>(text: &str) -> std::result::Result<T, String> {
    text.parse().map_err(|error| in_one_line(&error))
}

/// `--class NAME=VALUE`
pub(super) fn parse_label(text: &str) -> std::result::Result<Label, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.into(), value.into()))
        }
        _ => Err("a class is given as NAME=VALUE, such as digit=7".into()),
    }
}

/// `--precision`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PrecisionArg {
    /// As they were trained
    F32,
    /// Eight bits: several times as fast
    Int8,
}

impl From<PrecisionArg> for Precision {
    fn from(argument: PrecisionArg) -> Self {
        match argument {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Int8 => Self::Int8,
        }
    }
}
