//! Every `--help` as it stands: a change shows up in the diff. Completions and manual pages are made of the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::cli::{ensuite, outcome, refuse, succeed};

fn help(verb: &[&str]) -> String {
    let mut command = ensuite(verb);
    let (code, stdout, _) = outcome(command.arg("--help").env("COLUMNS", "100"));
    assert_eq!(code, 0);
    stdout
}

/// The words of each command and of each command below it.
fn commands(command: &Command, words: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![words.to_vec()];
    for inner in command.get_subcommands() {
        let words = [words, &[inner.get_name().to_owned()]].concat();
        all.extend(commands(inner, &words));
    }
    all
}

#[test]
fn helps() {
    let mut names = BTreeSet::new();
    for words in commands(&ensuite::cli::Cli::command(), &[]) {
        // Without sound playback, its help says only that.
        if words == ["play"] && !cfg!(feature = "play") {
            continue;
        }
        let name = if words.is_empty() {
            "ensuite".to_owned()
        } else {
            words.join("-")
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let shown = help(&words);
        let mut options = BTreeSet::new();
        for line in shown.lines() {
            // Where an option begins, its text is indented further.
            let line = line.strip_prefix("  ").unwrap_or_default();
            let begins = line.starts_with('-') || line.starts_with("    --");
            let long = line.split(' ').find(|word| word.starts_with("--"));
            if let (Some(long), true) = (long, begins) {
                assert!(options.insert(long.to_owned()), "{name} has {long} twice");
            }
        }
        insta::assert_snapshot!(name.clone(), shown);
        names.insert(format!("tests__help__{name}.snap"));
    }
    assert!(names.len() > 20, "{names:?}");
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    for entry in fs::read_dir(snapshots).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let play = name.contains("play") && !cfg!(feature = "play");
        assert!(
            names.contains(&name) || play,
            "{name} belongs to no command"
        );
    }
}

#[test]
fn shells_get_completions_and_packages_manual_pages() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = succeed(&["completions", shell]);
        for word in ["ensuite", "interpolate", "temperature", "fetch"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
    refuse(&["completions", "tcsh"], 2, &["tcsh", "bash"]);
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man/man1");
    succeed(&["man", &man.display().to_string()]);
    for words in commands(&ensuite::cli::Cli::command(), &["ensuite".to_owned()]) {
        let page = man.join(format!("{}.1", words.join("-")));
        // What is hidden has no page.
        if words.last().is_some_and(|word| word == "man") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        assert!(text.contains(".SH SYNOPSIS"), "{text}");
    }
}
