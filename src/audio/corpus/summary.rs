/*! A corpus in a few lines for people. */

use std::collections::BTreeMap;
use std::fmt;

use crate::base::files::{SkippedSummary, counted};

/// What was found in a folder and made of it. Displays as a few lines for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many recordings were imported.
    pub files: usize,
    /// How long they are together, trailing silence included.
    pub seconds: f64,
    /// The rate they were brought to, in Hz.
    pub rate: u32,
    /// How many recordings had which rate.
    pub rates: BTreeMap<u32, usize>,
    /// How many recordings had which number of channels.
    pub channels: BTreeMap<u16, usize>,
    /// Files that do not look like sound.
    pub ignored: usize,
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
        write!(f, "{}", self.skipped)
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} seconds"),
        s if s < 7200.0 => format!("{:.1} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}
