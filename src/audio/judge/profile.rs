/*! What is measured of sounds, one by one, so that any set of them can be compared with another. */

use crate::audio::judge::level::{Level, is_silent};
use crate::audio::judge::mel::{BANDS, LogMel, Spectra, frame_starts};
use crate::audio::judge::tonality::Tonality;

/// Longer sounds are measured in parts of this many seconds, each with its own loudest frame.
pub(super) const SPAN: u32 = 5;
/// A frame has a pitch if its normalised autocorrelation peaks above this.
const CLEAR: f32 = 0.8;
/// Frames this far below the loudest of the sound, in dB, are not loud.
const LOUD_DB: f64 = 20.0;
/// The width of the bands in which the strongest partials are counted, in Hz.
const TONE_BAND: f32 = 125.0;

/// The figures of sounds of one sample rate.
pub struct SoundProfile {
    rate: u32,
    tonality: Tonality,
    frames: Spectra,
    long_frames: Spectra,
    sounds: Vec<SoundFigures>,
}

/// What is measured of one sound.
#[derive(Debug, Clone, Default)]
pub(super) struct SoundFigures {
    pub(super) level: Level,
    pub(super) mel: LogMel,
    /// Feature vectors of the Fréchet distance.
    pub(super) pairs: usize,
    /// Loud frames of 64 ms.
    pub(super) loud: usize,
    /// Those with a pitch.
    pub(super) tonal: usize,
    /// The sum of the loud frames' power in each mel band.
    pub(super) spectrum: [f64; BANDS],
    /// The band of the strongest partial of each loud frame, [`TONE_BAND`] wide.
    pub(super) strongest: Vec<u16>,
}

impl SoundProfile {
    /// No sounds yet.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            tonality: Tonality::new(frame_len(64, rate), rate),
            frames: Spectra::new(frame_len(32, rate), rate),
            long_frames: Spectra::new(frame_len(64, rate), rate),
            sounds: Vec::new(),
        }
    }

    /// Adds a sound of mono samples, in parts of at most 5 s. NaN and infinite samples count as 0.
    pub fn add(&mut self, samples: &[f32]) {
        for part in samples.chunks(self.span()) {
            let finite = |&sample: &f32| if sample.is_finite() { sample } else { 0.0 };
            let part: Vec<f32> = part.iter().map(finite).collect();
            let figures = self.figures(&part);
            self.sounds.push(figures);
        }
    }

    /// The most samples of one part.
    pub fn span(&self) -> usize {
        (SPAN * self.rate) as usize
    }

    /// Whether it holds no sound.
    pub fn is_empty(&self) -> bool {
        self.sounds.is_empty()
    }

    pub(super) fn sounds(&self) -> &[SoundFigures] {
        &self.sounds
    }

    fn figures(&mut self, samples: &[f32]) -> SoundFigures {
        let sum: f64 = samples.iter().map(|&s| f64::from(s)).sum();
        let mean = (sum / samples.len().max(1) as f64) as f32;
        let centred: Vec<f32> = samples.iter().map(|s| s - mean).collect();
        let mel = self.frames.log_mel(&centred);
        let mut figures = SoundFigures {
            level: Level::of(samples, &centred, self.rate),
            pairs: mel.pairs().count(),
            mel,
            ..SoundFigures::default()
        };
        self.add_loud_frames(&centred, &mut figures);
        figures
    }

    fn add_loud_frames(&mut self, samples: &[f32], figures: &mut SoundFigures) {
        let len = frame_len(64, self.rate);
        let frames: Vec<&[f32]> = frame_starts(samples.len(), len, len.div_ceil(2))
            .map(|start| &samples[start..samples.len().min(start + len)])
            .collect();
        let powers: Vec<f64> = frames.iter().map(|frame| power(frame)).collect();
        let loudest = powers.iter().fold(0.0_f64, |a, &b| a.max(b));
        let least = loudest * 10_f64.powf(-LOUD_DB / 10.0);
        let bin = self.rate as f32 / len as f32;
        for (frame, power) in frames.iter().zip(powers) {
            if is_silent(power) || power < least {
                continue;
            }
            figures.loud += 1;
            figures.tonal += usize::from(self.tonality.clarity(frame) > CLEAR);
            self.long_frames.analyse(frame);
            let bands = self.long_frames.bands();
            for (sum, band) in figures.spectrum.iter_mut().zip(bands) {
                *sum += f64::from(band);
            }
            // The lowest bins hold what is left of an offset.
            let powers = self.long_frames.powers.iter().enumerate().skip(2);
            let strongest = powers.max_by(|a, b| a.1.total_cmp(b.1));
            let strongest = strongest.map_or(0, |(index, _)| index);
            figures
                .strongest
                .push((strongest as f32 * bin / TONE_BAND) as u16);
        }
    }
}

fn frame_len(milliseconds: usize, rate: u32) -> usize {
    rate as usize * milliseconds / 1000
}

/// The mean square.
fn power(frame: &[f32]) -> f64 {
    frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / frame.len().max(1) as f64
}
