/*! A corpus in a few lines for people. */

use std::collections::BTreeMap;
use std::fmt;

use crate::audio::corpus::Skipped;

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
    /// Reasons for skipping, each with the paths it holds for; the most frequent first.
    pub skipped: Vec<(String, Vec<String>)>,
}

/// The same skipped files by reason, the most frequent reason first.
pub(super) fn group(skipped: &[Skipped]) -> Vec<(String, Vec<String>)> {
    let mut groups = BTreeMap::<&str, Vec<String>>::new();
    for Skipped { path, reason } in skipped {
        groups.entry(reason).or_default().push(path.clone());
    }
    let mut groups: Vec<_> = groups
        .into_iter()
        .map(|(reason, paths)| (reason.to_owned(), paths))
        .collect();
    groups.sort_by_key(|(_, paths)| std::cmp::Reverse(paths.len()));
    groups
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Reasons and paths that are named; the rest is counted.
        const NAMED: usize = 3;
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
        for (reason, paths) in self.skipped.iter().take(NAMED) {
            let named = paths.iter().take(NAMED).cloned().collect::<Vec<_>>();
            let more = if paths.len() > NAMED { ", …" } else { "" };
            let what = counted(paths.len(), "file");
            write!(f, "\nskipped {what}: {reason} ({}{more})", named.join(", "))?;
        }
        if self.skipped.len() > NAMED {
            let rest = self
                .skipped
                .iter()
                .skip(NAMED)
                .map(|(_, paths)| paths.len());
            let what = counted(rest.sum(), "file");
            write!(f, "\nskipped {what} more, for other reasons")?;
        }
        Ok(())
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} seconds"),
        s if s < 7200.0 => format!("{:.1} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}
