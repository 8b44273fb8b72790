/*!
Loudness of recordings: one gain for each file, and trimming of silence at both ends.

8-bit µ-law encodes a quiet recording with few classes. One gain for a whole file keeps its dynamics. Trimming compares
each part with the loudest part of the same file, so that it never empties a file.
*/

use std::ops::Range;

/// Root mean square of the active part of a file after [`even_loudness`], in dB below full scale.
const TARGET_DBFS: f64 = -20.0;
/// The highest peak after [`even_loudness`].
const PEAK: f32 = 0.99;
/// The highest gain, in dB: quieter recordings are mostly noise.
const MAX_GAIN_DB: f64 = 30.0;
/// Blocks this far below the loudest one, in dB, are silent.
const SILENCE_DB: f64 = -50.0;
/// A file whose peak is below this, −80 dBFS, is silent.
const INAUDIBLE: f32 = 1e-4;
/// Blocks a second.
const BLOCKS: u32 = 50;

/// Whether a recording carries sound: at least 10 ms, and above −80 dBFS without its mean.
pub fn is_audible(samples: &[f32], rate: u32) -> bool {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample)).sum();
    let mean = (sum / samples.len().max(1) as f64) as f32;
    samples.len() >= rate as usize / 100
        && samples
            .iter()
            .any(|sample| (sample - mean).abs() >= INAUDIBLE)
}

/// Scales a file to the common loudness and returns the gain (1 for a silent file).
///
/// The root mean square of the blocks above `SILENCE_DB` becomes `TARGET_DBFS`, as far as `PEAK` and `MAX_GAIN_DB` allow.
pub fn even_loudness(samples: &mut [f32], rate: u32) -> f32 {
    let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    if peak < INAUDIBLE {
        return 1.0;
    }
    let powers = block_powers(samples, rate);
    let floor = silence_floor(&powers);
    let active: Vec<f64> = powers.into_iter().filter(|&power| power >= floor).collect();
    let rms = (active.iter().sum::<f64>() / active.len() as f64).sqrt();
    let gain = (decibels(TARGET_DBFS) / rms)
        .min(decibels(MAX_GAIN_DB))
        .min(f64::from(PEAK) / f64::from(peak)) as f32;
    for sample in samples.iter_mut() {
        *sample = (*sample * gain).clamp(-PEAK, PEAK);
    }
    gain
}

/// The range without the silence at both ends, but with one block of it on either side; all of a silent file.
pub fn trim_silence(samples: &[f32], rate: u32) -> Range<usize> {
    let powers = block_powers(samples, rate);
    let floor = silence_floor(&powers);
    let active = |power: &f64| *power >= floor;
    let (Some(first), Some(last)) = (
        powers.iter().position(active),
        powers.iter().rposition(active),
    ) else {
        return 0..samples.len();
    };
    let block = block_len(rate);
    first.saturating_sub(1) * block..((last + 2) * block).min(samples.len())
}

/// Mean squares of consecutive blocks of 20 ms; the last one may be shorter.
pub(crate) fn block_powers(samples: &[f32], rate: u32) -> Vec<f64> {
    samples
        .chunks(block_len(rate))
        .map(|block| {
            let squares = block.iter().map(|&s| f64::from(s) * f64::from(s));
            squares.sum::<f64>() / block.len() as f64
        })
        .collect()
}

/// The least power of an active block; infinite for a silent file.
fn silence_floor(powers: &[f64]) -> f64 {
    let loudest = powers
        .iter()
        .fold(0.0_f64, |loudest, &power| loudest.max(power));
    if loudest > 0.0 {
        loudest * decibels(SILENCE_DB).powi(2)
    } else {
        f64::INFINITY
    }
}

fn block_len(rate: u32) -> usize {
    (rate / BLOCKS).max(1) as usize
}

/// Decibels as a ratio of amplitudes.
pub(crate) fn decibels(db: f64) -> f64 {
    10_f64.powf(db / 20.0)
}

