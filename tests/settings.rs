//! What is made says which model and which command made it.

use std::fs;
use std::path::Path;

use crate::cli::{World, ensuite, outcome, refuse, sine, succeed, write_wav};

fn model(name: &str) -> String {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    models.join(name).display().to_string()
}

fn settings(file: &str) -> serde_json::Value {
    serde_json::from_str(&succeed(&["info", file, "--json"])).unwrap()
}

/// The words of a command as a shell splits them; the tests use no quotes.
fn words(command: &str) -> Vec<String> {
    command.split(' ').skip(1).map(str::to_owned).collect()
}

/// Runs a command, and then the command that its file names: both files are the same.
fn made_again(folder: &Path, file: &str, arguments: &[&str]) -> serde_json::Value {
    let (code, _, stderr) =
        outcome(ensuite(&[arguments, &["-o", file]].concat()).current_dir(folder));
    assert_eq!(code, 0, "{stderr}");
    let path = folder.join(file);
    let found = settings(&path.display().to_string());
    let again = words(found["again"].as_str().unwrap());
    // The model is found by its name.
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let (code, _, stderr) = outcome(
        ensuite(&again)
            .current_dir(folder)
            .env("ENSUITE_MODELS", &models),
    );
    assert_eq!(code, 0, "{again:?}: {stderr}");
    let extension = path.extension().unwrap().display().to_string();
    let made = fs::read(folder.join("again").with_extension(extension)).unwrap();
    assert!(
        made == fs::read(&path).unwrap(),
        "{again:?} makes another file"
    );
    found
}

#[test]
fn a_file_names_the_command_that_makes_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (digits, tiles, hand) = (
        model("spoken-digits"),
        model("dungeon-tiles"),
        model("handwriting"),
    );
    let said = [
        "generate",
        &digits,
        "--seconds",
        "0.05",
        "--class",
        "digit=7",
        "--temperature",
        "0.5",
        "--transpose",
        "-3",
    ];
    let found = made_again(folder, "seven.wav", &said);
    assert_eq!(found["model"], "spoken-digits");
    assert_eq!(found["classes"]["digit"], "7");
    assert!(
        found["classes"]["speaker"].is_string(),
        "what was drawn is named: {found}"
    );
    assert!(
        found["sampling"]
            .as_str()
            .unwrap()
            .starts_with("temperature 0.5")
    );
    assert!(found["seed"].is_u64());
    let manifest = fs::read_to_string(Path::new(&digits).join("model.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(found["weights_sha256"], manifest["weights_sha256"]);
    let program = format!("ensuite {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(found["program"], program);
    let sheet = made_again(
        folder,
        "sheet.png",
        &["generate", &tiles, "-n", "2", "--scale", "2"],
    );
    assert_eq!(sheet["classes"], serde_json::Value::Null);
    made_again(
        folder,
        "drawn.gif",
        &["generate", &tiles, "--gif", "--class", "class=mon"],
    );
    made_again(
        folder,
        "half.png",
        &["complete", &tiles, "sheet.png", "-n", "1", "--seed", "4"],
    );
    made_again(
        folder,
        "hand.png",
        &[
            "sliders", &hand, "--dims", "0,1", "--range", "-1:1", "--steps", "2",
        ],
    );
    let walk = [
        "interpolate",
        &hand,
        "hand.png",
        "sheet.png",
        "--points",
        "3",
    ];
    made_again(folder, "walk.gif", &walk);
    write_wav(&folder.join("hum.wav"), 8000, sine(40, 2000));
    made_again(
        folder,
        "sung.wav",
        &["transform", &digits, "hum.wav", "--class", "speaker=theo"],
    );
}

#[test]
fn the_settings_can_be_left_out_and_change_no_sample() {
    let world = World::new().trained();
    let (with, without) = (world.text("with.wav"), world.text("without.wav"));
    let model = world.text("model");
    let generate = ["generate", &model, "--seconds", "0.1", "--seed", "2"];
    succeed(&[&generate[..], &["-o", &with]].concat());
    succeed(&[&generate[..], &["-o", &without, "--no-metadata"]].concat());
    let samples = |file: &str| {
        let mut reader = hound::WavReader::open(file).unwrap();
        reader
            .samples::<i16>()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    assert_eq!(samples(&with), samples(&without));
    assert!(fs::metadata(&with).unwrap().len() > fs::metadata(&without).unwrap().len());
    let shown = succeed(&["info", &with]);
    for word in [
        "seed             2\n",
        "command          ensuite generate model --seconds 0.1 --seed 2 -o again.wav",
    ] {
        assert!(shown.contains(word), "{shown}");
    }
    refuse(
        &["info", &without],
        1,
        &["without.wav", "no settings", "--no-metadata"],
    );
    let config = world.text("small.toml");
    refuse(
        &["info", &config],
        1,
        &["small.toml", "not a WAV, PNG or GIF file"],
    );
    // Several files each say which they are.
    let many = world.text("many.wav");
    succeed(&[&generate[..], &["-o", &many, "-n", "2"]].concat());
    for item in 0..2 {
        let found = settings(&world.text(&format!("many-{}.wav", item + 1)));
        assert_eq!(found["item"], item);
        assert_eq!(found["classes"].as_object().unwrap().len(), 1);
    }
}
