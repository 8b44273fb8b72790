//! Imports go down only: a file may use what is on its own floor's list and below, never what is above.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Top first. What stands on one line shares a floor; those marked as strangers never see each other.
const FLOORS: [&[&str]; 10] = [
    &["cli", "main"],
    &["checkpoint"],
    &["recipe"],
    &["train", "measure"],
    &["medium", "network"],
    &["audio", "image", "text", "nets"],
    &["ops", "device"],
    &["engine"],
    &["sequence", "labels", "latent"],
    &["chance", "math", "simd", "error", "memory", "magma"],
];

/// Media know nothing of each other, nor of networks.
const STRANGERS: [(&str, &str); 9] = [
    ("audio", "nets"),
    ("audio", "engine"),
    ("audio", "image"),
    ("audio", "text"),
    ("image", "nets"),
    ("image", "engine"),
    ("image", "text"),
    ("text", "nets"),
    ("text", "engine"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The first part of the path below `src`: the room a file is in.
fn room(path: &Path) -> String {
    let inner = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    let first = inner.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn imports_go_down_only() {
    let floor: HashMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(level, rooms)| rooms.iter().map(move |room| (*room, level)))
        .collect();
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let uses = regex::Regex::new(r"\bcrate::([a-z_]+)").unwrap();
    let mut seen = 0;
    for file in files {
        let from = room(&file);
        if from == "lib" {
            continue;
        }
        let here = *floor
            .get(from.as_str())
            .unwrap_or_else(|| panic!("src/{from} stands on no floor: add it to FLOORS"));
        let text = fs::read_to_string(&file).unwrap();
        // What tests use is not what the room stands on.
        let product = text.split("#[cfg(test)]").next().unwrap();
        let lines = product
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for found in lines.flat_map(|line| uses.captures_iter(line)) {
            let to = &found[1];
            let Some(&there) = floor.get(to) else {
                panic!("{}: crate::{to} stands on no floor", file.display())
            };
            assert!(
                there >= here,
                "{}: {from} uses {to}, which stands above it",
                file.display()
            );
            let strangers = STRANGERS
                .iter()
                .any(|&(a, b)| (from == a && to == b) || (from == b && to == a));
            assert!(
                !strangers,
                "{}: {from} uses {to}; they are to know nothing of each other",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(
        seen > 50,
        "only {seen} imports were found: the pattern no longer sees them"
    );
}

#[test]
fn no_device_is_left_to_burn() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let left = regex::Regex::new(r"Device::default\(\)|&Default::default\(\)").unwrap();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !left.is_match(&text),
            "{}: burn chooses CUDA by default wherever it is built in, card or not",
            file.display()
        );
    }
}
