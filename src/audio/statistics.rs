/*!
Describes a sound in four figures and one sentence.

The sentence names what is certainly wrong with a sample that a network generated: silence, clipping or noise. It
compares each figure with the corpus's, because a recording of rain is noise and a slow piano is half silence. The
figures do not show pitch or rhythm, so that no sentence says that a sample is good.
*/

use realfft::RealFftPlanner;

use crate::audio::loudness::{block_powers, decibels};
use crate::audio::{Corpus, MuLaw};
use crate::error::Result;

/// Blocks quieter than this are silent, in dB below full scale. The steps of 8-bit µ-law around zero lie at −81 dB.
const SILENT_DBFS: f64 = -60.0;
/// Samples beyond this are clipped: those of the outermost two classes on either side.
const CLIPPED: f32 = 0.95;
/// Samples of one spectrum.
const WINDOW: usize = 1024;
/// A corpus is measured in at most this many windows of [`SPAN`] seconds, spread over all of it.
const WINDOWS: u64 = 64;
const SPAN: u64 = 2;

/// What can be measured of a sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoundStatistics {
    /// The share of blocks of 20 ms that are quieter than −60 dBFS without their mean; 1 for no sound at all.
    pub silence: f64,
    /// The share of samples beyond 0.95.
    pub clipping: f64,
    /// Spectral flatness, 0..=1: the geometric over the arithmetic mean of the power spectrum, averaged over all
    /// windows that are not silent. Near 0 for tones; 0.56 (e^−γ) in the mean for white noise.
    pub flatness: f64,
    /// The root mean square in dB below full scale; −∞ for digital silence.
    pub loudness: f64,
}

impl SoundStatistics {
    /// Measures mono samples of `rate` Hz.
    pub fn of(samples: &[f32], rate: u32) -> Self {
        let mut sums = Sums::new(rate);
        sums.add(samples);
        sums.statistics()
    }

    /// Measures windows spread evenly over a corpus.
    ///
    /// # Errors
    /// When its tokens cannot be read.
    pub fn of_corpus(corpus: &Corpus) -> Result<Self> {
        let rate = corpus.sample_rate();
        let span = SPAN * u64::from(rate);
        let total: u64 = corpus.clips().iter().map(|clip| clip.len).sum();
        let stride = (total / WINDOWS).max(span);
        let mut sums = Sums::new(rate);
        let mut tokens = Vec::new();
        for (index, clip) in corpus.clips().iter().enumerate() {
            // Windows begin at multiples of the stride, counted over all clips.
            let mut from = clip.start.next_multiple_of(stride) - clip.start;
            while from < clip.len {
                corpus.read(index, from..clip.len.min(from + span), &mut tokens)?;
                let decode = |&token: &u8| MuLaw::decode_token(token.into());
                sums.add(&tokens.iter().map(decode).collect::<Vec<_>>());
                from += stride;
            }
        }
        Ok(sums.statistics())
    }
}

/// One sentence about a `sample`: what is certainly wrong with it beside the `corpus`, or its figures.
pub fn verdict(sample: &SoundStatistics, corpus: &SoundStatistics) -> String {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    if sample.silence > 0.9 && sample.silence > corpus.silence + 0.2 {
        return format!(
            "silent: {} of it is below {SILENT_DBFS:.0} dBFS (corpus {})",
            percent(sample.silence),
            percent(corpus.silence)
        );
    }
    if sample.clipping > 0.02 && sample.clipping > 4.0 * corpus.clipping {
        return format!(
            "clipped: {} of its samples are at full scale (corpus {})",
            percent(sample.clipping),
            percent(corpus.clipping)
        );
    }
    if sample.flatness > 0.1 && sample.flatness > 2.0 * corpus.flatness {
        return format!(
            "noisy: spectral flatness {:.2} (corpus {:.2})",
            sample.flatness, corpus.flatness
        );
    }
    format!(
        "spectral flatness {:.2} (corpus {:.2}), {:.0} dBFS (corpus {:.0})",
        sample.flatness, corpus.flatness, sample.loudness, corpus.loudness
    )
}

