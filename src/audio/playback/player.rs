/*! The producer's side of the ring, which holds no more sound than the wanted latency. */

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rtrb::{Producer, RingBuffer};

use crate::audio::playback::callback::{Callback, Gauge};
use crate::audio::playback::output::{Format, Output, Playing};
use crate::error::{Error, Result};

/// How long the producer sleeps when the ring is full.
const NAP: Duration = Duration::from_millis(2);
/// A device that does not call the callback for this long is lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// How much sound is buffered between the producer and the loudspeaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Seconds of buffered sound: half of it in the ring, half (two periods) in the device.
    pub latency: f64,
    /// Seconds of sound in the ring before playback starts, if that is more.
    pub prebuffer: f64,
}

/// Plays pushed samples at the device's rate.
pub struct Player {
    ring: Producer<f32>,
    gauge: Arc<Gauge>,
    playing: Playing,
    format: Format,
    /// The greatest number of samples in the ring during playback.
    target: usize,
    /// How many samples the device takes when it starts, and buffers from then on.
    device: usize,
    started: bool,
    /// The number of callback calls, and when it last changed.
    heartbeat: (u64, Instant),
}

impl Player {
    /// Opens the output. Playback starts when the ring and the device can be filled; after an underrun, when half of the
    /// ring is full (with a prebuffer: all of it).
    ///
    /// # Errors
    /// [`Error::Device`] when the output cannot be opened.
    pub fn open(output: Output, settings: &Settings) -> Result<Self> {
        let format = output.format();
        let rate = f64::from(format.rate);
        let period = settings.latency / 4.0;
        let wanted = (settings.latency / 2.0).max(settings.prebuffer);
        // The device's period is known only after the callback has taken the ring.
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

    /// The device's format.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The callback's counters, which any thread can read, and its pause.
    pub fn gauge(&self) -> Arc<Gauge> {
        self.gauge.clone()
    }

    /// The share of the ring that is full, 0..=1.
    pub fn fill(&self) -> f32 {
        self.waiting() as f32 / self.target as f32
    }

    /// The underruns of the ring and of the device.
    pub fn underruns(&self) -> u64 {
        self.gauge.underruns() + self.playing.xruns()
    }

    /// True when the ring has room; otherwise waits a moment for it.
    ///
    /// # Errors
    /// [`Error::Device`] when the device is lost.
    pub fn wait_for_room(&mut self) -> Result<bool> {
        self.check()?;
        if self.waiting() >= self.wanted() {
            sleep(NAP);
        }
        Ok(self.waiting() < self.wanted())
    }

    /// Pushes samples at the device's rate. Waits when the ring is full; [`wait_for_room`](Self::wait_for_room) avoids
    /// that.
    ///
    /// # Errors
    /// [`Error::Device`] when the device is lost.
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

    /// Starts the device. It must not start before there is sound for it: it may take a second of silence at once.
    fn start(&mut self) -> Result<()> {
        self.started = true;
        self.heartbeat.1 = Instant::now();
        self.playing.start()
    }

    /// Waits until all pushed samples have been heard, or `quit` returns true.
    ///
    /// # Errors
    /// [`Error::Device`] when the device is lost meanwhile.
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
        self.wait_for_device();
        Ok(())
    }

    /// Fades out and drops the samples that have not been heard.
    pub fn stop(self) {
        self.gauge.pause(true);
        if self.started {
            self.wait_for_device();
        }
    }

    /// Waits until the device's buffer has been heard: two periods, or the latency it reports, and the fade.
    fn wait_for_device(&self) {
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

    /// An error when the device is gone, or has not called the callback for a long time.
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
                .unwrap_or_else(|| "it no longer takes sound".into()),
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
