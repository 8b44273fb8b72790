/*!
Resamples a stream while it is generated.

Every sample of look-ahead is a delay before the loudspeaker. A windowed sinc of 128 samples at the lower rate (64 of
look-ahead, 4 ms at 16 kHz) keeps frequencies below nine tenths of the lower Nyquist frequency and removes those above it.

The output does not depend on how the input was cut into pieces: [`resample`] returns exactly what a player plays.
*/

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use crate::audio::check_rate;
use crate::audio::resample::resampled_len;
use crate::error::{Error, Result};

/// Length of the filter, in samples of the lower rate.
const TAPS: usize = 128;
/// Filters between two input samples; the error of the cubic interpolation between them is far below that of the window.
const PHASES: usize = 256;
/// Blocks of input a second; all have the same length.
const BLOCKS: u32 = 500;

/// Resamples a mono stream from one rate to another, with a delay of a few milliseconds.
///
/// It removes the filter's delay from the beginning, to less than one output sample. Equal rates pass through unchanged and
/// without delay.
pub struct StreamResampler {
    from: u32,
    to: u32,
    /// `None` between equal rates.
    filter: Option<Filter>,
    read: u64,
    written: u64,
}

struct Filter {
    engine: Async<f32>,
    /// Samples of the next block, at the input rate.
    block: Vec<f32>,
    block_len: usize,
    /// The engine's output for one block.
    output: Vec<f32>,
    /// Output samples of the filter's delay that are still to be dropped.
    late: usize,
}

impl StreamResampler {
    /// From `from` to `to`, both in Hz.
    ///
    /// # Errors
    /// A usage error for a rate outside [`MIN_RATE`](crate::audio::MIN_RATE)..=[`MAX_RATE`](crate::audio::MAX_RATE).
    pub fn new(from: u32, to: u32) -> Result<Self> {
        check_rate(from)?;
        check_rate(to)?;
        let filter = (from != to).then(|| Filter::new(from, to)).transpose()?;
        Ok(Self {
            from,
            to,
            filter,
            read: 0,
            written: 0,
        })
    }

    /// Seconds from input to output.
    #[cfg(test)]
    fn delay(&self) -> f64 {
        self.filter.as_ref().map_or(0.0, |filter| {
            (filter.look_ahead() + filter.block_len) as f64 / f64::from(self.from)
        })
    }

    /// Takes samples at the input rate and appends those that are ready at the output rate.
    ///
    /// # Errors
    /// Those of the library, which do not occur with these sizes.
    pub fn process(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        self.read += samples.len() as u64;
        let before = out.len();
        match &mut self.filter {
            None => out.extend_from_slice(samples),
            Some(filter) => filter.process(samples, out)?,
        }
        self.written += (out.len() - before) as u64;
        Ok(())
    }

    /// Appends the rest, so that the output has round(n · to / from) samples in all (at least one unless n is 0), and
    /// resets the resampler.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn drain(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let wanted = resampled_len(self.read as usize, self.from, self.to) as u64;
        let missing = wanted.saturating_sub(self.written) as usize;
        if let Some(filter) = &mut self.filter {
            let end = out.len() + missing;
            let silence = vec![0.0; filter.block_len];
            while out.len() < end {
                filter.process(&silence, out)?;
            }
            out.truncate(end);
            filter.reset();
        }
        (self.read, self.written) = (0, 0);
        Ok(())
    }
}

/// Resamples a whole sound with a `StreamResampler`.
///
/// # Errors
/// As `StreamResampler::new`.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    let mut resampler = StreamResampler::new(from, to)?;
    let mut out = Vec::with_capacity(resampled_len(samples.len(), from, to));
    resampler.process(samples, &mut out)?;
    resampler.drain(&mut out)?;
    Ok(out)
}