#[cfg(test)]
// The values compared for equality are exact.
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    const RATE: u32 = 8_000;

    fn tone(amplitude: f32, n: usize) -> Vec<f32> {
        let phase = |i: usize| TAU * 440.0 * i as f32 / RATE as f32;
        (0..n).map(|i| amplitude * phase(i).sin()).collect()
    }

    fn rms_dbfs(samples: &[f32]) -> f64 {
        let power: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
        10.0 * (power / samples.len() as f64).log10()
    }

    #[test]
    fn loud_and_quiet_files_become_equally_loud() {
        for amplitude in [0.01, 0.1, 0.9, 40.0] {
            let mut samples = tone(amplitude, 16_000);
            even_loudness(&mut samples, RATE);
            let reached = rms_dbfs(&samples);
            assert!(
                (reached - TARGET_DBFS).abs() < 0.1,
                "{amplitude}: {reached} dB"
            );
        }
    }

    #[test]
    fn silence_around_a_sound_does_not_count() {
        let mut samples = vec![0.0; 80_000];
        samples[40_000..48_000].copy_from_slice(&tone(0.5, 8_000));
        even_loudness(&mut samples, RATE);
        assert!((rms_dbfs(&samples[40_000..48_000]) - TARGET_DBFS).abs() < 0.2);
    }

    #[test]
    fn the_gain_is_limited_by_the_peak_and_by_its_own_bound() {
        let mut click = tone(0.001, 16_000);
        click[8_000] = 0.5;
        even_loudness(&mut click, RATE);
        assert!((click[8_000] - PEAK).abs() < 1e-6);

        let mut faint = tone(0.000_5, 16_000);
        let gain = even_loudness(&mut faint, RATE);
        assert!((f64::from(gain) - decibels(MAX_GAIN_DB)).abs() < 1e-3);
    }

    #[test]
    fn silence_a_constant_and_a_few_samples_are_not_audible() {
        for (samples, audible) in [
            (tone(0.5, 8_000), true),
            (tone(2e-4, 8_000), true),
            (tone(0.5, 80), true),
            (tone(0.5, 79), false),
            (tone(0.5, 5), false),
            (tone(9e-5, 8_000), false),
            (vec![0.0; 8_000], false),
            (vec![0.3; 8_000], false),
            (vec![], false),
        ] {
            let n = samples.len();
            assert_eq!(is_audible(&samples, RATE), audible, "{n} samples");
            let shifted: Vec<f32> = samples.iter().map(|sample| sample + 0.25).collect();
            assert_eq!(
                is_audible(&shifted, RATE),
                audible,
                "{n} samples and an offset"
            );
        }
    }

    #[test]
    fn silent_and_empty_files_stay_as_they_are() {
        for mut samples in [vec![], vec![0.0; 1000], vec![1e-6; 1000]] {
            let before = samples.clone();
            assert_eq!(even_loudness(&mut samples, RATE), 1.0);
            assert_eq!(samples, before);
        }
    }

    #[test]
    fn trimming_keeps_the_sound_and_drops_the_rest() {
        let mut samples = vec![0.0; 24_000];
        samples[8_000..12_000].copy_from_slice(&tone(0.5, 4_000));
        let kept = trim_silence(&samples, RATE);
        assert!(kept.start <= 8_000 && kept.end >= 12_000, "{kept:?}");
        assert!(kept.len() <= 4_000 + 4 * block_len(RATE), "{kept:?}");
    }

    #[test]
    fn trimming_never_empties() {
        for n in [1, 2, 159, 160, 161, 5_000] {
            for amplitude in [0.0, 1e-30, 1e-6, 1.0] {
                assert!(!trim_silence(&tone(amplitude, n), RATE).is_empty());
                assert!(!trim_silence(&vec![amplitude; n], RATE).is_empty());
            }
            assert_eq!(
                trim_silence(&vec![0.0; n], RATE),
                0..n,
                "silence is kept whole"
            );
        }
        assert_eq!(trim_silence(&[], RATE), 0..0);
    }
}
