/*! Whether a frame of sound has a pitch. */

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// The pitches that count, in Hz.
const LOWEST: u32 = 60;
const HIGHEST: u32 = 1000;

/// The normalised autocorrelation of frames of one length (McLeod and Wyvill, "A smarter way to find pitch", 2005):
/// n(τ) = 2 Σ x(j) x(j + τ) / Σ (x(j)² + x(j + τ)²), from −1 to 1 for any level of the frame.
pub(super) struct Tonality {
    len: usize,
    rate: u32,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    padded: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
}

impl Tonality {
    /// Of frames of `len` samples of `rate` Hz.
    pub(super) fn new(len: usize, rate: u32) -> Self {
        let mut planner = RealFftPlanner::new();
        // No product of the longest lag wraps around.
        let padded = (len + longest(rate) + 1).next_power_of_two();
        let forward = planner.plan_fft_forward(padded);
        Self {
            len,
            rate,
            inverse: planner.plan_fft_inverse(padded),
            padded: forward.make_input_vec(),
            spectrum: forward.make_output_vec(),
            forward,
        }
    }

    /// The highest normalised autocorrelation at the periods from 60 to 1,000 Hz, behind its first zero crossing: there
    /// the peak at lag 0 has ended. 0 without a crossing.
    pub(super) fn clarity(&mut self, frame: &[f32]) -> f32 {
        let frame = &frame[..frame.len().min(self.len)];
        let mean = frame.iter().sum::<f32>() / frame.len().max(1) as f32;
        self.padded.fill(0.0);
        for (padded, sample) in self.padded.iter_mut().zip(frame) {
            *padded = sample - mean;
        }
        let centred = self.padded[..frame.len()].to_vec();
        let transformed = self.forward.process(&mut self.padded, &mut self.spectrum);
        for bin in &mut self.spectrum {
            *bin = Complex::new(bin.norm_sqr(), 0.0);
        }
        let back = self.inverse.process(&mut self.spectrum, &mut self.padded);
        if transformed.and(back).is_err() {
            unreachable!("the buffers have the length of the transform");
        }
        self.peak(&centred)
    }

    fn peak(&self, centred: &[f32]) -> f32 {
        let scale = 1.0 / self.padded.len() as f32;
        // Σ (x(j)² + x(j + τ)²), from one lag to the next.
        let mut energy = 2.0 * centred.iter().map(|x| x * x).sum::<f32>();
        let enough = 1e-4 * energy;
        let (mut crossed, mut peak) = (false, 0.0_f32);
        for lag in 0..=longest(self.rate).min(centred.len().saturating_sub(1)) {
            if lag > 0 {
                energy -= centred[lag - 1].powi(2) + centred[centred.len() - lag].powi(2);
            }
            if energy <= enough {
                break;
            }
            let correlation = 2.0 * self.padded[lag] * scale / energy;
            crossed |= correlation < 0.0;
            if crossed && lag >= (self.rate / HIGHEST) as usize {
                peak = peak.max(correlation);
            }
        }
        peak.min(1.0)
    }
}

/// The longest period, in samples.
fn longest(rate: u32) -> usize {
    (rate / LOWEST) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use std::f32::consts::TAU;

    #[test]
    fn tones_are_clear_and_noise_and_silence_are_not() {
        for rate in [1_000, 8_000, 16_000, 48_000] {
            let len = rate as usize * 64 / 1000;
            let mut tonality = Tonality::new(len, rate);
            for hertz in [65.0, 110.0, 440.0_f32] {
                let tone: Vec<f32> = (0..len)
                    .map(|i| 0.1 + 0.3 * (TAU * hertz * i as f32 / rate as f32).sin())
                    .collect();
                let clarity = tonality.clarity(&tone);
                assert!(clarity > 0.85, "{hertz} Hz at {rate}: {clarity}");
            }
            assert_eq!(tonality.clarity(&vec![0.5; len]), 0.0);
            assert_eq!(tonality.clarity(&[]), 0.0);
            let mut random = Lcg(3);
            // A frame at 1 kHz has too few samples for its noise to be told from a tone.
            if rate > 1_000 {
                let clarity = tonality.clarity(&random.values(len, 0.5));
                assert!(clarity < 0.5, "{rate}: {clarity}");
            }
            let slope: Vec<f32> = (0..len).map(|i| i as f32 / len as f32).collect();
            assert!(tonality.clarity(&slope) < 0.5);
        }
    }
}
