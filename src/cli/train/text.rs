/*! `ensuite train text` and `ensuite train sentence-vae`. */

use std::path::PathBuf;

use crate::app::train::{TextTask, TextTraining, train_text};
use crate::app::{Dataset, HeldOut, TokenizerKind};
use crate::cli::arguments::parsed;
use crate::cli::terminal::Terminal;
use crate::cli::train::shared::TrainArgs;
use crate::error::Result;

/// Sentences, one a line (.txt, .jsonl, also .gz; a file or a folder of them)
///
/// The tokenizer is trained on the same sentences. samples/ in the model folder holds lines generated at each report.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A text file with one sentence a line, a folder of such files, or the name of a corpus
    text: PathBuf,
    #[command(flatten)]
    train: TrainArgs,
    /// The tokens: bpe (pieces of words), characters, or words [default: bpe]
    #[arg(long, value_name = "KIND", value_parser = parsed::<TokenizerKind>, help_heading = "Text")]
    tokenizer: Option<TokenizerKind>,
    /// The most tokens of the tokenizer [default: 4096 for bpe, 8192 for characters, 10000 for words]
    #[arg(long, value_name = "N", help_heading = "Text")]
    vocabulary: Option<usize>,
    /// The field of JSON lines that holds the sentence [default: text]
    #[arg(long, value_name = "NAME", help_heading = "Text")]
    field: Option<String>,
    /// What to hold out: one-in:N, last:N or file:PATH [default: one-in:20]
    #[arg(long, value_name = "WHAT", value_parser = parsed::<HeldOut>, help_heading = "Text")]
    validation: Option<HeldOut>,
}

pub(super) fn run(args: Args, task: TextTask, terminal: &mut Terminal) -> Result<()> {
    let data = TextTraining {
        text: Dataset::locate(&args.text)?.path,
        tokenizer: args.tokenizer,
        vocabulary: args.vocabulary,
        field: args.field,
        validation: args.validation,
    };
    train_text(&data, task, &args.train.options(), terminal).map(drop)
}
