/*! `ensuite completions` and `ensuite man`: what a shell and a package need. */

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

use crate::error::{IoContext, Result};

/// Print a completion script for a shell
///
/// For example: ensuite completions bash > ~/.local/share/bash-completion/completions/ensuite
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages to a folder
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The folder, which is made if it is missing
    folder: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<()> {
    // A shell that closes the pipe must not stop the program within the library.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ensuite", &mut script);
    std::io::stdout()
        .write_all(&script)
        .writing(Path::new("standard output"))
}

pub(super) fn man(args: &ManArgs, command: Command) -> Result<()> {
    std::fs::create_dir_all(&args.folder).writing(&args.folder)?;
    clap_mangen::generate_to(command, &args.folder).writing(&args.folder)
}