impl Filter {
    fn new(from: u32, to: u32) -> Result<Self> {
        let block_len = from.div_ceil(BLOCKS) as usize;
        // The lower rate determines the duration of the filter.
        let taps = (TAPS * from as usize)
            .div_ceil(from.min(to) as usize)
            .next_multiple_of(8);
        let parameters = SincInterpolationParameters::new(taps, WindowFunction::BlackmanHarris)
            .oversampling_factor(PHASES)
            .interpolation(SincInterpolationType::Cubic);
        let ratio = f64::from(to) / f64::from(from);
        let engine = Async::new_sinc(ratio, 1.0, &parameters, block_len, 1, FixedAsync::Input)
            .map_err(|reason| refuse(&reason))?;
        Ok(Self {
            block: Vec::with_capacity(block_len),
            block_len,
            output: vec![0.0; engine.output_frames_max()],
            late: engine.output_delay(),
            engine,
        })
    }

    /// Input samples after the current one that the filter reads.
    #[cfg(test)]
    fn look_ahead(&self) -> usize {
        (self.engine.output_delay() as f64 / self.engine.resample_ratio()).ceil() as usize
    }

    fn process(&mut self, mut samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        while !samples.is_empty() {
            let (now, later) =
                samples.split_at(samples.len().min(self.block_len - self.block.len()));
            self.block.extend_from_slice(now);
            samples = later;
            if self.block.len() == self.block_len {
                let made = self.process_block().map_err(|reason| refuse(&*reason))?;
                self.block.clear();
                let late = self.late.min(made);
                self.late -= late;
                out.extend_from_slice(&self.output[late..made]);
            }
        }
        Ok(())
    }

    /// Resamples one block; returns the number of samples in `output`.
    fn process_block(&mut self) -> std::result::Result<usize, Box<dyn std::error::Error>> {
        let room = self.output.len();
        let input = InterleavedSlice::new(&self.block, 1, self.block_len)?;
        let mut output = InterleavedSlice::new_mut(&mut self.output, 1, room)?;
        let (_, made) = self.engine.process_into_buffer(&input, &mut output, None)?;
        Ok(made)
    }

    fn reset(&mut self) {
        self.engine.reset();
        self.block.clear();
        self.late = self.engine.output_delay();
    }
}

