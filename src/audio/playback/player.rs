/*! The producer's side: samples in, and no more of them than the wanted delay. */

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rtrb::{Producer, RingBuffer};

use crate::audio::playback::callback::{Callback, Gauge};
use crate::audio::playback::output::{Format, Output, Playing};
use crate::error::{Error, Result};

/// How long the producer sleeps where the ring is full.
const NAP: Duration = Duration::from_millis(2);
/// A device that asks for no sound for so long is lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// How much sound lies between the producer and the loudspeaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Seconds of sound on the way in all: half of it in the ring, half (two periods) in the device.
    pub latency: f64,
    /// Seconds of sound the ring is filled with before anything is heard, where that is more.
    pub prebuffer: f64,
}

/// Plays what it is given, at the device's rate.
pub struct Player {
    ring: Producer<f32>,
    gauge: Arc<Gauge>,
    playing: Playing,
    format: Format,
    /// At most so many samples wait in the ring once it plays.
    target: usize,
    /// What the device takes at once when it starts, and has waiting from then on.
    device: usize,
    started: bool,
    /// The callback's count when it last moved, and when that was.
    heartbeat: (u64, Instant),
}

impl Player {
    /// Opens the output. Sound begins when there is enough of it to fill the ring and the device; after an underrun,
    /// when half of the ring is full (with a prebuffer: all of it).
    ///
    /// # Errors
    /// [`Error::Device`] where the output does not play.
    pub fn open(output: Output, settings: &Settings) -> Result<Self> {
        let format = output.format();
        let rate = f64::from(format.rate);
        let period = settings.latency / 4.0;
        let wanted = (settings.latency / 2.0).max(settings.prebuffer);
        // What the device asks for at a time is known only when the callback already holds the ring.
        let (ring, consumer) = RingBuffer::new(((wanted + 2.0) * rate) as usize);
        let gauge = Arc::new(Gauge::new(usize::MAX));
        let callback = Callback::new(consumer, format.channels.into(), format.rate);
        let playing = output.open(period, callback, gauge.clone())?;
        let period = playing.period().unwrap_or((period * rate) as usize);
        let device = 2 * period;
        let target = ((wanted * rate) as usize).max(device);
        gauge.set_threshold(if settings.prebuffer > 0.0 {
            target
        } else {
            target / 2
        });
        Ok(Self {
            ring,
            gauge,
            playing,
            format,
            target,
            device,
            started: false,
            heartbeat: (0, Instant::now()),
        })
    }

    /// `playing on 'NAME' (48000 Hz, 2 channels, f32)`
    pub fn describe(&self) -> String {
        let Format {
            rate,
            channels,
            sample,
        } = &self.format;
        format!(
            "playing on '{}' ({rate} Hz, {channels} channels, {sample})",
            self.playing.name()
        )
    }

    /// What the device takes.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The callback's figures; they can be read, and the sound paused, from any thread.
    pub fn gauge(&self) -> Arc<Gauge> {
        self.gauge.clone()
    }

    /// The share of the ring that is full, 0..=1.
    pub fn fill(&self) -> f32 {
        self.waiting() as f32 / self.target as f32
    }

    /// How often sound was missing: the ring's underruns and the device's own.
    pub fn underruns(&self) -> u64 {
        self.gauge.underruns() + self.playing.xruns()
    }

    /// True where the ring has room; where not, waits a moment for it.
    ///
    /// # Errors
    /// [`Error::Device`] where the device is lost.
    pub fn wait_for_room(&mut self) -> Result<bool> {
        self.check()?;
        if self.waiting() >= self.wanted() {
            sleep(NAP);
        }
        Ok(self.waiting() < self.wanted())
    }

    /// Gives samples at the device's rate to the loudspeaker. Waits where the ring itself is full; see
    /// [`wait_for_room`](Self::wait_for_room) for how not to.
    ///
    /// # Errors
    /// [`Error::Device`] where the device is lost.
    pub fn push(&mut self, mut samples: &[f32]) -> Result<()> {
        loop {
            (_, samples) = self.ring.push_partial_slice(samples);
            if !self.started && self.waiting() >= self.wanted() {
                self.start()?;
            }
            if samples.is_empty() {
                return Ok(());
            }
            self.check()?;
            sleep(NAP);
        }
    }

    /// A device that is started before there is sound for it is given silence, and may have taken a second's worth
    /// of that before it asks again.
    fn start(&mut self) -> Result<()> {
        self.started = true;
        self.heartbeat.1 = Instant::now();
        self.playing.start()
    }

    /// Waits until everything given has been heard, or `quit` says that nobody wants to.
    ///
    /// # Errors
    /// [`Error::Device`] where the device is lost meanwhile.
    pub fn drain(mut self, quit: &mut dyn FnMut() -> bool) -> Result<()> {
        self.gauge.finish();
        self.gauge.pause(false);
        if !self.started {
            self.start()?;
        }
        while self.waiting() > 0 {
            self.check()?;
            if quit() {
                self.stop();
                return Ok(());
            }
            sleep(NAP);
        }
        self.rest();
        Ok(())
    }

    /// Fades out and leaves what has not been heard.
    pub fn stop(self) {
        self.gauge.pause(true);
        if self.started {
            self.rest();
        }
    }

    /// Until what the callback gave last has been heard: it is in the device's buffer, two periods of it or
    /// whatever the device says, and then a little for the fade.
    fn rest(&self) {
        let buffered = self.device as f64 / f64::from(self.format.rate);
        let latency = self.gauge.latency().min(PATIENCE);
        sleep(latency.max(Duration::from_secs_f64(buffered)) + Duration::from_millis(30));
    }

    /// How many samples the ring should hold now.
    fn wanted(&self) -> usize {
        let start = if self.started { 0 } else { self.device };
        (self.target + start).min(self.ring.buffer().capacity())
    }

    fn waiting(&self) -> usize {
        self.ring.buffer().capacity() - self.ring.slots()
    }

    /// Errs where the device is gone, or has not asked for sound for a long time.
    fn check(&mut self) -> Result<()> {
        let calls = self.gauge.calls();
        if calls != self.heartbeat.0 {
            self.heartbeat = (calls, Instant::now());
        }
        let reason = match self.playing.lost() {
            Some(reason) => reason,
            None if self.started && self.heartbeat.1.elapsed() > PATIENCE => self
                .playing
                .trouble()
                .unwrap_or_else(|| "it has stopped taking sound".into()),
            None => return Ok(()),
        };
        Err(Error::Device {
            message: format!("the audio output was lost: {reason}"),
            hint: Some(
                "plug it in again or choose another with --output; `ensuite devices` lists them"
                    .into(),
            ),
        })
    }
}