/// Sums over several stretches of sound.
struct Sums {
    rate: u32,
    planner: RealFftPlanner<f64>,
    hann: Vec<f32>,
    samples: u64,
    clipped: u64,
    energy: f64,
    blocks: u64,
    silent_blocks: u64,
    windows: u64,
    flatness: f64,
}

impl Sums {
    fn new(rate: u32) -> Self {
        Self {
            rate,
            planner: RealFftPlanner::new(),
            hann: crate::audio::spectrogram::hann(WINDOW),
            samples: 0,
            clipped: 0,
            energy: 0.0,
            blocks: 0,
            silent_blocks: 0,
            windows: 0,
            flatness: 0.0,
        }
    }

    fn add(&mut self, samples: &[f32]) {
        if samples.is_empty() {
            return;
        }
        self.samples += samples.len() as u64;
        self.clipped += samples.iter().filter(|s| s.abs() > CLIPPED).count() as u64;
        self.energy += samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
        let mean =
            (samples.iter().map(|&s| f64::from(s)).sum::<f64>() / samples.len() as f64) as f32;
        let centred: Vec<f32> = samples.iter().map(|s| s - mean).collect();
        let powers = block_powers(&centred, self.rate);
        let silent = powers.iter().filter(|&&power| is_silent(power)).count();
        self.blocks += powers.len() as u64;
        self.silent_blocks += silent as u64;
        for window in centred.chunks(WINDOW) {
            self.add_spectrum(window);
        }
    }

    /// Adds the flatness of one window, padded with zeros; very short and silent windows do not count.
    fn add_spectrum(&mut self, window: &[f32]) {
        let power = window.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / window.len() as f64;
        if window.len() < WINDOW / 4 || is_silent(power) {
            return;
        }
        let mut input = vec![0.0; WINDOW];
        for ((input, &sample), &weight) in input.iter_mut().zip(window).zip(&self.hann) {
            *input = f64::from(sample * weight);
        }
        let fft = self.planner.plan_fft_forward(WINDOW);
        let mut spectrum = fft.make_output_vec();
        if fft.process(&mut input, &mut spectrum).is_err() {
            return;
        }
        // The lowest bins hold the mean, and the highest the edge of the resampler's passband.
        let bins = &spectrum[2..WINDOW / 2 * 9 / 10];
        let powers = || bins.iter().map(|bin| bin.norm_sqr() + 1e-12);
        let count = bins.len() as f64;
        let geometric = (powers().map(f64::ln).sum::<f64>() / count).exp();
        self.flatness += geometric / (powers().sum::<f64>() / count);
        self.windows += 1;
    }

    fn statistics(&self) -> SoundStatistics {
        let share = |part: u64, all: u64, of_nothing: f64| match all {
            0 => of_nothing,
            all => part as f64 / all as f64,
        };
        SoundStatistics {
            silence: share(self.silent_blocks, self.blocks, 1.0),
            clipping: share(self.clipped, self.samples, 0.0),
            flatness: match self.windows {
                0 => 0.0,
                windows => self.flatness / windows as f64,
            },
            loudness: 10.0 * (self.energy / self.samples.max(1) as f64).log10(),
        }
    }
}

fn is_silent(power: f64) -> bool {
    power < decibels(SILENT_DBFS).powi(2)
}

