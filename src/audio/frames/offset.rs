/*! Removes the offset of a recording. */

/// Frequencies below this are removed, in Hz (3 dB).
const CUTOFF: f64 = 30.0;

/// The pole of a filter that removes what lies below 30 Hz.
pub fn offset_pole(rate: u32) -> f64 {
    (-std::f64::consts::TAU * CUTOFF / f64::from(rate)).exp()
}

/// Removes what lies below 30 Hz with one pole. µ-law is coarse away from zero, so that an offset becomes noise.
///
/// The filter starts as if the mean of the first period of 30 Hz had lasted for ever: a recording with an offset does not
/// begin with a step.
pub fn without_offset(samples: &mut [f32], rate: u32) {
    let pole = offset_pole(rate);
    let first = (f64::from(rate) / CUTOFF) as usize;
    let beginning = &samples[..samples.len().min(first)];
    let sum: f64 = beginning.iter().map(|&sample| f64::from(sample)).sum();
    let mut last = sum / beginning.len().max(1) as f64;
    let mut filtered = 0.0;
    for sample in samples {
        let newest = f64::from(*sample);
        filtered = newest - last + pole * filtered;
        last = newest;
        *sample = filtered as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const RATES: [u32; 4] = [8_000, 16_000, 22_050, 48_000];

    fn tone(frequency: f64, rate: u32) -> impl Fn(usize) -> f64 {
        move |i| 0.3 * (TAU * frequency * i as f64 / f64::from(rate)).sin()
    }

    fn rms(samples: &[f32]) -> f64 {
        let sum: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
        (sum / samples.len() as f64).sqrt()
    }

    #[test]
    fn an_offset_goes_and_a_tone_stays() {
        for rate in RATES {
            let tone = tone(200.0, rate);
            let clean: Vec<f32> = (0..rate as usize).map(|i| tone(i) as f32).collect();
            let mut samples: Vec<f32> = clean.iter().map(|s| s + 0.1).collect();
            without_offset(&mut samples, rate);
            // A tenth of a second is a whole number of periods.
            for part in samples.chunks_exact(rate as usize / 10) {
                let mean = part.iter().map(|&s| f64::from(s)).sum::<f64>() / part.len() as f64;
                assert!(mean.abs() < 5e-3, "{rate} Hz: a mean of {mean}");
            }
            let level = rms(&samples) / rms(&clean);
            assert!(
                (0.97..1.02).contains(&level),
                "{rate} Hz: a level of {level}"
            );
        }
    }

    #[test]
    fn what_lies_below_the_cutoff_becomes_quiet() {
        let tone = tone(3.0, 8_000);
        let mut samples: Vec<f32> = (0..16_000).map(|i| tone(i) as f32).collect();
        let before = rms(&samples);
        without_offset(&mut samples, 8_000);
        assert!(rms(&samples) < 0.12 * before);
    }

    #[test]
    fn a_constant_becomes_silence_from_the_first_sample() {
        for n in [0, 1, 3, 700] {
            let mut samples = vec![0.25; n];
            without_offset(&mut samples, 8_000);
            assert!(samples.iter().all(|s| s.abs() < 1e-6), "{n} samples");
        }
    }
}
