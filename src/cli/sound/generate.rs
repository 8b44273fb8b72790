/*! `ensuite generate` on sound. */

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::audio::SoundFormat;
use crate::audio::{MuLaw, WavSink};
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::arguments::check_seconds;
use crate::cli::generate::{Args, shown};
use crate::cli::sound::read_tokens;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::sequence::{Codec, Token, generate_many};

/// At most so many go side by side.
const LANES: usize = 16;
/// Samples on their way to a file.
const CHUNK: usize = 2048;

pub(super) fn run(
    args: &Args,
    sound: &SoundFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let asked = args.seconds.unwrap_or(5.0);
    check_seconds(asked)?;
    let outputs: Vec<PathBuf> = args.outputs(args.number, "wav")?;
    let maker = args.maker(folder, manifest)?;
    let prompt = match &args.prompt {
        Some(path) => read_tokens(path, sound)?,
        None => Vec::new(),
    };
    let (seed, mut items, names) = args.items(manifest, &prompt)?;
    let length = (asked * f64::from(sound.sample_rate)).round().max(1.0) as usize;
    let mut stepper = maker.stepper(maker.side_by_side(outputs.len(), LANES, 1))?;
    let begun = Instant::now();
    let mut files: Vec<Option<Growing>> = outputs.iter().map(|_| None).collect();
    let with_prompt = if args.with_prompt {
        prompt.as_slice()
    } else {
        &[]
    };
    let mut visit = |item: usize, token: Token| -> Result<()> {
        let file = match &mut files[item] {
            Some(file) => file,
            empty => empty.insert(Growing::create(
                &outputs[item],
                sound.sample_rate,
                with_prompt,
            )?),
        };
        file.push(token)?;
        if file.made == length {
            if let Some(file) = files[item].take() {
                file.finish()?;
            }
            let class = if names[item].is_empty() {
                String::new()
            } else {
                format!(", {}", names[item])
            };
            ui.say(format!(
                "{}: {:.1} s, seed {seed} item {item}{class}",
                shown(&outputs[item]),
                asked
            ));
        }
        Ok(())
    };
    generate_many(&mut *stepper, &mut items, length, &mut visit)?;
    let seconds = begun.elapsed().as_secs_f64();
    let made = outputs.len() as f64 * asked;
    ui.say(format!(
        "{made:.1} s of sound in {seconds:.1} s: {:.1} times real time",
        made / seconds
    ));
    Ok(())
}

/// A WAV file while it grows.
struct Growing {
    sink: WavSink,
    waiting: Vec<f32>,
    made: usize,
}

impl Growing {
    fn create(path: &Path, rate: u32, prompt: &[Token]) -> Result<Self> {
        let mut sink = WavSink::create(path, rate)?;
        sink.write(&MuLaw.decode(prompt)?)?;
        Ok(Self {
            sink,
            waiting: Vec::with_capacity(CHUNK),
            made: 0,
        })
    }

    fn push(&mut self, token: Token) -> Result<()> {
        self.waiting.push(MuLaw::decode_token(token));
        self.made += 1;
        if self.waiting.len() == CHUNK {
            self.sink.write(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.sink.write(&self.waiting)?;
        self.sink.finish().map(drop)
    }
}
