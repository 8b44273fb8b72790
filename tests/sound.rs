//! Sound from end to end: train, generate, evaluate, kill and resume.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cli::{World, ensuite, outcome, refuse, sine, succeed, write_wav};

pub fn read_wav(path: &Path) -> (u32, Vec<f32>) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.bits_per_sample), (1, 16));
    let samples = reader
        .samples::<i16>()
        .map(|s| f32::from(s.unwrap()) / 32_768.0)
        .collect();
    (spec.sample_rate, samples)
}

/// The frequency with the most energy, in cycles a sample, refined between the bins of a long transform.
fn pitch(samples: &[f32]) -> f64 {
    let power = |frequency: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (t, &sample) in samples.iter().enumerate() {
            // A Hann window, so that no side lobe is taken for the pitch.
            let window =
                0.5 - 0.5 * (std::f64::consts::TAU * t as f64 / samples.len() as f64).cos();
            let (sin, cos) = (std::f64::consts::TAU * frequency * t as f64).sin_cos();
            re += window * f64::from(sample) * cos;
            im += window * f64::from(sample) * sin;
        }
        re * re + im * im
    };
    let step = 0.25 / samples.len() as f64;
    let steps = (0.5 / step) as usize;
    let best = (4..steps)
        .max_by(|&a, &b| power(a as f64 * step).total_cmp(&power(b as f64 * step)))
        .unwrap();
    best as f64 * step
}

#[test]
fn an_overfitted_sine_is_generated_at_its_pitch() {
    let world = World::new();
    let data = world.path("sine.wav");
    write_wav(&data, 8000, sine(20, 12_000));
    let (data, model, config) = (
        world.text("sine.wav"),
        world.text("sine"),
        world.text("small.toml"),
    );
    succeed(&[
        "train", "sound", &data, "--out", &model, "--config", &config, "--steps", "400", "--tiers",
        "1",
    ]);
    let json = succeed(&["eval", &model, &data, "--json", "--generated", "2"]);
    let measures: serde_json::Value = serde_json::from_str(&json).unwrap();
    let bits = measures["bits_per_sample"].as_f64().unwrap();
    assert!(bits < 0.5, "{bits} bits/sample");
    let generated = &measures["generated"];
    assert_eq!(
        (&generated["sounds"], &generated["seed"]),
        (&2.into(), &1.into())
    );
    for figure in ["tonal", "tonal_real"] {
        assert!(generated[figure].as_f64().unwrap() > 0.9, "{json}");
    }
    assert!(generated["frechet_floor"].is_number(), "{json}");
    // What is held out is shorter than the shortest that is generated.
    let lengths = (&generated["seconds"], &generated["seconds_real"]);
    assert_eq!(lengths, (&0.2.into(), &0.15.into()), "{json}");
    let eval = ["eval", &model, &data, "--json"];
    let hot = ["--generated", "2", "--temperature", "50"];
    let hot: serde_json::Value =
        serde_json::from_str(&succeed(&[&eval[..], &hot].concat())).unwrap();
    assert!(hot["generated"]["tonal"].as_f64().unwrap() < 0.5, "{hot}");
    refuse(
        &[&eval[..], &["--temperature", "50"]].concat(),
        2,
        &["--generated"],
    );
    let frames = ["--generated", "2", "--frame-temperature", "1"];
    refuse(&[&eval[..], &frames].concat(), 2, &["two tiers"]);
    assert!(measures["order_zero_bits"].as_f64().unwrap() > 3.0);
    let out = world.path("out.wav");
    succeed(&[
        "generate",
        &model,
        "-o",
        &world.text("out.wav"),
        "--seconds",
        "0.5",
        "--seed",
        "1",
    ]);
    let (rate, samples) = read_wav(&out);
    assert_eq!((rate, samples.len()), (8000, 4000));
    let found = pitch(&samples[1000..3000]);
    assert!(
        (found * 20.0 - 1.0).abs() < 0.01,
        "{} Hz instead of 400",
        found * 8000.0
    );
}

