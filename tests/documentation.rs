//! The documents tell the truth about the tree.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Words in backticks that look like paths of this repository.
fn named_paths(text: &str) -> Vec<String> {
    let starts = [
        "src/", "tests/", "scripts/", "benches/", "models/", "corpora/", ".ci/",
    ];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            starts.iter().any(|start| word.starts_with(start)) && !word.contains([' ', '*', '<'])
        })
        .map(|word| word.trim_end_matches('/').to_owned())
        .collect()
}

#[test]
fn every_path_named_in_the_documents_exists() {
    for (document, at_least) in [("ARCHITECTURE.md", 15), ("CONTRIBUTING.md", 3)] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let paths = named_paths(&text);
        assert!(
            paths.len() >= at_least,
            "{document} names only {} paths",
            paths.len()
        );
        for path in paths {
            assert!(
                root().join(&path).exists(),
                "{document} names {path}, which does not exist"
            );
        }
    }
}

#[test]
fn every_file_of_the_top_level_has_its_place() {
    let expected = [
        ".ci",
        ".git",
        ".gitattributes",
        ".gitignore",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "benches",
        "corpora",
        "deny.toml",
        "models",
        "scripts",
        "src",
        "target",
        "tests",
    ];
    let tracked = std::process::Command::new("git")
        .arg("ls-files")
        .current_dir(root())
        .output();
    let tracked = tracked.expect("git lists the tracked files");
    for file in String::from_utf8_lossy(&tracked.stdout).lines() {
        let top = file.split('/').next().unwrap();
        assert!(
            expected.contains(&top),
            "{top} stands in the top level without a reason"
        );
    }
}
