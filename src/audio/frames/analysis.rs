/*! What is measured of a frame: its mean square, its pitch and its envelope. */

use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex64;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::audio::MuLaw;
use crate::audio::frames::bands::MelBands;
use crate::audio::spectrogram::hann;

/// Frames a second.
const FRAMES: f64 = 100.0;
/// The length of the autocorrelation's window, in seconds.
const CORRELATION: f64 = 0.04;
/// The least peak of the normalised autocorrelation of a voiced frame.
const VOICED: f64 = 0.55;
/// The least mean square of a voiced frame, −60 dB, after pre-emphasis: what is quieter may hum and is not a voice.
const QUIETEST_VOICED: f64 = 1e-6;
/// The first peak that reaches this share of the highest is the period; later ones are its multiples.
const ALIKE: f64 = 0.9;
/// Power that is added to each band, −77 dB: near the noise of 8-bit µ-law around zero.
const FLOOR: f64 = 2e-8;

/// Samples a frame.
pub(super) fn hop(rate: u32) -> usize {
    (f64::from(rate) / FRAMES).round() as usize
}

/// What is measured of a frame.
#[derive(Debug, Clone)]
pub(super) struct Measure {
    /// The mean square without the mean.
    pub(super) mean_square: f64,
    /// `None` for a frame that is not periodic.
    pub(super) pitch: Option<Pitch>,
    /// The natural logarithm of the power of each band, minus its mean.
    pub(super) envelope: Vec<f32>,
}

/// The fundamental frequency of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pitch {
    pub(super) hz: f64,
    /// The normalised autocorrelation at its period, at most 1.
    pub(super) clarity: f64,
}

/// Windows, bands and transforms for one sample rate.
pub(super) struct Analysis {
    rate: f64,
    hop: usize,
    pub(super) bands: MelBands,
    hann: Vec<f64>,
    /// The sum of the squared window.
    hann_energy: f64,
    spectrum: Arc<dyn RealToComplex<f64>>,
    /// Samples of the autocorrelation's window.
    correlated: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl Analysis {
    pub(super) fn new(rate: u32) -> Self {
        let bands = MelBands::new(rate);
        let hann: Vec<f64> = hann(bands.window).iter().map(|&w| w.into()).collect();
        let correlated = (f64::from(rate) * CORRELATION).round() as usize;
        // Twice as long as the window, so that no lag wraps round.
        let transform = (2 * correlated).next_power_of_two();
        let mut planner = RealFftPlanner::new();
        Self {
            rate: rate.into(),
            hop: hop(rate),
            hann_energy: hann.iter().map(|w| w * w).sum(),
            spectrum: planner.plan_fft_forward(bands.transform),
            correlated,
            forward: planner.plan_fft_forward(transform),
            inverse: planner.plan_fft_inverse(transform),
            bands,
            hann,
        }
    }

    /// Measures the frames of samples. A pitch is sought within `pitches`, in Hz, among the samples as they are heard, without
    /// pre-emphasis: raised noise would hide it.
    pub(super) fn of<'a>(
        &'a self,
        samples: &'a [f32],
        heard: &'a [f32],
        pitches: Range<f64>,
    ) -> Analyser<'a> {
        let lags = Range {
            start: (self.rate / pitches.end) as usize,
            end: (self.rate / pitches.start).ceil() as usize + 1,
        };
        Analyser {
            analysis: self,
            samples,
            heard,
            lags: lags.start.max(2)..lags.end.min(self.correlated - 1),
            window: vec![0.0; self.bands.window],
            spectrum: Transformed::new(&self.spectrum),
            segment: vec![0.0; self.correlated],
            correlation: Transformed::new(&self.forward),
        }
    }
}

/// The buffers of one transform.
struct Transformed {
    input: Vec<f64>,
    output: Vec<Complex64>,
}

impl Transformed {
    fn new(transform: &Arc<dyn RealToComplex<f64>>) -> Self {
        Self {
            input: transform.make_input_vec(),
            output: transform.make_output_vec(),
        }
    }

    /// Transforms samples, padded with zeros; the output becomes their power spectrum.
    fn power(&mut self, transform: &Arc<dyn RealToComplex<f64>>, samples: &[f64]) {
        self.input.fill(0.0);
        self.input[..samples.len()].copy_from_slice(samples);
        transform
            .process(&mut self.input, &mut self.output)
            .expect("the buffers are the transform's own");
        for bin in &mut self.output {
            *bin = Complex64::new(bin.norm_sqr(), 0.0);
        }
    }
}

/// Measures the frames of one recording.
pub(super) struct Analyser<'a> {
    analysis: &'a Analysis,
    samples: &'a [f32],
    heard: &'a [f32],
    /// Lags in samples among which a period is sought.
    lags: Range<usize>,
    window: Vec<f64>,
    spectrum: Transformed,
    segment: Vec<f64>,
    correlation: Transformed,
}

