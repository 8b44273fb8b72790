//! An image VAE from end to end: learn, draw, move sliders, interpolate, measure.

use std::fs;
use std::sync::OnceLock;

use crate::cli::{ensuite, outcome, refuse, succeed};
use crate::pictures::{SIDE, World, like_above, read};

/// Settings under which a VAE learns stripes in seconds.
const SMALL: &str = "[network]\nlatent = 4\nhidden = 48\n[batches]\nrows = 8\n\
    [training]\nlearning_rate = 0.004\nwarmup = 20\nreport_every = 300\n";

fn training(world: &World, model: &str, more: &[&str]) -> Vec<String> {
    let (pictures, out) = (world.text("pictures"), world.text(model));
    let config = world.text("vae.toml");
    let mut arguments = vec![
        "train",
        "image-vae",
        &pictures,
        "--out",
        &out,
        "--config",
        &config,
    ];
    arguments.extend(more);
    arguments.into_iter().map(String::from).collect()
}

fn world() -> World {
    let world = World::new();
    fs::write(world.path("vae.toml"), SMALL).unwrap();
    world
}

/// A world with a conditional VAE, trained once for all tests.
fn trained() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = world();
        let more = ["--steps", "600", "--label-folders", "--augment", "off"];
        succeed(&training(&world, "model", &more));
        world
    })
}

fn evaluation(world: &World, model: &str) -> serde_json::Value {
    let (model, pictures) = (world.text(model), world.text("pictures"));
    let json = succeed(&["eval", &model, &pictures, "--json"]);
    serde_json::from_str(&json).unwrap()
}

#[test]
fn stripes_are_learned_and_both_terms_of_the_bound_are_told() {
    let world = trained();
    for file in [
        "samples/step-0000600.png",
        "samples/step-0000600-reconstructions.png",
    ] {
        assert!(world.path("model").join(file).is_file(), "{file}");
    }
    let log = fs::read_to_string(world.path("model/log.jsonl")).unwrap();
    assert!(
        log.contains("\"reconstruction\"") && log.contains("\"kl\""),
        "{log}"
    );
    let found = evaluation(world, "model");
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let codes = &found["codes"];
    let bound = number(&codes["reconstruction"]) + number(&codes["kl"]);
    assert!(
        (bound - number(&found["nats_per_picture"])).abs() < 1e-3 * bound,
        "{found}"
    );
    assert!(
        number(&found["bits_per_pixel"]) < 0.5 * number(&found["order_zero_bits"]),
        "{found}"
    );
    assert!(number(&codes["importance_weighted_nll"]) < bound, "{found}");
    assert!(number(&codes["cost_of_another_code"]) > 1.0, "{found}");
    let each = codes["kl_per_dimension"].as_array().unwrap();
    assert_eq!(each.len(), 4);
    let sum: f64 = each.iter().map(number).sum();
    assert!(
        (sum - number(&codes["kl"])).abs() < 1e-3 * sum.max(1.0),
        "{found}"
    );
}

#[test]
fn a_class_is_drawn_as_asked_and_a_seed_gives_the_same_pictures() {
    let world = trained();
    let model = world.text("model");
    let draw = |name: &str, seed: &str| {
        let out = world.text(name);
        succeed(&[
            "generate",
            &model,
            "-o",
            &out,
            "-n",
            "12",
            "--seed",
            seed,
            "--separate",
            "--scale",
            "1",
            "--class",
            "class=upright",
            "--temperature",
            "0",
            "--no-metadata",
        ]);
    };
    draw("vae.png", "3");
    let drawn = (1..=12).map(|number| world.path(&format!("vae-{number:02}.png")));
    let share = like_above(drawn);
    assert!(share > 0.8, "{share}");
    draw("again.png", "3");
    draw("other.png", "4");
    let bytes = |name: &str| fs::read(world.path(name)).unwrap();
    assert_eq!(bytes("vae-01.png"), bytes("again-01.png"));
    let same =
        (1..=9).all(|n| bytes(&format!("vae-0{n}.png")) == bytes(&format!("other-0{n}.png")));
    assert!(!same, "another seed gives other codes");
}

