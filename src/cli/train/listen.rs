/*! `train --listen`: plays each report's sample. */

use std::path::{Path, PathBuf};

use crate::app::play::Listening;
use crate::app::{Event, Observer};
use crate::cli::terminal::Terminal;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(super) struct ListenArgs {
    /// Play each report's sample as soon as it is made
    #[arg(long, help_heading = "Recordings")]
    pub(super) listen: bool,
}

/// Passes events on to the terminal, and plays.
pub(super) struct Listener<'a> {
    terminal: &'a mut Terminal,
    listening: Listening,
    samples: PathBuf,
}

impl<'a> Listener<'a> {
    /// For the model in this folder.
    pub(super) fn new(terminal: &'a mut Terminal, model: &Path) -> Result<Self> {
        Ok(Self {
            terminal,
            listening: Listening::open()?,
            samples: model.join("samples"),
        })
    }

    /// Waits until the last sample has been heard.
    pub(super) fn finish(self) -> Result<()> {
        self.listening.wait()
    }
}

impl Observer for Listener<'_> {
    fn event(&mut self, event: Event<'_>) {
        self.terminal.event(event);
        let Event::Report { report, .. } = event else {
            return;
        };
        let sample = self.samples.join(format!("step-{:07}.wav", report.step));
        if !sample.exists() {
            return;
        }
        if let Err(error) = self.listening.play(&sample) {
            let why = format!("the last sample could not be played: {error}");
            self.terminal.event(Event::Warning(&why));
        }
    }
}
