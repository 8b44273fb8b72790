//! A GAN from end to end: learn, draw, walk between seeds, judge.

use std::fs;
use std::sync::OnceLock;

use crate::cli::{ensuite, kill_once_there_is, outcome, refuse, succeed};
use crate::fetch::idx;
use crate::pictures::{SIDE, World, like_above, read};

/// Settings under which a GAN learns stripes in seconds.
const SMALL: &str = "[network]\nnoise = 8\nhidden = 64\nchannels = [16, 32]\n[batches]\nrows = 16\n\
    [training]\nlearning_rate = 0.001\nreport_every = 900\n[training.optimizer]\naverage_decay = 0.99\n";

fn train(world: &World, model: &str, more: &[&str]) {
    let (pictures, out) = (world.text("pictures"), world.text(model));
    let config = world.text("gan.toml");
    let common = [
        "train", "gan", &pictures, "--out", &out, "--config", &config,
    ];
    succeed(&[&common[..], more].concat());
}

fn world() -> World {
    let world = World::new();
    fs::write(world.path("gan.toml"), SMALL).unwrap();
    world
}

/// A world with a conditional GAN, trained once for all tests.
fn trained() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = world();
        // Normalised scores learn the classes of these few pictures only in more steps.
        let plain = [SMALL, "[adversarial]\nbatch_norm = false\n"].concat();
        fs::write(world.path("gan.toml"), plain).unwrap();
        train(
            &world,
            "model",
            &["--steps", "900", "--label-folders", "--objective", "ns"],
        );
        world
    })
}

#[test]
fn a_class_is_drawn_as_asked_and_a_seed_gives_the_same_pictures() {
    let world = trained();
    let model = world.text("model");
    assert!(world.path("model/samples/step-0000900.png").is_file());
    let log = fs::read_to_string(world.path("model/log.jsonl")).unwrap();
    for picture in ["film.gif", "losses.png"] {
        assert!(
            world.path("model/samples").join(picture).is_file(),
            "{picture}"
        );
    }
    for name in [
        "discriminator",
        "generator",
        "score_of_real",
        "frechet",
        "coverage",
        "by_heart",
    ] {
        assert!(log.contains(name), "{log}");
    }
    let draw = |name: &str, class: &str, seed: &str| {
        let (out, class) = (world.text(name), format!("class={class}"));
        let common = ["generate", &model, "-o", &out, "-n", "12", "--separate"];
        let more = ["--scale", "1", "--seed", seed, "--class", &class];
        succeed(&[&common[..], &more].concat());
        let name = &name[..name.len() - 4];
        let path = |number: u32| world.path(&format!("{name}-{number:02}.png"));
        (1..=12).map(path).collect::<Vec<_>>()
    };
    let upright = like_above(draw("upright.png", "upright", "3").into_iter());
    let across = like_above(draw("across.png", "across", "3").into_iter());
    assert!(
        upright > 0.7 && upright > across + 0.2,
        "{upright}, {across}"
    );
    draw("again.png", "upright", "3");
    let near = world.text("near.png");
    let common = [
        "generate",
        &model,
        "-o",
        &near,
        "--seed",
        "3",
        "--truncation",
    ];
    succeed(&[&common[..], &["0.3"]].concat());
    refuse(
        &[&common[..], &["0"]].concat(),
        2,
        &["--truncation", "0.01"],
    );
    draw("other.png", "upright", "4");
    let bytes = |name: &str| fs::read(world.path(name)).unwrap();
    assert_eq!(bytes("upright-01.png"), bytes("again-01.png"));
    assert_ne!(bytes("upright-01.png"), bytes("other-01.png"));
}

#[test]
fn a_walk_between_seeds_begins_with_the_picture_of_the_first_seed() {
    let world = trained();
    let (model, walk, one) = (
        world.text("model"),
        world.text("walk.png"),
        world.text("one.png"),
    );
    let class = ["--class", "class=upright", "--scale", "1"];
    let walked = [
        "interpolate",
        &model,
        "5",
        "6",
        "--points",
        "3",
        "-o",
        &walk,
    ];
    succeed(&[&walked[..], &class].concat());
    let drawn = ["generate", &model, "--seed", "5", "-o", &one];
    succeed(&[&drawn[..], &class].concat());
    let sheet = read(&world.path("walk.png"));
    let first = image::imageops::crop_imm(&sheet, 4, 4, SIDE, SIDE).to_image();
    assert_eq!(first, read(&world.path("one.png")));
}

