/*! The thread that makes the sound: generator, codec, recording, resampler, ring buffer. */

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use crate::app::play::Command;
use crate::app::play::guarded_stream::GuardedStream;
use crate::audio::WavSink;
use crate::audio::playback::Player;
use crate::audio::stream::StreamResampler;
use crate::error::{Error, Result};
use crate::sequence::Degeneration;

/// Chunks a second; commands are carried out between two of them.
const CHUNKS: u32 = 250;

/// Figures of the producer, for display.
#[derive(Debug, Default)]
pub struct Meters {
    /// Samples made.
    pub made: AtomicU64,
    /// Nanoseconds spent making them.
    pub busy: AtomicU64,
    /// How full the ring is, as the bits of a share.
    pub fill: AtomicU32,
    /// How often sound was missing.
    pub underruns: AtomicU64,
}

/// What happens while sound plays.
#[derive(Debug)]
pub enum PlayEvent {
    /// The guard has acted.
    Degenerated(Degeneration),
    /// A recording has ended, after so many seconds.
    Recorded(PathBuf, f64),
    /// A recording had to be ended, or could not be begun; the sound goes on.
    NotRecorded(String),
}

impl fmt::Display for PlayEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Degenerated(found) => write!(f, "guard: {found}; beginning anew"),
            Self::Recorded(path, seconds) => {
                write!(f, "{}: {seconds:.1} s recorded", path.display())
            }
            Self::NotRecorded(reason) => write!(f, "recording ended: {reason}"),
        }
    }
}

/// What the thread owns.
pub(crate) struct Producer {
    /// Of the model, in Hz.
    pub(crate) rate: u32,
    /// Samples to make; without it, it never ends.
    pub(crate) length: Option<u64>,
    /// Whether quitting drops what is made but not yet played.
    pub(crate) leave_at_once: bool,
    pub(crate) stream: GuardedStream,
    pub(crate) player: Player,
    /// The recording under way.
    pub(crate) sink: Option<(PathBuf, WavSink)>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) events: Sender<PlayEvent>,
    pub(crate) meters: Arc<Meters>,
}

/// Why making ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is as long as was asked for.
    Complete,
    Quit,
}

impl Producer {
    /// Makes sound until its length is reached, it is told to quit or the device is lost; the recording is complete in
    /// every case.
    ///
    /// # Errors
    /// Where the device is lost, or a recording could not be written.
    pub(crate) fn run(mut self) -> Result<()> {
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
                let commands = self.commands;
                self.player
                    .drain(&mut || commands.try_iter().any(|order| order == Command::Quit))?;
            }
        }
        broken.map_or(Ok(()), Err)
    }

    fn make(&mut self, resampler: &mut StreamResampler, broken: &mut Option<Error>) -> Result<End> {
        let chunk = self.rate.div_ceil(CHUNKS) as usize;
        let mut samples = Vec::with_capacity(chunk);
        let mut resampled = Vec::new();
        loop {
            while let Ok(command) = self.commands.try_recv() {
                if command == Command::Quit {
                    return Ok(End::Quit);
                }
                self.carry_out(command, broken)?;
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
                // Paused behind the last sample: only a command can change anything.
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            if !room {
                continue;
            }
            let begun = Instant::now();
            samples.clear();
            for _ in 0..left.min(chunk as u64) {
                let (sample, degeneration) = self.stream.sample()?;
                samples.push(sample);
                if let Some(found) = degeneration {
                    self.send(PlayEvent::Degenerated(found));
                }
            }
            resampled.clear();
            resampler.process(&samples, &mut resampled)?;
            self.note_work(samples.len(), begun.elapsed());
            self.record(&samples, broken);
            self.player.push(&resampled)?;
        }
    }

    fn carry_out(&mut self, command: Command, broken: &mut Option<Error>) -> Result<()> {
        let generator = self.stream.generator();
        match command {
            Command::Sampling(sampling) => generator.set_sampling(sampling)?,
            Command::Seed(seed) => generator.reseed(seed),
            Command::Condition(condition) => generator.recondition(Some(condition)),
            Command::StopRecording => self.stop_recording(broken),
            Command::Record(path) => match WavSink::create(&path, self.rate) {
                Ok(sink) => self.sink = Some((path, sink)),
                Err(error) => self.give_up_recording(error, broken),
            },
            // The loop handles it.
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
                self.send(PlayEvent::Recorded(path, seconds));
            }
            Err(error) => self.give_up_recording(error, broken),
        }
    }

    /// The sound goes on; the first such error is what the program ends with.
    fn give_up_recording(&mut self, error: Error, broken: &mut Option<Error>) {
        self.send(PlayEvent::NotRecorded(error.to_string()));
        broken.get_or_insert(error);
    }

    fn send(&self, event: PlayEvent) {
        // A receiver that is gone has ended its session.
        let _ = self.events.send(event);
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
