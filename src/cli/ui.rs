/*! What a person sees while the program works: on standard error, and nothing with `--quiet`. */

use std::io::{IsTerminal, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::{IoContext, Result};

/// Speaks to the person.
pub(super) struct Ui {
    quiet: bool,
    color: bool,
}

impl Ui {
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            quiet,
            color: terminal && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// True where nothing but errors and data is to be said.
    #[cfg(feature = "play")]
    pub(super) fn quiet(&self) -> bool {
        self.quiet
    }

    /// A line for whoever watches.
    pub(super) fn say(&self, text: impl AsRef<str>) {
        if !self.quiet {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
        }
    }

    /// Something went otherwise than asked, and the work goes on.
    pub(super) fn warn(&self, text: impl AsRef<str>) {
        let word = if self.color {
            "\x1b[33mwarning\x1b[0m"
        } else {
            "warning"
        };
        self.say(format!("{word}: {}", text.as_ref()));
    }

    /// A live line; invisible when quiet or where standard error is no terminal.
    pub(super) fn live(&self) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::no_length();
        bar.set_style(ProgressStyle::with_template("{wide_msg}").expect("a valid template"));
        bar
    }
}

/// Prints a line of data.
///
/// # Errors
/// When standard output cannot be written, as when its reader has gone.
pub(super) fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").writing(Path::new("standard output"))
}

/// Prints data as JSON.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn print_json(data: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(data).expect("our data is JSON"))
}

/// A path as a shell reads it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// `1:02:03` or `4:05`.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 {
        format!("{h}:{m:02}:{s:02}")
    } else {
        format!("{m}:{s:02}")
    }
}

/// `12`, `3.4k`, `5.6M`.
pub(super) fn count(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1}G", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(duration(3723.9), "1:02:03");
        assert_eq!(duration(245.0), "4:05");
        assert_eq!(
            [count(12.0), count(3400.0), count(5.6e6)],
            ["12", "3.4k", "5.6M"]
        );
    }
}