#[cfg(test)]
// The values compared for equality are exact.
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;
    use crate::audio::{ImportSettings, WavSink};
    use std::f32::consts::TAU;

    const RATE: u32 = 16_000;

    /// Encodes and decodes samples.
    fn through_tokens(samples: impl Iterator<Item = f32>) -> Vec<f32> {
        samples
            .map(|s| MuLaw::decode_token(MuLaw::encode_sample(s)))
            .collect()
    }

    fn chord(gain: f32) -> Vec<f32> {
        through_tokens((0..2 * RATE).map(|i| {
            let t = i as f32 / RATE as f32;
            let partials = [220.0, 277.0, 330.0, 880.0].map(|f| (TAU * f * t).sin());
            gain * partials.iter().sum::<f32>() / 4.0 * (1.0 + (TAU * 2.0 * t).sin()) / 2.0
        }))
    }

    fn noise() -> Vec<f32> {
        let mut state = 1_u32;
        through_tokens((0..2 * RATE).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        }))
    }

    fn silence() -> Vec<f32> {
        through_tokens((0..2 * RATE).map(|i| if i % 3 == 0 { -1e-5 } else { 0.0 }))
    }

    #[test]
    fn certain_faults_are_named_and_anything_else_gets_its_figures() {
        let corpus = SoundStatistics::of(&chord(0.5), RATE);
        let verdict_on = |samples: &[f32]| verdict(&SoundStatistics::of(samples, RATE), &corpus);
        for (sound, expected) in [
            (noise(), "noisy"),
            (silence(), "silent"),
            (chord(30.0), "clipped"),
            (chord(0.4), "spectral flatness"),
        ] {
            let sentence = verdict_on(&sound);
            assert!(sentence.starts_with(expected), "{expected}: {sentence}");
        }
    }

    #[test]
    fn a_sample_with_the_figures_of_its_corpus_has_no_fault() {
        for sound in [noise(), silence(), chord(30.0), chord(0.5)] {
            let figures = SoundStatistics::of(&sound, RATE);
            let sentence = verdict(&figures, &figures);
            assert!(sentence.starts_with("spectral flatness"), "{sentence}");
        }
    }

    #[test]
    fn the_figures_are_those_of_known_sounds() {
        let noise = SoundStatistics::of(&noise(), RATE);
        assert!((noise.flatness - 0.5615).abs() < 0.03, "{}", noise.flatness);
        assert!((noise.loudness + 10.8).abs() < 0.2, "{}", noise.loudness);
        assert_eq!(noise.silence, 0.0);
        let tone: Vec<f32> = (0..RATE).map(|i| (TAU * i as f32 / 36.3).sin()).collect();
        let tone = SoundStatistics::of(&tone, RATE);
        assert!(tone.flatness < 0.01, "{}", tone.flatness);
        assert!((tone.loudness + 3.01).abs() < 0.1, "{}", tone.loudness);
        assert!((tone.clipping - 0.2).abs() < 0.02, "{}", tone.clipping);
        assert_eq!(SoundStatistics::of(&silence(), RATE).silence, 1.0);
    }

    #[test]
    fn short_and_empty_sounds_have_figures_too() {
        for n in [0, 1, 100, 1023] {
            let figures = SoundStatistics::of(&vec![0.0; n], RATE);
            assert_eq!((figures.silence, figures.clipping), (1.0, 0.0));
            assert_eq!(figures.loudness, f64::NEG_INFINITY);
        }
    }

    #[test]
    fn a_corpus_has_the_figures_of_its_recordings() {
        let folder = tempfile::tempdir().unwrap();
        for (name, sound) in [("a.wav", chord(0.5)), ("b.wav", chord(0.5))] {
            let mut sink = WavSink::create(&folder.path().join(name), RATE).unwrap();
            sink.write(&sound).unwrap();
            sink.finish().unwrap();
        }
        let settings = ImportSettings {
            sample_rate: None,
            even_loudness: false,
            trim_silence: false,
            trailing_silence: 0.0,
        };
        let place = folder.path();
        let corpus = Corpus::import(place, &settings, place, &|_, _| {}, &|_| true).unwrap();
        let (whole, one) = (
            SoundStatistics::of_corpus(&corpus).unwrap(),
            SoundStatistics::of(&chord(0.5), RATE),
        );
        assert!((whole.loudness - one.loudness).abs() < 0.1);
        assert!((whole.flatness - one.flatness).abs() < 0.01);
    }
}
