/*! The person's side: keys in, status out, while the producer makes the sound. */

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::audio::playback::Gauge;
use crate::cli::play::controls::{Action, Command, Controls};
use crate::cli::play::keys::{Key, Keyboard};
use crate::cli::play::producer::{Event, Meters};
use crate::cli::play::status::{Screen, Status};
use crate::error::Result;

/// Between two looks at the keyboard.
const TICK: Duration = Duration::from_millis(20);

/// One evening at the instrument.
pub(super) struct Session {
    /// Of the model, in Hz.
    pub(super) rate: u32,
    /// When the program was started.
    pub(super) born: Instant,
    pub(super) recordings: Recordings,
    pub(super) controls: Controls,
    pub(super) gauge: Arc<Gauge>,
    pub(super) meters: Arc<Meters>,
    pub(super) commands: Sender<Command>,
    pub(super) events: Receiver<Event>,
    /// What was made, and the time spent on it, when the speed was last shown.
    pub(super) spent: (u64, u64),
}

impl Session {
    /// Stays until the producer has ended.
    pub(super) fn attend(
        &mut self,
        keyboard: Option<&Keyboard>,
        screen: &mut Screen,
        stop: &AtomicBool,
        making: &JoinHandle<Result<()>>,
    ) {
        while !making.is_finished() {
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

    /// One sentence about all of it.
    pub(super) fn summary(&self) -> String {
        let (made, busy) = self.work();
        let first = self.gauge.first().map_or(String::new(), |first| {
            let after = first.saturating_duration_since(self.born);
            format!(", first sound after {:.0} ms", after.as_secs_f64() * 1e3)
        });
        format!(
            "{:.1} s made, {} underruns, {:.1} times real time{first}",
            self.seconds(made),
            self.meters.underruns.load(Relaxed),
            self.speed(made, busy)
        )
    }

    fn press(&mut self, key: Key) {
        match self.controls.press(key) {
            Action::Nothing => {}
            Action::Send(command) => self.send(command),
            Action::Pause => self.gauge.pause(!self.gauge.paused()),
            Action::Quit => self.send(Command::Quit),
            Action::Record => {
                let command = self.recordings.toggle();
                self.send(command);
            }
        }
    }

    fn report(&mut self, screen: &mut Screen) {
        while let Ok(event) = self.events.try_recv() {
            if let Event::NotRecorded(_) = event {
                self.recordings.under_way = false;
            }
            screen.say(&event.to_string());
        }
    }

    fn send(&self, command: Command) {
        // A producer that has ended obeys no more.
        let _ = self.commands.send(command);
    }

    fn status(&mut self) -> Status<'_> {
        let (made, busy) = self.work();
        let speed = self.speed(made - self.spent.0, busy - self.spent.1);
        self.spent = (made, busy);
        Status {
            seconds: self.seconds(made),
            controls: &self.controls,
            peak: self.gauge.take_peak(),
            speed,
            fill: f32::from_bits(self.meters.fill.load(Relaxed)).min(1.0),
            underruns: self.meters.underruns.load(Relaxed),
            sounding: self.gauge.first().is_some(),
            paused: self.gauge.paused(),
            recording: self.recordings.under_way,
        }
    }

    /// Samples made, and nanoseconds spent on them.
    fn work(&self) -> (u64, u64) {
        (
            self.meters.made.load(Relaxed),
            self.meters.busy.load(Relaxed),
        )
    }

    fn seconds(&self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.rate)
    }

    /// Times real time; 0 where nothing was made.
    fn speed(&self, made: u64, busy: u64) -> f64 {
        if busy == 0 {
            return 0.0;
        }
        self.seconds(made) / (busy as f64 * 1e-9)
    }
}

/// Where recordings go: first to the file asked for, then to numbered ones beside it, and never over anything else.
pub(super) struct Recordings {
    base: PathBuf,
    under_way: bool,
}

impl Recordings {
    /// `asked` is being recorded to already; without it, recordings are called like the model and lie here.
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
