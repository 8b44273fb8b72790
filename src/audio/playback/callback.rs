/*! The code inside the system's audio callback, and the counters that it shares. */

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cpal::{FromSample, Sample};
use rtrb::Consumer;

/// Seconds of a fade to silence, and of a fade in.
const FADE: f32 = 0.005;

/// Counters and settings that the callback shares with other threads, without locks.
///
/// The values are independent of each other, so that relaxed order is enough; the ring orders the samples.
#[derive(Debug)]
pub struct Gauge {
    created_at: Instant,
    popped: AtomicU64,
    underruns: AtomicU64,
    calls: AtomicU64,
    /// The bits of the greatest |sample| since [`take_peak`](Self::take_peak); the bits of positive floats are ordered.
    peak: AtomicU32,
    /// When the first sample was popped, in nanoseconds after `created_at`; 0 before that.
    first: AtomicU64,
    /// Nanoseconds until a sample written now is heard, as the device reports.
    latency: AtomicU64,
    paused: AtomicBool,
    finished: AtomicBool,
    /// The number of samples in the ring at which playback starts, or restarts.
    threshold: AtomicU64,
}

impl Gauge {
    /// A gauge for a callback that starts when `threshold` samples are in the ring.
    pub fn new(threshold: usize) -> Self {
        Self {
            created_at: Instant::now(),
            popped: AtomicU64::new(0),
            underruns: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            peak: AtomicU32::new(0),
            first: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            threshold: AtomicU64::new(threshold as u64),
        }
    }

    /// How many samples were popped.
    pub fn popped(&self) -> u64 {
        self.popped.load(Relaxed)
    }

    /// How often the ring ran empty during playback.
    pub fn underruns(&self) -> u64 {
        self.underruns.load(Relaxed)
    }

    /// How often the device has called the callback.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// The greatest |sample| since the last call.
    pub fn take_peak(&self) -> f32 {
        f32::from_bits(self.peak.swap(0, Relaxed))
    }

    /// When the first sample was popped.
    pub fn first(&self) -> Option<Instant> {
        match self.first.load(Relaxed) {
            0 => None,
            nanos => Some(self.created_at + Duration::from_nanos(nanos)),
        }
    }

