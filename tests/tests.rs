//! Everything that is tested from outside; what a single file promises is tested beside it in `src`.

mod cli;
mod colorizer;
mod documentation;
mod fetch;
mod floors;
mod gan;
mod golden;
mod help;
mod image_vae;
#[cfg(feature = "play")]
mod listening;
mod models;
mod pictures;
mod sentence_vae;
mod settings;
mod sound;
mod text;
mod two_tiers;