#[test]
fn sliders_are_rows_a_square_all_classes_or_a_film() {
    let world = trained();
    let (model, pictures) = (world.text("model"), world.text("pictures"));
    let slide = |name: &str, more: &[&str]| {
        let out = world.text(name);
        let mut arguments = vec![
            "sliders", &model, "-o", &out, "--scale", "1", "--steps", "5", "--seed", "1",
        ];
        arguments.extend(more);
        let (code, _, said) = outcome(&mut ensuite(&arguments));
        assert_eq!(code, 0, "{said}");
        said
    };
    // Cells of SIDE pixels, 4 pixels apart.
    let extent = |cells: u32| cells * (SIDE + 4) + 4;
    let up = ["--class", "class=upright"];
    slide("rows.png", &up);
    assert_eq!(
        read(&world.path("rows.png")).dimensions(),
        (extent(5), extent(4))
    );
    let said = slide("measured.png", &[&up[..], &["--data", &pictures]].concat());
    assert_eq!(said.matches("KL").count(), 4, "{said}");
    slide(
        "square.png",
        &[&up[..], &["--dims", "0,2", "--range", "-1.5:1.5"]].concat(),
    );
    assert_eq!(
        read(&world.path("square.png")).dimensions(),
        (extent(5), extent(5))
    );
    let said = slide(
        "axes.png",
        &[&up[..], &["--data", &pictures, "--axes", "pca"]].concat(),
    );
    assert_eq!(said.matches("% of the variance").count(), 4, "{said}");
    slide("film.gif", &up);
    assert_eq!(&fs::read(world.path("film.gif")).unwrap()[..3], b"GIF");
    // The picture's own class is found, and its code is shown in both.
    let from = world.text("pictures/across/03.png");
    let said = slide("all.png", &["--from", &from, "--class", "class=all"]);
    assert_eq!(
        read(&world.path("all.png")).dimensions(),
        (extent(2), extent(1))
    );
    assert!(
        said.contains("class=across\n") && said.contains("class=upright\n"),
        "{said}"
    );
    let said = slide("found.png", &["--from", &from]);
    assert!(said.contains("seed 1, class=across"), "{said}");
    // The random numbers are the same for every code: drawn at a temperature, the same cells come again.
    slide("drawn.png", &[&up[..], &["--temperature", "1"]].concat());
    slide(
        "drawn-again.png",
        &[&up[..], &["--temperature", "1"]].concat(),
    );
    let bytes = |name: &str| fs::read(world.path(name)).unwrap();
    assert_eq!(bytes("drawn.png"), bytes("drawn-again.png"));
}

#[test]
fn a_walk_begins_and_ends_at_its_pictures() {
    let world = trained();
    let model = world.text("model");
    let ends =
        ["across/00.png", "upright/05.png"].map(|name| world.text(&format!("pictures/{name}")));
    let walk = |name: &str, a: &str, b: &str| {
        let out = world.text(name);
        succeed(&[
            "interpolate",
            &model,
            a,
            b,
            "-o",
            &out,
            "--points",
            "5",
            "--scale",
            "1",
            "--seed",
            "1",
        ]);
        read(&world.path(name))
    };
    let there = walk("there.png", &ends[0], &ends[1]);
    let back = walk("back.png", &ends[1], &ends[0]);
    let cell = |sheet: &image::RgbImage, column: u32| {
        image::imageops::crop_imm(sheet, 4 + column * (SIDE + 4), 4, SIDE, SIDE).to_image()
    };
    assert_eq!(cell(&there, 0), cell(&back, 4));
    assert_eq!(cell(&there, 4), cell(&back, 0));
    let (mut same, mut all) = (0, 0);
    for (column, end) in [(0, &ends[0]), (4, &ends[1])] {
        let (made, given) = (cell(&there, column), read(end.as_ref()));
        for (a, b) in made.pixels().zip(given.pixels()) {
            same += u32::from(a == b);
            all += 1;
        }
    }
    assert!(
        same * 10 > all * 8,
        "{same} of {all} pixels are those of the ends"
    );
}

