/*! What to generate, and what was generated. */

use std::path::{Path, PathBuf};

use crate::app::precision::Precision;
use crate::app::sampling::{SamplingOptions, fresh_seed};
use crate::app::{CodeOptions, FrameChange, FrameSampling, OpenModel};
use crate::audio::wav_bytes;
use crate::base::files::write_output;
use crate::base::labels::Label;
use crate::error::{Error, Result};
use crate::image::{ContactSheet, Picture};
use crate::ops::device::DeviceChoice;

/// What to generate, and how. The default is one item by sampling as suits the model, on the CPU.
#[derive(Debug, Clone)]
pub struct GenerateOptions {
    /// How many items.
    pub number: u64,
    /// What to continue: a recording's path, or the beginning of a sentence.
    pub prompt: Option<PathBuf>,
    /// Chosen classes; the others are drawn from the seed.
    pub classes: Vec<Label>,
    /// How tokens are drawn.
    pub sampling: SamplingOptions,
    /// The seed; a new one is drawn where it is missing.
    pub seed: Option<u64>,
    /// The numbers of the weights; int8 where the model predicts nearly as well with it.
    pub precision: Option<Precision>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Sound: the length in seconds. Where it is missing, 5, and a model of two tiers may end earlier.
    pub seconds: Option<f64>,
    /// Sound of two tiers: how frames are drawn.
    pub frames: FrameSampling,
    /// Sound of two tiers: how its pitch and its speed are changed.
    pub change: FrameChange,
    /// Sound: whether the prompt stands before what is made of it.
    pub with_prompt: bool,
    /// GAN and image VAE: how noise and latent codes are drawn.
    pub codes: CodeOptions,
    /// Pictures: whether to show one being drawn, as a GIF.
    pub gif: bool,
    /// Pictures: how many times to enlarge each pixel.
    pub scale: Option<u32>,
    /// Pictures: a file for each, instead of one sheet.
    pub separate: bool,
    /// Pictures in files: where to find the picture that is nearest to each generated one, to be drawn beside it.
    pub nearest: Option<PathBuf>,
    /// Text: the most tokens of a sentence (200 where it is missing).
    pub max_length: Option<usize>,
    /// Text: beams of a search for the likeliest sentences, instead of sampling.
    pub beam: Option<u64>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            number: 1,
            prompt: None,
            classes: Vec::new(),
            sampling: SamplingOptions::default(),
            seed: None,
            precision: None,
            device: DeviceChoice::Cpu,
            seconds: None,
            frames: FrameSampling::default(),
            change: FrameChange::default(),
            with_prompt: false,
            codes: CodeOptions::default(),
            gif: false,
            scale: None,
            separate: false,
            nearest: None,
            max_length: None,
            beam: None,
        }
    }
}

impl GenerateOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses a class, such as `digit` `7`.
    #[must_use]
    pub fn class(mut self, group: &str, value: &str) -> Self {
        self.classes.push((group.into(), value.into()));
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets how many items to generate.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    /// Sets the length of a sound.
    #[must_use]
    pub fn seconds(mut self, seconds: f64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// The seed given, or a new one.
    pub(super) fn seed_or_fresh(&self) -> u64 {
        self.seed.unwrap_or_else(fresh_seed)
    }

    /// Refuses what the model's medium has no use for, and classes that the model lacks.
    pub(super) fn check(&self, model: &OpenModel) -> Result<()> {
        const SOUND: &[&str] = &["sound"];
        const PICTURES: &[&str] = &["pictures"];
        const TEXT: &[&str] = &["text"];
        self.sampling.check(&model.manifest.recipe.model)?;
        model.check_frame_options(self.frames, self.change)?;
        model.refuse_options(&[
            ("--seconds", self.seconds.is_some(), SOUND),
            ("--with-prompt", self.with_prompt, SOUND),
            ("--gif", self.gif, PICTURES),
            ("--scale", self.scale.is_some(), PICTURES),
            ("--separate", self.separate, PICTURES),
            ("--nearest", self.nearest.is_some(), PICTURES),
            ("--max-length", self.max_length.is_some(), TEXT),
            ("--beam", self.beam.is_some(), TEXT),
        ])?;
        self.codes.check(model)?;
        model.refuse_readers()?;
        let spec = &model.manifest.recipe.model;
        let of_noise = spec.makes_pictures_from_noise();
        let at_once = of_noise || spec.has_independent_pixels();
        for (option, refused) in [
            ("--gif", at_once && self.gif),
            ("--precision", of_noise && self.precision.is_some()),
        ] {
            if refused {
                let what = "this model makes all pixels of a picture at once";
                return Err(
                    Error::usage(format!("{option} does not apply: {what}")).with_hint("omit it")
                );
            }
        }
        model.manifest.classes.check(&self.classes)
    }

    /// Refuses a search for more sentences than it keeps.
    pub(super) fn refuse_more_than(&self, beams: u64) -> Result<()> {
        if self.number <= beams {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{beams} beams find at most {beams} sentences, not {}",
            self.number
        ))
        .with_hint("give --beam a higher number, or -n a lower one"))
    }

    /// Refuses sampling options with a search, which draws nothing but latent codes.
    pub(super) fn refuse_sampling(&self, codes_are_drawn: bool) -> Result<()> {
        if self.sampling == SamplingOptions::default() && (codes_are_drawn || self.seed.is_none()) {
            return Ok(());
        }
        let flags = if codes_are_drawn { "" } else { " and --seed" };
        Err(Error::usage(format!(
            "--temperature, --top-k, --top-p, --min-p{flags} do not apply to --beam, which does not sample"
        ))
        .with_hint("omit them"))
    }
}

/// What was generated.
#[derive(Debug, Clone, PartialEq)]
pub enum Generated {
    /// Mono sounds.
    Sound {
        /// Samples a second.
        rate: u32,
        /// The samples of each sound, from −1 to 1.
        sounds: Vec<Vec<f32>>,
    },
    /// Pictures, one pixel a token.
    Pictures(Vec<Picture>),
    /// Sentences.
    Sentences(Vec<String>),
}

impl Generated {
    /// Writes one file: a WAV file, a PNG file with all pictures, or lines of text.
    ///
    /// # Errors
    /// When there are several sounds, or writing fails; nothing half-written is left.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match self {
            Self::Sound { rate, sounds } => match sounds.as_slice() {
                [sound] => write_output(path, &wav_bytes(sound, *rate)?),
                _ => Err(Error::usage(format!(
                    "{} sounds do not fit into one file",
                    sounds.len()
                ))),
            },
            Self::Pictures(pictures) => match pictures.as_slice() {
                [picture] => write_output(path, &picture.png()?),
                _ => ContactSheet::grid(pictures.clone(), None).write_png(path),
            },
            Self::Sentences(sentences) => {
                write_output(path, (sentences.join("\n") + "\n").as_bytes())
            }
        }
    }
}
