//! Playing, against a real sound server with a loudspeaker that goes nowhere and can be listened to.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use realfft::RealFftPlanner;

use crate::cli::{World, ensuite, outcome, succeed};
use crate::two_tiers::trained;

/// The sample rate of the server's output, in Hz.
const RATE: u32 = 48_000;

/// The part of the system that these tests need and that is missing.
fn missing() -> Option<&'static str> {
    let runs = |tool: &str| {
        let mut command = Command::new(tool);
        let silent = command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    };
    let libraries = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new);
    let plugin = libraries.into_iter().flat_map(|library| {
        let inner = fs::read_dir(library).into_iter().flatten().flatten();
        inner.map(|entry| entry.path()).chain([library.to_owned()])
    });
    if !runs("pulseaudio") {
        Some("pulseaudio")
    } else if !runs("parec") {
        Some("parec (pulseaudio-utils)")
    } else if !plugin.into_iter().any(|folder| {
        folder
            .join("alsa-lib/libasound_module_pcm_pulse.so")
            .exists()
            || folder.join("libasound_module_pcm_pulse.so").exists()
    }) {
        Some("ALSA's way to PulseAudio (libasound2-plugins)")
    } else {
        None
    }
}

/// True when the tests can run; otherwise prints why not, and fails where they must run.
fn can_listen() -> bool {
    let Some(what) = missing() else { return true };
    assert!(
        env::var_os("ENSUITE_REQUIRE_SOUND").is_none(),
        "{what} is missing"
    );
    // Not through the test harness, which captures the output of tests.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: nothing was played, because {what} is missing"
    );
    false
}

/// A home folder whose programs play through the test's own sound server.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join(".asoundrc"),
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n",
        )
        .unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a program with this home folder.
    fn inside<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env(
                "PULSE_SERVER",
                format!("unix:{}", self.path("socket").display()),
            )
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("ALSA_CONFIG_PATH")
    }
}

/// The test's own sound server, and a recorder of all that its output plays.
struct Server {
    home: Home,
    server: Child,
    listener: Child,
}

impl Server {
    fn start() -> Self {
        let home = Home::new();
        let mut command = Command::new("pulseaudio");
        let sink = format!("module-null-sink sink_name=t rate={RATE} channels=2 format=float32le");
        let socket = format!(
            "module-native-protocol-unix socket={} auth-anonymous=1",
            home.path("socket").display()
        );
        let server = home
            .inside(&mut command)
            .env_remove("PULSE_SERVER")
            .args([
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
            ])
            .args([
                "--realtime=no",
                "--high-priority=no",
                "-L",
                &sink,
                "-L",
                &socket,
            ])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the sound server answers", || home.path("socket").exists());
        let mut command = Command::new("parec");
        let listener = home
            .inside(&mut command)
            .args([
                "-d",
                "t.monitor",
                "--raw",
                "--format=float32le",
                "--channels=1",
                "--latency-msec=5",
            ])
            .arg(format!("--rate={RATE}"))
            .stdout(fs::File::create(home.path("heard")).unwrap())
            .spawn()
            .unwrap();
        let server = Self {
            home,
            server,
            listener,
        };
        // At first the loudspeaker takes sound in pieces of two seconds; then in small ones, as its listener does. A
        // stream begins somewhere inside a piece, and what falls into that piece reaches the loudspeaker only.
        wait_until("the listener hears", || {
            server.heard().len() > 3 * RATE as usize
        });
        server
    }

    fn play(&self, arguments: &[&str]) -> Command {
        let mut command = ensuite(&["play"]);
        self.home.inside(command.args(arguments));
        command
    }

