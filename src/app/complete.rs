/*! `complete`: the given pixels of a picture are a prompt, and the model continues it. */

use std::path::{Path, PathBuf};

use burn::prelude::*;

use crate::app::drawing::draw;
use crate::app::generate::{check_extension, check_scale, comfortable, write_png};
use crate::app::import::import_picture;
use crate::app::precision::{self, Precision};
use crate::app::sampling::{SamplingOptions, fresh_seed, items};
use crate::app::{Observer, OpenModel};
use crate::base::labels::Label;
use crate::error::{Error, Result};
use crate::image::{ContactSheet, Indexed, Picture, PixelCodec, gif};
use crate::sequence::Codec;

/// Which picture to complete, and how.
#[derive(Debug, Clone)]
pub struct CompleteOptions {
    /// The picture; what is beyond `keep` is ignored.
    pub image: PathBuf,
    /// The share of its pixels, from the top, that is given.
    pub keep: f64,
    /// How many continuations.
    pub number: u64,
    /// Chosen classes; the others are drawn from the seed.
    pub classes: Vec<Label>,
    /// Whether a picture of another size or with other colours is refused.
    pub strict: bool,
    /// The numbers of the weights; int8 where the model predicts nearly as well with it.
    pub precision: Option<Precision>,
    /// How tokens are drawn.
    pub sampling: SamplingOptions,
    /// The seed; a new one is drawn where it is missing.
    pub seed: Option<u64>,
}

impl CompleteOptions {
    /// Five continuations of the upper half.
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            keep: 0.5,
            number: 5,
            classes: Vec::new(),
            strict: false,
            precision: None,
            sampling: SamplingOptions::default(),
            seed: None,
        }
    }
}

/// A picture and its continuations.
#[derive(Debug, Clone)]
pub struct Completion {
    codec: PixelCodec,
    truth: Indexed,
    made: Vec<Indexed>,
    /// How many pixels were given.
    pub given: usize,
    /// The seed in use.
    pub seed: u64,
}

impl Completion {
    /// The completed pictures.
    pub fn pictures(&self) -> Vec<Picture> {
        let paint = |picture| self.codec.paint(picture);
        self.made.iter().map(paint).collect()
    }

    /// Pixels of one picture.
    pub fn pixels(&self) -> usize {
        self.truth.indices.len()
    }

    /// Writes a sheet: what was given, the continuations, and the whole picture; `-` is standard output.
    ///
    /// # Errors
    /// When the sheet would be too large, or writing fails.
    pub fn write_sheet(&self, path: &Path, scale: Option<u32>) -> Result<()> {
        check_extension(path, false)?;
        check_scale(scale, self.codec.size())?;
        let row = (self.codec.paint(&self.truth), self.pictures());
        let mut sheet = ContactSheet::completions(vec![row], self.given);
        sheet.scale = scale.unwrap_or(sheet.scale);
        write_png(&sheet.draw()?, path)
    }

    /// Writes a GIF of the first continuation being drawn.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_gif(&self, path: &Path, scale: Option<u32>) -> Result<()> {
        check_extension(path, true)?;
        let size = self.codec.size();
        check_scale(scale, size)?;
        let scale = scale.unwrap_or_else(|| comfortable(size.width(), size.height()));
        gif::write_gif(&self.made[0], self.codec.palette(), self.given, scale, path)
    }
}

/// Refuses an output that a completion cannot be written to, before any work is done.
///
/// # Errors
/// A usage error for a wrong extension or a scale that is too large; when it is not a model of pictures.
pub fn check_picture_output(
    model: &OpenModel,
    path: &Path,
    gif: bool,
    scale: Option<u32>,
) -> Result<()> {
    check_extension(path, gif)?;
    check_scale(scale, model.pictures()?.codec.size())
}

impl OpenModel {
    /// Completes a picture.
    ///
    /// # Errors
    /// When it is not a model of pictures, the options do not fit it, or the picture cannot be read.
    pub fn complete(
        &self,
        options: &CompleteOptions,
        observer: &mut dyn Observer,
    ) -> Result<Completion> {
        options.sampling.validate()?;
        if !(options.keep > 0.0 && options.keep < 1.0) {
            return Err(
                Error::usage(format!("--keep {} leaves nothing to do", options.keep))
                    .with_hint("it is a share between 0 and 1, such as 0.5 or 0.25"),
            );
        }
        self.manifest.classes.check(&options.classes)?;
        let format = self.pictures()?;
        self.refuse_whole_pictures()?;
        let codec = &format.codec;
        if codec.size().area() < 2 {
            return Err(Error::usage(
                "a picture of one pixel has nothing to complete",
            ));
        }
        let truth = import_picture(&options.image, format, options.strict, observer)?;
        let pixels = truth.indices.len();
        let given = ((options.keep * pixels as f64).round() as usize).clamp(1, pixels - 1);
        let model = self.load(&Device::flex())?;
        let seed = options.seed.unwrap_or_else(fresh_seed);
        let (mut items, _) = items(
            self,
            options.number,
            &options.classes,
            options.sampling,
            seed,
            &codec.encode(&truth)?[..given],
        )?;
        let stepper = |lanes| precision::stepper(&model, &self.manifest, options.precision, lanes);
        Ok(Completion {
            made: draw(&stepper, &mut items, format)?,
            codec: codec.clone(),
            truth,
            given,
            seed,
        })
    }
}
