//! Everything that is tested from outside; what a single file promises is tested beside it in `src`.

mod cli;
mod documentation;
mod floors;
mod golden;
mod help;
mod models;
mod pictures;
#[cfg(feature = "play")]
mod playback;
mod sentence_vae;
mod sound;
mod text;
