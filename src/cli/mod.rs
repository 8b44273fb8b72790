/*!
The command line: one file per verb, each with its arguments and its `run`.

Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage.
*/

mod arguments;
mod command_line;
mod complete;
mod corpus;
mod devices;
mod encode_decode;
mod eval;
mod exit;
mod generate;
mod info;
mod interpolate;
mod models;
#[cfg(not(feature = "play"))]
mod no_play;
#[cfg(feature = "play")]
mod play;
mod score;
mod shell;
mod sliders;
mod terminal;
mod train;
mod transform;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

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
    /// The words of the command, for what it makes.
    #[arg(skip)]
    words: Vec<String>,
}

impl Cli {
    /// The command line of this process. Prints help and wrong usage, and exits.
    pub fn read() -> Self {
        let command = Self::command();
        let matches = command.clone().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.words = command_line::words(&command, &matches);
        cli
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    Train(train::Args),
    Generate(generate::Args),
    #[cfg(feature = "play")]
    Play(play::Args),
    #[cfg(not(feature = "play"))]
    Play(no_play::Args),
    Complete(complete::Args),
    Interpolate(interpolate::Args),
    Sliders(sliders::Args),
    Encode(encode_decode::EncodeArgs),
    Decode(encode_decode::DecodeArgs),
    Eval(eval::Args),
    Transform(transform::Args),
    Score(score::Args),
    Info(info::Args),
    Corpus(corpus::Args),
    Models(models::Args),
    Devices(devices::Args),
    Completions(shell::CompletionsArgs),
    #[command(hide = true)]
    Man(shell::ManArgs),
}

/// Runs one verb.
///
/// # Errors
/// Whatever the verb failed with; see [`Error::hint`] and [`Error::is_usage`].
pub fn run(cli: Cli) -> Result<()> {
    let terminal = &mut Terminal::new(cli.quiet);
    let words = &cli.words;
    match cli.verb {
        Verb::Train(args) => train::run(args, terminal),
        Verb::Generate(args) => generate::run(args, words, terminal),
        #[cfg(feature = "play")]
        Verb::Play(args) => play::run(args, terminal),
        #[cfg(not(feature = "play"))]
        Verb::Play(args) => no_play::run(&args),
        Verb::Complete(args) => complete::run(args, words, terminal),
        Verb::Interpolate(args) => interpolate::run(args, words, terminal),
        Verb::Sliders(args) => sliders::run(args, words, terminal),
        Verb::Encode(args) => encode_decode::encode(args, terminal),
        Verb::Decode(args) => encode_decode::decode(args, terminal),
        Verb::Eval(args) => eval::run(args, terminal),
        Verb::Transform(args) => transform::run(args, words, terminal),
        Verb::Score(args) => score::run(args, terminal),
        Verb::Info(args) => info::run(&args),
        Verb::Corpus(args) => corpus::run(args, terminal),
        Verb::Models(args) => models::run(args, terminal),
        Verb::Devices(args) => devices::run(&args),
        Verb::Completions(args) => shell::completions(&args, Cli::command()),
        Verb::Man(args) => shell::man(&args, Cli::command()),
    }
}

/// Whether the reader of standard output has closed it, which is not an error.
pub fn is_broken_pipe(error: &Error) -> bool {
    matches!(error, Error::Write { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
}
