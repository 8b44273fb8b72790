/*!
The coefficients of linear prediction from an envelope.

The band powers become a power spectrum, its Fourier transform is the autocorrelation, and Levinson's recursion solves for
the coefficients (Makhoul 1975). All sums have a fixed order and exp is our own: the same envelope gives the same bits.
*/

use std::f64::consts::TAU;

use crate::audio::frames::bands::MelBands;
use crate::base::math;

/// The width of the lag window, in Hz: no resonance is narrower.
const LAG_WINDOW: f64 = 30.0;
/// White noise that is added, as a share of the power.
const WHITE_NOISE: f64 = 1e-3;

/// The all-pole model of envelopes.
pub(super) struct AllPole {
    order: usize,
    /// Bins of the spectrum.
    bins: usize,
    /// Centres of the bands in bins.
    centres: Vec<f32>,
    /// `[bins, order + 1]`: the cosine of each bin at each lag, with its weight and the lag window.
    cosines: Vec<f64>,
}

impl AllPole {
    pub(super) fn new(bands: &MelBands, order: usize, rate: u32) -> Self {
        let transform = bands.transform;
        let bins = transform / 2 + 1;
        let mut cosines = Vec::with_capacity(bins * (order + 1));
        for bin in 0..bins {
            // Bins between the ends stand for a positive and a negative frequency.
            let weight = if bin % (transform / 2) == 0 { 1.0 } else { 2.0 };
            for lag in 0..=order {
                let turn = (bin * lag % transform) as f64 / transform as f64;
                let width = TAU * LAG_WINDOW * lag as f64 / f64::from(rate);
                let value = weight * (TAU * turn).cos() * (-0.5 * width * width).exp();
                // The last bits of cos and exp depend on the system; those of f32 do not.
                cosines.push(f64::from(value as f32));
            }
        }
        Self {
            order,
            bins,
            centres: bands.centres().iter().map(|&c| c as f32).collect(),
            cosines,
        }
    }

    /// Appends the coefficients for a natural logarithm of the power in each band.
    pub(super) fn coefficients(&self, envelope: &[f32], out: &mut Vec<f32>) {
        let mut correlation = vec![0.0; self.order + 1];
        let rows = self.cosines.chunks_exact(self.order + 1);
        for (power, row) in self.spectrum(envelope).iter().zip(rows) {
            for (sum, cosine) in correlation.iter_mut().zip(row) {
                *sum += power * cosine;
            }
        }
        correlation[0] *= 1.0 + WHITE_NOISE;
        out.extend(levinson(&correlation).iter().map(|&a| a as f32));
    }

    /// The power of each bin: the logarithm is linear between the centres of bands and constant outside.
    fn spectrum(&self, envelope: &[f32]) -> Vec<f64> {
        let mut spectrum = Vec::with_capacity(self.bins);
        let mut fill_to = |bin: f32, mut power: f64, ratio: f64| {
            while spectrum.len() < bin as usize {
                spectrum.push(power);
                power *= ratio;
            }
            bin
        };
        let power = |log: f32| f64::from(math::exp(log));
        let mut from = fill_to(self.centres[0].ceil(), power(envelope[0]), 1.0);
        for (centres, logs) in self.centres.windows(2).zip(envelope.windows(2)) {
            let slope = (logs[1] - logs[0]) / (centres[1] - centres[0]);
            let first = power(logs[0] + slope * (from - centres[0]));
            from = fill_to(centres[1].ceil(), first, power(slope));
        }
        let last = power(envelope[envelope.len() - 1]);
        fill_to(self.bins as f32, last, 1.0);
        spectrum
    }
}

