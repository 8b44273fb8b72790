/*!
`play`: sound while it is being generated, for as long as wanted.

One thread makes the sound ([`producer`]); whoever started it sends [`Command`]s and receives [`PlayEvent`]s. Without the
guard, what is played is what `generate` writes for the same seed and settings.
*/

mod command;
mod guarded_stream;
mod listening;
mod live_frames;
mod producer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use burn::prelude::*;

use crate::app::precision::{self, Precision};
use crate::app::sampling::{SamplingOptions, check_seconds, fresh_seed, labels_of_item};
use crate::app::tiers::Steering;
use crate::app::{FrameChange, FrameSampling, Observer, OpenModel};
use crate::audio::dataset::read_tokens;
use crate::audio::playback::{Gauge, Output, Player, Settings};
use crate::audio::{SoundFormat, WavSink, import};
use crate::base::labels::Label;
use crate::checkpoint::PROMPT;
use crate::error::{Error, Result};
use crate::sequence::{Guard, LiveGenerator, Sampler, Sampling, Stepper, Token};

pub use command::Command;
use guarded_stream::GuardedStream;
pub use listening::Listening;
use producer::Producer;
pub use producer::{Meters, PlayEvent};

/// How to play.
#[derive(Debug, Clone)]
pub struct PlayOptions {
    /// Stop after this many seconds.
    pub seconds: Option<f64>,
    /// The audio output; the system's default where it is missing.
    pub output: Option<String>,
    /// A WAV file that what is played is written to as well; `-` is standard output.
    pub record: Option<PathBuf>,
    /// Seconds from making a sample to hearing it.
    pub latency: f64,
    /// Seconds to make before playing begins.
    pub prebuffer: f64,
    /// Whether degenerated sound (silence, clipping, one tone) begins anew: with two tiers as another sound, else from the model's
    /// prompt.
    pub guard: bool,
    /// Chosen classes; the others are drawn from the seed.
    pub classes: Vec<Label>,
    /// The numbers of the weights; int8 where the model predicts nearly as well with it.
    pub precision: Option<Precision>,
    /// How tokens are drawn.
    pub sampling: SamplingOptions,
    /// The seed; a new one is drawn where it is missing.
    pub seed: Option<u64>,
    /// A recording whose end is continued.
    pub prompt: Option<PathBuf>,
    /// Two tiers: how frames are drawn.
    pub frames: FrameSampling,
    /// Two tiers: how pitch and speed are changed.
    pub change: FrameChange,
}

impl PlayOptions {
    /// Refuses what is not possible.
    ///
    /// # Errors
    /// A usage error naming the option.
    pub fn check(&self) -> Result<()> {
        self.settings().map(drop)
    }

    fn settings(&self) -> Result<Settings> {
        if let Some(seconds) = self.seconds {
            check_seconds(seconds)?;
        }
        self.sampling.validate()?;
        let milliseconds = 1_000.0 * self.latency;
        if !(10.0..=2_000.0).contains(&milliseconds) {
            return Err(
                Error::usage(format!("--latency {milliseconds} is not possible"))
                    .with_hint("a latency is from 10 to 2000 milliseconds; 50 is usual"),
            );
        }
        if !(0.0..=3_600.0).contains(&self.prebuffer) {
            return Err(
                Error::usage(format!("--prebuffer {} is not possible", self.prebuffer))
                    .with_hint("a prebuffer is from 0 to 3600 seconds"),
            );
        }
        Ok(Settings {
            latency: self.latency,
            prebuffer: self.prebuffer,
        })
    }
}

/// Sound that plays: what the controlling side holds.
pub struct Playback {
    /// Of the model, in Hz.
    pub rate: u32,
    /// The audio output in words.
    pub output: String,
    /// The seed in use.
    pub seed: u64,
    /// The sampling settings in use.
    pub sampling: Sampling,
    /// One label of each class group.
    pub labels: Vec<Label>,
    /// The level and state of the output.
    pub gauge: Arc<Gauge>,
    /// Figures of the producer.
    pub meters: Arc<Meters>,
    /// Takes commands.
    pub commands: Sender<Command>,
    /// Gives events.
    pub events: Receiver<PlayEvent>,
    /// The producer's thread; it ends when playing has ended.
    pub producer: JoinHandle<Result<()>>,
}

