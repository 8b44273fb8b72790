/*! `transform`: the frames of a recording through the samples of a model: its tune and its words in another sound. */

use std::path::PathBuf;

use burn::prelude::*;

use crate::app::sampling::{SamplingOptions, labels_of_item};
use crate::app::{FrameChange, Label, Observer, OpenModel, Precision, fresh_seed, precision};
use crate::audio::dataset::read_tokens;
use crate::audio::{WavSink, check_wav_name};
use crate::base::files::refuse_overwriting;
use crate::base::labels::describe;
use crate::error::{Error, Result};
use crate::sequence::{Item, Sampler, generate_many};

/// What to transform, and how.
#[derive(Debug, Clone)]
pub struct TransformOptions {
    /// The recording.
    pub recording: PathBuf,
    /// The WAV file to write.
    pub output: PathBuf,
    /// Chosen classes; of the others, those that the recording's path says, and the rest drawn from the seed.
    pub classes: Vec<Label>,
    /// How samples are drawn.
    pub sampling: SamplingOptions,
    /// The seed; a new one is drawn where it is missing.
    pub seed: Option<u64>,
    /// The numbers of the weights; int8 where the model predicts nearly as well with it.
    pub precision: Option<Precision>,
    /// How pitch and speed are changed.
    pub change: FrameChange,
}

impl OpenModel {
    /// Writes what the model makes of a recording.
    ///
    /// # Errors
    /// When it is not a sound model of two tiers, a class is unknown, the recording cannot be read, or writing fails.
    pub fn transform(&self, options: &TransformOptions, observer: &mut dyn Observer) -> Result<()> {
        check_wav_name(&options.output)?;
        refuse_overwriting(&options.output, [&*options.recording])?;
        options.change.validate()?;
        options.sampling.validate()?;
        let classes = &self.manifest.classes;
        let given = self.labels_of(&options.classes, &options.recording)?;
        let sound = self.sound()?;
        let Some(tiers) = self.tiers()? else {
            return Err(Error::model(
                self.folder.path(),
                "it has one tier, and a recording is transformed by its frames",
            )
            .with_hint("train sound without --tiers 1 makes a model of two tiers"));
        };
        let tokens = read_tokens(&options.recording, sound)?;
        if tokens.is_empty() {
            return Err(Error::input(&options.recording, "it has no samples"));
        }
        let seed = options.seed.unwrap_or_else(fresh_seed);
        let labels = labels_of_item(classes, &given, seed, 0);
        let condition = self.manifest.condition(&labels)?;
        let sampling = options.sampling.settings(&self.manifest);
        let mut item = Item {
            sampler: Sampler::new(sampling, seed, 0)?,
            stream: Some(tiers.stream_of(&tokens, options.change, condition.as_deref())),
            condition,
            prompt: Vec::new(),
        };
        let net = self.load(&Device::flex())?;
        let mut stepper = precision::stepper(&net, &self.manifest, options.precision, 1)?;
        let mut filter = sound.emphasis.inverse(sound.sample_rate);
        let mut samples = Vec::new();
        generate_many(
            &mut *stepper,
            std::slice::from_mut(&mut item),
            usize::MAX,
            &mut |_, token| {
                samples.push(filter.token(token));
                Ok(())
            },
        )?;
        let mut sink = WavSink::create(&options.output, sound.sample_rate)?;
        sink.write(&samples)?;
        sink.finish()?;
        let seconds = samples.len() as f64 / f64::from(sound.sample_rate);
        let class = if labels.is_empty() {
            String::new()
        } else {
            format!(", {}", describe(&labels))
        };
        observer.info(format!(
            "{}: {seconds:.1} s, seed {seed}{class}",
            options.output.display()
        ));
        Ok(())
    }
}