#[test]
fn recordings_without_sound_are_refused() {
    let world = World::new();
    write_wav(
        &world.path("silence.wav"),
        8000,
        std::iter::repeat_n(0.0, 8000),
    );
    let (data, model) = (world.text("silence.wav"), world.text("model"));
    let training = ["train", "sound", &data, "--out", &model];
    let (code, _, stderr) = outcome(&mut ensuite(&training));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("carries no sound"), "{stderr}");
    assert!(!world.path("model").exists());
}

#[test]
fn the_same_seed_gives_the_same_sound_in_any_number_and_through_a_pipe() {
    let world = World::new().trained();
    let model = world.text("model");
    let make = |name: &str, more: &[&str]| {
        let out = world.text(name);
        let mut arguments = vec![
            "generate",
            &model,
            "-o",
            &out,
            "--seconds",
            "0.3",
            "--seed",
            "5",
        ];
        arguments.extend(more);
        succeed(&arguments);
    };
    make("one.wav", &[]);
    make("again.wav", &[]);
    make("many.wav", &["-n", "3"]);
    make("plain.wav", &["--no-metadata"]);
    assert_eq!(
        read_wav(&world.path("plain.wav")),
        read_wav(&world.path("one.wav"))
    );
    let bytes = |name: &str| fs::read(world.path(name)).unwrap();
    assert_eq!(bytes("one.wav"), bytes("again.wav"));
    let samples = |name: &str| read_wav(&world.path(name)).1;
    assert_eq!(samples("one.wav"), samples("many-1.wav"));
    assert_ne!(samples("many-1.wav"), samples("many-2.wav"));
    let (_, samples) = read_wav(&world.path("many-3.wav"));
    assert_eq!(samples.len(), 2400);
    let piped = ensuite(&[
        "generate",
        &model,
        "-o",
        "-",
        "--seconds",
        "0.3",
        "--seed",
        "5",
    ])
    .output()
    .unwrap();
    fs::write(world.path("piped.wav"), &piped.stdout).unwrap();
    let data = |bytes: &[u8]| bytes[bytes.len() - 4800..].to_vec();
    assert_eq!(
        data(&bytes("piped.wav")),
        data(&bytes("plain.wav")),
        "the samples of the pipe and of the file differ"
    );
}

#[test]
fn a_prompt_is_continued_and_only_included_when_asked() {
    let world = World::new().trained();
    let (model, prompt) = (world.text("model"), world.text("recordings/low/0.wav"));
    let make = |name: &str, more: &[&str]| {
        let out = world.text(name);
        let mut arguments = vec![
            "generate",
            &model,
            "-o",
            &out,
            "--seconds",
            "0.1",
            "--seed",
            "5",
        ];
        arguments.extend(more);
        succeed(&arguments);
        read_wav(&world.path(name)).1
    };
    let plain = make("plain.wav", &[]);
    let continued = make("continued.wav", &["--prompt", &prompt]);
    let included = make("included.wav", &["--prompt", &prompt, "--with-prompt"]);
    assert_eq!(
        (plain.len(), continued.len(), included.len()),
        (800, 800, 4800)
    );
    assert_ne!(plain, continued, "the prompt has no effect");
    assert_eq!(included[4000..], continued[..]);
}

#[test]
fn classes_are_learned_from_folders_and_steer_the_sound() {
    let world = World::new();
    succeed(&world.training("model", &["--steps", "300", "--label-folders"]));
    let model = world.text("model");
    for (class, period) in [("high", 10.0), ("low", 40.0)] {
        let out = world.text("out.wav");
        succeed(&[
            "generate",
            &model,
            "-o",
            &out,
            "--seconds",
            "0.3",
            "--seed",
            "2",
            "--class",
            &format!("class={class}"),
        ]);
        let (_, samples) = read_wav(&world.path("out.wav"));
        let found = pitch(&samples[500..2000]) * period;
        assert!(
            (found - 1.0).abs() < 0.05,
            "class {class} sounds at {found} times its pitch"
        );
    }
}

/// The bytes of the weights of a model folder and of its training state.
pub fn weights(model: &Path) -> (Vec<u8>, Vec<u8>) {
    let state = fs::read(model.join("training/state.safetensors")).unwrap();
    // The header holds the elapsed seconds, which differ between runs.
    let header = 8 + u64::from_le_bytes(state[..8].try_into().unwrap()) as usize;
    (
        fs::read(model.join("weights.safetensors")).unwrap(),
        state[header..].to_vec(),
    )
}

