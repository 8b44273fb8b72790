//! Pictures from end to end: learn, draw, complete, measure.

use std::fs;
use std::path::{Path, PathBuf};

use image::{AnimationDecoder, ImageFormat, Rgb, RgbImage};

use crate::cli::{refuse, succeed};

/// Settings under which a network learns small pictures in seconds.
const SMALL: &str = "[network]\nembedding = 16\nhidden = 48\n[batches]\nrows = 16\nwindow = 64\n\
    [training]\nlearning_rate = 0.01\nwarmup = 20\nreport_every = 200\n";

pub(crate) const SIDE: u32 = 8;

/// Stripes of a width and phase, across or upright, in two of four colours.
fn stripes(upright: bool, number: u32) -> RgbImage {
    let colors = [[255, 255, 255], [0, 0, 0], [200, 30, 30], [30, 60, 200]];
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let place = if upright { x } else { y } + number / 4;
        Rgb(colors[((place / 2 % 2) * (1 + number % 3)) as usize])
    })
}

pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// Forty pictures in two subfolders, and a config.
    pub(crate) fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (class, upright) in [("across", false), ("upright", true)] {
            let inner = world.path("pictures").join(class);
            fs::create_dir_all(&inner).unwrap();
            for number in 0..20 {
                stripes(upright, number)
                    .save(inner.join(format!("{number:02}.png")))
                    .unwrap();
            }
        }
        fs::write(world.path("small.toml"), SMALL).unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The arguments that train a small LSTM on `data`.
    fn training(&self, data: &str, model: &str, more: &[&str]) -> Vec<String> {
        let (data, out, config) = (self.text(data), self.text(model), self.text("small.toml"));
        let arguments = ["train", "pictures", &data, "--out", &out];
        let small = ["--network", "lstm", "--config", &config];
        let all = [&arguments[..], &small, more].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn train(&self, model: &str, more: &[&str]) {
        succeed(&self.training("pictures", model, more));
    }
}

pub(crate) fn read(path: &Path) -> RgbImage {
    image::open(path).unwrap().to_rgb8()
}

/// The share of pixels that have the colour of the one above them, as all have in upright stripes.
pub(crate) fn like_above(pictures: impl Iterator<Item = PathBuf>) -> f64 {
    let (mut like_above, mut all) = (0, 0);
    for path in pictures {
        let drawn = read(&path);
        assert_eq!(drawn.dimensions(), (SIDE, SIDE));
        for (x, y) in (0..SIDE).flat_map(|x| (1..SIDE).map(move |y| (x, y))) {
            like_above += u32::from(drawn.get_pixel(x, y) == drawn.get_pixel(x, y - 1));
            all += 1;
        }
    }
    f64::from(like_above) / f64::from(all)
}

#[test]
fn stripes_are_learned_drawn_by_class_and_measured_beside_the_baselines() {
    let world = World::new();
    world.train("model", &["--steps", "400", "--label-folders"]);
    let model = world.text("model");
    for file in [
        "palette.png",
        "README.md",
        "samples/step-0000400.png",
        "samples/step-0000400-completions.png",
        "samples/curve.png",
    ] {
        assert!(world.path("model").join(file).is_file(), "{file}");
    }

    let json = succeed(&[
        "eval",
        &model,
        &world.text("pictures"),
        "--held-out",
        "--json",
        "--generated",
        "8",
    ]);
    let measures: serde_json::Value = serde_json::from_str(&json).unwrap();
    let bits = |name: &str| measures[name].as_f64().unwrap();
    assert_eq!(measures["colors"], 4);
    assert_eq!(measures["generated"]["pictures"], 8, "{json}");
    for figure in ["frechet", "frechet_floor", "copies", "nearest"] {
        assert!(measures["generated"][figure].is_number(), "{json}");
    }
    assert!(
        bits("bits_per_pixel") < 0.6 * bits("order_zero_bits"),
        "{json}"
    );
    assert!(bits("neighbours_bits") < bits("order_zero_bits"), "{json}");

    let out = world.text("drawn.png");
    succeed(&[
        "generate",
        &model,
        "-o",
        &out,
        "-n",
        "20",
        "--seed",
        "3",
        "--separate",
        "--scale",
        "1",
        "--class",
        "class=upright",
    ]);
    let drawn = (1..=20).map(|number| world.path(&format!("drawn-{number:02}.png")));
    let share = like_above(drawn);
    assert!(share > 0.9, "{share}");
}

