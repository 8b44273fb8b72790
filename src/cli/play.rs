/*!
`ensuite play MODEL`: hear it while it is being made, for as long as wanted.

A thread of its own makes the sound (`producer`); this one reads the keyboard and shows how things are (`session`).
What is played without the guard is what `generate` writes for the same seed and settings.
*/

mod controls;
mod keys;
mod producer;
mod session;
mod status;
mod voice;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use burn::prelude::*;

use crate::audio::SoundFormat;
use crate::audio::playback::{Output, Player, Settings};
use crate::audio::{MuLaw, WavSink, import};
use crate::base::labels::Label;
use crate::checkpoint::Medium;
use crate::checkpoint::{ModelFolder, ModelManifest, PROMPT};
use crate::cli::arguments::{SamplingArgs, check_seconds, labels_of_item, parse_label};
use crate::cli::media::other_medium;
use crate::cli::precision;
use crate::cli::precision::Precision;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::sequence::{Codec, Guard, LiveGenerator, Sampler, Stepper};
use controls::Controls;
use keys::Keyboard;
use producer::{Meters, Producer};
use session::{Recordings, Session};
use status::Screen;
use voice::Voice;

/// Play endlessly and live, steered from the keyboard
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    model: PathBuf,
    /// Stop after so many seconds [default: play until stopped]
    #[arg(long, allow_negative_numbers = true)]
    seconds: Option<f64>,
    /// The audio output, as `ensuite devices` lists it [default: the system's]
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// Write what is played to a WAV file too, or to standard output with -
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Milliseconds from making a sample to hearing it
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 50.0,
        allow_negative_numbers = true
    )]
    latency: f64,
    /// Make so many seconds before playing any: for a model that is too slow
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    prebuffer: Option<f64>,
    /// Let it fall silent, clip or hold one tone for ever, instead of starting again from the model's own prompt
    #[arg(long)]
    no_guard: bool,
    /// Choose a class, as in digit=7; what is not given is drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// The weights' numbers [default: int8 where it foresees nearly as well]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// How long a model is timed before it plays.
const TRIAL: Duration = Duration::from_millis(50);
/// Below so many times real time, whatever else the machine does can be heard.
const COMFORT: f64 = 1.3;

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    let born = process_start();
    let settings = check(args)?;
    let stop = keys::stop_flag();
    // Reaching a sound server takes about as long as reading a model: both at once.
    let wanted = args.output.clone();
    let opening = thread::spawn(move || Player::open(Output::find(wanted.as_deref())?, &settings));
    let made = prepare(args, ui)?;
    let player = opening
        .join()
        .unwrap_or_else(|_| Err(crashed("opening the audio output")))?;
    ui.say(format!("{}, {}", player.describe(), made.controls));
    let (mut session, producer) = connect(args, &settings, made, player, born)?;
    let making = thread::spawn(move || producer.run());
    let mut screen = Screen::new(ui.quiet());
    let keyboard = Keyboard::open();
    if keyboard.is_some() {
        screen.say(&session.controls.help());
    }
    session.attend(keyboard.as_ref(), &mut screen, &stop, &making);
    // The terminal is itself again before anything else is said.
    screen.close();
    drop(keyboard);
    let outcome = making
        .join()
        .unwrap_or_else(|_| Err(crashed("making the sound")));
    ui.say(session.summary());
    outcome
}

/// A model that is ready to sound.
struct Made {
    rate: u32,
    voice: Voice,
    controls: Controls,
}

/// The two sides and the channels between them; a recording that is asked for begins here.
fn connect(
    args: &Args,
    settings: &Settings,
    made: Made,
    player: Player,
    born: Instant,
) -> Result<(Session, Producer)> {
    let sink = match &args.record {
        Some(path) => Some((path.clone(), WavSink::create(path, made.rate)?)),
        None => None,
    };
    let (commands, orders) = mpsc::channel();
    let (news, events) = mpsc::channel();
    let meters = Arc::new(Meters::default());
    let session = Session {
        rate: made.rate,
        born,
        recordings: Recordings::new(&args.model, args.record.as_deref()),
        controls: made.controls,
        gauge: player.gauge(),
        meters: meters.clone(),
        commands,
        events,
        spent: (0, 0),
    };
    let samples = |seconds: f64| (seconds * f64::from(made.rate)).round().max(1.0) as u64;
    let producer = Producer {
        rate: made.rate,
        length: args.seconds.map(samples),
        leave_at_once: settings.prebuffer > 0.0,
        voice: made.voice,
        player,
        sink,
        orders,
        news,
        meters,
    };
    Ok((session, producer))
}

