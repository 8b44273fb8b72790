/*! `ensuite models`: models by name. */

use std::path::PathBuf;

use clap::Subcommand;

use crate::app::{ModelInfo, fetch_model_by_name, list_models};
use crate::cli::terminal::{Terminal, print, print_json};
use crate::error::Result;

/// List and fetch the models that come with the program
///
/// Wherever a command takes a MODEL, a name without a slash is looked for as given, then in $ENSUITE_MODELS, in ensuite/models of
/// the user's data folder, and in /usr/share/ensuite/models.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the models
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model and print its folder
    ///
    /// The models have no public address yet. --from takes one from the source of the program; ENSUITE_MODELS_URL is the address of
    /// a folder that holds a folder for each model. Every file is compared with its checksum.
    Fetch {
        /// The model
        name: String,
        /// Take the model from this folder instead of the network
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    match args.what {
        What::List { json: true } => print_json(&list_models()?),
        What::List { json: false } => {
            let lines: Vec<String> = list_models()?.iter().map(ModelInfo::line).collect();
            print(&lines.join("\n"))
        }
        What::Fetch { name, from } => {
            let folder = fetch_model_by_name(&name, from.as_deref(), terminal)?;
            print(&folder.display().to_string())
        }
    }
}
