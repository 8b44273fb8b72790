/*! The summary of an import. */

use std::collections::BTreeMap;
use std::fmt;

use crate::base::files::{SkippedSummary, counted};

/// What an import found. Displays as a few lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many recordings were imported.
    pub files: usize,
    /// Their total length, trailing silence included.
    pub seconds: f64,
    /// The rate of the corpus, in Hz.
    pub rate: u32,
    /// How many recordings had which rate.
    pub rates: BTreeMap<u32, usize>,
    /// How many recordings had which number of channels.
    pub channels: BTreeMap<u16, usize>,
    /// How many files have another extension.
    pub ignored: usize,
    /// Notes of the import, each with the paths it holds for.
    pub notes: BTreeMap<&'static str, Vec<String>>,
    /// The paths of recordings that carry no sound.
    pub silent: Vec<String>,
    /// Files that could not be used.
    pub skipped: SkippedSummary,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} at {} Hz",
            counted(self.files, "recording"),
            duration(self.seconds),
            self.rate
        )?;
        let rates: Vec<_> = self
            .rates
            .iter()
            .map(|(r, n)| format!("{r} Hz ({n})"))
            .collect();
        let channels: Vec<_> = self
            .channels
            .iter()
            .map(|(c, n)| match c {
                1 => format!("mono ({n})"),
                2 => format!("stereo ({n})"),
                c => format!("{c} channels ({n})"),
            })
            .collect();
        write!(f, "\nfound: {}; {}", rates.join(", "), channels.join(", "))?;
        if self.ignored > 0 {
            write!(f, "; {} of another kind", counted(self.ignored, "file"))?;
        }
        for (note, paths) in &self.notes {
            let what = counted(paths.len(), "recording");
            write!(f, "\nread to the end: {what}, {note} ({})", first(paths))?;
        }
        if !self.silent.is_empty() {
            let what = counted(self.silent.len(), "recording");
            write!(
                f,
                "\nwarning: {what} without sound: silent, constant or shorter than 10 ms ({})",
                first(&self.silent)
            )?;
        }
        write!(f, "{}", self.skipped)
    }
}

/// The first three paths.
fn first(paths: &[String]) -> String {
    const NAMED: usize = 3;
    let more = if paths.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", paths[..paths.len().min(NAMED)].join(", "))
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} seconds"),
        s if s < 7200.0 => format!("{:.1} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}