impl Playback {
    /// Waits for the end.
    ///
    /// # Errors
    /// When the output was lost or a recording could not be written.
    pub fn join(self) -> Result<()> {
        self.producer
            .join()
            .unwrap_or_else(|_| Err(crashed("making the sound")))
    }
}

/// How long a model is timed before it plays.
const TRIAL: Duration = Duration::from_millis(50);
/// Below this multiple of real time, other work on the machine may cause gaps.
const COMFORT: f64 = 1.3;

impl OpenModel {
    /// Starts playing.
    ///
    /// # Errors
    /// When it is not a sound model, the machine cannot generate in real time, or there is no audio output.
    pub fn play(&self, options: &PlayOptions, observer: &mut dyn Observer) -> Result<Playback> {
        let settings = options.settings()?;
        // Reaching a sound server takes about as long as reading a model: both at once.
        let wanted = options.output.clone();
        let opening =
            thread::spawn(move || Player::open(Output::find(wanted.as_deref())?, &settings));
        let ready = Ready::new(self, options, observer)?;
        let player = opening
            .join()
            .unwrap_or_else(|_| Err(crashed("opening the audio output")))?;
        let sink = match &options.record {
            Some(path) => Some((path.clone(), WavSink::create(path, ready.rate)?)),
            None => None,
        };
        let (sender, commands) = mpsc::channel();
        let (events, receiver) = mpsc::channel();
        let meters = Arc::new(Meters::default());
        let (output, gauge) = (player.describe(), player.gauge());
        let samples = |seconds: f64| (seconds * f64::from(ready.rate)).round().max(1.0) as u64;
        let producer = Producer {
            rate: ready.rate,
            length: options.seconds.map(samples),
            leave_at_once: options.prebuffer > 0.0,
            stream: ready.stream,
            player,
            sink,
            commands,
            events,
            meters: meters.clone(),
        };
        Ok(Playback {
            rate: ready.rate,
            output,
            seed: ready.seed,
            sampling: ready.sampling,
            labels: ready.labels,
            gauge,
            meters,
            commands: sender,
            events: receiver,
            producer: thread::spawn(move || producer.run()),
        })
    }
}

/// A model that is ready to play.
struct Ready {
    rate: u32,
    stream: GuardedStream,
    seed: u64,
    sampling: Sampling,
    labels: Vec<Label>,
}

impl Ready {
    /// Loads the model, checks that it is fast enough, and resets it.
    fn new(model: &OpenModel, options: &PlayOptions, observer: &mut dyn Observer) -> Result<Self> {
        let classes = &model.manifest.classes;
        classes.check(&options.classes)?;
        let sound = model.sound()?;
        let seed = options.seed.unwrap_or_else(fresh_seed);
        let labels = labels_of_item(classes, &options.classes, seed, 0);
        let condition = model.manifest.condition(&labels)?;
        model.check_frame_options(options.frames, options.change)?;
        let tiers = model.tiers()?;
        let sampling = options.sampling.settings(&model.manifest);
        let sampler = Sampler::new(sampling, seed, 0)?;
        let net = model.load(&Device::flex())?;
        let mut stepper = precision::stepper(&net, &model.manifest, options.precision, 1)?;
        let speed = speed(
            &mut *stepper,
            &sampler,
            condition.as_deref().filter(|_| tiers.is_none()),
            sound.sample_rate,
        );
        check_speed(speed, options, model, observer)?;
        let prompt = prompt(model, sound)?;
        let guard = options
            .guard
            .then(|| Guard::new(f64::from(sound.sample_rate), &prompt));
        let mut prompt = sound.emphasis.encode(&prompt);
        let mut begun = match &options.prompt {
            Some(path) => ending(read_tokens(path, sound)?, sound.sample_rate),
            None => Vec::new(),
        };
        let mut generator = match tiers {
            Some(tiers) => {
                // After trouble the frame tier begins a new sound.
                prompt.clear();
                let how = Steering {
                    sampling: options.frames,
                    seed,
                    change: options.change,
                    fill: true,
                };
                let frames = tiers.live(condition, &how, &mut begun)?;
                LiveGenerator::new(stepper, sampler, None).steered_by(Box::new(frames))
            }
            None => LiveGenerator::new(stepper, sampler, condition),
        };
        let mut filter = sound.emphasis.inverse(sound.sample_rate);
        for token in begun {
            generator.read(token)?;
            filter.token(token);
        }
        Ok(Self {
            rate: sound.sample_rate,
            stream: GuardedStream::new(generator, filter, guard, prompt, sound.sample_rate),
            seed,
            sampling,
            labels,
        })
    }
}

