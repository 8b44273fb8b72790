/*! `ensuite corpus`: corpora by name. */

use std::path::PathBuf;

use clap::Subcommand;

use crate::app::{Corpora, CorpusInfo};
use crate::cli::terminal::{Terminal, print, print_json};
use crate::error::Result;

/// List, show and fetch corpora to train on
///
/// A fetched corpus lies in $ENSUITE_CORPORA, else in ensuite/corpora of the user's data folder. Commands that take data take its
/// name too: ensuite train sound fsdd
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
    /// Read the catalogue in a file instead of the program's own
    #[arg(long, value_name = "FILE", global = true)]
    catalog: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the corpora
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a corpus is: licence, size, files, split and how to train on it
    Show {
        /// The corpus
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a corpus and print its folder
    ///
    /// The licence and the size come first. Every file is compared with the checksum in the catalogue. If the connection is cut,
    /// the same command continues. SOURCE.md in the folder says where the corpus came from.
    Fetch {
        /// The corpus
        name: String,
        /// Take the file, or the files in a folder, from here instead of the network
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// Fetch a corpus of gigabytes too
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let corpora = Corpora::open(args.catalog.as_deref())?;
    match args.what {
        What::List { json: true } => print_json(&corpora.list()),
        What::List { json: false } => {
            let lines: Vec<String> = corpora.list().iter().map(CorpusInfo::line).collect();
            print(&lines.join("\n"))
        }
        What::Show { name, json } => {
            let info = corpora.show(&name)?;
            if json {
                print_json(&info)
            } else {
                print(&info.to_string())
            }
        }
        What::Fetch { name, from, yes } => {
            let folder = corpora.fetch(&name, from.as_deref(), yes, terminal)?;
            print(&folder.display().to_string())
        }
    }
}