#[test]
fn a_seed_draws_the_same_picture_among_any_number() {
    let world = World::new();
    world.train("model", &["--steps", "5"]);
    let model = world.text("model");
    let draw = |number: &str, name: &str| {
        let out = world.text(name);
        succeed(&[
            "generate",
            &model,
            "-o",
            &out,
            "-n",
            number,
            "--seed",
            "9",
            "--separate",
        ]);
    };
    draw("1", "one.png");
    draw("70", "many.png");
    assert_eq!(
        read(&world.path("one.png")),
        read(&world.path("many-01.png"))
    );
    assert_ne!(
        read(&world.path("one.png")),
        read(&world.path("many-02.png"))
    );
    let sheet = world.text("sheet.png");
    succeed(&["generate", &model, "-o", &sheet, "-n", "6", "--seed", "9"]);
    let (width, height) = read(&world.path("sheet.png")).dimensions();
    assert!(width > 2 * SIDE && height > SIDE);
}

#[test]
fn augmented_models_keep_their_classes_and_resume_exactly() {
    let world = World::new();
    let flags = [
        "--augment",
        "on",
        "--label-folders",
        "--steps",
        "12",
        "--learning-rate",
        "1e-3",
        "--seed",
        "3",
    ];
    world.train("whole", &flags);
    let (pictures, parts) = (world.text("pictures"), world.text("parts"));
    let train = world.training("pictures", "parts", &flags);
    crate::cli::kill_once_there_is(&world.path("parts/training/state.safetensors"), &train);
    let resume = ["train", "pictures", &pictures, "--out", &parts, "--resume"];
    refuse(
        &[&resume[..], &["--augment", "off"]].concat(),
        2,
        &["--augment"],
    );
    let other = world.text("other.toml");
    fs::write(&other, "[batches]\nrows = 2\n").unwrap();
    refuse(
        &[&resume[..], &["--config", &other]].concat(),
        2,
        &["--config"],
    );
    succeed(&[&train[..], &["--resume".to_owned()]].concat());
    let weights = |model: &str| fs::read(world.path(model).join("weights.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("parts"));
    let card = fs::read_to_string(world.path("parts/README.md")).unwrap();
    let options = "\n--augment on --config FILE --label-folders --learning-rate 0.001 --network lstm --seed 3\n";
    assert!(card.contains(options), "{card}");

    let (model, out) = (world.text("whole"), world.text("out.png"));
    assert!(succeed(&["info", &model]).contains("augmented"));
    let picture = world.path("pictures/across/03.png").display().to_string();
    let class = ["--class", "class=across", "-o", &out];
    succeed(&[&["generate", &model, "-n", "2"], &class[..]].concat());
    succeed(&[&["complete", &model, &picture, "-n", "2"], &class[..]].concat());
    succeed(&["score", &model, &picture, "-o", &out]);
    succeed(&["eval", &model, &pictures, "--held-out"]);

    // Without classes, no condition at all stands for a picture as it is.
    world.train("plain", &["--augment", "on", "--steps", "2"]);
    succeed(&["generate", &world.text("plain"), "-n", "2", "-o", &out]);
    succeed(&["score", &world.text("plain"), &picture, "-o", &out]);
}

/// The pictures of an animation, laid over each other.
fn frames(path: &Path) -> Vec<RgbImage> {
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let decoder = image::codecs::gif::GifDecoder::new(file).unwrap();
    let frames = decoder.into_frames().collect_frames().unwrap();
    frames
        .into_iter()
        .map(|frame| image::DynamicImage::ImageRgba8(frame.into_buffer()).to_rgb8())
        .collect()
}

#[test]
fn a_completion_keeps_the_given_pixels_exactly() {
    let world = World::new();
    world.train("model", &["--steps", "5"]);
    let (model, gif) = (world.text("model"), world.text("completed.gif"));
    let given = stripes(true, 5);
    let picture = world.path("pictures/upright/05.png").display().to_string();
    succeed(&[
        "complete", &model, &picture, "--keep", "0.3", "-n", "1", "--gif", "--scale", "1", "-o",
        &gif,
    ]);
    let frames = frames(&world.path("completed.gif"));
    let kept = (0.3_f64 * 64.0).round() as usize;
    // First there is nothing, then what was given: whole rows, and the part of one.
    for frame in [&frames[2], &frames[frames.len() - 1]] {
        let pairs = frame.pixels().zip(given.pixels());
        assert!(pairs.take(kept).all(|(made, given)| made == given));
    }
    let sheet = world.text("sheet.png");
    succeed(&["complete", &model, &picture, "-n", "3", "-o", &sheet]);
    let (width, height) = read(&world.path("sheet.png")).dimensions();
    assert!(
        width > 4 * height,
        "given, three continuations, the truth: {width}x{height}"
    );
}

#[test]
fn a_run_that_stopped_goes_on_as_if_it_had_not() {
    let world = World::new();
    let dropping = format!("{SMALL}[training.optimizer]\nclip_norm = 2.0\n")
        .replace("hidden = 48", "hidden = 48\ndropout = 0.3");
    fs::write(world.path("small.toml"), dropping).unwrap();
    let flags = ["--binarize", "dynamic", "--label-folders", "--steps", "12"];
    world.train("whole", &flags);
    let (pictures, parts) = (world.text("pictures"), world.text("parts"));
    crate::cli::kill_once_there_is(
        &world.path("parts/training/state.safetensors"),
        &world.training("pictures", "parts", &flags),
    );
    succeed(&["train", "pictures", &pictures, "--out", &parts, "--resume"]);
    let weights = |model: &str| fs::read(world.path(model).join("weights.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("parts"));
}

#[test]
fn a_wavenet_of_few_pictures_has_weight_decay_unless_a_config_file_says_otherwise() {
    let world = World::new();
    let (pictures, none) = (world.text("pictures"), world.text("none.toml"));
    fs::write(&none, "[training.optimizer]\nweight_decay = 0.0\n").unwrap();
    let decay = |model: &str, more: &[&str]| {
        let out = world.text(model);
        let common = [
            "train", "pictures", &pictures, "--out", &out, "--steps", "1",
        ];
        succeed(&[&common[..], &["--preset", "tiny"], more].concat());
        let manifest = fs::read_to_string(world.path(model).join("model.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        manifest["recipe"]["training"]["optimizer"]["weight_decay"].as_f64()
    };
    assert_eq!(decay("wavenet", &[]), Some(1.0));
    assert_eq!(decay("lstm", &["--network", "lstm"]), Some(0.0));
    assert_eq!(decay("told", &["--config", &none]), Some(0.0));
}

#[test]
fn a_run_that_was_begun_with_the_old_name_of_a_threshold_goes_on() {
    let world = World::new();
    world.train("model", &["--binarize", "static", "--steps", "4"]);
    let manifest = world.path("model/model.json");
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("\"threshold\""), "{text}");
    fs::write(&manifest, text.replace("\"threshold\"", "\"static\"")).unwrap();
    let (pictures, model) = (world.text("pictures"), world.text("model"));
    let again = [
        "train", "pictures", &pictures, "--out", &model, "--resume", "--steps", "6",
    ];
    succeed(&[&again[..], &["--binarize", "static"]].concat());
    refuse(
        &[&again[..], &["--binarize", "fixed"]].concat(),
        2,
        &["--binarize threshold"],
    );
}

#[test]
fn surprise_is_drawn_and_listed() {
    let world = World::new();
    world.train("model", &["--steps", "5"]);
    let model = world.text("model");
    let picture = world.path("pictures/across/03.png").display().to_string();
    let table = world.text("surprise.csv");
    let said = succeed(&["score", &model, &picture, "-o", &table]);
    let lines = fs::read_to_string(&table).unwrap();
    let bits: Vec<f64> = lines
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(bits.len(), 64);
    let mean = bits.iter().sum::<f64>() / 64.0;
    let told: f64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!((told - mean).abs() < 0.001, "{mean}: {said}");
    succeed(&["score", &model, &picture, "-o", &world.text("surprise.png")]);
    assert!(read(&world.path("surprise.png")).width() > 2 * SIDE);
    refuse(
        &["score", &model, &picture, "-o", &world.text("surprise.txt")],
        2,
        &[".png or .csv"],
    );
}

#[test]
fn rows_of_colour_indices_keep_their_palette_and_their_faults_are_named() {
    let world = World::new();
    let rows = world.path("rows.txt");
    fs::write(world.path("colormap.txt"), "0 0 0\n255 0 0\n0 255 0\n").unwrap();
    let row = |shift: u32| -> String {
        let indices = (0..16).map(|i| ((i + shift) % 3).to_string());
        indices.collect::<Vec<_>>().join(" ")
    };
    let all: Vec<String> = (0..20).map(row).collect();
    fs::write(&rows, all.join("\n")).unwrap();
    let training = |model| world.training("rows.txt", model, &["--steps", "2"]);
    succeed(&training("model"));
    let info = succeed(&["info", &world.text("model")]);
    assert!(info.contains("3 colours") && info.contains("4x4"), "{info}");
    fs::write(&rows, all.join("\n") + "\n" + &"7 ".repeat(16)).unwrap();
    refuse(&training("other"), 1, &["rows.txt", "row 21", "column 1"]);
}

#[test]
fn bad_input_is_named_and_leaves_nothing() {
    let world = World::new();
    world.train("model", &["--steps", "2"]);
    let (model, out) = (world.text("model"), world.text("out.png"));
    let picture = world.path("pictures/across/03.png").display().to_string();
    for keep in ["1.5", "0", "-1", "nan"] {
        refuse(
            &["complete", &model, &picture, "--keep", keep, "-o", &out],
            2,
            &["--keep"],
        );
    }
    let large = world.text("large.png");
    RgbImage::from_pixel(30, 20, Rgb([1, 2, 3]))
        .save(&large)
        .unwrap();
    refuse(
        &["complete", &model, &large, "--strict", "-o", &out],
        1,
        &["large.png", "30x20", "8x8"],
    );
    assert!(!world.path("out.png").exists());
    succeed(&["complete", &model, &large, "-o", &out]);

    refuse(
        &["generate", &model, "--seconds", "2"],
        2,
        &["--seconds", "pictures"],
    );
    refuse(
        &["generate", &model, "--prompt", &picture],
        2,
        &["complete"],
    );
    let train = |data: &str, code: i32, words: &[&str]| {
        let other = world.text("other");
        let data = world.text(data);
        refuse(
            &["train", "pictures", &data, "--out", &other, "--steps", "1"],
            code,
            words,
        );
        assert!(!world.path("other").exists());
    };
    fs::create_dir(world.path("empty")).unwrap();
    train("empty", 1, &["empty"]);
    train("nowhere", 1, &["nowhere"]);
    fs::create_dir(world.path("cut")).unwrap();
    let mut whole = std::io::Cursor::new(Vec::new());
    stripes(true, 1)
        .write_to(&mut whole, ImageFormat::Png)
        .unwrap();
    fs::write(world.path("cut/short.png"), &whole.get_ref()[..60]).unwrap();
    train("cut", 1, &["short.png"]);
    stripes(true, 1).save(world.path("cut/one.png")).unwrap();
    RgbImage::new(5, 4).save(world.path("cut/two.png")).unwrap();
    train("cut", 1, &["--size"]);
}