/// The last second of a prompt: reading it may not delay the first sound.
fn ending(mut tokens: Vec<Token>, rate: u32) -> Vec<Token> {
    tokens.drain(..tokens.len().saturating_sub(rate as usize));
    tokens
}

/// The prompt that the model keeps, at its own rate and loudness; empty where it keeps none.
fn prompt(model: &OpenModel, sound: &SoundFormat) -> Result<Vec<f32>> {
    let path = model.folder.path().join(PROMPT);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let recording = import::read(&path)?;
    if recording.rate != sound.sample_rate {
        let reason = format!(
            "its sample rate is {} Hz, and the model generates {} Hz",
            recording.rate, sound.sample_rate
        );
        return Err(Error::model(path, reason));
    }
    Ok(recording.samples)
}

/// How many times real time the model generates, tried for a moment. The samples are dropped: playing begins with a
/// reset.
fn speed(
    stepper: &mut dyn Stepper,
    sampler: &Sampler,
    condition: Option<&[f32]>,
    rate: u32,
) -> f64 {
    let mut sampler = sampler.clone();
    let mut token = stepper.alphabet().start;
    stepper.reset(0, condition);
    let begun = Instant::now();
    let mut steps = 0_u32;
    while begun.elapsed() < TRIAL {
        for _ in 0..16 {
            token = sampler.choose(stepper.step(&[token]));
        }
        steps += 16;
    }
    f64::from(steps) / begun.elapsed().as_secs_f64() / f64::from(rate)
}

/// Refuses a model that cannot generate in real time, and says what would help.
fn check_speed(
    speed: f64,
    options: &PlayOptions,
    model: &OpenModel,
    observer: &mut dyn Observer,
) -> Result<()> {
    if speed >= COMFORT {
        return Ok(());
    }
    if speed >= 1.0 {
        observer.warn(format!(
            "this model generates only {speed:.2} times real time here: other work may cause gaps"
        ));
        return Ok(());
    }
    if options.prebuffer > 0.0 {
        let lasts = options.prebuffer / (1.0 - speed);
        observer.warn(format!(
            "this model generates {speed:.2} times real time here: after {:.0} s of filling it plays for {lasts:.0} s, then with gaps",
            options.prebuffer / speed
        ));
        return Ok(());
    }
    let int8 = match (&model.manifest.int8, options.precision) {
        (Some(int8), Some(Precision::F32)) if int8.is_good() => "omit --precision f32; ",
        (Some(int8), None) if !int8.is_good() => "try --precision int8; ",
        _ => "",
    };
    Err(Error::Device {
        message: format!(
            "this model cannot generate in real time: it makes {speed:.2} times real time here"
        ),
        hint: Some(format!(
            "{int8}train a smaller one (--preset tiny), fill a buffer first with --prebuffer 30, or write a file with `ensuite generate`"
        )),
    })
}

/// The error of a thread that panicked; its own message stands above.
fn crashed(what: &str) -> Error {
    Error::Device {
        message: format!("{what} ended unexpectedly"),
        hint: None,
    }
}
