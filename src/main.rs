//! `ensuite`: parse, run, print the error and its hint, exit code.

use std::io::Write;
use std::process::ExitCode;

use ensuite::cli::{self, Cli};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ensuite::keep_memory();
    let parsed = Cli::read();
    match cli::run(parsed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if cli::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when even standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            if let Some(hint) = error.hint() {
                let _ = writeln!(std::io::stderr(), "hint: {hint}");
            }
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