#[test]
fn batch_normalisation_that_cannot_work_is_refused() {
    let world = world();
    let normalised = [SMALL, "[adversarial]\nbatch_norm = true\n"].concat();
    fs::write(world.path("gan.toml"), normalised).unwrap();
    let (pictures, out, config) = (
        world.text("pictures"),
        world.text("refused"),
        world.text("gan.toml"),
    );
    let asked = [
        "train", "gan", &pictures, "--out", &out, "--config", &config,
    ];
    refuse(&asked, 2, &["batch_norm", "set it to false"]);
    fs::write(world.path("gan.toml"), SMALL).unwrap();
    let alone = [&asked[..], &["--batch", "1"]].concat();
    refuse(&alone, 2, &["of one picture", "--batch 2"]);
    assert!(!world.path("refused").exists());
}

#[test]
fn a_batch_is_that_of_each_update() {
    let world = world();
    let more = ["--steps", "1", "--batch", "4", "--discriminator-steps"];
    // Four pictures of 8×8 pixels for each update.
    for (steps, pixels) in [("1", "256"), ("3", "768")] {
        train(&world, steps, &[&more[..], &[steps]].concat());
        let card = fs::read_to_string(world.path(steps).join("README.md")).unwrap();
        let read = format!("| pixels read | {pixels} |");
        assert!(card.contains(&read), "{card}");
    }
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let world = trained();
    let (model, out, gif) = (
        world.text("model"),
        world.text("nothing.png"),
        world.text("nothing.gif"),
    );
    let common = ["generate", &model, "-o"];
    for (output, more) in [
        (&out, &["--temperature", "0.5"][..]),
        (&out, &["--precision", "int8"]),
        (&gif, &["--gif"]),
    ] {
        let asked = [&common[..], &[output], more].concat();
        refuse(
            &asked,
            2,
            &["does not apply", "all pixels of a picture at once"],
        );
    }
    let named = world.text("nothing.jpg");
    refuse(
        &[&common[..], &[&named]].concat(),
        2,
        &["no name for a PNG"],
    );
    for name in ["nothing.png", "nothing.gif", "nothing.jpg"] {
        assert!(!world.path(name).exists(), "{name}");
    }
    let (pictures, one) = (world.text("pictures"), world.text("one-class"));
    let rule = "(?<kind>[.])png";
    let asked = [
        "train",
        "classifier",
        &pictures,
        "--out",
        &one,
        "--label-pattern",
        rule,
    ];
    refuse(&asked, 2, &["kind=.", "two classes or more"]);
    let asked = [
        "train",
        "image-vae",
        &pictures,
        "--out",
        &one,
        "--colors",
        "1",
    ];
    refuse(&asked, 2, &["from 2 to 256"]);
    assert!(!world.path("one-class").exists());
}

