//! Text from end to end: learn, write, measure.

use std::fs;
use std::path::PathBuf;

use crate::cli::{ensuite, outcome, refuse, succeed};

/// Settings under which a network learns a small language in seconds.
const SMALL: &str = "[network]\nembedding = 24\nhidden = 48\ndropout = 0.0\n\
    [training]\nlearning_rate = 0.01\nwarmup = 20\nreport_every = 200\n";

pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(SMALL)
    }

    /// Sentences of a little grammar in lines.txt, and a config in small.toml.
    pub fn with(config: &str) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let who = ["the cat", "a dog", "my aunt", "the old man", "nobody"];
        let does = ["sees", "likes", "follows", "remembers"];
        let whom = [
            "the sea",
            "a red house",
            "every bird",
            "us",
            "the moon",
            "her",
        ];
        let mut lines = Vec::new();
        for who in who {
            for does in does {
                for whom in whom {
                    lines.push(format!("{who} {does} {whom}."));
                }
            }
        }
        fs::write(world.path("lines.txt"), lines.join("\n")).unwrap();
        fs::write(world.path("small.toml"), config).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn trained(self, more: &[&str]) -> Self {
        let (lines, out, config) = (
            self.text("lines.txt"),
            self.text("model"),
            self.text("small.toml"),
        );
        let mut arguments = vec!["train", "text", &lines, "--out", &out, "--config", &config];
        arguments.extend(more);
        succeed(&arguments);
        self
    }
}

#[test]
fn a_little_grammar_is_learned_written_and_measured_beside_a_5_gram() {
    let world = World::new().trained(&["--steps", "200", "--validation", "one-in:10"]);
    let (model, lines) = (world.text("model"), world.text("lines.txt"));
    assert!(world.path("model/tokenizer.json").is_file());
    let json = succeed(&["eval", &model, &lines, "--held-out", "--json"]);
    let measures: serde_json::Value = serde_json::from_str(&json).unwrap();
    // The grammar's entropy is ln(5 · 4 · 6) = 4.8 nats a sentence.
    let nats = measures["nats_per_sentence"].as_f64().unwrap();
    assert!((4.0..9.0).contains(&nats), "{json}");
    assert!(
        measures["ngram_nats_per_sentence"].as_f64().unwrap() > 4.0,
        "{json}"
    );
    // Other sentences were not held out from anything.
    fs::write(world.path("other.txt"), "one line\nand another\n").unwrap();
    let other = world.text("other.txt");
    let words = ["other.txt", "not the sentences"];
    refuse(&["eval", &model, &other, "--held-out"], 1, &words);
    refuse(&["eval", &model, &lines, "--trained-on", &other], 1, &words);
    let words = ["--generated does not apply to a model of text"];
    refuse(&["eval", &model, &lines, "--generated", "3"], 2, &words);
    let made = succeed(&["generate", &model, "-n", "20", "--seed", "1"]);
    let corpus = fs::read_to_string(&lines).unwrap();
    let known = made.lines().filter(|line| corpus.contains(line)).count();
    assert_eq!(made.lines().count(), 20);
    assert!(known > 10, "only {known} of: {made}");
}

#[test]
fn a_prompt_is_continued_and_a_seed_repeats() {
    let world = World::new().trained(&["--steps", "5", "--tokenizer", "characters"]);
    let model = world.text("model");
    let write = |more: &[&str]| {
        let mut arguments = vec!["generate", &model, "--seed", "4", "--max-length", "30"];
        arguments.extend(more);
        succeed(&arguments)
    };
    // Characters that were never seen, typed with odd spaces, come back exactly.
    let prompt = "  Größe 山 ";
    let one = write(&["--prompt", prompt]);
    assert!(one.starts_with(prompt), "{one}");
    let many = write(&["--prompt", prompt, "-n", "3"]);
    assert_eq!(many.lines().next(), one.lines().next());
    assert_eq!(many.lines().count(), 3);
    let search = || {
        succeed(&[
            "generate",
            &model,
            "--beam",
            "4",
            "-n",
            "2",
            "--max-length",
            "30",
        ])
    };
    let found = search();
    assert_eq!(found, search());
    assert_eq!(found.lines().count(), 2);
}

#[test]
fn words_that_are_not_known_are_named() {
    let world = World::new().trained(&["--steps", "2", "--tokenizer", "words"]);
    let model = world.text("model");
    let (code, _, said) = outcome(&mut ensuite(&[
        "generate",
        &model,
        "--prompt",
        "the zebra sees",
        "--max-length",
        "3",
    ]));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("zebra") && said.contains("<unk>"), "{said}");
}

#[test]
fn surprising_words_are_marked() {
    let world = World::new().trained(&["--steps", "20"]);
    let (model, lines) = (world.text("model"), world.text("lines.txt"));
    let table = world.text("words.tsv");
    succeed(&["score", &model, &lines, "-o", &table]);
    let table = fs::read_to_string(table).unwrap();
    assert!(table.starts_with("sentence\tword\tnats\n"));
    assert!(table.lines().count() > 120 * 4);
    let page = world.text("words.html");
    succeed(&["score", &model, &lines, "-o", &page]);
    assert!(fs::read_to_string(page).unwrap().contains("aunt"));
}

#[test]
fn any_network_and_a_resumed_run_learn_text() {
    let world = World::new();
    let lines = world.text("lines.txt");
    for network in ["gru", "wavenet"] {
        let out = world.text(network);
        succeed(&[
            "train",
            "text",
            &lines,
            "--out",
            &out,
            "--network",
            network,
            "--preset",
            "tiny",
            "--steps",
            "3",
        ]);
        let json = succeed(&["eval", &out, &lines, "--json"]);
        assert!(json.contains("bits_per_character"), "{json}");
        succeed(&[
            "train", "text", &lines, "--out", &out, "--resume", "--steps", "5",
        ]);
        assert!(succeed(&["info", &out]).contains("5 steps"));
    }
}

#[test]
fn bad_text_is_named_with_its_line() {
    let world = World::new();
    let train = |name: &str, content: &[u8], code: i32, words: &[&str]| {
        fs::write(world.path(name), content).unwrap();
        let (data, out) = (world.text(name), world.text("none"));
        refuse(
            &["train", "text", &data, "--out", &out, "--steps", "1"],
            code,
            words,
        );
        assert!(!world.path("none").exists(), "{name} left a folder");
    };
    train(
        "bytes.txt",
        b"good\nbad \xff\xfe\nmore\n",
        1,
        &["bytes.txt", "line 2"],
    );
    train("empty.txt", b"", 1, &["empty.txt", "no sentence"]);
    train(
        "lines.jsonl",
        b"{\"text\": \"a\"}\n{\"txt\": \"b\"}\n",
        1,
        &["lines.jsonl", "line 2", "text"],
    );
    train("same.txt", b"one\none\n", 2, &["the same"]);
    let model = World::new().trained(&["--steps", "1"]);
    refuse(
        &[
            "generate",
            &model.text("model"),
            "--prompt",
            &"long ".repeat(5000),
        ],
        2,
        &["too long"],
    );
    refuse(
        &[
            "train",
            "text",
            &world.text("same.txt"),
            "--out",
            &world.text("none"),
            "--tokenizer",
            "letters",
        ],
        2,
        &["unknown tokenizer 'letters'"],
    );
}
