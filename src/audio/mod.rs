/*!
Sound in and out.

[`import`] reads any recording as mono samples, [`resample`] and [`loudness`] bring them to one rate and loudness,
[`MuLaw`] turns them into tokens, and [`Corpus`] keeps the tokens of a whole folder. On the way out [`WavSink`]
writes while it is still being made, [`spectrogram`] draws and [`SoundStatistics`] describes what came out.

Samples are `f32`, mono, nominally in −1..=1; rates are in Hz.
*/

mod corpus;
pub mod dataset;
mod decode_error;
mod format;
pub mod import;
pub mod loudness;
mod mulaw;
#[cfg(feature = "play")]
pub mod playback;
pub mod resample;
mod riff;
pub mod spectrogram;
mod statistics;
pub mod stream;
mod wav;

pub use crate::base::files::Skipped;
pub use corpus::{Clip, Corpus, ImportSettings, Summary};
pub use dataset::{ClipDataset, RecordingDataset};
pub use format::{SoundCodec, SoundFormat};
pub use import::Recording;
pub use mulaw::MuLaw;
pub use statistics::{SoundStatistics, verdict};
pub use wav::{WavSink, wav_bytes};

use crate::error::{Error, Result};

/// The lowest sample rate that is read or made, in Hz.
pub const MIN_RATE: u32 = 1_000;
/// The highest sample rate that is read or made, in Hz.
pub const MAX_RATE: u32 = 768_000;

/// Refuses a sample rate the user asked for that no sound is made at.
///
/// # Errors
/// A usage error outside [`MIN_RATE`]..=[`MAX_RATE`].
pub fn check_rate(rate: u32) -> Result<()> {
    if (MIN_RATE..=MAX_RATE).contains(&rate) {
        return Ok(());
    }
    Err(
        Error::usage(format!("a sample rate of {rate} Hz is not possible"))
            .with_hint(format!("choose one from {MIN_RATE} to {MAX_RATE} Hz")),
    )
}
