/*!
The command line: one file per verb, each with its arguments and its `run`.

Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage.
*/

mod arguments;
mod card;
mod codes;
mod complete;
mod devices;
mod eval;
mod generate;
mod info;
mod interpolate;
mod lesson;
mod media;
mod pictures;
#[cfg(feature = "play")]
mod play;
mod precision;
mod score;
mod sound;
mod text;
mod train;
mod ui;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use ui::Ui;

/// Learns what comes next in a sequence, and continues it.
///
/// Train it on a folder of recordings, then let it make more:
///
///   ensuite train sound recordings/ --out models/mine
///   ensuite generate models/mine -o more.wav --seconds 10
#[derive(Debug, Parser)]
#[command(
    name = "ensuite",
    version,
    verbatim_doc_comment,
    propagate_version = true
)]
pub struct Cli {
    /// Say nothing but errors and data
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Learn from your own data
    Train(train::Args),
    /// Make something new
    Generate(generate::Args),
    /// Play live, endlessly, steered from the keyboard
    #[cfg(feature = "play")]
    Play(play::Args),
    /// Finish a picture of which a part is given
    Complete(complete::Args),
    /// Walk from one sentence to another
    Interpolate(interpolate::Args),
    /// Say the codes of sentences
    Encode(codes::EncodeArgs),
    /// Say the sentences of codes
    Decode(codes::DecodeArgs),
    /// Measure how well a model foresees given data
    Eval(eval::Args),
    /// Show how surprising each part of something is
    Score(score::Args),
    /// Say what a model is, and how fast it is here
    Info(info::Args),
    /// List compute devices and audio outputs
    Devices(devices::Args),
}

/// Runs one verb.
///
/// # Errors
/// Whatever kept the verb from being done; see [`Error::hint`] and [`Error::is_usage`].
pub fn run(cli: Cli) -> Result<()> {
    let ui = Ui::new(cli.quiet);
    match cli.verb {
        Verb::Train(args) => train::run(args, &ui),
        Verb::Generate(args) => generate::run(&args, &ui),
        #[cfg(feature = "play")]
        Verb::Play(args) => play::run(&args, &ui),
        Verb::Complete(args) => complete::run(&args, &ui),
        Verb::Interpolate(args) => interpolate::run(&args, &ui),
        Verb::Encode(args) => codes::encode(&args, &ui),
        Verb::Decode(args) => codes::decode(&args),
        Verb::Eval(args) => eval::run(&args, &ui),
        Verb::Score(args) => score::run(&args, &ui),
        Verb::Info(args) => info::run(&args),
        Verb::Devices(args) => devices::run(&args),
    }
}

/// True where whoever read our output has gone: no error.
pub fn is_broken_pipe(error: &Error) -> bool {
    matches!(error, Error::Write { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
}
