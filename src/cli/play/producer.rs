/*! The thread that makes the sound: generator, codec, recording, resampler, ring. */

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use crate::audio::WavSink;
use crate::audio::playback::Player;
use crate::audio::stream::StreamResampler;
use crate::cli::play::controls::Command;
use crate::cli::play::voice::Voice;
use crate::error::{Error, Result};
use crate::sequence::Degeneration;

/// Pieces a second: orders are obeyed between two of them.
const PIECES: u32 = 250;

/// Figures of the producer that the session shows.
#[derive(Debug, Default)]
pub(super) struct Meters {
    /// Samples made.
    pub(super) made: AtomicU64,
    /// Nanoseconds spent making them.
    pub(super) busy: AtomicU64,
    /// How full the ring is, as the bits of a share.
    pub(super) fill: AtomicU32,
    /// How often sound was missing.
    pub(super) underruns: AtomicU64,
}

/// What the producer tells the person.
#[derive(Debug)]
pub(super) enum Event {
    /// The guard has acted.
    Degeneration(Degeneration),
    /// A recording has ended, after so many seconds.
    Recorded(PathBuf, f64),
    /// A recording had to be ended, or could not be begun; the sound goes on.
    NotRecorded(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Degeneration(trouble) => write!(
                f,
                "guard: {trouble}; starting again from the model's own prompt"
            ),
            Self::Recorded(path, seconds) => {
                write!(f, "{}: {seconds:.1} s recorded", path.display())
            }
            Self::NotRecorded(reason) => write!(f, "recording ended: {reason}"),
        }
    }
}

/// Everything the thread owns.
pub(super) struct Producer {
    /// Of the model, in Hz.
    pub(super) rate: u32,
    /// Samples to make; without it, endlessly many.
    pub(super) length: Option<u64>,
    /// Whoever quits does not wait for what is made already but not yet heard.
    pub(super) leave_at_once: bool,
    pub(super) voice: Voice,
    pub(super) player: Player,
    /// The recording under way.
    pub(super) sink: Option<(PathBuf, WavSink)>,
    pub(super) orders: Receiver<Command>,
    pub(super) news: Sender<Event>,
    pub(super) meters: Arc<Meters>,
}

/// Why making ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is as long as was asked for.
    Complete,
    Quit,
}

impl Producer {
    /// Makes sound until there is enough of it, the person quits or the device is lost; the recording is complete in
    /// every case.
    ///
    /// # Errors
    /// Where the device is lost, or a recording could not be written.
    pub(super) fn run(mut self) -> Result<()> {
        let mut resampler = StreamResampler::new(self.rate, self.player.format().rate)?;
        let mut broken = None;
        let end = self.make(&mut resampler, &mut broken);
        self.stop_recording(&mut broken);
        match end? {
            End::Quit if self.leave_at_once || self.player.gauge().paused() => self.player.stop(),
            _ => {
                let mut rest = Vec::new();
                resampler.drain(&mut rest)?;
                self.player.push(&rest)?;
                let orders = self.orders;
                self.player
                    .drain(&mut || orders.try_iter().any(|order| order == Command::Quit))?;
            }
        }
        broken.map_or(Ok(()), Err)
    }

    fn make(&mut self, resampler: &mut StreamResampler, broken: &mut Option<Error>) -> Result<End> {
        let piece = self.rate.div_ceil(PIECES) as usize;
        let mut samples = Vec::with_capacity(piece);
        let mut resampled = Vec::new();
        loop {
            while let Ok(command) = self.orders.try_recv() {
                if command == Command::Quit {
                    return Ok(End::Quit);
                }
                self.obey(command, broken)?;
            }
            self.measure();
            let room = self.player.wait_for_room()?;
            let left = self
                .length
                .map_or(u64::MAX, |length| length - self.meters.made.load(Relaxed));
            if left == 0 && !self.player.gauge().paused() {
                return Ok(End::Complete);
            }
            if left == 0 {
                // Paused behind the last sample: only an order can change anything.
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            if !room {
                continue;
            }
            let begun = Instant::now();
            samples.clear();
            for _ in 0..left.min(piece as u64) {
                let (sample, trouble) = self.voice.sample()?;
                samples.push(sample);
                if let Some(trouble) = trouble {
                    self.tell(Event::Degeneration(trouble));
                }
            }
            resampled.clear();
            resampler.process(&samples, &mut resampled)?;
            self.note_work(samples.len(), begun.elapsed());
            self.record(&samples, broken);
            self.player.push(&resampled)?;
        }
    }

    fn obey(&mut self, command: Command, broken: &mut Option<Error>) -> Result<()> {
        let generator = self.voice.generator();
        match command {
            Command::Sampling(sampling) => generator.set_sampling(sampling)?,
            Command::Seed(seed) => generator.reseed(seed),
            Command::Condition(condition) => generator.recondition(Some(condition)),
            Command::StopRecording => self.stop_recording(broken),
            Command::Record(path) => match WavSink::create(&path, self.rate) {
                Ok(sink) => self.sink = Some((path, sink)),
                Err(error) => self.give_up_recording(error, broken),
            },
            // Obeyed where the loop can be left.
            Command::Quit => {}
        }
        Ok(())
    }

    fn record(&mut self, samples: &[f32], broken: &mut Option<Error>) {
        if let Some((_, sink)) = &mut self.sink
            && let Err(error) = sink.write(samples)
        {
            self.sink = None;
            self.give_up_recording(error, broken);
        }
    }

    fn stop_recording(&mut self, broken: &mut Option<Error>) {
        let Some((path, sink)) = self.sink.take() else {
            return;
        };
        match sink.finish() {
            Ok(written) => {
                let seconds = written as f64 / f64::from(self.rate);
                self.tell(Event::Recorded(path, seconds));
            }
            Err(error) => self.give_up_recording(error, broken),
        }
    }

    /// The sound goes on; the first such error is what the program ends with.
    fn give_up_recording(&mut self, error: Error, broken: &mut Option<Error>) {
        self.tell(Event::NotRecorded(error.to_string()));
        broken.get_or_insert(error);
    }

    fn tell(&self, event: Event) {
        // A session that has ended listens no more.
        let _ = self.news.send(event);
    }

    fn measure(&self) {
        self.meters
            .fill
            .store(self.player.fill().to_bits(), Relaxed);
        self.meters
            .underruns
            .store(self.player.underruns(), Relaxed);
    }

    fn note_work(&self, made: usize, took: Duration) {
        self.meters.made.fetch_add(made as u64, Relaxed);
        self.meters.busy.fetch_add(took.as_nanos() as u64, Relaxed);
    }
}
