//! Sound in two tiers from end to end: train, kill and resume, generate, continue, transform, evaluate.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::cli::{World, ensuite, outcome, refuse, sine, succeed, write_wav};
use crate::sound::{read_wav, threads, weights};

const CONFIG: &str = "
[network]
layers = 4
cycle = 4
residual = 16
skip = 16
head = 16
[batches]
rows = 2
window = 800
[training]
warmup = 5
report_every = 7
[frames.network]
embedding = 12
hidden = 16
[frames.batches]
rows = 2
window = 64
[frames.training]
warmup = 5
report_every = 7
";

fn world() -> World {
    let world = World::new();
    fs::write(world.path("tiers.toml"), CONFIG).unwrap();
    world
}

fn training(world: &World, model: &str, more: &[&str]) -> Vec<String> {
    let (data, out, config) = (
        world.text("recordings"),
        world.text(model),
        world.text("tiers.toml"),
    );
    let mut arguments = vec!["train", "sound", &data, "--out", &out, "--config", &config];
    arguments.extend(more);
    arguments.into_iter().map(String::from).collect()
}

/// A world with a model of two tiers, trained once for all tests.
pub(crate) fn trained() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = world();
        succeed(&training(
            &world,
            "model",
            &["--steps", "20", "--label-folders"],
        ));
        world
    })
}

fn make(out: &Path, more: &[&str]) -> Vec<f32> {
    let (model, file) = (trained().text("model"), out.display().to_string());
    let mut arguments = vec!["generate", &model, "-o", &file, "--seed", "5"];
    arguments.extend(more);
    succeed(&arguments);
    read_wav(out).1
}

#[test]
fn a_length_that_is_asked_for_is_made_and_one_that_is_not_is_at_most_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wav");
    assert_eq!(make(&out, &["--seconds", "0.71"]).len(), 5_680);
    let free = make(&out, &[]).len();
    assert!(free > 0 && free <= 40_000, "{free} samples");
    // The likeliest frames may end at once, again and again.
    let cold = make(&out, &["--seconds", "0.2", "--frame-temperature", "0"]);
    assert_eq!(cold.len(), 1_600);
}

#[test]
fn a_model_knows_how_long_its_recordings_are_quiet() {
    let codebooks = fs::read(trained().path("model").join("codebooks.json")).unwrap();
    let codebooks: serde_json::Value = serde_json::from_slice(&codebooks).unwrap();
    // The recordings are never quiet; 20 frames are the least.
    assert_eq!(codebooks["pauses"]["longest"], 20);
}

#[test]
fn frames_are_guided_by_one_unless_another_strength_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let with = |weight: &str| {
        let out = folder.path().join("out.wav");
        make(&out, &["--seconds", "0.3", "--guidance", weight])
    };
    let out = folder.path().join("usual.wav");
    assert_eq!(with("1"), make(&out, &["--seconds", "0.3"]));
    assert_ne!(with("0"), with("8"));
}

#[test]
fn the_same_seed_gives_the_same_sound_in_any_number() {
    let folder = tempfile::tempdir().unwrap();
    let one = make(&folder.path().join("one.wav"), &["--seconds", "0.3"]);
    let (model, many) = (trained().text("model"), folder.path().join("many.wav"));
    let many = many.display().to_string();
    succeed(&[
        "generate",
        &model,
        "-o",
        &many,
        "--seed",
        "5",
        "--seconds",
        "0.3",
        "-n",
        "3",
    ]);
    assert_eq!(one, read_wav(&folder.path().join("many-1.wav")).1);
    assert_ne!(one, read_wav(&folder.path().join("many-2.wav")).1);
}

#[test]
fn a_prompt_changes_what_follows_and_stretching_makes_it_longer() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wav");
    let prompt = trained().text("recordings/high/0.wav");
    let plain = make(&out, &["--seconds", "0.2"]);
    let continued = make(&out, &["--seconds", "0.2", "--prompt", &prompt]);
    assert_eq!((plain.len(), continued.len()), (1_600, 1_600));
    assert_ne!(plain, continued);
    let more = ["--seconds", "0.2", "--prompt", &prompt, "--with-prompt"];
    let whole = make(&out, &more);
    let begun = read_wav(Path::new(&prompt)).1;
    assert_eq!(whole.len(), begun.len() + 1_600);
    // The recording itself, louder and companded.
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let heard = &whole[..begun.len()];
    let alike = product(&begun, heard).powi(2) / (product(&begun, &begun) * product(heard, heard));
    assert!(alike > 0.9, "{alike}");
    assert_eq!(&whole[begun.len()..], &continued[..]);
    let higher = make(&out, &["--seconds", "0.2", "--transpose", "7"]);
    assert_eq!(higher.len(), 1_600);
}

#[test]
fn a_recording_is_transformed_to_its_own_length_or_that_which_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wav");
    let (model, file) = (trained().text("model"), out.display().to_string());
    let recording = trained().text("recordings/low/0.wav");
    let length = read_wav(Path::new(&recording)).1.len();
    for (factor, wanted) in [("1", length), ("2", 2 * length)] {
        succeed(&[
            "transform",
            &model,
            &recording,
            "-o",
            &file,
            "--stretch",
            factor,
            "--seed",
            "1",
        ]);
        // A whole number of frames of 80 samples.
        assert_eq!(read_wav(&out).1.len(), wanted.next_multiple_of(80));
    }
}

