//! The models that come with the program open, make something, and say where they come from.

use std::fs;
use std::path::Path;

use crate::cli::succeed;

#[test]
fn the_classic_walk_begins_and_ends_with_what_was_typed() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/poem-en");
    let ends = [
        "i went to the store to buy some groceries",
        "don't worry about it, she said",
    ];
    let model = model.display().to_string();
    let walk = succeed(&["interpolate", &model, ends[0], ends[1]]);
    let lines: Vec<&str> = walk.lines().collect();
    assert_eq!((lines[0], lines[10]), (ends[0], ends[1]), "{walk}");
}

#[test]
fn half_lines_of_five_and_seven_characters_lie_between_such() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/poem-zh");
    let model = model.display().to_string();
    let walk = succeed(&["interpolate", &model, "淑德延公胄", "桂宮男掌僕"]);
    let fitting = walk
        .lines()
        .filter(|line| matches!(line.chars().count(), 5 | 7));
    assert!(fitting.count() >= 10, "{walk}");
}

#[test]
fn every_shipped_model_makes_something_and_has_a_card() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let made = tempfile::tempdir().unwrap();
    let mut count = 0;
    for model in fs::read_dir(models).unwrap() {
        let model = model.unwrap().path();
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        let path = model.display().to_string();
        let info = succeed(&["info", &path, "--json"]);
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        let mut arguments = vec!["generate", &path, "--seed", "1"];
        let out = made.path().join(&name);
        let out = match info["medium"].as_str().unwrap() {
            "sound" => {
                arguments.extend(["--seconds", "0.1"]);
                out.with_extension("wav")
            }
            "pictures" => out.with_extension("png"),
            _ => out.with_extension("txt"),
        };
        let file = out.display().to_string();
        arguments.extend(["-o", &file]);
        succeed(&arguments);
        assert!(fs::metadata(&out).unwrap().len() > 0, "{name}");
        let card = fs::read_to_string(model.join("README.md")).unwrap();
        for part in ["## Licence", "scripts/", "held-out", "steps"] {
            assert!(
                card.contains(part),
                "the card of {name} says nothing of {part}"
            );
        }
        count += 1;
    }
    assert!(count > 0, "no model is shipped");
}