impl Analyser<'_> {
    /// Measures frame `index`. The windows lie about its middle; outside of the recording is silence.
    pub(super) fn measure(&mut self, index: usize) -> Measure {
        let middle = index * self.analysis.hop + self.analysis.hop / 2;
        let (mean_square, envelope) = self.envelope(middle);
        let audible = mean_square >= QUIETEST_VOICED;
        let pitch = if audible { self.pitch(middle) } else { None };
        Measure {
            mean_square,
            pitch,
            envelope,
        }
    }

    /// The mean square of a Hann window and the envelope.
    fn envelope(&mut self, middle: usize) -> (f64, Vec<f32>) {
        let Analysis {
            hann,
            hann_energy,
            bands,
            ..
        } = self.analysis;
        copy_about(self.samples, middle, &mut self.window);
        // The window sums to 1.
        let mean: f64 = self.window.iter().zip(hann).map(|(x, w)| x * w).sum();
        for (sample, weight) in self.window.iter_mut().zip(hann) {
            *sample = (*sample - mean) * weight;
        }
        let energy: f64 = self.window.iter().map(|x| x * x).sum();
        self.spectrum.power(&self.analysis.spectrum, &self.window);
        let power: Vec<f64> = self.spectrum.output.iter().map(|bin| bin.re).collect();
        let logs: Vec<f64> = bands
            .means(&power)
            .map(|mean| (mean / hann_energy + FLOOR).ln())
            .collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let envelope = logs.iter().map(|log| (log - mean) as f32).collect();
        (energy / hann_energy, envelope)
    }

    /// The frequency in Hz of the shortest lag whose normalised autocorrelation (McLeod and Wyvill 2005) is nearly the
    /// highest.
    fn pitch(&mut self, middle: usize) -> Option<Pitch> {
        let clarity = self.clarity(middle);
        // The peak at lag 0 ends where the correlation is first negative.
        let beyond = clarity.iter().position(|&c| c < 0.0)?;
        let lags = self.lags.start.max(beyond)..self.lags.end;
        let is_peak =
            |lag: &usize| clarity[*lag] >= clarity[lag - 1] && clarity[*lag] >= clarity[lag + 1];
        let peaks: Vec<usize> = lags.filter(is_peak).collect();
        let highest = peaks.iter().map(|&lag| clarity[lag]).fold(0.0, f64::max);
        if highest <= VOICED {
            return None;
        }
        let first = *peaks.iter().find(|&&lag| clarity[lag] > ALIKE * highest)?;
        // A ripple may precede the peak itself.
        let near = peaks.iter().take_while(|&&lag| lag <= first + first / 12);
        let lag = *near
            .filter(|&&lag| lag >= first)
            .max_by(|&&a, &&b| clarity[a].total_cmp(&clarity[b]))?;
        let [before, peak, after] = [lag - 1, lag, lag + 1].map(|lag| clarity[lag]);
        // The vertex of the parabola through three points.
        let bend = 2.0 * peak - before - after;
        let shift = if bend > 0.0 {
            ((after - before) / (2.0 * bend)).clamp(-0.5, 0.5)
        } else {
            0.0
        };
        Some(Pitch {
            hz: self.analysis.rate / (lag as f64 + shift),
            clarity: peak,
        })
    }

    /// The normalised autocorrelation `2 Σ x_t x_{t+k} / Σ (x_t² + x_{t+k}²)` of each lag k, up to one beyond the longest.
    fn clarity(&mut self, middle: usize) -> Vec<f64> {
        let Self {
            analysis,
            segment,
            correlation,
            ..
        } = self;
        copy_about(self.heard, middle, segment);
        let mean = segment.iter().sum::<f64>() / segment.len() as f64;
        for sample in segment.iter_mut() {
            *sample -= mean;
        }
        correlation.power(&analysis.forward, segment);
        analysis
            .inverse
            .process(&mut correlation.output, &mut correlation.input)
            .expect("the buffers are the transform's own");
        let products = &correlation.input;
        let scale = 2.0 / products.len() as f64;
        // Both sums of squares, without the samples that have no partner at this lag.
        let mut energy = 2.0 * segment.iter().map(|x| x * x).sum::<f64>();
        let last = segment.len() - 1;
        let at = |lag: usize| {
            let clarity = scale * products[lag] / (energy + 1e-6);
            energy -= segment[lag].powi(2) + segment[last - lag].powi(2);
            clarity
        };
        (0..=self.lags.end).map(at).collect()
    }
}

/// Copies samples about a middle; outside is silence.
fn copy_about(samples: &[f32], middle: usize, out: &mut [f64]) {
    let half = out.len() / 2;
    let silence = MuLaw::decode_token(MuLaw::SILENCE);
    for (i, out) in out.iter_mut().enumerate() {
        let at = (middle + i).checked_sub(half);
        let sample = at.and_then(|at| samples.get(at)).copied();
        *out = sample.unwrap_or(silence).into();
    }
}