    /// Everything played since the start.
    fn heard(&self) -> Vec<f32> {
        let bytes = fs::read(self.home.path("heard")).unwrap();
        let samples = bytes.chunks_exact(4);
        samples
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    /// Waits until half a second more has been recorded; false where the server or its listener has stalled.
    fn catches_up(&self) -> bool {
        let (now, begun) = (self.heard().len(), Instant::now());
        while begun.elapsed() < Duration::from_secs(10) {
            if self.heard().len() > now + RATE as usize / 2 {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in [&mut self.listener, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        sleep(Duration::from_millis(10));
    }
}

fn samples(path: &Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    reader
        .samples::<i16>()
        .map(|s| f32::from(s.unwrap()) / 32_768.0)
        .collect()
}

/// A model of this rate, trained so little that it generates broadband noise.
fn model_at(world: &World, rate: &str) -> String {
    let name = format!("model-{rate}");
    succeed(&world.training(&name, &["--steps", "2", "--sample-rate", rate]));
    world.text(&name)
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}

/// The offset of `sought` in `heard`, in whole samples, by the highest correlation.
fn find(heard: &[f32], sought: &[f32]) -> usize {
    let length = (heard.len() + sought.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (
        planner.plan_fft_forward(length),
        planner.plan_fft_inverse(length),
    );
    let spectrum = |samples: &[f32]| {
        let mut padded = vec![0.0; length];
        padded[..samples.len()].copy_from_slice(samples);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut padded, &mut spectrum).unwrap();
        spectrum
    };
    let mut product = spectrum(heard);
    product
        .iter_mut()
        .zip(spectrum(sought))
        .for_each(|(a, b)| *a *= b.conj());
    // Both are real in exact arithmetic.
    product[0].im = 0.0;
    product[length / 2].im = 0.0;
    let mut all = inverse.make_output_vec();
    inverse.process(&mut product, &mut all).unwrap();
    let last = heard.len().saturating_sub(sought.len());
    (0..=last)
        .max_by(|&a, &b| all[a].total_cmp(&all[b]))
        .unwrap()
}

/// `samples` delayed by a fraction of a sample with a windowed sinc.
fn later(samples: &[f32], part: f64) -> Vec<f32> {
    const REACH: isize = 16;
    let weights: Vec<f32> = (-REACH..=REACH)
        .map(|tap| {
            let x = std::f64::consts::PI * (tap as f64 - part);
            let window = 0.5 + 0.5 * (x / (REACH + 1) as f64).cos();
            (if x.abs() < 1e-9 {
                1.0
            } else {
                window * x.sin() / x
            }) as f32
        })
        .collect();
    (0..samples.len() as isize)
        .map(|i| {
            let taps = weights.iter().zip(-REACH..=REACH);
            taps.map(|(weight, tap)| weight * samples.get((i - tap) as usize).unwrap_or(&0.0))
                .sum()
        })
        .collect()
}

/// The correlation of `sought` with its place in `heard`, aligned to a sixteenth of a sample, and that of its last 10 ms.
fn heard_as(heard: &[f32], sought: &[f32]) -> (f64, f64) {
    let at = find(heard, sought);
    let there = &heard[at..(at + sought.len()).min(heard.len())];
    (-16..=16)
        .map(|sixteenths| {
            let shifted = later(sought, f64::from(sixteenths) / 16.0);
            let whole = correlation(there, &shifted[..there.len()]);
            let end = there.len() - RATE as usize / 100;
            (
                whole,
                correlation(&there[end..], &shifted[end..there.len()]),
            )
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap()
}

#[test]
fn the_device_plays_what_generate_writes() {
    if !can_listen() {
        return;
    }
    let world = World::new();
    for rate in ["8000", "16000", "44100", "48000"] {
        let model = model_at(&world, rate);
        plays_what_generate_writes(&world, &model, rate, &["--temperature", "0.9"]);
    }
}

#[test]
fn training_plays_each_reports_sample() {
    if !can_listen() {
        return;
    }
    let world = World::new();
    let more = [
        "--steps",
        "2",
        "--sample-rate",
        "48000",
        "--force",
        "--listen",
    ];
    let arguments = world.training("listened", &more);
    let hear = || {
        let server = Server::start();
        let mut command = ensuite(&arguments);
        let (code, _, said) = outcome(server.home.inside(&mut command));
        assert_eq!(code, 0, "{said}");
        if !server.catches_up() {
            return 0.0;
        }
        let made = samples(&world.path("listened/samples/step-0000002.wav"));
        heard_as(&server.heard(), &made).0
    };
    // On a busy machine the server or its listener loses samples now and then.
    let heard = (0..4).map(|_| hear()).find(|&whole| whole > 0.9);
    assert!(heard.is_some(), "the sample was not heard");
}

#[test]
fn with_two_tiers_the_device_plays_what_generate_writes() {
    if !can_listen() {
        return;
    }
    let world = trained();
    let changed = [
        "--class",
        "class=low",
        "--stretch",
        "1.7",
        "--transpose",
        "-3",
    ];
    for settings in [&["--class", "class=high"][..], &changed] {
        plays_what_generate_writes(world, &world.text("model"), "8000", settings);
    }
}

/// One second of this model with these settings.
fn plays_what_generate_writes(world: &World, model: &str, rate: &str, settings: &[&str]) {
    let (file, record) = (world.text("generated.wav"), world.text("recorded.wav"));
    let settings = [&["--seconds", "1", "--seed", "3"], settings].concat();
    succeed(
        &[
            &["generate", model, "-o", &file, "--no-metadata"],
            &settings[..],
        ]
        .concat(),
    );
    // All of it is generated before playback starts, so that the speed of the machine does not matter.
    let more = ["--no-guard", "--record", &record, "--prebuffer", "2"];
    let play = || {
        let server = Server::start();
        let (code, _, said) = outcome(&mut server.play(&[&[model], &settings[..], &more].concat()));
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(" 0 underruns"), "{rate} Hz: {said}");
        assert!(
            !said.contains('\x1b'),
            "escape codes without a terminal: {said}"
        );
        assert!(
            fs::read(&file).unwrap() == fs::read(&record).unwrap(),
            "{rate} Hz: other samples than generate's"
        );
        if !server.catches_up() {
            return (0.0, 0.0);
        }
        let made = samples(Path::new(&file));
        let sought = ensuite::internals::resample(&made, rate.parse().unwrap(), RATE).unwrap();
        heard_as(&server.heard(), &sought)
    };
    // On a busy machine the server or its listener loses samples now and then: one whole hearing is enough.
    let (mut heard, mut tries) = (play(), 1);
    while heard.0 <= 0.99 && tries < 4 {
        (heard, tries) = (play(), tries + 1);
    }
    let (whole, end) = heard;
    assert!(
        whole > 0.99,
        "{rate} Hz: correlation {whole} after {tries} tries"
    );
    assert!(end > 0.99, "{rate} Hz: its end is not heard: {end}");
}

#[test]
fn a_lost_device_ends_it_and_the_recording_stays_valid() {
    if !can_listen() {
        return;
    }
    let (world, mut server) = (World::new(), Server::start());
    let model = model_at(&world, "8000");
    let (file, record) = (world.text("generated.wav"), world.text("recorded.wav"));
    succeed(&[
        "generate",
        &model,
        "-o",
        &file,
        "--seconds",
        "20",
        "--seed",
        "4",
    ]);
    let mut play = server.play(&[&model, "--seed", "4", "--no-guard", "--record", &record]);
    let child = play.stderr(Stdio::piped()).spawn().unwrap();
    let recorded = || fs::metadata(&record).map_or(0, |data| data.len());
    wait_until("a second is recorded", || recorded() > 16_000);
    server.server.kill().unwrap();
    let end = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the audio output was lost") && !said.contains("panicked"),
        "{said}"
    );
    let (kept, made) = (samples(Path::new(&record)), samples(Path::new(&file)));
    assert!(
        kept.len() >= 8_000 && made[..kept.len()] == kept,
        "the recording is not what was made"
    );
}

#[test]
fn an_interrupt_ends_it_cleanly() {
    if !can_listen() {
        return;
    }
    let (world, server) = (World::new(), Server::start());
    let model = model_at(&world, "8000");
    let record = world.text("recorded.wav");
    let mut play = server.play(&[&model, "--record", &record]);
    let child = play.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("a second is recorded", || {
        fs::metadata(&record).is_ok_and(|data| data.len() > 16_000)
    });
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let end = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.code(), Some(0), "{said}");
    assert!(
        said.contains("recorded") && said.contains("underruns"),
        "{said}"
    );
    assert!(samples(Path::new(&record)).len() >= 8_000);
}

#[test]
fn without_a_sound_system_the_error_has_a_hint() {
    let (world, home) = (World::new().trained(), Home::new());
    let model = world.text("model");
    for (more, words) in [
        (vec![], vec!["audio output", "generate"]),
        (
            vec!["--output", "no such loudspeaker"],
            vec!["no such loudspeaker"],
        ),
    ] {
        let mut command = ensuite(&["play", &model]);
        let (code, _, said) = outcome(home.inside(command.args(more)));
        assert_eq!(code, 1, "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        let lines: Vec<_> = said.lines().collect();
        assert!(
            lines.len() == 2 && lines[0].starts_with("error: "),
            "more than a sentence and its hint: {said}"
        );
    }
}

#[test]
fn invalid_settings_are_refused() {
    let world = World::new().trained();
    let model = world.text("model");
    for (flag, value) in [
        ("--latency", "1"),
        ("--latency", "nan"),
        ("--prebuffer", "-1"),
        ("--seconds", "0"),
        ("--temperature", "-1"),
        ("--class", "class=middle"),
    ] {
        let (code, _, said) = outcome(&mut ensuite(&["play", &model, flag, value]));
        assert_eq!(code, 2, "{flag} {value}: {said}");
    }
}
