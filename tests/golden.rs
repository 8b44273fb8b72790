//! Golden tokens: what the shipped models generate, and the losses of short training runs, must not change by accident.
//!
//! `scripts/golden` writes `tests/golden.txt` again; read its diff before you commit it. Tokens are compared exactly,
//! losses within 0.1 % (matrix products of burn may round differently on another processor).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cli::{sine, succeed, write_wav};

/// The speakers of `models/spoken-digits`.
const SPEAKERS: [&str; 6] = ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"];
/// The classes of `models/dungeon-tiles`.
const TILES: [&str; 5] = ["dngn", "effect", "item", "mon", "player"];

struct Golden {
    folder: tempfile::TempDir,
    lines: String,
}

impl Golden {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn note(&mut self, name: &str, value: &str) {
        writeln!(self.lines, "{name}: {value}").unwrap();
    }

    fn note_hash(&mut self, name: &str, bytes: &[u8]) {
        let digest = Sha256::digest(bytes);
        let hash = digest[..8]
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        self.note(name, &hash);
    }

    /// The first 200 samples of a sound, which are tokens decoded one by one.
    fn sound(&mut self, precision: &str, digit: usize) {
        let out = self.text("out.wav");
        let (speaker, digit) = (SPEAKERS[digit % SPEAKERS.len()], digit.to_string());
        succeed(&[
            "generate",
            &model("spoken-digits"),
            "-o",
            &out,
            "--seconds",
            "0.025",
            "--seed",
            "7",
            "--precision",
            precision,
            "--class",
            &format!("digit={digit}"),
            "--class",
            &format!("speaker={speaker}"),
        ]);
        let mut reader = hound::WavReader::open(&out).unwrap();
        let samples: Vec<u8> = reader
            .samples::<i16>()
            .flat_map(|sample| sample.unwrap().to_le_bytes())
            .collect();
        assert_eq!(samples.len(), 400);
        self.note_hash(&format!("sound {precision} {digit} {speaker}"), &samples);
    }

    fn picture(&mut self, name: &str, arguments: &[&str]) {
        let out = self.text("out.png");
        let fixed = ["-o", &out, "--seed", "7", "--scale", "1", "--min-p", "0"];
        succeed(&[arguments, &fixed].concat());
        let pixels = image::open(&out).unwrap().to_rgb8();
        self.note_hash(name, pixels.as_raw());
    }

    /// The losses of 20 steps with this configuration and further arguments.
    fn training(&mut self, [kind, network]: [&str; 2], data: &str, config: &str, more: &[&str]) {
        let (data, out) = (self.text(data), self.text("model"));
        fs::write(
            self.path("config.toml"),
            format!("{config}\n[training]\nwarmup = 5\nreport_every = 1\npatience = 0\n"),
        )
        .unwrap();
        let config = self.text("config.toml");
        let arguments = [
            "train", kind, &data, "--out", &out, "--force", "--steps", "20", "--seed", "3",
            "--config", &config,
        ];
        // Models of whole pictures have no network to choose.
        let chosen = ["--network", network];
        let network: &[&str] = if network.is_empty() {
            &[]
        } else {
            &chosen[1..]
        };
        let flag = &chosen[..network.len()];
        succeed(&[&arguments, flag, network, more].concat());
        let log = fs::read_to_string(self.path("model/log.jsonl")).unwrap();
        let losses: Vec<String> = log
            .lines()
            .map(|line| {
                let report: serde_json::Value = serde_json::from_str(line).unwrap();
                let shown = report["shown"].as_str().unwrap();
                format!("{:.7}", report["losses"][shown].as_f64().unwrap())
            })
            .collect();
        assert_eq!(losses.len(), 20);
        let name = [&["training", kind][..], network, more].concat();
        self.note(&name.join(" "), &losses.join(" "));
    }
}

fn model(name: &str) -> String {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    models.join(name).display().to_string()
}

fn shipped(golden: &mut Golden) {
    for precision in ["f32", "int8"] {
        for digit in 0..10 {
            golden.sound(precision, digit);
        }
    }
    let tiles = model("dungeon-tiles");
    for class in TILES {
        let class = format!("class={class}");
        golden.picture(
            &format!("tile {class}"),
            &["generate", &tiles, "--class", &class],
        );
    }
    let given = golden.text("given.png");
    image::RgbImage::from_fn(32, 32, |x, y| {
        image::Rgb([(8 * x) as u8, (8 * y) as u8, 90])
    })
    .save(&given)
    .unwrap();
    golden.picture(
        "completion",
        &[
            "complete",
            &tiles,
            &given,
            "--class",
            "class=mon",
            "-n",
            "2",
        ],
    );
    for (name, ends) in [
        (
            "poem-en",
            [
                "i went to the store to buy some groceries",
                "he was waiting for me at the station",
            ],
        ),
        ("poem-zh", ["淑德延公胄", "桂宮男掌僕"]),
    ] {
        let sentences = succeed(&["generate", &model(name), "-n", "4", "--seed", "7"]);
        golden.note_hash(&format!("sentences {name}"), sentences.as_bytes());
        let walk = succeed(&["interpolate", &model(name), ends[0], ends[1]]);
        golden.note_hash(&format!("walk {name}"), walk.as_bytes());
    }
}