/// Refuses what means nothing before anything is opened.
fn check(args: &Args) -> Result<Settings> {
    if let Some(seconds) = args.seconds {
        check_seconds(seconds)?;
    }
    args.sampling.sampling()?;
    if !(10.0..=2_000.0).contains(&args.latency) {
        return Err(
            Error::usage(format!("--latency {} is not possible", args.latency))
                .with_hint("a latency is from 10 to 2000 milliseconds; 50 is usual"),
        );
    }
    let prebuffer = args.prebuffer.unwrap_or(0.0);
    if !(0.0..=3_600.0).contains(&prebuffer) {
        return Err(
            Error::usage(format!("--prebuffer {prebuffer} is not possible"))
                .with_hint("a prebuffer is from 0 to 3600 seconds"),
        );
    }
    Ok(Settings {
        latency: args.latency / 1_000.0,
        prebuffer,
    })
}

/// Reads the model, checks that it is fast enough, and sets it to its beginning.
fn prepare(args: &Args, ui: &Ui) -> Result<Made> {
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    manifest.classes.check(&args.classes)?;
    let Medium::Sound(sound) = &manifest.medium else {
        return Err(other_medium(&args.model, &manifest.medium, "sound"));
    };
    let seed = args.sampling.seed();
    let labels = labels_of_item(&manifest.classes, &args.classes, seed, 0);
    let condition = (!labels.is_empty())
        .then(|| manifest.classes.vector(&labels))
        .transpose()?;
    let sampler = Sampler::new(args.sampling.sampling()?, seed, 0)?;
    let net = folder.load(&manifest, &Device::flex())?;
    let mut stepper = precision::stepper(&net, &manifest, args.precision, 1)?;
    let speed = speed(
        &mut *stepper,
        &sampler,
        condition.as_deref(),
        sound.sample_rate,
    );
    judge_speed(speed, args, &manifest, ui)?;
    let prompt = prompt(&folder, sound)?;
    let rate = f64::from(sound.sample_rate);
    let guard = (!args.no_guard).then(|| Guard::new(rate, &prompt));
    let generator = LiveGenerator::new(stepper, sampler, condition);
    Ok(Made {
        rate: sound.sample_rate,
        voice: Voice::new(generator, guard, MuLaw.encode(&prompt)?, sound.sample_rate),
        controls: Controls::new(args.sampling.sampling()?, seed, labels, manifest.classes),
    })
}

/// The prompt that the model keeps, at its own rate and loudness; nothing where it keeps none.
fn prompt(folder: &ModelFolder, sound: &SoundFormat) -> Result<Vec<f32>> {
    let path = folder.path().join(PROMPT);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let recording = import::read(&path)?;
    if recording.rate != sound.sample_rate {
        let reason = format!(
            "it is sound of {} Hz where the model makes {} Hz",
            recording.rate, sound.sample_rate
        );
        return Err(Error::model(path, reason));
    }
    Ok(recording.samples)
}

/// How many times real time the model makes, tried for a moment. What it makes meanwhile is thrown away: playing begins
/// with a reset.
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

/// Refuses a model that would stutter, and says what would not.
fn judge_speed(speed: f64, args: &Args, manifest: &ModelManifest, ui: &Ui) -> Result<()> {
    let prebuffer = args.prebuffer.unwrap_or(0.0);
    if speed >= COMFORT {
        return Ok(());
    }
    if speed >= 1.0 {
        ui.warn(format!(
            "this model makes only {speed:.2} times real time here: other work may be heard as gaps"
        ));
        return Ok(());
    }
    if prebuffer > 0.0 {
        let lasts = prebuffer / (1.0 - speed);
        ui.warn(format!(
            "this model makes {speed:.2} times real time here: after {:.0} s of filling it plays for {lasts:.0} s, then with gaps",
            prebuffer / speed
        ));
        return Ok(());
    }
    let eight_bits = match (&manifest.int8, args.precision) {
        (Some(int8), Some(Precision::F32)) if int8.is_good() => "leave --precision f32 away; ",
        (Some(int8), None) if !int8.is_good() => "try --precision int8; ",
        _ => "",
    };
    Err(Error::Device {
        message: format!("this model cannot keep up: it makes {speed:.2} times real time here"),
        hint: Some(format!(
            "{eight_bits}train a smaller one (--preset tiny), fill up first with --prebuffer 30, or write a file with `ensuite generate`"
        )),
    })
}

/// A thread of ours that panicked; its own message stands above.
fn crashed(what: &str) -> Error {
    Error::Device {
        message: format!("{what} ended unexpectedly"),
        hint: None,
    }
}

/// When this process was started, as far as the system says; else now.
fn process_start() -> Instant {
    let now = Instant::now();
    age().and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// From `/proc`: in hundredths of a second, the start since boot is field 22, counted behind the name in brackets.
fn age() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks: f64 = stat
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - ticks / 100.0).ok()
}
