/*! `generate`: sound, pictures or sentences from a model, in memory or written as they are made. */

mod maker;
mod nearest;
mod options;
mod pictures;
mod sound;
mod text;

use std::path::{Path, PathBuf};

pub use options::{GenerateOptions, Generated};
pub(crate) use pictures::{check_extension, check_scale, comfortable, write_png};

use crate::app::{Observer, OpenModel, Silent};
use crate::checkpoint::Medium;
use crate::error::Result;

impl OpenModel {
    /// Generates in memory.
    ///
    /// # Errors
    /// When the options do not fit the model, or its files are missing or damaged.
    pub fn generate(&self, options: &GenerateOptions) -> Result<Generated> {
        options.check(self)?;
        match &self.manifest.medium {
            Medium::Sound(sound) => sound::generate(self, sound, options),
            Medium::Pictures(format) => {
                let drawn = pictures::generate(self, format, options, options.seed_or_fresh())?;
                let paint = |picture| format.codec.paint(picture);
                Ok(Generated::Pictures(drawn.iter().map(paint).collect()))
            }
            Medium::Frames(_) => Err(self.frame_tier_alone()),
            Medium::Text(_) => text::generate(self, options, &mut Silent).map(Generated::Sentences),
        }
    }

    /// Generates and writes files while items are made: to `output`, to numbered files beside it, or (without one) to
    /// files with the model's name. `-` is standard output. Sentences come as [`Event::Text`](crate::app::Event::Text)
    /// where no file is named. Gives the files; those of sentences are not among them.
    ///
    /// # Errors
    /// When the options do not fit the model, its files are missing or damaged, or writing fails.
    pub fn generate_files(
        &self,
        options: &GenerateOptions,
        output: Option<&Path>,
        observer: &mut dyn Observer,
    ) -> Result<Vec<PathBuf>> {
        options.check(self)?;
        match &self.manifest.medium {
            Medium::Sound(sound) => sound::write(self, sound, options, output, observer),
            Medium::Pictures(format) => pictures::write(self, format, options, output, observer),
            Medium::Frames(_) => Err(self.frame_tier_alone()),
            Medium::Text(_) => {
                text::write(self, options, output, observer)?;
                Ok(Vec::new())
            }
        }
    }
}
