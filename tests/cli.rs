//! How the program is spoken to: exit codes, errors, and what is never destroyed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, with arguments.
pub fn ensuite<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    // What tests promise bit for bit, the CPU promises: no test uses a GPU.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ensuite"));
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .env("CUDA_VISIBLE_DEVICES", "");
    command
}

/// Runs it and gives exit code, standard output and standard error.
pub fn outcome(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    (
        status.code().unwrap_or(-1),
        String::from_utf8_lossy(&stdout).into_owned(),
        String::from_utf8_lossy(&stderr).into_owned(),
    )
}

/// Runs it, expects success, and gives standard output.
pub fn succeed<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> String {
    let (code, stdout, stderr) = outcome(&mut ensuite(arguments));
    assert_eq!(code, 0, "{stderr}");
    stdout
}

/// Runs it, expects this exit code, and every one of these words on standard error.
pub fn refuse<S: AsRef<std::ffi::OsStr>>(arguments: &[S], code: i32, words: &[&str]) {
    let (found, _, stderr) = outcome(&mut ensuite(arguments));
    assert_eq!(found, code, "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "'{word}' is not in: {stderr}");
    }
}

/// Runs it until this file is there, and kills it.
pub fn kill_once_there_is<S: AsRef<std::ffi::OsStr>>(file: &Path, arguments: &[S]) {
    let mut running = ensuite(arguments)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !file.exists() && running.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(file.exists());
    running.kill().unwrap();
    running.wait().unwrap();
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A mono 16-bit WAV file.
pub fn write_wav(path: &Path, rate: u32, samples: impl IntoIterator<Item = f32>) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// A sine whose period is a whole number of samples.
pub fn sine(period: usize, count: usize) -> impl Iterator<Item = f32> {
    (0..count)
        .map(move |t| 0.5 * (std::f32::consts::TAU * (t % period) as f32 / period as f32).sin())
}

/// Settings under which a network trains in seconds.
pub const SMALL: &str = "[network]\nlayers = 8\ncycle = 8\nresidual = 16\nskip = 32\nhead = 32\n\
    [batches]\nrows = 4\nwindow = 512\n[training]\nlearning_rate = 0.01\nwarmup = 20\n";

/// A folder with a few recordings in two subfolders, a config, and a model trained on them for a few steps.
pub struct World {
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder };
        for (class, period) in [("high", 10), ("low", 40)] {
            let inner = world.path("recordings").join(class);
            fs::create_dir_all(&inner).unwrap();
            for take in 0..2 {
                write_wav(
                    &inner.join(format!("{take}.wav")),
                    8000,
                    sine(period, 4000 + 500 * take),
                );
            }
        }
        fs::write(world.path("small.toml"), SMALL).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Arguments that train `model` here.
    pub fn training(&self, model: &str, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["train", "sound"].iter().map(ToString::to_string).collect();
        arguments.push(self.text("recordings"));
        arguments.extend(["--out".into(), self.text(model)]);
        // One tier: it trains in a second.
        arguments.extend([
            "--config".into(),
            self.text("small.toml"),
            "--tiers".into(),
            "1".into(),
        ]);
        arguments.extend(more.iter().map(ToString::to_string));
        arguments
    }

    pub fn trained(self) -> Self {
        succeed(&self.training("model", &["--steps", "3", "--label-folders"]));
        self
    }
}

#[test]
fn wrong_usage_costs_a_second_and_lists_what_is_allowed() {
    let world = World::new().trained();
    let model = world.text("model");
    let out = world.text("out.wav");
    let generate = |more: &[&str], words: &[&str]| {
        let mut arguments = vec!["generate", &model, "-o", &out];
        arguments.extend(more);
        refuse(&arguments, 2, words);
        assert!(!world.path("out.wav").exists());
    };
    generate(&["--seconds", "-1"], &["--seconds -1", "above 0"]);
    generate(&["--seconds", "nan"], &["above 0"]);
    generate(&["--top-p", "2"], &["--top-p 2", "at most 1"]);
    generate(&["--temperature", "-0.5"], &["temperature"]);
    generate(
        &["--class", "class=middle"],
        &["middle", "class is one of: high, low"],
    );
    generate(
        &["--class", "colour=red"],
        &["colour", "its class groups: class"],
    );
    generate(&["--class", "high"], &["NAME=VALUE"]);
    generate(&["-n", "0"], &["0"]);
    refuse(
        &["generate", &model, "-n", "2", "-o", "-"],
        2,
        &["standard output"],
    );
    for (more, words) in [
        (vec!["--steps", "0"], vec!["--steps 0"]),
        (vec!["--minutes", "-3"], vec!["--minutes -3"]),
        (
            vec!["--preset", "huge"],
            vec!["huge", "tiny, small, medium, large"],
        ),
        (vec!["--learning-rate", "-1"], vec!["learning rate"]),
        (vec!["--sample-rate", "5"], vec!["5 Hz"]),
        (vec!["--label-pattern", "("], vec!["--label-pattern"]),
        (vec!["--label-pattern", "[0-9]"], vec!["named group"]),
        (
            vec!["--validation", "nothing-like-it"],
            vec!["--validation"],
        ),
        (vec!["--validation", "."], vec!["--validation"]),
        (vec!["--device", "gpu"], vec!["cuda"]),
    ] {
        refuse(&world.training("other", &more), 2, &words);
        assert!(!world.path("other").exists(), "{more:?} left a folder");
    }
    refuse(&["compose"], 2, &["compose"]);
}

