/*! Mel bands of the spectrum of 32 ms. */

/// The lower edge of the lowest band, in Hz.
const LOWEST: f64 = 60.0;
/// The length of the spectrum's window, in seconds.
const WINDOW: f64 = 0.032;

/// Triangular bands that are equally wide on the mel scale (mel = 2595 · log10(1 + f / 700), O'Shaughnessy 1987).
pub(super) struct MelBands {
    /// Samples of the window.
    pub(super) window: usize,
    /// The length of the spectrum's transform.
    pub(super) transform: usize,
    /// The first bin of each band, and weights that sum to 1.
    rows: Vec<(usize, Vec<f64>)>,
}

impl MelBands {
    /// The bands for this sample rate in Hz: 18 at 8 kHz, and 4 more for each octave.
    pub(super) fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        let window = (rate * WINDOW).round() as usize;
        let transform = window.next_power_of_two();
        let count = count(rate);
        let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
        let hz = |mel: f64| 700.0 * (10_f64.powf(mel / 2595.0) - 1.0);
        let (bottom, top) = (mel(LOWEST), mel(rate / 2.0));
        let edge = |index: usize| {
            let mel = bottom + (top - bottom) * index as f64 / (count + 1) as f64;
            hz(mel) * transform as f64 / rate
        };
        let row = |band: usize| {
            let [low, middle, high] = [0, 1, 2].map(|side| edge(band + side));
            let weight = |bin: usize| {
                let bin = bin as f64;
                ((bin - low) / (middle - low)).min((high - bin) / (high - middle))
            };
            let bins = low.floor() as usize + 1..(high.ceil() as usize).min(transform / 2 + 1);
            let first = bins.start;
            let weights: Vec<f64> = bins.map(weight).collect();
            let sum: f64 = weights.iter().sum();
            (first, weights.iter().map(|weight| weight / sum).collect())
        };
        Self {
            window,
            transform,
            rows: (0..count).map(row).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The weighted mean of each band of a power spectrum `[transform / 2 + 1]`.
    pub(super) fn means<'a>(&'a self, power: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.rows.iter().map(|(first, weights)| {
            let bins = power[*first..].iter();
            bins.zip(weights)
                .map(|(power, weight)| power * weight)
                .sum()
        })
    }

    /// The centre of each band in bins.
    pub(super) fn centres(&self) -> Vec<f64> {
        let bins: Vec<f64> = (0..=self.transform / 2).map(|bin| bin as f64).collect();
        self.means(&bins).collect()
    }
}

/// The number of bands.
pub(super) fn count(rate: f64) -> usize {
    (18.0 + 4.0 * (rate / 8_000.0).log2()).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_means_in_rising_order_at_every_rate() {
        for rate in (8_000..=48_000).step_by(50) {
            let bands = MelBands::new(rate);
            let flat = vec![3.0; bands.transform / 2 + 1];
            assert!(bands.means(&flat).all(|mean| (mean - 3.0).abs() < 1e-9));
            let centres = bands.centres();
            assert!(
                centres.is_sorted_by(|a, b| a + 0.5 < *b),
                "{rate}: {centres:?}"
            );
            assert!(centres[0] > 0.0 && centres[bands.len() - 1] < (bands.transform / 2) as f64);
        }
        assert_eq!(MelBands::new(8_000).len(), 18);
        assert_eq!(MelBands::new(44_100).len(), 28);
    }
}
