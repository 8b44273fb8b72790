//! An image VAE from end to end: learn, draw, move sliders, interpolate, measure.

use std::fs;
use std::sync::OnceLock;

use crate::cli::{ensuite, kill_once_there_is, outcome, refuse, succeed};
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

fn evaluation(world: &World, model: &str, more: &[&str]) -> serde_json::Value {
    let (model, pictures) = (world.text(model), world.text("pictures"));
    let json = succeed(&[&["eval", &model, &pictures, "--json"], more].concat());
    serde_json::from_str(&json).unwrap()
}

#[test]
fn stripes_are_learned_and_both_terms_of_the_bound_are_told() {
    let world = trained();
    for file in [
        "samples/step-0000600.png",
        "samples/step-0000600-reconstructions.png",
        "samples/traversal.gif",
    ] {
        assert!(world.path("model").join(file).is_file(), "{file}");
    }
    let log = fs::read_to_string(world.path("model/log.jsonl")).unwrap();
    assert!(
        log.contains("\"reconstruction\"") && log.contains("\"kl\""),
        "{log}"
    );
    let found = evaluation(world, "model", &[]);
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
    let weighted = number(&codes["importance_weighted_nll"]);
    assert!(weighted < bound, "{found}");
    let loose = evaluation(world, "model", &["--iw", "2"]);
    let loose = number(&loose["codes"]["importance_weighted_nll"]);
    assert!(weighted < loose && loose < bound, "{weighted} {loose}");
    assert!(number(&codes["cost_of_another_code"]) > 1.0, "{found}");
    let hand = &found["hand"];
    for figure in ["slant", "thickness", "width"] {
        assert!(number(&hand[figure]).abs() <= 1.0, "{found}");
    }
    let probed = number(&hand["class_from_code"]);
    assert!(
        (0.0..=1.0).contains(&probed) && number(&hand["chance"]) >= 0.5,
        "{found}"
    );
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
fn codes_of_pictures_are_printed_read_back_and_drawn() {
    let world = trained();
    let (model, folder) = (world.text("model"), world.text("pictures"));
    let json = succeed(&["encode", &model, &folder, "-q"]);
    // A line for each picture, between those of the brackets.
    assert_eq!(json.lines().count(), 42, "{json}");
    let all: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let path = |item: &serde_json::Value| item["picture"].as_str().unwrap().to_owned();
    assert_eq!(path(&all[3]), world.text("pictures/across/03.png"));
    assert_eq!(all[3]["classes"]["class"], "across");
    assert_eq!(all[25]["classes"]["class"], "upright");
    for numbers in ["code", "deviation"] {
        assert_eq!(all[3][numbers].as_array().unwrap().len(), 4);
    }
    // The same picture alone, its class found and not told by its folder.
    fs::copy(path(&all[3]), world.path("alone.png")).unwrap();
    let alone = world.text("alone.png");
    let one = succeed(&["encode", &model, &alone]);
    let one: Vec<serde_json::Value> = serde_json::from_str(&one).unwrap();
    assert_eq!(path(&one[0]), alone);
    for field in ["code", "deviation", "classes"] {
        assert_eq!(one[0][field], all[3][field]);
    }
    let other = succeed(&["encode", &model, &alone, "--class", "class=upright"]);
    let other: Vec<serde_json::Value> = serde_json::from_str(&other).unwrap();
    assert_eq!(other[0]["classes"]["class"], "upright");
    assert_ne!(other[0]["code"], all[3]["code"]);

    // Decoding gives back most pixels, in the order of the codes.
    fs::write(world.path("codes.json"), &json).unwrap();
    let decode = |codes: &str, name: &str, more: &[&str]| {
        let (codes, out) = (world.text(codes), world.text(name));
        let common = ["decode", &model, &codes, "-o", &out, "--scale", "1"];
        succeed(&[&common[..], more].concat());
        read(&world.path(name))
    };
    let sheet = decode("codes.json", "decoded.png", &[]);
    let extent = |cells: u32| cells * (SIDE + 4) + 4;
    assert_eq!(sheet.dimensions(), (extent(7), extent(6)));
    let (mut same, mut pixels) = (0, 0);
    for (index, item) in all.iter().enumerate() {
        let (column, row) = (index as u32 % 7, index as u32 / 7);
        let place = |cell: u32| 4 + cell * (SIDE + 4);
        let cell = image::imageops::crop_imm(&sheet, place(column), place(row), SIDE, SIDE);
        let given = read(path(item).as_ref());
        let pairs = cell.to_image();
        let pairs = pairs.pixels().zip(given.pixels());
        same += pairs.filter(|(a, b)| a == b).count();
        pixels += given.pixels().count();
    }
    assert!(
        same * 10 > pixels * 8,
        "{same} of {pixels} pixels are those that were encoded"
    );
    decode("codes.json", "decoded.gif", &[]);
    assert_eq!(&fs::read(world.path("decoded.gif")).unwrap()[..3], b"GIF");

    // A bare list has the class that is asked for; a class beside the code decides where none is.
    let numbers = &all[3]["code"];
    fs::write(world.path("bare.json"), format!("[{numbers}]")).unwrap();
    let item = format!("[{{\"code\": {numbers}, \"classes\": {{\"class\": \"across\"}}}}]");
    fs::write(world.path("item.json"), item).unwrap();
    let bare = |class| decode("bare.json", "bare.png", &["--class", class]);
    let across = bare("class=across");
    assert_eq!(across, decode("item.json", "item.png", &[]));
    let upright = bare("class=upright");
    assert_ne!(across, upright);
    let asked = ["--class", "class=upright"];
    assert_eq!(upright, decode("item.json", "item.png", &asked));
}

#[test]
fn codes_and_pictures_that_do_not_fit_are_refused_and_nothing_is_written() {
    let world = trained();
    let (model, out) = (world.text("model"), world.text("no-sheet.png"));
    let decode = |json: &str, words: &[&str]| {
        fs::write(world.path("wrong.json"), json).unwrap();
        let codes = world.text("wrong.json");
        refuse(&["decode", &model, &codes, "-o", &out], 1, words);
    };
    decode(
        "[[1, 2, 3]]",
        &["wrong.json", "code 1 has 3 numbers", "have 4"],
    );
    decode("[[0, 0, 0, 0], [0, 0, NaN, 0]]", &["wrong.json", "JSON"]);
    decode("[[0, 0, 1e39, 0]]", &["code 1 is NaN or infinite"]);
    decode("[[0, null, 0, 0]]", &["code 1", "null"]);
    decode("[]", &["holds no code"]);
    decode(
        "[{\"code\": [0, 0, 0, 0], \"classes\": {\"class\": \"round\"}}]",
        &["code 1", "no class 'round'", "across, upright"],
    );
    decode(
        "[{\"code\": [0, 0, 0, 0], \"classes\": {\"kind\": \"across\"}}]",
        &["code 1", "no class group 'kind'"],
    );
    let codes = world.text("wrong.json");
    fs::write(&codes, "[[0, 0, 0, 0]]").unwrap();
    let with = |more: &[&str], words: &[&str]| {
        refuse(&[&["decode", &model, &codes], more].concat(), 2, words);
    };
    with(&[], &["-o sheet.png"]);
    with(&["-o", &out, "--class", "class=round"], &["round"]);
    with(&["-o", &out, "--beam", "3"], &["--beam does not apply"]);
    with(&["-o", &out, "--temperature", "-1"], &["temperature"]);
    assert!(!world.path("no-sheet.png").exists());

    let encode = |name: &str, more: &[&str], words: &[&str]| {
        let path = world.text(name);
        refuse(&[&["encode", &model, &path], more].concat(), 1, words);
    };
    let picture = |name: &str, side: u32, color: [u8; 3]| {
        fs::create_dir_all(world.path(name).parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(side, side, image::Rgb(color))
            .save(world.path(name))
            .unwrap();
    };
    picture("large.png", 9, [0; 3]);
    encode("large.png", &[], &["large.png", "9x9", "8x8", "--adapt"]);
    picture("green.png", 8, [0, 255, 0]);
    encode(
        "green.png",
        &[],
        &["green.png", "64 of its pixels", "--adapt"],
    );
    picture("foreign/round/1.png", 8, [0; 3]);
    encode("foreign", &[], &["round/1.png", "no class 'round'"]);
    encode("nowhere", &[], &["nowhere"]);
    for name in ["large.png", "green.png"] {
        let json = succeed(&["encode", &model, &world.text(name), "--adapt"]);
        assert!(json.contains(name), "{json}");
    }
    refuse(&["encode", &model], 2, &["no picture", "FOLDER"]);
    let green = world.text("green.png");
    let wrong = ["encode", &model, &green, "--class", "class=round"];
    refuse(&wrong, 2, &["round"]);
    let wrong = ["encode", &model, &green, "--refine", "5"];
    refuse(&wrong, 2, &["--refine does not apply"]);
    let wrong = ["encode", "models/dungeon-tiles", &green];
    refuse(&wrong, 1, &["without latent codes", "image-vae"]);
}

#[test]
fn black_and_white_strokes_are_edited_and_evaluated() {
    let world = world();
    // Grey copies: a bar of two rows from the left edge to one of four columns.
    fs::create_dir_all(world.path("bars")).unwrap();
    for number in 0..20 {
        let inside = |x, y| x < 6 + number % 4 && (y / 2) == 1 + number / 4 % 3;
        image::GrayImage::from_fn(16, 8, |x, y| image::Luma([255 * u8::from(inside(x, y))]))
            .save(world.path(&format!("bars/{number:02}.png")))
            .unwrap();
    }
    let (bars, out) = (world.text("bars"), world.text("bars-model"));
    for network in [&["image-vae"][..], &["pictures", "--network", "lstm"]] {
        let config = world.text(if network.len() == 1 {
            "vae.toml"
        } else {
            "small.toml"
        });
        let how = [
            "--out",
            &out,
            "--binarize",
            "threshold",
            "--steps",
            "120",
            "--force",
        ];
        let arguments = [&["train"], &network[..1], &[&bars], &network[1..], &how].concat();
        succeed(&[&arguments[..], &["--config", &config]].concat());
        let asked = ["eval", &out, &bars, "--trained-on", &bars];
        let json = succeed(&[&asked[..], &["--json"]].concat());
        let found: serde_json::Value = serde_json::from_str(&json).unwrap();
        let (edits, mixture) = (&found["edits"], &found["mixture"]);
        assert_eq!(edits["looked_at"], 20, "{json}");
        assert!(edits["pictures"].as_u64() > Some(5), "{json}");
        assert_eq!(edits["given_code"], network.len() == 1, "{json}");
        for cost in ["stray_pixel", "longer_stroke"] {
            assert!(edits[cost].as_f64() > Some(0.5), "{json}");
        }
        // Of 18 bars one part is fitted: it knows each pixel, and so does more than one frequency for all.
        assert_eq!(mixture["parts"], 1, "{json}");
        let bits = |value: &serde_json::Value| value.as_f64().unwrap();
        assert!(
            bits(&mixture["bits_per_pixel"]) < bits(&found["order_zero_bits"]),
            "{json}"
        );
        let said = succeed(&asked);
        assert!(
            said.contains("categoricals over pixels, fitted to"),
            "{said}"
        );
        assert_eq!(
            said.contains("given the code"),
            network.len() == 1,
            "{said}"
        );
    }
}

#[test]
fn the_nearest_picture_stands_beside_a_generated_one_and_copies_are_named() {
    let world = trained();
    let (model, out) = (world.text("model"), world.text("beside.png"));
    let draw = |more: &[&str]| {
        let common = [
            "generate", &model, "-o", &out, "--seed", "1", "--scale", "1",
        ];
        let (code, _, said) = outcome(&mut ensuite(&[&common[..], more].concat()));
        assert_eq!(code, 0, "{said}");
        said
    };
    let pictures = world.text("pictures");
    let cool = ["--temperature", "0"];
    let said = draw(&[&["-n", "4", "--nearest", &pictures], &cool[..]].concat());
    for number in 1..=4 {
        assert!(said.contains(&format!("picture {number}: ")), "{said}");
    }
    let pair = 2 * SIDE + 1;
    let extent = |cells: u32, side: u32| cells * (side + 4) + 4;
    let sheet = read(&world.path("beside.png")).dimensions();
    assert_eq!(sheet, (extent(2, pair), extent(2, SIDE)));
    // Against a folder that holds it, a picture is a copy and stands beside itself.
    fs::create_dir_all(world.path("made")).unwrap();
    let own = world.text("made/own.png");
    let common = [
        "generate", &model, "-o", &own, "--seed", "1", "--scale", "1",
    ];
    succeed(&[&common[..], &cool].concat());
    let said = draw(&[&["--nearest", &world.text("made")], &cool[..]].concat());
    assert!(
        said.contains(&format!("picture 1: a copy of {own}")),
        "{said}"
    );
    let both = read(&world.path("beside.png"));
    assert_eq!(both.dimensions(), (pair, SIDE));
    let half = |left: u32| image::imageops::crop_imm(&both, left, 0, SIDE, SIDE).to_image();
    assert_eq!(half(0), half(SIDE + 1));
    assert_eq!(half(0), read(own.as_ref()));
    let never = world.text("never-beside.gif");
    let film = [
        "generate",
        &model,
        "-o",
        &never,
        "--gif",
        "--nearest",
        &pictures,
    ];
    refuse(&film, 2, &["--nearest", "--gif"]);
    let lost = ["generate", &model, "-o", &never, "--nearest", "nowhere"];
    refuse(&lost, 2, &["GIF"]);
    let png = world.text("never-beside.png");
    let lost = ["generate", &model, "-o", &png, "--nearest", "nowhere"];
    refuse(&lost, 1, &["nowhere"]);
    let sound = [
        "generate",
        "models/spoken-digits",
        "-o",
        &png,
        "--nearest",
        &pictures,
    ];
    refuse(&sound, 2, &["--nearest does not apply to a model of sound"]);
    assert!(!world.path("never-beside.png").exists() && !world.path("never-beside.gif").exists());
}

#[test]
fn a_plain_autoencoder_has_no_bound_and_resuming_is_exact() {
    let world = world();
    let plain = ["--steps", "40", "--autoencoder", "--augment", "off"];
    succeed(&training(&world, "plain", &plain));
    let found = evaluation(&world, "plain", &[]);
    assert!(found["codes"]["kl"].is_null(), "{found}");
    assert!(
        found["codes"]["importance_weighted_nll"].is_null(),
        "{found}"
    );
    for option in [&["--iw", "5"][..], &["--whole"]] {
        let asked = ["eval", &world.text("plain"), &world.text("pictures")];
        let refused = format!("{} is for the likelihood of a VAE", option[0]);
        refuse(&[&asked[..], option].concat(), 2, &[&refused]);
    }

    let often = SMALL.replace("report_every = 300", "report_every = 20");
    fs::write(world.path("vae.toml"), often).unwrap();
    succeed(&training(&world, "whole", &["--steps", "60"]));
    let (whole, parts, pictures) = (
        world.text("whole"),
        world.text("parts"),
        world.text("pictures"),
    );
    kill_once_there_is(
        &world.path("parts/samples/step-0000020.png"),
        &training(&world, "parts", &["--steps", "60"]),
    );
    succeed(&["train", "image-vae", &pictures, "--out", &parts, "--resume"]);
    let weights = |model: &str| fs::read(world.path(model).join("weights.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("parts"));
    refuse(
        &["train", "pictures", &pictures, "--out", &whole, "--resume"],
        1,
        &["it was trained by: ensuite train image-vae"],
    );
}

#[test]
fn several_codes_a_picture_give_a_bound_that_no_free_nats_loosen() {
    let world = world();
    let more = ["--steps", "60", "--iw", "3", "--augment", "off"];
    let (code, _, said) = outcome(&mut ensuite(&training(&world, "weighted", &more)));
    assert_eq!(code, 0, "{said}");
    let log = fs::read_to_string(world.path("weighted/log.jsonl")).unwrap();
    let report: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(report["validation"]["name"], "importance_weighted_nll");
    assert!(said.contains("importance-weighted with 3 codes"), "{said}");
    let card = fs::read_to_string(world.path("weighted/README.md")).unwrap();
    assert!(card.contains("--iw 3"), "{card}");
    for (wrong, words) in [
        (&["--iw", "0"][..], "from 1 to 1000"),
        (&["--iw", "2", "--autoencoder"], "the bound alone"),
        (&["--iw", "2", "--decoder", "wavenet"], "free_nats = 0"),
    ] {
        refuse(&training(&world, "never", wrong), 2, &[words]);
    }
    assert!(!world.path("never").exists());
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
    let found = evaluation(world, "model", &[]);
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
    let judged = |prior: &str| {
        let pictures = world.text("pictures");
        let asked = ["eval", &model, &pictures, "--generated", "20", "--json"];
        let found = succeed(&[&asked[..], &["--prior", prior]].concat());
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        found["generated"]["frechet"].as_f64().unwrap()
    };
    assert_ne!(judged("mixture"), judged("normal"));
    let pictures = world.text("pictures");
    refuse(
        &["eval", &model, &pictures, "--prior", "mixture"],
        2,
        &["--generated N"],
    );
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

#[test]
fn a_decoder_that_draws_pixel_by_pixel_learns_with_classes() {
    let world = world();
    fs::write(world.path("vae.toml"), "[batches]\nrows = 8\n").unwrap();
    for decoder in ["wavenet", "lstm"] {
        let more = [
            "--decoder",
            decoder,
            "--label-folders",
            "--steps",
            "20",
            "--preset",
            "tiny",
        ];
        let asked = training(&world, decoder, &more);
        succeed(&asked.iter().map(String::as_str).collect::<Vec<_>>());
        let (model, out) = (world.text(decoder), world.text("drawn.png"));
        succeed(&["generate", &model, "-n", "4", "--seed", "1", "-o", &out]);
        assert!(world.path(decoder).join("README.md").is_file());
    }
}

#[test]
fn pictures_without_labels_give_ranges_and_the_picture_that_is_read_stays() {
    let world = world();
    let (model, one) = ("models/handwriting", world.text("digits/1.png"));
    fs::create_dir(world.path("digits")).unwrap();
    let plain = ["generate", model, "--scale", "1", "--no-metadata", "-o"];
    succeed(&[&plain[..], &[&one, "--seed", "1"]].concat());
    let two = world.text("digits/2.png");
    succeed(&[&plain[..], &[&two, "--seed", "2"]].concat());
    let (digits, out) = (world.text("digits"), world.text("ranges.png"));
    let asked = [
        "sliders", model, "--data", &digits, "-o", &out, "--steps", "2",
    ];
    let (code, _, told) = outcome(&mut ensuite(&asked));
    assert!(code == 0 && told.contains("KL"), "{told}");
    // A model whose classes are folders, and pictures without one.
    let flat = world.path("flat");
    fs::create_dir(&flat).unwrap();
    for name in ["00.png", "01.png"] {
        fs::copy(world.path("pictures/across").join(name), flat.join(name)).unwrap();
    }
    let (by_folders, flat) = (trained().text("model"), flat.display().to_string());
    succeed(&[
        "sliders",
        &by_folders,
        "--data",
        &flat,
        "-o",
        &out,
        "--steps",
        "2",
    ]);
    let before = fs::read(&one).unwrap();
    let words = ["is read", "another name"];
    refuse(&["sliders", model, "--from", &one, "-o", &one], 2, &words);
    refuse(&["interpolate", model, &one, &two, "-o", &one], 2, &words);
    let tiles = "models/dungeon-tiles";
    refuse(&["score", tiles, &one, "-o", &one], 2, &words);
    refuse(&["complete", tiles, &one, "-o", &one], 2, &words);
    assert_eq!(fs::read(&one).unwrap(), before);
}
