/*! The controlling side of `play`: keys in, status out, while the producer makes the sound. */

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::app::play::{Command, PlayEvent, Playback};
use crate::cli::play::controls::{Action, Controls};
use crate::cli::play::keys::{Key, Keyboard};
use crate::cli::play::status::{Screen, Status};

/// Between two looks at the keyboard.
const TICK: Duration = Duration::from_millis(20);

/// State of one `play` session.
pub(super) struct Session {
    pub(super) playback: Playback,
    controls: Controls,
    recordings: Recordings,
    /// When the program was started.
    started_at: Instant,
    /// Samples made, and the nanoseconds spent on them, when the speed was last shown.
    spent: (u64, u64),
}

impl Session {
    pub(super) fn new(
        playback: Playback,
        controls: Controls,
        recordings: Recordings,
        started_at: Instant,
    ) -> Self {
        Self {
            playback,
            controls,
            recordings,
            started_at,
            spent: (0, 0),
        }
    }

    /// Handles keys and shows the status until the producer has ended.
    pub(super) fn attend(
        &mut self,
        keyboard: Option<&Keyboard>,
        screen: &mut Screen,
        stop: &AtomicBool,
    ) {
        while !self.playback.producer.is_finished() {
            if stop.load(Relaxed) {
                self.send(Command::Quit);
            }
            self.report(screen);
            if screen.is_due() {
                let status = self.status();
                screen.show(&status);
            }
            match keyboard {
                None => std::thread::sleep(TICK),
                Some(keyboard) => {
                    if let Some(key) = keyboard.wait(TICK) {
                        self.press(key);
                    }
                }
            }
        }
        self.report(screen);
    }

    /// One sentence about the whole session.
    pub(super) fn summary(&self) -> String {
        let (made, busy) = self.work();
        let first = self.playback.gauge.first().map_or(String::new(), |first| {
            let after = first.saturating_duration_since(self.started_at);
            format!(", first sound after {:.0} ms", after.as_secs_f64() * 1e3)
        });
        format!(
            "{:.1} s made, {} underruns, {:.1} times real time{first}",
            self.seconds(made),
            self.playback.meters.underruns.load(Relaxed),
            self.speed(made, busy)
        )
    }

    fn press(&mut self, key: Key) {
        match self.controls.press(key) {
            Action::Nothing => {}
            Action::Send(command) => self.send(command),
            Action::Pause => self.playback.gauge.pause(!self.playback.gauge.paused()),
            Action::Quit => self.send(Command::Quit),
            Action::Record => {
                let command = self.recordings.toggle();
                self.send(command);
            }
        }
    }

    fn report(&mut self, screen: &mut Screen) {
        while let Ok(event) = self.playback.events.try_recv() {
            if let PlayEvent::NotRecorded(_) = event {
                self.recordings.under_way = false;
            }
            screen.say(&event.to_string());
        }
    }

    fn send(&self, command: Command) {
        // A producer that has ended takes no commands.
        let _ = self.playback.commands.send(command);
    }

    fn status(&mut self) -> Status<'_> {
        let (made, busy) = self.work();
        let speed = self.speed(made - self.spent.0, busy - self.spent.1);
        self.spent = (made, busy);
        Status {
            seconds: self.seconds(made),
            controls: &self.controls,
            peak: self.playback.gauge.take_peak(),
            speed,
            fill: f32::from_bits(self.playback.meters.fill.load(Relaxed)).min(1.0),
            underruns: self.playback.meters.underruns.load(Relaxed),
            sounding: self.playback.gauge.first().is_some(),
            paused: self.playback.gauge.paused(),
            recording: self.recordings.under_way,
        }
    }

    /// Samples made, and nanoseconds spent on them.
    fn work(&self) -> (u64, u64) {
        (
            self.playback.meters.made.load(Relaxed),
            self.playback.meters.busy.load(Relaxed),
        )
    }

    fn seconds(&self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.playback.rate)
    }

    /// Times real time; 0 where nothing was made.
    fn speed(&self, made: u64, busy: u64) -> f64 {
        if busy == 0 {
            return 0.0;
        }
        self.seconds(made) / (busy as f64 * 1e-9)
    }
}

/// Where recordings go: first to the given file, then to numbered ones beside it; nothing is overwritten.
pub(super) struct Recordings {
    base: PathBuf,
    under_way: bool,
}

impl Recordings {
    /// `asked` is being recorded already; without it, recordings have the model's name, in the current folder.
    pub(super) fn new(model: &Path, asked: Option<&Path>) -> Self {
        let base = match asked {
            Some(path) if path != Path::new("-") => path.to_owned(),
            _ => {
                let full = model.canonicalize().unwrap_or_else(|_| model.to_owned());
                PathBuf::from(full.file_name().unwrap_or("sound".as_ref())).with_extension("wav")
            }
        };
        Self {
            base,
            under_way: asked.is_some(),
        }
    }

    fn toggle(&mut self) -> Command {
        self.under_way = !self.under_way;
        if self.under_way {
            Command::Record(self.free())
        } else {
            Command::StopRecording
        }
    }

    /// The first of `a.wav`, `a-2.wav`, `a-3.wav`, … that is not there.
    fn free(&self) -> PathBuf {
        let stem = self.base.file_stem().unwrap_or_default().to_string_lossy();
        let numbered = (2..).map(|number| self.base.with_file_name(format!("{stem}-{number}.wav")));
        std::iter::once(self.base.clone())
            .chain(numbered)
            .find(|path| !path.exists())
            .expect("there are more numbers than files")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_numbered_and_replace_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("take.wav");
        let mut recordings = Recordings::new(Path::new("models/bells"), Some(&asked));
        assert_eq!(recordings.toggle(), Command::StopRecording);
        for name in ["take.wav", "take-2.wav", "take-3.wav"] {
            let path = folder.path().join(name);
            assert_eq!(recordings.toggle(), Command::Record(path.clone()));
            assert_eq!(recordings.toggle(), Command::StopRecording);
            std::fs::write(path, b"sound").unwrap();
        }
        let mut unasked = Recordings::new(Path::new("no/such/bells"), None);
        assert_eq!(unasked.toggle(), Command::Record("bells.wav".into()));
    }
}
