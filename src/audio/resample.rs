/*!
Resamples whole recordings, without a shift in time and without aliases.

The library resamples in the frequency domain, block by block, with a windowed sinc low-pass below the lower of the two
Nyquist frequencies. Longer blocks bring the passband closer to that frequency; long ones are possible because no sound
is played live here.
*/

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, ResamplerConstructionError, WindowFunction};

use crate::audio::check_rate;
use crate::error::{Error, Result};

/// A block is at least this long at either rate, in samples.
const MIN_BLOCK: usize = 2048;

/// Resamples mono `samples` from the rate `from` to the rate `to`, both in Hz.
///
/// The result has round(n · to / from) samples; the delay of the filter is removed.
///
/// # Errors
/// A usage error for a rate outside [`MIN_RATE`](crate::audio::MIN_RATE)..=[`MAX_RATE`](crate::audio::MAX_RATE).
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    check_rate(from)?;
    check_rate(to)?;
    if from == to {
        return Ok(samples.to_vec());
    }
    let wanted = resampled_len(samples.len(), from, to);
    if wanted == 0 {
        return Ok(Vec::new());
    }
    run(samples, from, to, wanted)
        .map_err(|reason| Error::usage(format!("cannot resample from {from} to {to} Hz: {reason}")))
}

/// round(n · to / from), and at least 1 unless n is 0.
pub fn resampled_len(n: usize, from: u32, to: u32) -> usize {
    let least = n.min(1);
    let (n, from, to) = (n as u128, u128::from(from), u128::from(to));
    (((2 * n * to + from) / (2 * from)) as usize).max(least)
}

/// Computes in f64, because rounding to f32 would be the larger part of the error.
fn run(
    samples: &[f32],
    from: u32,
    to: u32,
    wanted: usize,
) -> std::result::Result<Vec<f32>, Box<dyn std::error::Error>> {
    let mut engine = resampler(from as usize, to as usize)?;
    let (block_in, block_out) = (engine.input_frames_next(), engine.output_frames_next());
    let mut input = vec![0.0; block_in];
    let mut output = vec![0.0; block_out];
    let mut delay = engine.output_delay();
    let mut resampled = Vec::with_capacity(wanted + block_out);
    let mut blocks = samples.chunks(block_in);
    while resampled.len() < wanted {
        let block = blocks.next().unwrap_or_default();
        for (i, input) in input.iter_mut().enumerate() {
            *input = block.get(i).copied().map_or(0.0, f64::from);
        }
        engine.process_into_buffer(
            &InterleavedSlice::new(&input, 1, block_in)?,
            &mut InterleavedSlice::new_mut(&mut output, 1, block_out)?,
            None,
        )?;
        let late = delay.min(block_out);
        delay -= late;
        resampled.extend(output[late..].iter().map(|&sample| sample as f32));
    }
    resampled.truncate(wanted);
    Ok(resampled)
}

fn resampler(from: usize, to: usize) -> std::result::Result<Fft<f64>, ResamplerConstructionError> {
    let unit = gcd(from, to);
    // An even number of units: half a block, the delay, is then a whole number of samples at both rates.
    let units = (MIN_BLOCK / (from.min(to) / unit) + 1).next_multiple_of(2);
    Fft::new_custom(
        from,
        to,
        units * (from / unit),
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const PAIRS: [(u32, u32); 7] = [
        (44_100, 16_000),
        (48_000, 16_000),
        (192_000, 8_000),
        (8_000, 16_000),
        (11_025, 16_000),
        (16_000, 44_100),
        (44_101, 15_999),
    ];

    fn sine(frequency: f64, rate: u32, n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| (0.5 * (TAU * frequency * i as f64 / f64::from(rate)).sin()) as f32)
            .collect()
    }

    fn power(samples: impl Iterator<Item = f64>) -> f64 {
        let (sum, n) = samples.fold((0.0, 0.0), |(sum, n), x| (sum + x * x, n + 1.0));
        sum / n
    }

    #[test]
    fn a_sine_below_the_lower_nyquist_survives_in_its_place() {
        for (from, to) in PAIRS {
            for part in [0.01, 0.1, 0.25, 0.4] {
                let frequency = part * f64::from(from.min(to));
                let resampled = resample(&sine(frequency, from, from as usize), from, to).unwrap();
                let ideal = sine(frequency, to, resampled.len());
                // The ends do not count: there the sine begins and stops.
                let inner = resampled.len() / 8..resampled.len() * 7 / 8;
                let error = inner.clone().map(|i| f64::from(resampled[i] - ideal[i]));
                let signal = inner.map(|i| f64::from(ideal[i]));
                let snr = 10.0 * (power(signal) / power(error)).log10();
                assert!(snr > 60.0, "{from} to {to} Hz, {frequency} Hz: {snr:.1} dB");
            }
        }
    }

    #[test]
    fn a_sine_above_the_new_nyquist_is_gone() {
        for (from, to) in PAIRS.into_iter().filter(|(from, to)| from > to) {
            for part in [0.505, 0.6, 0.9] {
                let frequency = part * f64::from(to);
                if frequency > 0.49 * f64::from(from) {
                    continue;
                }
                let tone = sine(frequency, from, from as usize);
                let left = resample(&tone, from, to).unwrap();
                let inner = left.len() / 8..left.len() * 7 / 8;
                let loss = 10.0
                    * (power(tone.iter().map(|&x| f64::from(x)))
                        / power(inner.map(|i| f64::from(left[i]))))
                    .log10();
                assert!(
                    loss > 60.0,
                    "{from} to {to} Hz, {frequency} Hz: {loss:.1} dB"
                );
            }
        }
    }

    #[test]
    fn the_length_is_the_rounded_ratio() {
        for (from, to) in PAIRS {
            for n in [0, 1, 2, 3, 100, 4096, 10_001] {
                let ideal = (n as f64 * f64::from(to) / f64::from(from)).round() as usize;
                let ideal = ideal.max(n.min(1));
                assert_eq!(resample(&vec![0.1; n], from, to).unwrap().len(), ideal);
            }
        }
    }

    #[test]
    fn equal_rates_change_nothing_and_absurd_ones_are_refused() {
        let samples = sine(440.0, 8_000, 999);
        assert_eq!(resample(&samples, 8_000, 8_000).unwrap(), samples);
        assert!(resample(&samples, 0, 8_000).is_err());
        assert!(resample(&samples, 8_000, 2_000_000).is_err());
    }
}
