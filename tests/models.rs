//! The models that come with the program open, make something, and say where they come from.

use std::fs;
use std::path::Path;

use crate::cli::{sha256, succeed};

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
        if !model.is_dir() {
            continue;
        }
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

/// What stands before the first entry of the catalogue: its comments.
fn leading_comments(text: &str) -> String {
    let comments = text.lines().take_while(|line| line.starts_with('#'));
    comments.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn the_golden_catalogue_has_every_shipped_model_with_its_files() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let file = models.join("catalog.toml");
    let text = fs::read_to_string(&file).unwrap();
    let mut catalog: toml::Table = text.parse().unwrap();
    let before = catalog.clone();
    for entry in fs::read_dir(&models).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut files = toml::Table::new();
        for entry in walkdir::WalkDir::new(&folder) {
            let path = entry.unwrap().into_path();
            let inner = path.strip_prefix(&folder).unwrap().display().to_string();
            if path.is_file() && !inner.starts_with("training/") && !inner.starts_with("samples/") {
                let bytes = fs::read(&path).unwrap();
                let fact = vec![toml::Value::from(bytes.len() as i64), sha256(&bytes).into()];
                files.insert(inner, fact.into());
            }
        }
        let model = catalog
            .get_mut(&name)
            .and_then(toml::Value::as_table_mut)
            .unwrap_or_else(|| panic!("models/catalog.toml has no entry for {name}"));
        model.insert("files".into(), files.into());
    }
    if std::env::var_os("ENSUITE_RENEW_GOLDEN").is_some() {
        let renewed = format!("{}\n{catalog}", leading_comments(&text));
        fs::write(&file, renewed).unwrap();
        return;
    }
    assert_eq!(before, catalog, "scripts/golden renews models/catalog.toml");
}
