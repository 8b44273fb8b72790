/*! `ensuite generate MODEL`: make something new. */

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::prelude::*;

use super::arguments::{SamplingArgs, check_seconds, labels_of_item, parse_label};
use super::precision::{self, Precision};
use super::ui::Ui;
use crate::audio::{self, MuLaw, WavSink};
use crate::checkpoint::{Description, ModelFolder};
use crate::error::{Error, Result};
use crate::labels::{Label, describe};
use crate::medium::{Medium, Sound};
use crate::network::Network;
use crate::sequence::{Codec, Item, Sampler, Token, generate_many};

/// Make something new
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    model: PathBuf,
    /// The file to write, or - for standard output; several get numbers [default: the model's name]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many to make
    #[arg(short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    number: u64,
    /// How long, in seconds
    #[arg(long, default_value_t = 5.0, allow_negative_numbers = true)]
    seconds: f64,
    /// A recording to continue
    #[arg(long, value_name = "FILE")]
    prompt: Option<PathBuf>,
    /// Put the prompt before what is made of it
    #[arg(long, requires = "prompt")]
    with_prompt: bool,
    /// Choose a class, as in digit=7; what is not given is drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// The weights' numbers [default: int8 where it foresees nearly as well]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// At most so many go side by side.
const LANES: usize = 16;
/// Samples on their way to a file.
const CHUNK: usize = 2048;

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    check_seconds(args.seconds)?;
    args.sampling.sampling()?;
    let (folder, description) = ModelFolder::open(&args.model)?;
    description.classes.check(&args.classes)?;
    let outputs = outputs(args)?;
    let Medium::Sound(sound) = &description.medium;
    let net = folder.load(&description, &Device::flex())?;
    make_sound(args, ui, &description, sound, &net, &outputs)
}

fn make_sound(
    args: &Args,
    ui: &Ui,
    description: &Description,
    sound: &Sound,
    net: &Network,
    outputs: &[PathBuf],
) -> Result<()> {
    let seed = args.sampling.seed();
    let prompt = match &args.prompt {
        Some(path) => read_prompt(path, sound)?,
        None => Vec::new(),
    };
    let mut items = Vec::with_capacity(outputs.len());
    let mut names = Vec::with_capacity(outputs.len());
    for item in 0..outputs.len() as u64 {
        let labels = labels_of_item(&description.classes, &args.classes, seed, item);
        items.push(Item {
            sampler: Sampler::new(args.sampling.sampling()?, seed, item)?,
            condition: (!labels.is_empty())
                .then(|| description.classes.vector(&labels))
                .transpose()?,
            prompt: prompt.clone(),
        });
        names.push(describe(&labels));
    }
    let length = (args.seconds * f64::from(sound.sample_rate))
        .round()
        .max(1.0) as usize;
    let mut stepper =
        precision::stepper(net, description, args.precision, outputs.len().min(LANES))?;
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
                args.seconds
            ));
        }
        Ok(())
    };
    generate_many(&mut *stepper, &mut items, length, &mut visit)?;
    let seconds = begun.elapsed().as_secs_f64();
    let made = outputs.len() as f64 * args.seconds;
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

/// One path for each item, checked before any work is done.
fn outputs(args: &Args) -> Result<Vec<PathBuf>> {
    let base = match &args.output {
        Some(path) => path.clone(),
        None => {
            let full = args
                .model
                .canonicalize()
                .unwrap_or_else(|_| args.model.clone());
            PathBuf::from(full.file_name().unwrap_or("sound".as_ref())).with_extension("wav")
        }
    };
    if base == Path::new("-") {
        if args.number > 1 {
            return Err(Error::usage("several sounds cannot go to standard output")
                .with_hint("give a file name with -o"));
        }
        return Ok(vec![base]);
    }
    if base.is_dir() {
        return Err(Error::usage(format!("{} is a folder", base.display()))
            .with_hint("give a file name, such as more.wav"));
    }
    if let Some(parent) = base.parent()
        && !parent.as_os_str().is_empty()
        && !parent.is_dir()
    {
        return Err(Error::input(parent, "there is no such folder to write to"));
    }
    if args.number == 1 {
        return Ok(vec![base]);
    }
    let digits = args.number.to_string().len();
    let stem = base
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let extension = base
        .extension()
        .map_or("wav".into(), |e| e.to_string_lossy().into_owned());
    Ok((1..=args.number)
        .map(|number| base.with_file_name(format!("{stem}-{number:0digits$}.{extension}")))
        .collect())
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard output".into()
    } else {
        path.display().to_string()
    }
}

/// A recording as the model's tokens, treated as the training data was.
fn read_prompt(path: &Path, sound: &Sound) -> Result<Vec<Token>> {
    let recording = audio::import::read(path)?;
    let mut samples =
        audio::resample::resample(&recording.samples, recording.rate, sound.sample_rate)?;
    if sound.even_loudness {
        audio::level::even_loudness(&mut samples, sound.sample_rate);
    }
    MuLaw.encode(&samples)
}
