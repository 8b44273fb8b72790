/*! `ensuite play` in a build without sound playback: it says what is missing. */

use std::ffi::OsString;

use crate::error::{Error, Result};

/// Play live (not in this build)
///
/// This program was built without the sound library of the system, so that it runs where there is none.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What `play` takes in a build that has it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let model = args.rest.iter().map(|word| word.to_string_lossy());
    let model = model.into_iter().find(|word| !word.starts_with('-'));
    Err(Error::Device {
        message: "this program was built without sound playback".into(),
        hint: Some(format!(
            "generate to a pipe or a file: ensuite generate {} -o - --seconds 60 | aplay; or build it with the feature play, which needs the ALSA headers on Linux",
            model.as_deref().unwrap_or("MODEL")
        )),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, run};

    #[test]
    fn play_says_what_is_missing() {
        let cli = Cli::try_parse_from(["ensuite", "play", "strings", "--seed", "3"]).unwrap();
        let error = run(cli).unwrap_err();
        assert!(!error.is_usage());
        assert!(error.to_string().contains("without sound playback"));
        assert!(error.hint().unwrap().contains("generate strings"));
    }
}