#[test]
fn a_card_that_is_not_there_is_refused_before_anything_is_written() {
    let devices: serde_json::Value =
        serde_json::from_str(&succeed(&["devices", "--json"])).unwrap();
    let names = devices["compute"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names[0], "cpu");
    let missing = format!("cuda:{}", names.len() - 1);
    let world = World::new().trained();
    refuse(
        &world.training("other", &["--device", &missing]),
        1,
        &["CUDA", "hint"],
    );
    assert!(!world.path("other").exists());
    let model = world.text("model");
    let made = world.text("made.wav");
    refuse(
        &["generate", &model, "-o", &made, "--device", &missing],
        1,
        &["CUDA"],
    );
    assert!(!world.path("made.wav").exists());
    let data = world.text("data");
    refuse(&["eval", &model, &data, "--device", &missing], 1, &["CUDA"]);
    refuse(
        &["eval", &model, &data, "--device", "cuda:0,1"],
        2,
        &["several"],
    );
}

#[test]
fn unusable_data_is_named_with_its_reason() {
    let world = World::new();
    let train = |data: &Path, words: &[&str]| {
        let data = data.display().to_string();
        refuse(
            &[
                "train",
                "sound",
                &data,
                "--out",
                &world.text("model"),
                "--steps",
                "1",
            ],
            1,
            words,
        );
        assert!(!world.path("model").exists());
    };
    train(&world.path("nowhere"), &["nowhere"]);
    let empty = world.path("empty");
    fs::create_dir(&empty).unwrap();
    train(&empty, &["empty", ".wav"]);
    fs::write(empty.join("text.wav"), "this is no sound").unwrap();
    train(&empty, &["text.wav"]);
    fs::write(empty.join("notes.txt"), "x").unwrap();
    fs::remove_file(empty.join("text.wav")).unwrap();
    train(&empty, &["holds no recordings"]);
}

#[test]
fn a_broken_recording_is_named_and_the_rest_is_learned() {
    let world = World::new();
    fs::write(
        world.path("recordings/broken.wav"),
        b"RIFF\xff\xff\xff\xffWAVE",
    )
    .unwrap();
    let (code, _, stderr) = outcome(&mut ensuite(&world.training("model", &["--steps", "2"])));
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains("broken.wav") && stderr.contains("4 recordings"),
        "{stderr}"
    );
}

#[test]
fn models_that_are_none_are_named() {
    let world = World::new().trained();
    let model = world.text("model");
    refuse(
        &["info", &world.text("recordings")],
        1,
        &["model.json", "missing"],
    );
    refuse(&["generate", &world.text("nowhere")], 1, &["nowhere"]);
    let weights = world.path("model/weights.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 100]).unwrap();
    refuse(
        &["generate", &model, "-o", &world.text("out.wav")],
        1,
        &["weights.safetensors", "damaged"],
    );
    fs::write(&weights, bytes).unwrap();
    let description = world.path("model/model.json");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(
        &description,
        text.replace("\"format\": 2", "\"format\": 99"),
    )
    .unwrap();
    refuse(&["info", &model], 1, &["model.json", "format 99", "newer"]);
}

#[test]
fn an_existing_folder_is_never_overwritten_unasked() {
    let world = World::new().trained();
    refuse(
        &world.training("model", &["--steps", "1"]),
        1,
        &["exists already", "--resume", "--force"],
    );
    succeed(&world.training("model", &["--steps", "1", "--force"]));
    fs::create_dir(world.path("precious")).unwrap();
    fs::write(world.path("precious/diary.txt"), "x").unwrap();
    refuse(
        &world.training("precious", &["--steps", "1", "--force"]),
        1,
        &["not a model folder"],
    );
    assert!(world.path("precious/diary.txt").exists());
}

#[test]
fn a_resumed_model_goes_on_as_it_began_or_says_why_not() {
    let world = World::new().trained();
    let data = world.text("recordings");
    let model = world.text("model");
    let resume = [
        "train", "sound", &data, "--out", &model, "--resume", "--steps", "5",
    ];
    let with = |more: &[&'static str]| [resume.to_vec(), more.to_vec()].concat();
    refuse(&with(&["--learning-rate", "0.1"]), 2, &["--learning-rate"]);
    refuse(&with(&["--sample-rate", "4000"]), 2, &["--sample-rate"]);
    write_wav(&world.path("recordings/high/new.wav"), 8000, sine(7, 4000));
    refuse(&resume, 1, &["other data"]);
    fs::remove_file(world.path("recordings/high/new.wav")).unwrap();
    succeed(&resume);
    let (_, stdout, _) = outcome(&mut ensuite(&["info", &model, "--json"]));
    assert!(stdout.contains("\"step\": 5"), "{stdout}");
}

#[test]
fn a_full_disk_is_said() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let world = World::new().trained();
    refuse(
        &[
            "generate",
            &world.text("model"),
            "-o",
            "/dev/full",
            "--seconds",
            "1",
        ],
        1,
        &["/dev/full"],
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let world = World::new().trained();
    let mut child = ensuite(&[
        "generate",
        &world.text("model"),
        "-o",
        "-",
        "--seconds",
        "60",
    ])
    .stdout(std::process::Stdio::piped())
    .stderr(std::process::Stdio::piped())
    .spawn()
    .unwrap();
    drop(child.stdout.take());
    let end = child.wait_with_output().unwrap();
    assert!(
        end.status.success(),
        "{}",
        String::from_utf8_lossy(&end.stderr)
    );
}

#[test]
fn quiet_is_quiet_and_data_goes_to_standard_output() {
    let world = World::new().trained();
    let model = world.text("model");
    let (code, stdout, stderr) = outcome(&mut ensuite(&[
        "-q",
        "eval",
        &model,
        &world.text("recordings"),
        "--json",
    ]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let measures: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(measures["files"], 4);
    let (code, stdout, _) = outcome(&mut ensuite(&["devices"]));
    assert!(
        code == 0 && stdout.contains("cpu") && stdout.contains("audio"),
        "{stdout}"
    );
}