/// Fixes the number of threads, which the bits of a training run depend on.
pub fn threads(command: &mut std::process::Command) -> &mut std::process::Command {
    command.env("RAYON_NUM_THREADS", "2")
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let world = World::new();
    fs::write(
        world.path("small.toml"),
        format!("{}report_every = 7\n", crate::cli::SMALL),
    )
    .unwrap();
    let whole = world.training("whole", &["--steps", "60"]);
    assert_eq!(outcome(threads(&mut ensuite(&whole))).0, 0);
    let killed = world.training("killed", &["--steps", "60"]);
    let log = world.path("killed/log.jsonl");
    let lines = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let mut child = threads(&mut ensuite(&killed))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while lines() < 3 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lines() < 9, "the run ended before it was killed");
    let (data, model) = (world.text("recordings"), world.text("killed"));
    let resume = [
        "train", "sound", &data, "--out", &model, "--resume", "--steps", "60",
    ];
    let (code, _, stderr) = outcome(threads(&mut ensuite(&resume)));
    assert_eq!(code, 0, "{stderr}");
    assert!(
        weights(&world.path("whole")) == weights(&world.path("killed")),
        "the resumed run ended with other weights"
    );
    assert_eq!(
        fs::read_to_string(&log).unwrap().lines().count(),
        9,
        "reports are missing or repeated in the log"
    );
}

#[test]
fn a_kill_at_any_moment_leaves_a_loadable_model() {
    let world = World::new();
    fs::write(
        world.path("small.toml"),
        format!("{}report_every = 1\n", crate::cli::SMALL),
    )
    .unwrap();
    let model = world.path("model");
    for attempt in 0..6 {
        let arguments = world.training("model", &["--steps", "10000", "--force"]);
        let mut child = ensuite(&arguments)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !model.join("log.jsonl").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(37 * attempt));
        child.kill().unwrap();
        child.wait().unwrap();
        succeed(&["info", &world.text("model")]);
    }
}

#[test]
fn an_interrupted_run_saves_and_tells_how_to_resume() {
    let world = World::new();
    let child = ensuite(&world.training("model", &["--steps", "100000"]))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !world.path("model/log.jsonl").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(300));
    let id = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let end = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.code(), Some(0), "{said}");
    assert!(said.contains("--resume"), "{said}");
    succeed(&["info", &world.text("model")]);
}

#[test]
fn a_report_writes_samples_and_plots() {
    let world = World::new();
    fs::write(
        world.path("small.toml"),
        format!("{}report_every = 2\n", crate::cli::SMALL),
    )
    .unwrap();
    succeed(&world.training("model", &["--steps", "4"]));
    let samples = world.path("model/samples");
    assert_eq!(read_wav(&samples.join("step-0000004.wav")).0, 8000);
    for picture in ["step-0000004.png", "curve.png"] {
        assert!(
            image::open(samples.join(picture)).unwrap().width() > 100,
            "{picture}"
        );
    }
    let log = fs::read_to_string(world.path("model/log.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["step"], 4);
    assert!(
        last["validation"]["value"].as_f64().unwrap() > 0.0
            && !last["remark"].as_str().unwrap().is_empty()
    );
    assert!(
        fs::read_to_string(world.path("model/README.md"))
            .unwrap()
            .contains("8000 Hz")
    );
}

#[test]
fn a_diverging_run_keeps_the_last_good_model_and_gives_a_hint() {
    let world = World::new();
    let config = crate::cli::SMALL
        .replace("learning_rate = 0.01", "learning_rate = 1.0")
        .replace("warmup = 20", "warmup = 1")
        + "report_every = 1\n[training.optimizer]\nclip_norm = 1e9\nbeta1 = 0.0\nbeta2 = 0.0\n";
    fs::write(world.path("small.toml"), config).unwrap();
    let (code, _, stderr) = outcome(&mut ensuite(&world.training("model", &["--steps", "500"])));
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("diverged") && stderr.contains("--learning-rate"),
        "{stderr}"
    );
    succeed(&["info", &world.text("model")]);
}