fn refuse(reason: &dyn std::error::Error) -> Error {
    Error::usage(format!("cannot resample a stream: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const PAIRS: [(u32, u32); 7] = [
        (8_000, 48_000),
        (16_000, 48_000),
        (44_100, 48_000),
        (16_000, 44_100),
        (48_000, 44_100),
        (48_000, 16_000),
        (11_025, 48_000),
    ];

    fn sine(frequency: f64, rate: u32, n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| (0.5 * (TAU * frequency * i as f64 / f64::from(rate)).sin()) as f32)
            .collect()
    }

    /// Amplitude and phase of the least-squares sine of this frequency (cycles a sample), and the signal-to-noise ratio
    /// in dB.
    fn fit(samples: &[f32], frequency: f64) -> (f64, f64, f64) {
        let wave = |i: usize| (TAU * frequency * i as f64).sin_cos();
        let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (i, &x) in samples.iter().enumerate() {
            let (s, c) = wave(i);
            ss += s * s;
            cc += c * c;
            sc += s * c;
            xs += f64::from(x) * s;
            xc += f64::from(x) * c;
        }
        let determinant = ss * cc - sc * sc;
        let (a, b) = (
            (xs * cc - xc * sc) / determinant,
            (xc * ss - xs * sc) / determinant,
        );
        let (mut signal, mut noise) = (0.0, 0.0);
        for (i, &x) in samples.iter().enumerate() {
            let (s, c) = wave(i);
            let ideal = a * s + b * c;
            signal += ideal * ideal;
            noise += (f64::from(x) - ideal).powi(2);
        }
        (a.hypot(b), b.atan2(a), 10.0 * (signal / noise).log10())
    }

    #[test]
    fn a_sine_below_the_lower_nyquist_survives_in_its_place() {
        for (from, to) in PAIRS {
            for part in [0.011, 0.1, 0.25, 0.42] {
                let frequency = part * f64::from(from.min(to));
                let resampled =
                    resample(&sine(frequency, from, from as usize / 2), from, to).unwrap();
                // The ends do not count: there the sine begins and stops.
                let start = resampled.len() / 8;
                let cycles = frequency / f64::from(to);
                let (amplitude, phase, snr) =
                    fit(&resampled[start..resampled.len() * 7 / 8], cycles);
                let at = format!("{from} to {to} Hz, {frequency} Hz");
                assert!(snr > 80.0, "{at}: {snr:.1} dB");
                assert!((amplitude - 0.5).abs() < 5e-4, "{at}: {amplitude}");
                let turns = phase / TAU - cycles * start as f64;
                let shift = (turns - turns.round()) / cycles;
                assert!(shift.abs() < 1.5, "{at}: {shift} samples");
            }
        }
    }

    #[test]
    fn a_sine_above_the_new_nyquist_is_gone() {
        for (from, to) in PAIRS.into_iter().filter(|(from, to)| from > to) {
            for part in [0.52, 0.7, 0.9] {
                let frequency = part * f64::from(to);
                if frequency > 0.49 * f64::from(from) {
                    continue;
                }
                let left = resample(&sine(frequency, from, from as usize / 2), from, to).unwrap();
                let inner = &left[left.len() / 8..left.len() * 7 / 8];
                let power: f64 = inner.iter().map(|&x| f64::from(x).powi(2)).sum();
                let loss = 10.0 * (0.125 * inner.len() as f64 / power).log10();
                assert!(
                    loss > 70.0,
                    "{from} to {to} Hz, {frequency} Hz: {loss:.1} dB"
                );
            }
        }
    }

    #[test]
    fn how_the_input_is_cut_changes_nothing() {
        for (from, to) in PAIRS.into_iter().chain([(8_000, 8_000)]) {
            let sound = sine(440.0, from, 5_001);
            let whole = resample(&sound, from, to).unwrap();
            let mut resampler = StreamResampler::new(from, to).unwrap();
            // The later rounds use a drained resampler.
            for cut in [1, 7, 640, 5_001] {
                let mut out = Vec::new();
                for part in sound.chunks(cut) {
                    resampler.process(part, &mut out).unwrap();
                }
                resampler.drain(&mut out).unwrap();
                assert!(out == whole, "{from} to {to} Hz in pieces of {cut}");
            }
        }
    }

    #[test]
    fn the_length_is_the_rounded_ratio_and_the_delay_is_short() {
        for (from, to) in PAIRS {
            for n in [0, 1, 2, 100, 4_096, 10_001] {
                let ideal = resampled_len(n, from, to);
                assert_eq!(resample(&vec![0.1; n], from, to).unwrap().len(), ideal);
            }
            let mut resampler = StreamResampler::new(from, to).unwrap();
            assert!(resampler.delay() < 0.012, "{from}: {}", resampler.delay());
            let needed = (resampler.delay() * f64::from(from)).ceil() as usize + 1;
            let mut out = Vec::new();
            resampler.process(&vec![0.1; needed], &mut out).unwrap();
            assert!(
                !out.is_empty(),
                "{from} to {to} Hz: nothing after the delay"
            );
        }
    }

    #[test]
    fn equal_rates_change_nothing_and_absurd_ones_are_refused() {
        let samples = sine(440.0, 8_000, 999);
        assert_eq!(resample(&samples, 8_000, 8_000).unwrap(), samples);
        assert_eq!(StreamResampler::new(8_000, 8_000).unwrap().delay(), 0.0);
        assert!(StreamResampler::new(0, 8_000).is_err());
        assert!(StreamResampler::new(8_000, 2_000_000).is_err());
    }
}