#[test]
fn evaluation_judges_what_is_made_and_sliders_move_the_noise() {
    let world = trained();
    let (model, pictures) = (world.text("model"), world.text("pictures"));
    let json = succeed(&["eval", &model, &pictures, "--generated", "64", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["pictures"], 64);
    assert!(found["frechet"].as_f64().unwrap().is_finite(), "{found}");
    assert!(found.get("bits_per_pixel").is_none(), "{found}");
    let out = world.text("sliders.png");
    let dims = ["--dims", "0,1", "--steps", "3", "--scale", "1"];
    succeed(&[&["sliders", &model, "-o", &out][..], &dims].concat());
    assert_eq!(read(&world.path("sliders.png")).width(), 4 + 3 * (SIDE + 4));
}

#[test]
fn a_run_that_was_killed_goes_on_as_if_it_had_not_been() {
    let world = world();
    let often = SMALL.replace("report_every = 900", "report_every = 20");
    fs::write(world.path("gan.toml"), often).unwrap();
    // A balance and an autoencoder; then statistics of batches and scores from gradients.
    for objective in ["began", "r3gan"] {
        let options = [
            "--objective",
            objective,
            "--discriminator-steps",
            "2",
            "--augment",
            "on",
            "--label-folders",
            "--steps",
            "60",
        ];
        let (whole, killed) = (format!("whole-{objective}"), format!("killed-{objective}"));
        train(&world, &whole, &options);
        let (pictures, out) = (world.text("pictures"), world.text(&killed));
        let config = world.text("gan.toml");
        let common = ["train", "gan", &pictures, "--out", &out];
        let first = [&common[..], &["--config", &config], &options].concat();
        let sheet = world.path(&killed).join("samples/step-0000020.png");
        kill_once_there_is(&sheet, &first);
        let other = [&common[..], &["--resume", "--objective", "mm"]].concat();
        refuse(&other, 2, &["--objective", "it was begun with", objective]);
        // The same command goes on.
        succeed(&[&first[..], &["--resume"]].concat());
        let weights =
            |model: &str| fs::read(world.path(model).join("weights.safetensors")).unwrap();
        assert!(weights(&whole) == weights(&killed), "{objective}");
    }
}

#[test]
fn every_objective_trains() {
    let world = world();
    for objective in [
        "ns", "mm", "lsgan", "wgan", "wgan-gp", "dragan", "began", "r3gan",
    ] {
        let uniform = [
            "--objective",
            objective,
            "--noise",
            "uniform",
            "--steps",
            "3",
        ];
        train(&world, objective, &uniform);
        let log = fs::read_to_string(world.path(objective).join("log.jsonl")).unwrap();
        let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert!(last["losses"]["generator"].as_f64().is_some(), "{last}");
    }
}

#[test]
fn what_a_gan_cannot_do_is_refused() {
    let world = trained();
    let (model, pictures) = (world.text("model"), world.text("pictures"));
    let (out, picture) = (world.text("no.png"), world.text("pictures/across/03.png"));
    refuse(
        &["score", &model, &picture, "-o", &out],
        1,
        &["it is a GAN"],
    );
    let complete = ["complete", &model, &picture, "-o", &out];
    refuse(&complete, 1, &["it is a GAN"]);
    let from = ["sliders", &model, "--from", &picture, "-o", &out];
    refuse(&from, 1, &["finds no codes of pictures"]);
    let walk = ["interpolate", &model, &picture, &picture, "-o", &out];
    refuse(&walk, 2, &["is no seed", "two whole numbers"]);
    let unknown = [
        "train",
        "gan",
        &pictures,
        "--out",
        &out,
        "--objective",
        "magic",
    ];
    refuse(&unknown, 2, &["magic", "r3gan", "wgan-gp"]);
    let resume = ["train", "pictures", &pictures, "--out", &model, "--resume"];
    refuse(&resume, 1, &["it was trained by: ensuite train gan"]);
    assert!(!world.path("no.png").exists());
}

#[test]
fn a_classifier_names_classes_and_judges_what_is_made() {
    let world = trained();
    let (model, pictures) = (world.text("model"), world.text("pictures"));
    let judge = world.text("judge");
    let train = ["train", "classifier", &pictures, "--out", &judge];
    refuse(&train, 2, &["needs the classes", "--label-folders"]);
    let augmented = ["--label-folders", "--augment", "on"];
    let augmented = [&train[..], &augmented].concat();
    refuse(&augmented, 2, &["--augment does not apply to a classifier"]);
    succeed(&[&train[..], &["--label-folders", "--steps", "200"]].concat());
    let found = succeed(&["eval", &judge, &pictures]);
    assert!(
        found.contains("class=across") && found.contains("class=upright"),
        "{found}"
    );
    let judged = [
        "eval",
        &model,
        &pictures,
        "--generated",
        "64",
        "--judge",
        &judge,
    ];
    let json = succeed(&[&judged[..], &["--json"]].concat());
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    let judged = &found["judged"];
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(number(&judged["as_labelled"]) > 0.95, "{found}");
    assert!(number(&judged["as_asked"]) > 0.7, "{found}");
    for figure in [
        "frechet",
        "kernel_distance",
        "precision",
        "recall",
        "density",
        "coverage",
    ] {
        assert!(number(&judged["made"][figure]).is_finite(), "{found}");
        assert!(number(&judged["floor"][figure]).is_finite(), "{found}");
    }
    let judge_of = ["--judge", &judge[..], "--steps", "2"];
    self::train(
        world,
        "judged",
        &[&judge_of[..], &["--label-folders"]].concat(),
    );
    let log = fs::read_to_string(world.path("judged/log.jsonl")).unwrap();
    assert!(log.contains("are of the class asked for"), "{log}");
    let without = [
        "train", "gan", &pictures, "--out", "none", "--judge", &judge,
    ];
    refuse(&without, 2, &["needs classes"]);
    assert!(succeed(&["info", &judge]).contains("classifier"));
    let out = world.text("none.png");
    let hint = ["it is a classifier", "ensuite eval"];
    refuse(&["generate", &judge, "-o", &out], 1, &hint);
    let wrong = ["eval", &model, &pictures, "--judge", &model];
    refuse(&wrong, 1, &["is not a classifier", "train classifier"]);
    assert!(!world.path("none.png").exists());
}

#[test]
fn labels_of_an_idx_file_have_names_and_a_test_set_its_own_labels() {
    let world = world();
    let labels: Vec<u8> = (0..40).map(|number| number % 2).collect();
    let pixels: Vec<u8> = labels.iter().flat_map(|label| [label * 255; 64]).collect();
    for (part, count) in [("train", 40_u32), ("test", 20)] {
        let pictures = idx(&[count, 8, 8], &pixels[..count as usize * 64]);
        let path = |kind: &str| world.path(&format!("{part}-{kind}-ubyte.gz"));
        fs::write(path("images-idx3"), pictures).unwrap();
        fs::write(
            path("labels-idx1"),
            idx(&[count], &labels[..count as usize]),
        )
        .unwrap();
    }
    let (train, model) = (
        world.text("train-images-idx3-ubyte.gz"),
        world.text("named"),
    );
    let common = [
        "train",
        "classifier",
        &train,
        "--out",
        &model,
        "--labels",
        "beside",
    ];
    let few = [&common[..], &["--label-names", "item=dark"]].concat();
    refuse(
        &few,
        1,
        &[
            "the label 1",
            "the last name of --label-names is that of the label 0",
        ],
    );
    let both = ["--label-names", "item=dark,bright", "--steps", "60"];
    succeed(&[&common[..], &both].concat());
    let config = world.text("gan.toml");
    let other = world.text("other");
    let other = [
        "train", "gan", &train, "--out", &other, "--config", &config, "--labels", "beside",
        "--judge", &model,
    ];
    refuse(&other, 1, &["those of class", "those of item"]);
    assert!(!world.path("other").exists());
    let (test, its) = (
        world.text("test-images-idx3-ubyte.gz"),
        world.text("test-labels-idx1-ubyte.gz"),
    );
    let eval = [
        "eval",
        &model,
        &test,
        "--labels",
        &its,
        "--trained-on",
        &train,
    ];
    assert!(succeed(&eval).contains("item=bright"));
}

#[test]
fn a_discriminator_alone_learns_which_of_all_tiny_pictures_are_real() {
    let world = world();
    let folder = world.path("rows");
    fs::create_dir(&folder).unwrap();
    // One white row of four.
    let kind = |row: u32| {
        image::RgbImage::from_fn(4, 4, |_, y| image::Rgb([if y == row { 255 } else { 0 }; 3]))
    };
    for number in 0..40 {
        let path = folder.join(format!("{number:02}.png"));
        kind(number % 4).save(path).unwrap();
    }
    let config = "[network]\nhidden = 32\nchannels = [16]\n[batches]\nrows = 32\n[training]\n\
        learning_rate = 0.005\nreport_every = 300\n[training.optimizer]\naverage_decay = 0.98\n";
    fs::write(world.path("energy.toml"), config).unwrap();
    let (pictures, model) = (world.text("rows"), world.text("energy"));
    let config = world.text("energy.toml");
    let train = ["train", "gan", &pictures, "--objective", "energy", "--out"];
    let alone = [&train[..], &[&model, "--config", &config]].concat();
    refuse(
        &[&alone[..], &["--noise-size", "4"]].concat(),
        2,
        &["--noise-size"],
    );
    refuse(
        &[&alone[..], &["--label-folders"]].concat(),
        2,
        &["no classes"],
    );
    let more = ["--binarize", "threshold", "--steps", "300"];
    let (code, _, said) = outcome(&mut ensuite(&[&alone[..], &more].concat()));
    assert!(
        code == 0 && said.contains("draw with: ensuite generate"),
        "{said}"
    );
    let out = world.text("made.png");
    let draw = [
        "generate",
        &model,
        "-n",
        "50",
        "-o",
        &out,
        "--separate",
        "--scale",
        "1",
    ];
    succeed(&[&draw[..], &["--seed", "1"]].concat());
    let made = (1..=50).map(|number| read(&world.path(&format!("made-{number:02}.png"))));
    let kinds: Vec<_> = (0..4).map(kind).collect();
    let found: Vec<usize> = made
        .filter_map(|made| kinds.iter().position(|kind| *kind == made))
        .collect();
    assert!(found.len() > 40, "{}", found.len());
    for kind in 0..4 {
        assert!(found.contains(&kind), "{found:?}");
    }
}

#[test]
fn a_killed_run_of_a_discriminator_alone_goes_on_with_its_pool() {
    let world = world();
    let often = "[network]\nhidden = 32\nchannels = [16]\n[batches]\nrows = 16\n[training]\nreport_every = 20\n";
    fs::write(world.path("gan.toml"), often).unwrap();
    let energy = ["--objective", "energy", "--steps", "60"];
    train(&world, "whole", &energy);
    let (pictures, killed, config) = (
        world.text("pictures"),
        world.text("killed"),
        world.text("gan.toml"),
    );
    let common = [
        "train",
        "gan",
        &pictures,
        "--out",
        &killed,
        "--objective",
        "energy",
    ];
    let first = [&common[..], &["--config", &config, "--steps", "60"]].concat();
    kill_once_there_is(&world.path("killed/samples/step-0000020.png"), &first);
    succeed(&[&common[..], &["--resume"]].concat());
    let weights = |model: &str| fs::read(world.path(model).join("weights.safetensors")).unwrap();
    assert!(weights("whole") == weights("killed"));
    let (whole, out) = (world.text("whole"), world.text("drawn.png"));
    succeed(&["generate", &whole, "-n", "4", "-o", &out, "--seed", "1"]);
    let picture = world.text("pictures/across/03.png");
    refuse(
        &["complete", &whole, &picture, "-o", &out],
        1,
        &["a discriminator"],
    );
}
