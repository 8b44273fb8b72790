/*! The status of playback: one line that is redrawn on a terminal; elsewhere, a plain line every ten seconds. */

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::app::describe_labels;
use crate::app::short_duration;
use crate::cli::play::controls::Controls;

/// Between two drawings on a terminal, and between two lines elsewhere.
const LIVE: Duration = Duration::from_millis(100);
const PLAIN: Duration = Duration::from_secs(10);
/// The meter's cells, and the level of an empty one, in dB below full scale.
const CELLS: f32 = 10.0;
const FLOOR: f32 = -50.0;

/// What is shown.
pub(super) struct Status<'a> {
    /// Of sound made.
    pub(super) seconds: f64,
    pub(super) controls: &'a Controls,
    /// The highest |sample| since the last drawing.
    pub(super) peak: f32,
    /// Times real time; 0 where nothing was made since the last drawing.
    pub(super) speed: f64,
    /// Of the ring, 0..=1.
    pub(super) fill: f32,
    pub(super) underruns: u64,
    /// False while the ring is filled for the first time.
    pub(super) sounding: bool,
    pub(super) paused: bool,
    pub(super) recording: bool,
}

impl Status<'_> {
    /// The most important things first: what does not fit is cut off at the end.
    fn line(&self) -> String {
        let sampling = self.controls.sampling();
        let mut line = short_duration(self.seconds);
        let state = match (self.sounding, self.paused, self.recording) {
            (_, true, _) => " paused",
            (false, ..) => " filling",
            (.., true) => " rec",
            _ => "",
        };
        // Writing to a string never fails.
        let _ = write!(
            line,
            "{state}  {}  temperature {:.2}",
            self.meter(),
            sampling.temperature
        );
        if let Some(top_p) = sampling.top_p {
            let _ = write!(line, "  top-p {top_p:.2}");
        }
        let _ = write!(line, "  seed {}", self.controls.seed());
        if !self.controls.labels().is_empty() {
            let _ = write!(line, "  {}", describe_labels(self.controls.labels()));
        }
        let _ = write!(
            line,
            "  ring {:.0} %  {} underruns",
            100.0 * self.fill,
            self.underruns
        );
        if self.speed > 0.0 {
            let _ = write!(line, "  {:.1}x real time", self.speed);
        }
        line
    }

    fn meter(&self) -> String {
        let level = 20.0 * self.peak.max(1e-6).log10();
        let full = (CELLS * (1.0 - level / FLOOR)).clamp(0.0, CELLS).round() as usize;
        format!("[{:<width$}]", "#".repeat(full), width = CELLS as usize)
    }
}

/// Standard error, as long as something plays.
pub(super) struct Screen {
    quiet: bool,
    /// A terminal whose keys are read as well; elsewhere no escape codes are written.
    live: bool,
    drawn: Instant,
}

impl Screen {
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            live: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            drawn: Instant::now(),
        }
    }

    /// True when the status should be shown again.
    pub(super) fn is_due(&self) -> bool {
        !self.quiet && self.drawn.elapsed() >= if self.live { LIVE } else { PLAIN }
    }

    pub(super) fn show(&mut self, status: &Status) {
        self.drawn = Instant::now();
        let line = status.line();
        if self.live {
            // Some terminals do not know their size and say 0.
            let size = crossterm::terminal::size().ok();
            let width = size.map_or(0, |(columns, _)| usize::from(columns));
            let width = if width > 0 { width } else { 80 };
            // A line that fills the last column would wrap.
            let line: String = line.chars().take(width - 1).collect();
            self.write(&format!("\r{line}\x1b[K"));
        } else {
            self.write(&format!("{line}\n"));
        }
    }

    /// A line that stays, above the status.
    pub(super) fn say(&mut self, text: &str) {
        // A terminal whose keys are read one by one does not return to the first column by itself.
        if self.live {
            self.write(&format!("\r{text}\x1b[K\r\n"));
        } else {
            self.write(&format!("{text}\n"));
        }
    }

    /// Takes the status away.
    pub(super) fn close(&mut self) {
        if self.live {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        if !self.quiet {
            let mut out = std::io::stderr().lock();
            // Whoever closed standard error does not want to know.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Classes;
    use crate::app::Sampling;

    #[test]
    fn the_line_says_what_matters_in_plain_characters() {
        let labels = vec![("digit".to_owned(), "7".to_owned())];
        let classes = Classes::collect([labels.as_slice()]);
        let sampling = Sampling {
            top_p: Some(0.9),
            ..Sampling::default()
        };
        let controls = Controls::new(sampling, 42, labels, classes);
        let mut status = Status {
            seconds: 75.0,
            controls: &controls,
            peak: 0.1,
            speed: 3.44,
            fill: 0.87,
            underruns: 2,
            sounding: true,
            paused: false,
            recording: true,
        };
        assert_eq!(
            status.line(),
            "1:15 rec  [######    ]  temperature 1.00  top-p 0.90  seed 42  digit=7  ring 87 %  2 underruns  3.4x real time"
        );
        status.paused = true;
        status.peak = 0.0;
        let line = status.line();
        assert!(line.contains("paused  [          ]") && line.is_ascii());
        status.peak = 1.0;
        assert!(status.line().contains("[##########]"));
    }
}
