//! Every `--help` as it stands: a change shows up in the diff.

use crate::cli::{ensuite, outcome};

fn help(verb: &[&str]) -> String {
    let mut command = ensuite(verb);
    let (code, stdout, _) = outcome(command.arg("--help").env("COLUMNS", "100"));
    assert_eq!(code, 0);
    stdout
}

#[test]
fn helps() {
    insta::assert_snapshot!("ensuite", help(&[]));
    insta::assert_snapshot!("train", help(&["train"]));
    insta::assert_snapshot!("train-sound", help(&["train", "sound"]));
    insta::assert_snapshot!("generate", help(&["generate"]));
    insta::assert_snapshot!("train-text", help(&["train", "text"]));
    insta::assert_snapshot!("train-sentence-vae", help(&["train", "sentence-vae"]));
    insta::assert_snapshot!("train-image-vae", help(&["train", "image-vae"]));
    insta::assert_snapshot!("sliders", help(&["sliders"]));
    insta::assert_snapshot!("interpolate", help(&["interpolate"]));
    insta::assert_snapshot!("encode", help(&["encode"]));
    insta::assert_snapshot!("decode", help(&["decode"]));
    insta::assert_snapshot!("train-pictures", help(&["train", "pictures"]));
    #[cfg(feature = "play")]
    insta::assert_snapshot!("play", help(&["play"]));
    insta::assert_snapshot!("complete", help(&["complete"]));
    insta::assert_snapshot!("score", help(&["score"]));
    insta::assert_snapshot!("transform", help(&["transform"]));
    insta::assert_snapshot!("eval", help(&["eval"]));
    insta::assert_snapshot!("info", help(&["info"]));
    insta::assert_snapshot!("devices", help(&["devices"]));
}