    /// The time from popping a sample until it is heard, as the device reports.
    pub fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency.load(Relaxed))
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.latency.store(latency.as_nanos() as u64, Relaxed);
    }

    /// True during a pause.
    pub fn paused(&self) -> bool {
        self.paused.load(Relaxed)
    }

    /// Pauses the sound, or continues it where it stopped.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
    }

    /// Marks the end of the input: the callback plays the rest, and an empty ring is the end, not an underrun.
    pub(super) fn finish(&self) {
        self.finished.store(true, Relaxed);
    }

    pub(super) fn set_threshold(&self, samples: usize) {
        self.threshold.store(samples as u64, Relaxed);
    }

    fn note_first(&self) {
        if self.first.load(Relaxed) == 0 {
            let nanos = self.created_at.elapsed().as_nanos() as u64;
            self.first.store(nanos.max(1), Relaxed);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Silent until enough samples are in the ring for the first time.
    New,
    Playing,
    /// The ring ran empty: fading, then silent until enough samples are in the ring.
    Starved,
}

/// Fills the device's buffers from the ring.
pub struct Callback {
    ring: Consumer<f32>,
    state: State,
    /// 0..=1; moves by one `step` a frame.
    gain: f32,
    step: f32,
    /// The last sample popped, which fades out when there is no next one.
    held: f32,
    channels: usize,
}

impl Callback {
    /// Plays the samples of `ring` on every one of `channels` channels at `rate` Hz.
    pub fn new(ring: Consumer<f32>, channels: usize, rate: u32) -> Self {
        Self {
            ring,
            state: State::New,
            // The first sample is played without a fade.
            gain: 1.0,
            step: (1.0 / (FADE * rate as f32)).min(1.0),
            held: 0.0,
            channels: channels.max(1),
        }
    }

    /// Fills all of `out`, `[frames, channels]`.
    pub fn fill<T: Sample + FromSample<f32>>(&mut self, out: &mut [T], gauge: &Gauge) {
        gauge.calls.fetch_add(1, Relaxed);
        let finished = gauge.finished.load(Relaxed);
        let paused = gauge.paused.load(Relaxed);
        let threshold = gauge.threshold.load(Relaxed) as usize;
        if self.may_begin(finished, threshold) && !paused {
            self.state = State::Playing;
            gauge.note_first();
        }
        let mut peak = 0.0_f32;
        let mut popped = 0;
        for frame in out.chunks_mut(self.channels) {
            let sample = self.next(paused, finished, gauge, &mut popped);
            peak = peak.max(sample.abs());
            frame.fill(T::from_sample(sample));
        }
        gauge.popped.fetch_add(popped, Relaxed);
        gauge.peak.fetch_max(peak.to_bits(), Relaxed);
    }

    /// True when enough samples are in the ring and the fade has ended.
    fn may_begin(&self, finished: bool, threshold: usize) -> bool {
        let silent = match self.state {
            State::New => true,
            State::Starved => self.gain == 0.0,
            State::Playing => return false,
        };
        let waiting = self.ring.slots();
        silent && waiting > 0 && (waiting >= threshold || finished)
    }

    /// One sample: from the ring during playback, else the last one, fading.
    #[inline]
    fn next(&mut self, paused: bool, finished: bool, gauge: &Gauge, popped: &mut u64) -> f32 {
        // A pause fades the sound first, and stops popping when the gain is 0.
        if self.state == State::Playing && !(paused && self.gain == 0.0) {
            match self.ring.pop() {
                Ok(sample) => {
                    *popped += 1;
                    // NaN and infinite samples must not reach the device.
                    let sample = if sample.is_finite() { sample } else { 0.0 };
                    self.held = sample.clamp(-1.0, 1.0);
                }
                Err(_) => {
                    self.state = State::Starved;
                    if !finished {
                        gauge.underruns.fetch_add(1, Relaxed);
                    }
                }
            }
        }
        let sample = self.held * self.gain;
        self.gain = match self.state {
            State::New => self.gain,
            State::Playing if !paused => (self.gain + self.step).min(1.0),
            _ => (self.gain - self.step).max(0.0),
        };
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_no_alloc::{AllocDisabler, assert_no_alloc};
    use rtrb::{Producer, RingBuffer};

    /// Aborts the whole test binary when something inside `assert_no_alloc` allocates.
    #[global_allocator]
    static ALLOCATOR: AllocDisabler = AllocDisabler;

    const RATE: u32 = 48_000;

    fn ring(capacity: usize, threshold: usize) -> (Producer<f32>, Callback, Gauge) {
        let (producer, consumer) = RingBuffer::new(capacity);
        (
            producer,
            Callback::new(consumer, 1, RATE),
            Gauge::new(threshold),
        )
    }

    fn fill(callback: &mut Callback, gauge: &Gauge, frames: usize) -> Vec<f32> {
        // Frames that the callback leaves unwritten keep this value.
        let mut out = vec![9.0_f32; frames];
        callback.fill(&mut out, gauge);
        out
    }

    fn tone(i: usize) -> f32 {
        0.5 * (i as f32 * 0.05).sin()
    }

    fn push(producer: &mut Producer<f32>, range: std::ops::Range<usize>) {
        for i in range {
            producer.push(tone(i)).unwrap();
        }
    }

    /// Asserts that neighbouring samples differ no more than those of the tone and of the fade.
    fn assert_no_click(sound: &[f32]) {
        let steepest = sound
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(steepest < 0.04, "a jump of {steepest}");
    }

    #[test]
    fn pushed_samples_are_played_bit_for_bit() {
        let (mut producer, mut callback, gauge) = ring(1000, 100);
        push(&mut producer, 0..1000);
        gauge.finish();
        let heard: Vec<f32> = (0..10)
            .flat_map(|_| fill(&mut callback, &gauge, 100))
            .collect();
        assert!(heard.iter().enumerate().all(|(i, &x)| x == tone(i)));
        assert_eq!((gauge.popped(), gauge.underruns()), (1000, 0));
        assert!(gauge.first().is_some());
    }

    #[test]
    fn nothing_sounds_before_enough_waits() {
        let (mut producer, mut callback, gauge) = ring(1000, 300);
        push(&mut producer, 10..309);
        assert!(fill(&mut callback, &gauge, 64).iter().all(|&x| x == 0.0));
        assert!(gauge.first().is_none());
        push(&mut producer, 309..400);
        assert_eq!(fill(&mut callback, &gauge, 64)[0], tone(10));
        assert_eq!(gauge.underruns(), 0, "a late start is not an underrun");
    }

    #[test]
    fn a_starved_ring_is_silence_and_counted_once_and_playing_recovers() {
        let (mut producer, mut callback, gauge) = ring(10_000, 200);
        push(&mut producer, 0..1_030);
        let mut heard = Vec::new();
        for _ in 0..20 {
            heard.extend(fill(&mut callback, &gauge, 100));
        }
        assert_eq!(
            gauge.underruns(),
            1,
            "one gap is one underrun, however long"
        );
        assert!(
            heard[1_030 + 250..].iter().all(|&x| x == 0.0),
            "no silence after the fade"
        );
        push(&mut producer, 5_000..5_100);
        heard.extend(fill(&mut callback, &gauge, 100));
        assert_eq!(
            *heard.last().unwrap(),
            0.0,
            "it stutters instead of waiting"
        );
        push(&mut producer, 5_100..6_000);
        for _ in 0..8 {
            heard.extend(fill(&mut callback, &gauge, 100));
        }
        assert_no_click(&heard);
        let again = &heard[heard.len() - 100..];
        assert!(
            again.iter().zip(5_700..).all(|(&x, i)| x == tone(i)),
            "other samples than were pushed"
        );
        for _ in 0..5 {
            fill(&mut callback, &gauge, 100);
        }
        assert_eq!(gauge.underruns(), 2);
    }

    #[test]
    fn the_end_is_not_an_underrun_and_nothing_is_lost() {
        let (mut producer, mut callback, gauge) = ring(1_000, 500);
        push(&mut producer, 0..130);
        gauge.finish();
        let heard = [
            fill(&mut callback, &gauge, 100),
            fill(&mut callback, &gauge, 400),
        ]
        .concat();
        assert!(heard[..130].iter().enumerate().all(|(i, &x)| x == tone(i)));
        assert_eq!(heard[499], 0.0);
        assert_no_click(&heard);
        assert_eq!((gauge.popped(), gauge.underruns()), (130, 0));
    }

    #[test]
    fn a_pause_holds_the_sound_without_clicks_or_underruns() {
        let (mut producer, mut callback, gauge) = ring(4_000, 10);
        push(&mut producer, 0..4_000);
        let mut heard = fill(&mut callback, &gauge, 1_000);
        gauge.pause(true);
        heard.extend(fill(&mut callback, &gauge, 1_000));
        let held = gauge.popped();
        heard.extend(fill(&mut callback, &gauge, 1_000));
        assert_eq!(gauge.popped(), held, "sound is lost in a pause");
        assert!(heard[2_000..].iter().all(|&x| x == 0.0));
        gauge.pause(false);
        heard.extend(fill(&mut callback, &gauge, 1_000));
        assert_no_click(&heard);
        assert_eq!(heard[3_999], tone(held as usize + 999));
        assert_eq!(gauge.underruns(), 0);
    }

    #[test]
    fn the_callback_never_allocates() {
        let (mut producer, consumer) = RingBuffer::new(2_000);
        let mut callback = Callback::new(consumer, 2, RATE);
        let gauge = Gauge::new(10);
        let (mut floats, mut words) = (vec![0.0_f32; 512], vec![0_i16; 512]);
        for round in 0..20 {
            if round % 5 < 3 {
                let _ = producer.push_partial_slice(&[0.25; 300]);
            }
            gauge.pause(round % 7 == 0);
            assert_no_alloc(|| {
                callback.fill(&mut floats, &gauge);
                callback.fill(&mut words, &gauge);
            });
        }
        assert!(
            gauge.popped() > 0 && gauge.underruns() > 0,
            "the test reaches both paths"
        );
    }

    #[test]
    fn every_format_and_channel_gets_the_same_sound() {
        let play = || {
            let (mut producer, consumer) = RingBuffer::new(8);
            for sample in [0.5, -1.0, 7.0, f32::NAN] {
                producer.push(sample).unwrap();
            }
            let gauge = Gauge::new(1);
            gauge.finish();
            (Callback::new(consumer, 2, RATE), gauge)
        };
        let (mut callback, gauge) = play();
        let mut words = [1_i16; 8];
        callback.fill(&mut words, &gauge);
        assert_eq!(
            words,
            [16_384, 16_384, -32_768, -32_768, 32_767, 32_767, 0, 0]
        );
        let (mut callback, gauge) = play();
        let mut bytes = [1_u8; 8];
        callback.fill(&mut bytes, &gauge);
        assert_eq!(bytes, [192, 192, 0, 0, 255, 255, 128, 128]);
        assert_eq!(gauge.take_peak(), 1.0);
        assert_eq!(gauge.take_peak(), 0.0);
    }
}