#[test]
fn the_path_of_a_recording_or_a_prompt_says_its_class() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wav").display().to_string();
    let (model, recording) = (
        trained().text("model"),
        trained().text("recordings/low/0.wav"),
    );
    let says = |arguments: &[&str], class: &str| {
        let (code, _, stderr) = outcome(&mut ensuite(arguments));
        assert!(code == 0 && stderr.contains(class), "{stderr}");
    };
    for seed in ["1", "2", "3", "4"] {
        let transform = ["transform", &model, &recording, "-o", &out, "--seed", seed];
        says(&transform, "class=low");
        says(
            &[&transform[..], &["--class", "class=high"]].concat(),
            "class=high",
        );
        let generate = ["generate", &model, "--prompt", &recording, "-o", &out];
        says(&[&generate[..], &["--seed", seed]].concat(), "class=low");
    }
}

#[test]
fn the_bits_of_both_tiers_are_added_and_told_apart() {
    let world = trained();
    let (model, data) = (world.text("model"), world.text("recordings"));
    let json = succeed(&["eval", &model, &data, "--json"]);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    let (all, frames) = (
        found["bits_per_sample"].as_f64().unwrap(),
        found["frame_bits_per_sample"].as_f64().unwrap(),
    );
    assert!(frames > 0.0 && frames < all, "{frames} of {all}");
    assert!(succeed(&["eval", &model, &data]).contains("bound"));
    succeed(&["info", &model]);
    let wav = world.text("recordings/low/0.wav");
    succeed(&["score", &model, &wav, "-o", &world.text("curve.csv")]);
}

#[test]
fn a_run_that_is_killed_in_either_tier_resumes_to_the_same_bytes() {
    let world = world();
    let whole = training(&world, "whole", &["--steps", "40"]);
    assert_eq!(outcome(threads(&mut ensuite(&whole))).0, 0);
    for (name, log) in [("first", "frames/log.jsonl"), ("second", "log.jsonl")] {
        let killed = training(&world, name, &["--steps", "40"]);
        let log = world.path(name).join(log);
        let mut child = threads(&mut ensuite(&killed))
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let lines = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
        while lines() < 2 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (data, model) = (world.text("recordings"), world.text(name));
        // Without a budget: the plan stands, and a tier that is finished is not trained further.
        let resume = ["train", "sound", &data, "--out", &model, "--resume"];
        let (code, _, stderr) = outcome(threads(&mut ensuite(&resume)));
        assert_eq!(code, 0, "{stderr}");
        for tier in ["", "frames"] {
            assert!(
                weights(&world.path("whole").join(tier)) == weights(&world.path(name).join(tier)),
                "killed in the {name} tier, '{tier}' has other weights"
            );
        }
    }
}

#[test]
fn what_a_model_cannot_do_is_said() {
    let world = trained();
    let (model, out) = (world.text("model"), world.text("no.wav"));
    let wav = world.text("recordings/low/0.wav");
    let frames = world.text("model/frames");
    refuse(&["generate", &frames, "-o", &out], 1, &["frame tier"]);
    refuse(
        &["generate", &model, "-o", &out, "--stretch", "0"],
        2,
        &["--stretch 0", "0.1"],
    );
    refuse(
        &["generate", &model, "-o", &out, "--frame-temperature", "-1"],
        2,
        &["--frame-temperature -1"],
    );
    let unguided = ["generate", "models/strings", "-o", &out, "--guidance", "1"];
    refuse(&unguided, 2, &["--guidance needs a model with classes"]);
    refuse(
        &["generate", &model, "-o", &out, "--guidance", "nan"],
        2,
        &["--guidance NaN"],
    );
    refuse(
        &["transform", &model, &wav, "-o", &out, "--transpose", "nan"],
        2,
        &["--transpose"],
    );
    for name in ["sound.mp3", "sound.png"] {
        let named = world.text(name);
        let refused = [name, "is no name for a WAV file", ".wav"];
        refuse(&["generate", &model, "-o", &named], 2, &refused);
        refuse(&["transform", &model, &wav, "-o", &named], 2, &refused);
        assert!(!world.path(name).exists());
    }
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/models/dungeon-tiles");
    refuse(&["transform", digits, &wav, "-o", &out], 1, &["pictures"]);
    refuse(
        &["train", "sound", &wav, "--out", &out, "--tiers", "3"],
        2,
        &["--tiers 3"],
    );
    let rate = [
        "train",
        "sound",
        &wav,
        "--out",
        &out,
        "--sample-rate",
        "4000",
    ];
    refuse(&rate, 2, &["4000 Hz", "--tiers 1"]);
    assert!(!world.path("no.wav").exists());
    // Missing codebooks.
    let other = World::new();
    write_wav(&other.path("recordings/a.wav"), 8000, sine(20, 8_000));
    fs::write(other.path("tiers.toml"), CONFIG).unwrap();
    succeed(&training(&other, "model", &["--steps", "2"]));
    fs::remove_file(other.path("model/codebooks.json")).unwrap();
    refuse(
        &["generate", &other.text("model"), "-o", &out],
        1,
        &["codebooks.json"],
    );
}
