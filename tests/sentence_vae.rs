//! Sentence VAEs from end to end: learn, walk, encode, decode, measure.

use std::fs;

use crate::cli::{ensuite, kill_once_there_is, outcome, refuse, succeed};
use crate::text::World;

/// Settings under which a network learns a small language in seconds.
const SMALL: &str = "[network]\nembedding = 24\nhidden = 48\nencoder = 24\nlatent = 8\ndropout = 0.0\n\
    [training]\nlearning_rate = 0.01\nwarmup = 20\nreport_every = 300\n\
    [elbo]\nfree_nats = 8.0\nword_dropout = 0.3\n";

fn arguments(world: &World, model: &str, more: &[&str]) -> Vec<String> {
    let (lines, out, config) = (
        world.text("lines.txt"),
        world.text(model),
        world.text("small.toml"),
    );
    [
        "train",
        "sentence-vae",
        &lines,
        "--out",
        &out,
        "--config",
        &config,
    ]
    .iter()
    .chain(&["--validation", "one-in:10"])
    .chain(more)
    .map(|argument| (*argument).to_owned())
    .collect()
}

fn train(world: &World, model: &str, more: &[&str]) -> String {
    succeed(&arguments(world, model, more));
    world.text(model)
}

#[test]
fn a_walk_begins_and_ends_with_what_was_typed_and_codes_go_out_and_come_back() {
    let world = World::with(SMALL);
    let model = train(&world, "model", &["--steps", "600"]);
    let ends = ["the cat sees the sea.", "my aunt likes us."];
    let walk = succeed(&["interpolate", &model, ends[0], ends[1]]);
    let lines: Vec<&str> = walk.lines().collect();
    assert_eq!(lines.len(), 11, "{walk}");
    assert_eq!([lines[0], lines[10]], ends, "{walk}");
    assert!(
        lines[1..10].iter().any(|line| !ends.contains(line)),
        "{walk}"
    );
    assert_eq!(walk, succeed(&["interpolate", &model, ends[0], ends[1]]));

    let json = succeed(&[
        "interpolate",
        &model,
        ends[0],
        ends[1],
        "--points",
        "4",
        "--path",
        "slerp",
        "--json",
    ]);
    let walk: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(walk["exact"], true);
    let points = walk["points"].as_array().unwrap();
    assert_eq!((points.len(), &points[3]["at"]), (4, &1.0.into()));
    let code = points[0]["code"].as_array().unwrap();
    let norm: f64 = code.iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert_eq!(code.len(), 8);
    assert!((norm.sqrt() - points[0]["norm"].as_f64().unwrap()).abs() < 1e-4);
    assert!(points[0]["log_likelihood"].as_f64().unwrap() < 0.0);

    // What encode says, decode reads; and the code of a walk's point stands for its line.
    let codes = succeed(&["encode", &model, ends[0], ends[1], "--refine", "100"]);
    fs::write(world.path("codes.json"), &codes).unwrap();
    let decoded = succeed(&["decode", &model, &world.text("codes.json")]);
    assert_eq!(decoded.lines().collect::<Vec<_>>(), ends);
    fs::write(world.path("one.json"), format!("[{}]", points[0]["code"])).unwrap();
    let decoded = succeed(&["decode", &model, &world.text("one.json")]);
    assert_eq!(decoded.trim_end(), ends[0]);
    fs::write(world.path("bad.json"), "[[1, 2]]").unwrap();
    refuse(
        &["decode", &model, &world.text("bad.json")],
        1,
        &["bad.json", "code 1", "8"],
    );
    fs::write(world.path("bad.json"), "{").unwrap();
    refuse(
        &["decode", &model, &world.text("bad.json")],
        1,
        &["bad.json", "list"],
    );

    // A code drawn from the prior stands for a sentence, the same for the same seed, alone or among others.
    let generate = |n| succeed(&["generate", &model, "-n", n, "--seed", "3", "--beam", "3"]);
    assert_eq!(generate("4").lines().count(), 4);
    assert_eq!(generate("4").lines().next(), generate("1").lines().next());
    let drawn = |n| succeed(&["generate", &model, "-n", n, "--seed", "3"]);
    assert_eq!(drawn("4").lines().next(), drawn("1").lines().next());
    let grammar = fs::read_to_string(world.path("lines.txt")).unwrap();
    let known = generate("4")
        .lines()
        .filter(|line| grammar.contains(line))
        .count();
    assert!(known >= 2, "{}", generate("4"));

    let score = world.text("marks.tsv");
    succeed(&["score", &model, &world.text("lines.txt"), "-o", &score]);
    assert!(fs::read_to_string(score).unwrap().contains("aunt"));
}

