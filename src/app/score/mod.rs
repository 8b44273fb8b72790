/*! `score`: how surprising each part of a recording, a picture or a text is. */

mod options;
mod pictures;
mod sound;
mod text;

pub use options::ScoreOptions;

use crate::app::{Observer, OpenModel};
use crate::base::files::refuse_overwriting;
use crate::checkpoint::Medium;
use crate::error::Result;

impl OpenModel {
    /// Scores a file with the model, writes the result and gives one line about the whole.
    ///
    /// # Errors
    /// When the file cannot be read, its classes are unknown, or writing fails.
    pub fn score(&self, options: &ScoreOptions, observer: &mut dyn Observer) -> Result<String> {
        refuse_overwriting(&options.output, [&*options.file])?;
        self.manifest.classes.check(&options.classes)?;
        self.refuse_whole_pictures()?;
        match &self.manifest.medium {
            Medium::Sound(sound) => sound::score(self, sound, options, observer),
            Medium::Pictures(pictures) => pictures::score(self, pictures, options, observer),
            Medium::Frames(_) => Err(self.frame_tier_alone()),
            Medium::Text(_) => text::score(self, options, observer),
        }
    }
}
