//! Colouring of grey pictures from end to end: learn, colour, measure, refuse.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};

use crate::cli::{kill_once_there_is, refuse, succeed};
use crate::pictures::read;

/// Settings under which a network learns two colours in seconds.
const SMALL: &str = "[network]\nchannels = [8, 16]\n[training]\nlearning_rate = 0.002\nreport_every = 100\n\
    [training.optimizer]\naverage_decay = 0.98\n";
const SIDE: u32 = 16;
const DARK: Rgb<u8> = Rgb([10, 20, 160]);
const BRIGHT: Rgb<u8> = Rgb([240, 210, 40]);

/// Rec. 709.
fn grey(Rgb([r, g, b]): Rgb<u8>) -> f64 {
    0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
}

fn disk(side: u32, number: u32) -> RgbImage {
    let scale = f64::from(side) / f64::from(SIDE);
    let (x, y) = (f64::from(3 + number % 11), f64::from(3 + number * 5 % 11));
    let inside = |at: u32, center: f64| (f64::from(at) + 0.5) / scale - center;
    RgbImage::from_fn(side, side, |i, j| {
        if inside(i, x).hypot(inside(j, y)) < 4.0 {
            BRIGHT
        } else {
            DARK
        }
    })
}

/// A folder of forty disks, and a config.
fn world() -> tempfile::TempDir {
    let world = tempfile::tempdir().unwrap();
    let pictures = world.path().join("disks");
    fs::create_dir(&pictures).unwrap();
    for number in 0..40 {
        disk(SIDE, number)
            .save(pictures.join(format!("{number:02}.png")))
            .unwrap();
    }
    fs::write(world.path().join("small.toml"), SMALL).unwrap();
    world
}

fn text(world: &Path, name: &str) -> String {
    world.join(name).display().to_string()
}

fn train<'a>(pictures: &'a str, out: &'a str, config: &'a str) -> Vec<&'a str> {
    let common = [
        "train", "gan", pictures, "--to", "color", "--out", out, "--config", config,
    ];
    common.to_vec()
}

#[test]
fn a_grey_picture_of_any_size_gets_the_colours_that_were_learned_and_keeps_its_grey() {
    let folder = world();
    let world = folder.path();
    let (pictures, config) = (text(world, "disks"), text(world, "small.toml"));
    let model = text(world, "model");
    succeed(&[&train(&pictures, &model, &config)[..], &["--steps", "300"]].concat());
    let log = fs::read_to_string(world.join("model/log.jsonl")).unwrap();
    for name in ["absolute_error", "discriminator", "generator", "frechet"] {
        assert!(log.contains(name), "{log}");
    }
    assert!(world.join("model/samples/step-0000300.png").is_file());
    assert!(succeed(&["info", &model]).contains("colorizer"));

    let truth = disk(40, 7);
    let seen = GrayImage::from_fn(40, 40, |x, y| {
        Luma([grey(*truth.get_pixel(x, y)).round() as u8])
    });
    seen.save(world.join("grey.png")).unwrap();
    let (from, out) = (text(world, "grey.png"), text(world, "colour.png"));
    let command = ["complete", &model, &from, "-o", &out];
    succeed(&command);
    let told = succeed(&["info", &out]);
    assert!(
        told.contains("ensuite complete") && !told.contains("seed"),
        "nothing was drawn: {told}"
    );
    let made = read(&world.join("colour.png"));
    assert_eq!(made.dimensions(), (40, 40));
    let mut wrong = 0.0;
    for ((right, found), grey_of) in truth.pixels().zip(made.pixels()).zip(seen.pixels()) {
        assert!(
            (grey(*found) - f64::from(grey_of.0[0])).abs() < 1.0,
            "{found:?}"
        );
        wrong += (0..3)
            .map(|i| f64::from(right.0[i].abs_diff(found.0[i])))
            .sum::<f64>()
            / 4800.0;
    }
    assert!(wrong < 20.0, "{wrong}");

    let json = succeed(&["eval", &model, &pictures, "--held-out", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    let error = |of: &str| found[of]["absolute_error"].as_f64().unwrap();
    assert!(error("colored") < 0.5 * error("grey"), "{found}");

    let alone = text(world, "alone");
    let more = ["--error-alone", "--steps", "2"];
    succeed(&[&train(&pictures, &alone, &config)[..], &more].concat());
    let log = fs::read_to_string(world.join("alone/log.jsonl")).unwrap();
    assert!(
        log.contains("absolute_error") && !log.contains("discriminator"),
        "{log}"
    );

    let more = ["--keep", "0.3"];
    refuse(
        &[&command[..], &more].concat(),
        2,
        &["--keep", "does not apply"],
    );
    let hint = ["it colours grey pictures", "ensuite complete"];
    refuse(&["generate", &model, "-o", &out], 1, &hint);
    refuse(
        &["interpolate", &model, "1", "2", "-o", &out],
        1,
        &["without latent codes"],
    );
}

#[test]
fn what_cannot_be_learned_is_refused_at_once() {
    let folder = world();
    let world = folder.path();
    let (pictures, config) = (text(world, "disks"), text(world, "small.toml"));
    let model = text(world, "model");
    let train = train(&pictures, &model, &config);
    for (more, code, words) in [
        (&["--grey"][..], 2, &["learns from colours"][..]),
        (&["--label-folders"], 2, &["no classes"]),
        (&["--objective", "ns"], 2, &["--objective"]),
        (&["--batch", "64"], 1, &["36 pictures", "64", "--batch"]),
    ] {
        refuse(&[&train[..], more].concat(), code, words);
    }
    let greys = world.join("greys");
    fs::create_dir(&greys).unwrap();
    for number in 0..40 {
        let grey = GrayImage::from_pixel(SIDE, SIDE, Luma([number * 5]));
        grey.save(greys.join(format!("{number}.png"))).unwrap();
    }
    let greys = greys.display().to_string();
    refuse(
        &self::train(&greys, &model, &config),
        2,
        &["all pictures are grey"],
    );
    assert!(!world.join("model").exists());
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been_killed() {
    let folder = world();
    let world = folder.path();
    let often = SMALL.replace("report_every = 100", "report_every = 20");
    fs::write(world.join("small.toml"), often).unwrap();
    let (pictures, config) = (text(world, "disks"), text(world, "small.toml"));
    let [whole, killed] = ["whole", "killed"].map(|name| text(world, name));
    let steps = ["--steps", "60"];
    succeed(&[&train(&pictures, &whole, &config)[..], &steps].concat());
    let command = [&train(&pictures, &killed, &config)[..], &steps].concat();
    kill_once_there_is(&world.join("killed/samples/step-0000020.png"), &command);
    succeed(&[
        "train", "gan", &pictures, "--to", "color", "--out", &killed, "--resume",
    ]);
    let weights = |model: &str| fs::read(world.join(model).join("weights.safetensors")).unwrap();
    assert!(weights("whole") == weights("killed"));
}
