/*! `ensuite play MODEL`: keys in, status out, while the sound plays. */

mod controls;
mod keys;
mod session;
mod status;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::app::Label;
use crate::app::OpenModel;
use crate::app::play::PlayOptions;
use crate::cli::arguments::{FrameArgs, PrecisionArg, SamplingArgs, parse_label};
use crate::cli::terminal::Terminal;
use crate::error::Result;
use controls::Controls;
use keys::Keyboard;
use session::{Recordings, Session};
use status::Screen;

/// Play live and endlessly, controlled from the keyboard
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder, or the name of a model
    model: PathBuf,
    /// Stop after this many seconds [default: play until stopped]
    #[arg(long, allow_negative_numbers = true)]
    seconds: Option<f64>,
    /// The audio output, as `ensuite devices` lists it [default: the system's]
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// Also write what is played to a WAV file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Milliseconds from generating a sample to hearing it
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 50.0,
        allow_negative_numbers = true
    )]
    latency: f64,
    /// Generate this many seconds before playing begins: for a model that is too slow
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    prebuffer: Option<f64>,
    /// Let degenerated sound (silence, clipping, one tone) go on, instead of restarting from the model's prompt
    #[arg(long)]
    no_guard: bool,
    /// Continue a recording: its last second is read before the first sound
    #[arg(long, value_name = "FILE")]
    prompt: Option<PathBuf>,
    /// Choose a class, as in digit=7; classes that are not given are drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// The numbers of the weights [default: int8 where it predicts nearly as well]
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    #[command(flatten)]
    frames: FrameArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let started = process_start();
    let options = PlayOptions {
        seconds: args.seconds,
        output: args.output,
        record: args.record.clone(),
        latency: args.latency / 1_000.0,
        prebuffer: args.prebuffer.unwrap_or(0.0),
        guard: !args.no_guard,
        classes: args.classes,
        precision: args.precision.map(Into::into),
        sampling: args.sampling.sampling(),
        seed: args.sampling.seed,
        prompt: args.prompt,
        frames: args.frames.sampling.frames(),
        change: args.frames.change.change(),
    };
    options.check()?;
    let stop = keys::stop_flag();
    let model = OpenModel::open(&args.model)?;
    let playback = model.play(&options, terminal)?;
    let controls = Controls::new(
        playback.sampling,
        playback.seed,
        playback.labels.clone(),
        model.manifest.classes,
    );
    terminal.say(format!("{}, {controls}", playback.output));
    let mut screen = Screen::new(terminal.quiet());
    let keyboard = Keyboard::open();
    if keyboard.is_some() {
        screen.say(&controls.help());
    }
    let recordings = Recordings::new(&args.model, args.record.as_deref());
    let mut session = Session::new(playback, controls, recordings, started);
    session.attend(keyboard.as_ref(), &mut screen, &stop);
    // The terminal is restored before anything else is printed.
    screen.close();
    drop(keyboard);
    let summary = session.summary();
    let outcome = session.playback.join();
    terminal.say(summary);
    outcome
}

/// When this process was started; now, where the system does not tell.
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
