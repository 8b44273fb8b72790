/*!
The command line: one file per verb, each with its arguments and its `run`.

Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage.
*/

mod arguments;
mod complete;
mod devices;
mod encode_decode;
mod eval;
mod exit;
mod generate;
mod info;
mod interpolate;
#[cfg(feature = "play")]
mod play;
mod score;
mod sliders;
mod terminal;
mod train;
mod transform;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use terminal::Terminal;

/// Learns what comes next in a sequence, and continues it.
///
/// Train it on a folder of recordings, then generate more:
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
    /// Print only errors and data
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Train(train::Args),
    Generate(generate::Args),
    #[cfg(feature = "play")]
    Play(play::Args),
    Complete(complete::Args),
    Interpolate(interpolate::Args),
    Sliders(sliders::Args),
    Encode(encode_decode::EncodeArgs),
    Decode(encode_decode::DecodeArgs),
    Eval(eval::Args),
    Transform(transform::Args),
    Score(score::Args),
    Info(info::Args),
    Devices(devices::Args),
}

/// Runs one verb.
///
/// # Errors
/// Whatever the verb failed with; see [`Error::hint`] and [`Error::is_usage`].
pub fn run(cli: Cli) -> Result<()> {
    let terminal = &mut Terminal::new(cli.quiet);
    match cli.verb {
        Verb::Train(args) => train::run(args, terminal),
        Verb::Generate(args) => generate::run(args, terminal),
        #[cfg(feature = "play")]
        Verb::Play(args) => play::run(args, terminal),
        Verb::Complete(args) => complete::run(args, terminal),
        Verb::Interpolate(args) => interpolate::run(args, terminal),
        Verb::Sliders(args) => sliders::run(args, terminal),
        Verb::Encode(args) => encode_decode::encode(args, terminal),
        Verb::Decode(args) => encode_decode::decode(args, terminal),
        Verb::Eval(args) => eval::run(args, terminal),
        Verb::Transform(args) => transform::run(args, terminal),
        Verb::Score(args) => score::run(args, terminal),
        Verb::Info(args) => info::run(&args),
        Verb::Devices(args) => devices::run(&args),
    }
}

/// Whether the reader of standard output has closed it, which is not an error.
pub fn is_broken_pipe(error: &Error) -> bool {
    matches!(error, Error::Write { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
}
