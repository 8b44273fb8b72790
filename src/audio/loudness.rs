/*!
Evening of loudness, and silence at both ends.

Recordings of one corpus are seldom equally loud, and 8-bit µ-law gives a quiet one few classes to live in. Each file
gets one gain, so that its own dynamics stay as they are. Silence is always judged against the loudest part of the
same file: trimming can therefore never empty it.
*/

use std::ops::Range;

/// The loudness that evening brings the active part of a file to, in dB below full scale.
pub const TARGET_DBFS: f64 = -20.0;
/// No gain lets a peak rise above this.
pub const PEAK: f32 = 0.99;
/// No file is made louder by more than this, in dB: what lies deeper is mostly noise.
pub const MAX_GAIN_DB: f64 = 30.0;
/// Blocks this far below the loudest one, in dB, count as silent.
pub const SILENCE_DB: f64 = -50.0;
/// Peaks below this are no sound at all; such files are left alone.
const INAUDIBLE: f32 = 1e-4;
/// Blocks a second.
const BLOCKS: u32 = 50;

/// Brings a file to the common loudness with one gain, which is returned (1 for a silent file).
///
/// The root mean square of the blocks above [`SILENCE_DB`] is brought to [`TARGET_DBFS`], as far as [`PEAK`] and
/// [`MAX_GAIN_DB`] allow.
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

/// The part between the silence at both ends, with one block of it left on either side; all of a silent clip.
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

/// The power a block must have to be heard beside the loudest one. Nothing reaches that of a silent file.
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

/// The ratio of amplitudes that so many decibels are.
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
