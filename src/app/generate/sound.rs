/*! Generating sound: tokens to samples, in memory or into WAV files while they grow. */

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::maker::{Maker, shown};
use super::options::{GenerateOptions, Generated};
use crate::app::sampling::{check_seconds, items};
use crate::app::tiers::Steering;
use crate::app::{Observer, OpenModel};
use crate::audio::dataset::read_tokens;
use crate::audio::{Deemphasis, SoundFormat, WavSink, check_wav_name};
use crate::base::files::refuse_overwriting;
use crate::error::Result;
use crate::sequence::{Item, Token, generate_many};

/// The most sounds side by side.
const LANES: usize = 16;
/// Samples that are buffered for a file.
const CHUNK: usize = 2048;

/// What is decided before any sample is made.
struct Job<'a> {
    maker: Maker<'a>,
    items: Vec<Item>,
    names: Vec<String>,
    seed: u64,
    prompt: Vec<Token>,
    /// What makes samples of the tokens that follow the prompt.
    filter: Deemphasis,
    /// Samples of each sound.
    length: usize,
}

impl<'a> Job<'a> {
    fn new(model: &'a OpenModel, sound: &SoundFormat, options: &GenerateOptions) -> Result<Self> {
        let seconds = options.seconds.unwrap_or(5.0);
        check_seconds(seconds)?;
        let maker = Maker::new(model, &options.device, options.precision)?;
        let (prompt, classes) = match &options.prompt {
            Some(path) => {
                let classes = model.labels_of(&options.classes, path)?;
                (read_tokens(path, sound)?, classes)
            }
            None => (Vec::new(), options.classes.clone()),
        };
        let mut filter = sound.emphasis.inverse(sound.sample_rate);
        for &token in &prompt {
            filter.token(token);
        }
        let seed = options.seed_or_fresh();
        let tiers = model.tiers()?;
        let (mut items, names) = items(
            model,
            options.number,
            &classes,
            options.sampling,
            seed,
            &prompt,
        )?;
        let length = (seconds * f64::from(sound.sample_rate)).round().max(1.0) as usize;
        if let Some(tiers) = tiers {
            let how = Steering {
                sampling: options.frames,
                seed,
                change: options.change,
                fill: options.seconds.is_some(),
            };
            tiers.steer(&mut items, &how, length)?;
        }
        Ok(Self {
            maker,
            items,
            names,
            seed,
            prompt: if options.with_prompt {
                prompt
            } else {
                Vec::new()
            },
            filter,
            length,
        })
    }

    /// Makes every token and hands it over with the number of its item.
    fn run(&mut self, visit: &mut dyn FnMut(usize, Token) -> Result<()>) -> Result<()> {
        let lanes = self.maker.side_by_side(self.items.len(), LANES, 1);
        let mut stepper = self.maker.stepper(lanes)?;
        generate_many(&mut *stepper, &mut self.items, self.length, visit)
    }
}

/// Generates in memory.
pub(super) fn generate(
    model: &OpenModel,
    sound: &SoundFormat,
    options: &GenerateOptions,
) -> Result<Generated> {
    let mut job = Job::new(model, sound, options)?;
    let prompt = sound.emphasis.decode(&job.prompt, sound.sample_rate);
    let mut sounds = vec![prompt; job.items.len()];
    let mut filters = vec![job.filter.clone(); job.items.len()];
    job.run(&mut |item, token| {
        sounds[item].push(filters[item].token(token));
        Ok(())
    })?;
    Ok(Generated::Sound {
        rate: sound.sample_rate,
        sounds,
    })
}

/// Generates into files that grow while their samples are made.
pub(super) fn write(
    model: &OpenModel,
    sound: &SoundFormat,
    options: &GenerateOptions,
    output: Option<&Path>,
    observer: &mut dyn Observer,
) -> Result<Vec<PathBuf>> {
    check_seconds(options.seconds.unwrap_or(5.0))?;
    let outputs = model.outputs(output, options.number, "wav")?;
    check_wav_name(&outputs[0])?;
    for path in &outputs {
        refuse_overwriting(path, options.prompt.as_deref())?;
    }
    let mut job = Job::new(model, sound, options)?;
    let begun = Instant::now();
    let mut files: Vec<Option<GrowingFile>> = outputs.iter().map(|_| None).collect();
    let prompt = sound.emphasis.decode(&job.prompt, sound.sample_rate);
    let filter = job.filter.clone();
    let names = std::mem::take(&mut job.names);
    let (seed, length) = (job.seed, job.length);
    let rate = f64::from(sound.sample_rate);
    let mut made = 0_u64;
    let mut tell = |item: usize, length: usize| {
        let class = if names[item].is_empty() {
            String::new()
        } else {
            format!(", {}", names[item])
        };
        let (path, seconds) = (shown(&outputs[item]), length as f64 / rate);
        observer.info(format!(
            "{path}: {seconds:.1} s, seed {seed} item {item}{class}"
        ));
    };
    job.run(&mut |item, token| {
        let file = match &mut files[item] {
            Some(file) => file,
            empty => empty.insert(GrowingFile::create(
                &outputs[item],
                sound.sample_rate,
                &prompt,
                filter.clone(),
            )?),
        };
        file.push(token)?;
        made += 1;
        // A sound that ends by itself is finished below.
        if file.made == length
            && let Some(file) = files[item].take()
        {
            file.finish()?;
            tell(item, length);
        }
        Ok(())
    })?;
    for (item, file) in files.into_iter().enumerate() {
        if let Some(file) = file {
            let length = file.made;
            file.finish()?;
            tell(item, length);
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let made = made as f64 / rate;
    observer.info(format!(
        "{made:.1} s of sound in {took:.1} s: {:.1} times real time",
        made / took
    ));
    Ok(outputs)
}

/// A WAV file while it grows.
struct GrowingFile {
    sink: WavSink,
    filter: Deemphasis,
    buffer: Vec<f32>,
    made: usize,
}

impl GrowingFile {
    fn create(path: &Path, rate: u32, prompt: &[f32], filter: Deemphasis) -> Result<Self> {
        let mut sink = WavSink::create(path, rate)?;
        sink.write(prompt)?;
        Ok(Self {
            sink,
            filter,
            buffer: Vec::with_capacity(CHUNK),
            made: 0,
        })
    }

    fn push(&mut self, token: Token) -> Result<()> {
        self.buffer.push(self.filter.token(token));
        self.made += 1;
        if self.buffer.len() == CHUNK {
            self.sink.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.sink.write(&self.buffer)?;
        self.sink.finish().map(drop)
    }
}