#[test]
fn eval_tells_bounds_that_agree_and_walks_beside_trivial_ones() {
    let world = World::with(SMALL);
    let model = train(&world, "model", &["--steps", "300"]);
    let judge = world.text("judge");
    let (lines, config) = (world.text("lines.txt"), world.text("judge.toml"));
    fs::write(
        &config,
        "[network]\nembedding = 24\nhidden = 32\n[training]\nlearning_rate = 0.01\n",
    )
    .unwrap();
    succeed(&[
        "train", "text", &lines, "--out", &judge, "--config", &config, "--steps", "60",
    ]);
    let eval = |more: &[&str]| {
        let mut arguments = vec!["eval", &model, &lines, "--held-out", "--json"];
        arguments.extend(more);
        let json = succeed(&arguments);
        serde_json::from_str::<serde_json::Value>(&json).unwrap()
    };
    let found = eval(&["--walks", "6", "--judge", &judge]);
    let number = |name: &str| found[name].as_f64().unwrap();
    // 500 codes bound the likelihood tighter than one does, and codes tell something.
    assert!(
        number("importance_weighted_nll") < number("negative_elbo") + 0.3,
        "{found}"
    );
    assert!(number("importance_weighted_nll") > 2.0, "{found}");
    assert!(number("mutual_information") > 0.5, "{found}");
    assert!(number("active_units") >= 1.0, "{found}");
    let walks = &found["walks"];
    assert_eq!(walks["model"]["walks"], 6);
    let splice = &walks["baselines"]["token splice"];
    assert_eq!(splice["exact_walks"], 1.0);
    let nearest = &walks["baselines"]["nearest training lines"];
    assert_eq!(nearest["copied"], 1.0);
    assert!(walks["judge_held_out"].as_f64().unwrap() > 1.0);
    assert_eq!(found, eval(&["--walks", "6", "--judge", &judge]));
    let text = succeed(&["eval", &model, &lines, "--held-out", "--walks", "3"]);
    assert!(
        text.contains("token splice") && text.contains("units active"),
        "{text}"
    );

    // What has no codes says so, and what it can do instead.
    refuse(
        &["interpolate", &judge, "a b", "b a"],
        1,
        &["without latent codes", "generate"],
    );
    refuse(&["encode", &judge, "a b"], 1, &["without latent codes"]);
    refuse(&["eval", &judge, &lines, "--walks", "3"], 2, &["--walks"]);
    refuse(
        &["eval", &model, &lines, "--walks", "3", "--judge", &model],
        1,
        &["not a language model"],
    );
    let resume = ["--resume", "--out", &judge, "--steps", "70"];
    refuse(
        &[&["train", "sentence-vae", &lines][..], &resume].concat(),
        1,
        &["language model", "train text"],
    );
}

#[test]
fn odd_sentences_and_numbers_are_refused_or_told() {
    let world = World::with(SMALL);
    let model = train(&world, "model", &["--steps", "5"]);
    let walk = |a: &str, b: &str, more: &[&str]| {
        outcome(&mut ensuite(
            &[&["interpolate", &model, a, b][..], more].concat(),
        ))
    };
    for (a, b, words) in [("", "b", &["empty"][..]), ("a", " ", &["empty"])] {
        let (code, _, said) = walk(a, b, &[]);
        assert_eq!(code, 2, "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    let long = "word ".repeat(2000);
    let (code, _, said) = walk(&long, "b", &[]);
    assert!(
        code == 2 && said.contains("2000 words") && said.contains("up to 95"),
        "{said}"
    );
    let (code, _, said) = walk("a", "b", &["--points", "1"]);
    assert!(code == 2 && said.contains("2..=200"), "{said}");
    let (code, out, said) = walk("a bird", "a bird", &["--refine", "0"]);
    assert!(code == 0 && said.contains("the same"), "{said}");
    assert_eq!(out.lines().count(), 11);
    // Untrained, it cannot say what was typed, and does not pretend to.
    assert!(said.contains("is not recovered"), "{said}");
    let json = walk("a bird", "the sea", &["--refine", "0", "--json"]).1;
    let walk: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(walk["exact"], false);
    // A sentence can be alone of its length.
    let few = world.text("few.txt");
    fs::write(
        &few,
        "the cat\nthe old man sees the sea and the moon\nnobody\n",
    )
    .unwrap();
    let (lines, out) = (world.text("lines.txt"), world.text("other"));
    succeed(&[
        "train",
        "sentence-vae",
        &few,
        "--out",
        &world.text("few"),
        "--steps",
        "3",
        "--config",
        &world.text("small.toml"),
    ]);
    for (flags, word) in [
        (&["--preset", "small"][..], "anchor, poem"),
        (&["--network", "wavenet"], "lstm, gru"),
    ] {
        let arguments = [&["train", "sentence-vae", &lines, "--out", &out][..], flags].concat();
        refuse(&arguments, 2, &[word]);
    }
}

#[test]
fn a_run_that_was_killed_goes_on_as_if_it_had_not_and_makes_its_decoder_anew_in_time() {
    let world = World::with(SMALL);
    let course = format!("{SMALL}autoencoder = 0.5\nreset_decoder = true\n");
    fs::write(world.path("small.toml"), course.replace("= 300", "= 4")).unwrap();
    let steps = ["--steps", "200", "--half"];
    train(&world, "whole", &steps);
    let arguments = arguments(&world, "parts", &steps);
    // Killed after its fourth step or a little later; before the hundredth the decoder is made anew.
    kill_once_there_is(&world.path("parts/log.jsonl"), &arguments);
    let (lines, parts) = (world.text("lines.txt"), world.text("parts"));
    succeed(&["train", "sentence-vae", &lines, "--out", &parts, "--resume"]);
    let read = |model: &str| fs::read(world.path(model).join("weights.safetensors")).unwrap();
    assert_eq!(read("whole"), read("parts"));
}