#[test]
fn a_plain_autoencoder_has_no_bound_and_resuming_is_exact() {
    let world = world();
    let plain = ["--steps", "40", "--autoencoder", "--augment", "off"];
    succeed(&training(&world, "plain", &plain));
    let found = evaluation(&world, "plain");
    assert!(found["codes"]["kl"].is_null(), "{found}");
    assert!(
        found["codes"]["importance_weighted_nll"].is_null(),
        "{found}"
    );

    succeed(&training(&world, "whole", &["--steps", "30"]));
    succeed(&training(&world, "parts", &["--steps", "30"]));
    let (whole, parts, pictures) = (
        world.text("whole"),
        world.text("parts"),
        world.text("pictures"),
    );
    for model in [&whole, &parts] {
        succeed(&[
            "train",
            "image-vae",
            &pictures,
            "--out",
            model,
            "--resume",
            "--steps",
            "60",
        ]);
    }
    let weights = |model: &str| fs::read(world.path(model).join("weights.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("parts"));
    refuse(
        &["train", "pictures", &pictures, "--out", &whole, "--resume"],
        1,
        &["it is an image VAE", "train image-vae"],
    );
}

#[test]
fn what_it_cannot_do_is_said_and_nothing_is_written() {
    let world = trained();
    let (model, out) = (world.text("model"), world.text("never.png"));
    let picture = world.text("pictures/across/00.png");
    let sliders = |more: &[&str], words: &[&str]| {
        refuse(&[&["sliders", &model, "-o", &out], more].concat(), 2, words);
    };
    sliders(&["--dims", "0,4"], &["dimensions 0 and 4", "from 0 to 3"]);
    sliders(&["--dims", "1,1"], &["different"]);
    sliders(&["--dims", "1"], &["two whole numbers"]);
    sliders(&["--axes", "pca"], &["principal axes", "--data"]);
    sliders(&["--range", "2:-2"], &["range from 2 to -2"]);
    sliders(&["--range", "NaN:2"], &["range"]);
    sliders(&["--class", "class=middle"], &["middle", "across, upright"]);
    sliders(&["--class", "colour=all"], &["colour"]);
    refuse(
        &["interpolate", &model, &picture, &picture],
        2,
        &["-o walk.png"],
    );
    refuse(
        &[
            "interpolate",
            &model,
            &picture,
            &picture,
            "-o",
            &out,
            "--beam",
            "3",
        ],
        2,
        &["--beam does not apply"],
    );
    refuse(
        &["interpolate", &model, &picture, "nowhere.png", "-o", &out],
        1,
        &["nowhere.png"],
    );
    refuse(
        &["complete", &model, &picture, "-o", &out],
        1,
        &["image VAE", "train pictures"],
    );
    refuse(&["score", &model, &picture, "-o", &out], 1, &["image VAE"]);
    refuse(
        &training(world, "other", &["--network", "lstm"])
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        2,
        &["--network", "dense"],
    );
    assert!(!world.path("never.png").exists() && !world.path("other").exists());
    // A model that predicts pixel by pixel has no sliders.
    refuse(
        &["sliders", "models/dungeon-tiles", "-o", &out],
        1,
        &["without latent codes", "image-vae"],
    );
}

#[test]
fn a_mixture_is_fitted_to_the_codes_and_can_be_the_prior() {
    let world = trained();
    let model = world.text("model");
    let found = evaluation(world, "model");
    let under = &found["codes"]["importance_weighted_nll_under_mixture"];
    assert!(
        under[0].is_number() && under[1].as_u64() > Some(0),
        "{found}"
    );
    let draw = |name: &str, prior: &str| {
        let out = world.text(name);
        let common = ["generate", &model, "-o", &out, "-n", "9", "--seed", "2"];
        let more = ["--temperature", "0", "--prior", prior, "--no-metadata"];
        succeed(&[&common[..], &more].concat());
        fs::read(world.path(name)).unwrap()
    };
    assert_ne!(draw("mixture.png", "mixture"), draw("normal.png", "normal"));
    let out = world.text("never-drawn.png");
    refuse(
        &[
            "generate",
            "models/dungeon-tiles",
            "-o",
            &out,
            "--prior",
            "mixture",
        ],
        2,
        &["--prior applies to an image VAE"],
    );
    // A folder that has lost its mixture, or has another model's.
    let lost = world.path("lost");
    fs::create_dir(&lost).unwrap();
    for file in ["model.json", "weights.safetensors"] {
        fs::copy(world.path("model").join(file), lost.join(file)).unwrap();
    }
    let lost = lost.display().to_string();
    let asked = ["generate", &lost, "-o", &out, "--prior", "mixture"];
    refuse(&asked, 1, &["no mixture was fitted", "omit --prior"]);
    let pictures = world.text("pictures");
    succeed(&["eval", &lost, &pictures]);
    fs::write(world.path("lost/mixture.json"), "{\"parts\": []}").unwrap();
    refuse(&asked, 1, &["mixture.json", "does not fit"]);
    refuse(
        &["eval", &lost, &pictures],
        1,
        &["mixture.json", "does not fit"],
    );
    assert!(!world.path("never-drawn.png").exists());
}

#[test]
fn of_several_groups_of_classes_one_is_shown_in_turn_and_the_others_stay() {
    let world = world();
    let pattern = "(?<kind>[a-z]+)/(?<tens>[0-9])";
    let more = ["--steps", "5", "--label-pattern", pattern];
    succeed(&training(&world, "groups", &more));
    let (model, out) = (world.text("groups"), world.text("turns.png"));
    let from = world.text("pictures/across/03.png");
    let asked = ["--class", "tens=1", "--class", "kind=all"];
    let common = ["sliders", &model, "-o", &out, "--from", &from];
    let (code, _, said) = outcome(&mut ensuite(&[&common[..], &asked].concat()));
    assert_eq!(code, 0, "{said}");
    for title in ["kind=across tens=1\n", "kind=upright tens=1\n"] {
        assert!(said.contains(title), "{said}");
    }
}
