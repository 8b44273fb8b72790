/*! What the controlling side of `play` sends. */

use std::path::PathBuf;

use crate::sequence::Sampling;

/// What the generator does from the next token on.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Draw tokens in this way.
    Sampling(Sampling),
    /// Continue from this seed.
    Seed(u64),
    /// Use this condition vector.
    Condition(Vec<f32>),
    /// Begin a new recording in this file.
    Record(PathBuf),
    /// End the recording.
    StopRecording,
    /// Stop playing.
    Quit,
}