fn trainings(golden: &mut Golden) {
    let recordings = golden.path("recordings");
    fs::create_dir_all(&recordings).unwrap();
    for take in 0..12 {
        let samples = sine(20 + take, 3000).zip(sine(7 + take, 3000));
        write_wav(
            &recordings.join(format!("{take:02}.wav")),
            8000,
            samples.map(|(a, b)| 0.5 * (a + b)),
        );
    }
    let pictures = golden.path("pictures");
    fs::create_dir_all(&pictures).unwrap();
    for number in 0..20_u32 {
        image::RgbImage::from_fn(8, 8, |x, y| {
            let on = (x * (1 + number % 3) + y * number) % 5;
            image::Rgb([
                (50 * on) as u8,
                (250 - 60 * on) as u8,
                (20 * (number % 7)) as u8,
            ])
        })
        .save(pictures.join(format!("{number:02}.png")))
        .unwrap();
    }
    let mut lines = String::new();
    for who in ["the cat", "a dog", "my aunt", "the old man", "nobody"] {
        for does in ["sees", "likes", "follows", "remembers"] {
            for whom in ["the sea", "a red house", "every bird", "us"] {
                writeln!(lines, "{who} {does} {whom}").unwrap();
            }
        }
    }
    fs::write(golden.path("lines.txt"), lines).unwrap();
    let sizes = "[network]\nlayers = 6\ncycle = 6\nresidual = 16\nskip = 32\nhead = 32";
    let batches = "[batches]\nrows = 4\nwindow = 128";
    let wavenet = &format!("{sizes}\ndilations = []\n{batches}");
    let recurrent = "[network]\nembedding = 16\nhidden = 24\n[batches]\nrows = 4\nwindow = 128";
    let vae =
        "[network]\nembedding = 16\nhidden = 24\nencoder = 12\nlatent = 6\n[batches]\nrows = 8";
    for (kind, data) in [
        ("sound", "recordings"),
        ("pictures", "pictures"),
        ("text", "lines.txt"),
    ] {
        let plain: &[&str] = match kind {
            "pictures" => &["--augment=off"],
            "sound" => &["--tiers=1"],
            _ => &[],
        };
        golden.training([kind, "wavenet"], data, wavenet, plain);
        for network in ["lstm", "gru"] {
            golden.training([kind, network], data, recurrent, plain);
        }
    }
    let frames = "[frames.network]\nembedding = 12\nhidden = 16\n[frames.training]\nwarmup = 5";
    let tiers = format!("{wavenet}\n{frames}");
    golden.training(["sound", "wavenet"], "recordings", &tiers, &["--tiers=2"]);
    // With the dilations of pictures.
    let pictures = format!("{sizes}\n{batches}");
    golden.training(
        ["pictures", "wavenet"],
        "pictures",
        &pictures,
        &["--augment=on"],
    );
    let whole = "[network]\nhidden = 16\nchannels = [8]\n[batches]\nrows = 8";
    golden.training(["image-vae", ""], "pictures", whole, &["--augment=off"]);
    for objective in ["--objective=ns", "--objective=r3gan"] {
        golden.training(["gan", ""], "pictures", whole, &[objective]);
    }
    for network in ["lstm", "gru"] {
        golden.training(["sentence-vae", network], "lines.txt", vae, &[]);
    }
}

/// Equal words, or numbers that differ by less than one in a thousand.
fn agree(a: &str, b: &str) -> bool {
    a == b
        || match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) if a.is_finite() && b.is_finite() => (a - b).abs() < 1e-3 * a.abs(),
            _ => false,
        }
}

#[test]
fn nothing_that_was_generated_or_trained_has_changed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden.txt");
    let mut golden = Golden {
        folder: tempfile::tempdir().unwrap(),
        lines: String::new(),
    };
    shipped(&mut golden);
    trainings(&mut golden);
    if std::env::var_os("ENSUITE_RENEW_GOLDEN").is_some() {
        fs::write(&file, golden.lines).unwrap();
        return;
    }
    let expected = fs::read_to_string(&file).unwrap();
    assert_eq!(expected.lines().count(), golden.lines.lines().count());
    for (expected, found) in expected.lines().zip(golden.lines.lines()) {
        let numbers = expected.starts_with("training");
        let same = expected == found
            || numbers
                && expected.split(' ').count() == found.split(' ').count()
                && expected
                    .split(' ')
                    .zip(found.split(' '))
                    .all(|(a, b)| agree(a, b));
        assert!(
            same,
            "expected {expected}\nfound    {found}\n(scripts/golden writes tests/golden.txt again)"
        );
    }
}