/// The coefficients of order n − 1 of an autocorrelation of n lags (Levinson 1947, Durbin 1960).
fn levinson(correlation: &[f64]) -> Vec<f64> {
    let order = correlation.len() - 1;
    let mut coefficients = vec![0.0; order];
    let mut reversed = vec![0.0; order];
    let mut error = correlation[0];
    for i in 0..order {
        let mut left = correlation[i + 1];
        for j in 0..i {
            left -= coefficients[j] * correlation[i - j];
        }
        let reflection = left / error;
        reversed[..i].copy_from_slice(&coefficients[..i]);
        reversed[..i].reverse();
        for (a, b) in coefficients[..i].iter_mut().zip(&reversed) {
            *a -= reflection * b;
        }
        coefficients[i] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    coefficients
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;

    /// The largest magnitude of a reflection coefficient (the recursion backwards): below 1, the filter is stable.
    pub(in crate::audio::frames) fn largest_reflection(coefficients: &[f32]) -> f64 {
        let mut a: Vec<f64> = coefficients.iter().map(|&a| f64::from(a)).collect();
        let mut largest = 0.0_f64;
        while let Some(k) = a.pop() {
            largest = largest.max(k.abs());
            let n = a.len();
            a = (0..n)
                .map(|j| (a[j] + k * a[n - 1 - j]) / (1.0 - k * k))
                .collect();
        }
        largest
    }

    fn model(rate: u32) -> (AllPole, usize) {
        let bands = MelBands::new(rate);
        (AllPole::new(&bands, 16, rate), bands.len())
    }

    #[test]
    fn levinson_solves_the_normal_equations() {
        let correlation = [4.0, 2.5, -0.3, 0.8, 0.1];
        let a = levinson(&correlation);
        for row in 1..correlation.len() {
            let sum: f64 = (1..=a.len())
                .map(|k| a[k - 1] * correlation[row.abs_diff(k)])
                .sum();
            assert!((sum - correlation[row]).abs() < 1e-12);
        }
    }

    #[test]
    fn a_flat_envelope_predicts_nothing() {
        for rate in [8_000, 22_050, 48_000] {
            let (model, bands) = model(rate);
            let mut a = Vec::new();
            model.coefficients(&vec![0.7; bands], &mut a);
            assert!(a.iter().all(|a| a.abs() < 1e-3), "{a:?}");
        }
    }

    #[test]
    fn the_model_has_the_shape_of_the_envelope() {
        // The response 1 / |A|² at the centres of the bands, of an envelope with a formant at band 6.
        let (model, bands) = model(8_000);
        let envelope: Vec<f32> = (0..bands)
            .map(|b| 3.0 * (-(b as f32 - 6.0).powi(2) / 8.0).exp())
            .collect();
        let mut a = Vec::new();
        model.coefficients(&envelope, &mut a);
        let response = |centre: f32| {
            let angle = TAU * f64::from(centre) / 256.0;
            let part = |f: fn(f64) -> f64| -> f64 {
                let terms = a.iter().enumerate();
                terms
                    .map(|(k, &a)| f64::from(a) * f(angle * (k + 1) as f64))
                    .sum()
            };
            -((1.0 - part(f64::cos)).powi(2) + part(f64::sin).powi(2)).ln()
        };
        let modelled: Vec<f64> = model.centres.iter().map(|&c| response(c)).collect();
        let level = modelled[6] - f64::from(envelope[6]);
        for (modelled, &log) in modelled.iter().zip(&envelope) {
            let off = modelled - level - f64::from(log);
            assert!(off.abs() < 0.5, "{off} nats at {log}");
        }
    }

    #[test]
    fn wild_envelopes_give_stable_filters() {
        let mut lcg = Lcg(5);
        for rate in [8_000, 11_025, 44_100] {
            let (model, bands) = model(rate);
            for scale in [1.0, 8.0, 30.0] {
                let mut a = Vec::new();
                model.coefficients(&lcg.values(bands, scale), &mut a);
                let reflection = largest_reflection(&a);
                assert!(reflection < 1.0, "{rate} Hz, {scale}: {reflection}");
            }
        }
    }
}
