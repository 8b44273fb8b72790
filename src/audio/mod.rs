/*!
Sound: import, tokens, datasets, and output.

[`import`] decodes a recording to mono samples, `resample` and `loudness` bring them to one rate and loudness,
[`Emphasis`] and [`MuLaw`] encode them as tokens, and [`Corpus`] holds the tokens of a folder. [`WavSink`] writes generated sound while
it grows, `playback` plays it, and [`SoundProfile`] and [`compare`] judge it beside recordings.

Samples are `f32`, mono, nominally in −1..=1; rates are in Hz.
*/

mod corpus;
pub mod dataset;
mod emphasis;
mod format;
pub mod frames;
pub mod import;
mod judge;
pub(crate) mod loudness;
mod mulaw;
#[cfg(feature = "play")]
pub mod playback;
pub(crate) mod resample;
pub(crate) mod spectrogram;
pub mod stream;
mod wav;

pub use crate::base::files::Skipped;
pub use corpus::{Corpus, ImportSettings};
pub use dataset::{ClipDataset, RecordingDataset};
pub use emphasis::{Deemphasis, Emphasis};
pub use format::{SoundCodec, SoundFormat};
pub use judge::{SoundComparison, SoundProfile, compare};
pub use mulaw::MuLaw;
pub use wav::{WavSink, check_wav_name, wav_bytes};

use crate::error::{Error, Result};

/// The lowest sample rate that is read or generated, in Hz.
pub const MIN_RATE: u32 = 1_000;
/// The highest sample rate that is read or generated, in Hz.
pub const MAX_RATE: u32 = 768_000;

/// Refuses an invalid sample rate.
///
/// # Errors
/// A usage error outside [`MIN_RATE`]..=[`MAX_RATE`].
pub fn check_rate(rate: u32) -> Result<()> {
    if (MIN_RATE..=MAX_RATE).contains(&rate) {
        return Ok(());
    }
    Err(Error::usage(format!("invalid sample rate: {rate} Hz"))
        .with_hint(format!("choose one from {MIN_RATE} to {MAX_RATE} Hz")))
}
