/*! Log-mel frames, the features of the Fréchet distance and of the search for copies. */

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::audio::spectrogram::{hann, mel_rows};

/// Mel bands.
pub(super) const BANDS: usize = 24;
/// Bands this far below the loudest of the sound, in dB, are silent.
const RANGE_DB: f32 = 40.0;
/// Frames from one hop to the next: 16 ms, half a frame.
const HOPS: usize = 2;
/// A frame of 32 ms is joined with the one this many frames later, 64 ms.
const LATER: usize = 4;
/// Frames of a stretch that is searched for in training recordings: 336 ms.
const STRETCH: usize = 20;
/// Fewer frames are too short to be told apart.
const SHORTEST: usize = 10;
/// Fractions of a hop at which a stretch is searched for: every 4 ms.
const SHIFTS: usize = 4;
/// The lowest frequency of the bands, in Hz.
const LOWEST: f64 = 60.0;
/// The least power of the loudest band: the steps of 8-bit µ-law around zero stay silent.
const QUIETEST_PEAK: f32 = 1e-5;

/// Power spectra of frames of one length, and their mel bands.
pub(super) struct Spectra {
    len: usize,
    hann: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
    rows: Vec<Vec<(usize, f32)>>,
    input: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    /// The power of each bin of the last frame; a steady sine of amplitude 1 has 1/4.
    pub(super) powers: Vec<f32>,
}

impl Spectra {
    /// Of frames of `len` samples of `rate` Hz.
    pub(super) fn new(len: usize, rate: u32) -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(len);
        Self {
            len,
            hann: hann(len),
            rows: mel_rows(BANDS, LOWEST, len, rate),
            input: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            powers: vec![0.0; len / 2 + 1],
            fft,
        }
    }

    /// Analyses a frame, padded with zeros.
    pub(super) fn analyse(&mut self, frame: &[f32]) {
        let padded = frame.iter().copied().chain(std::iter::repeat(0.0));
        for ((input, sample), weight) in self.input.iter_mut().zip(padded).zip(&self.hann) {
            *input = sample * weight;
        }
        if self
            .fft
            .process(&mut self.input, &mut self.spectrum)
            .is_err()
        {
            unreachable!("the buffers have the length of the transform");
        }
        for (power, bin) in self.powers.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
    }

    /// The mean power of each mel band of the last frame.
    pub(super) fn bands(&self) -> [f32; BANDS] {
        std::array::from_fn(|band| {
            let row = self.rows[band].iter();
            row.map(|&(bin, weight)| weight * self.powers[bin]).sum()
        })
    }

    /// The log-mel frames of a sound.
    pub(super) fn log_mel(&mut self, samples: &[f32]) -> LogMel {
        let hop = self.len / HOPS;
        let starts: Vec<usize> = frame_starts(samples.len(), self.len, hop).collect();
        let mut frames = self.powers_at(samples, starts.iter().copied());
        let peak = frames.as_flattened().iter();
        let peak = peak.fold(QUIETEST_PEAK, |a, &b| a.max(b));
        to_decibels(&mut frames, peak);
        let loudest = loudest_stretch(&frames);
        let shifted = loudest.map_or(Vec::new(), |first| {
            let count = frames.len().min(STRETCH);
            (0..SHIFTS)
                .map(|shift| {
                    let starts = starts[first..first + count].iter();
                    let starts = starts.map(|start| start + shift * hop / SHIFTS);
                    let mut stretch = self.powers_at(samples, starts);
                    to_decibels(&mut stretch, peak);
                    stretch
                })
                .collect()
        });
        LogMel { frames, shifted }
    }

    /// The mel bands of the frames that begin at `starts`.
    fn powers_at(
        &mut self,
        samples: &[f32],
        starts: impl Iterator<Item = usize>,
    ) -> Vec<[f32; BANDS]> {
        starts
            .map(|start| {
                let end = samples.len().min(start + self.len);
                self.analyse(&samples[start.min(end)..end]);
                self.bands()
            })
            .collect()
    }
}

/// What the features of a sound are made of, in dB above its floor.
#[derive(Debug, Clone, Default)]
pub(super) struct LogMel {
    /// Every 16 ms.
    pub(super) frames: Vec<[f32; BANDS]>,
    /// The stretch with the most energy, at several fractions of the hop, so that a copy is found wherever it begins. None
    /// of silent and very short sounds.
    pub(super) shifted: Vec<Vec<[f32; BANDS]>>,
}

impl LogMel {
    /// Feature vectors: each frame with the one 64 ms later, as natural logarithms of power above the floor. Pairs in
    /// silence do not count: the share of silence is a figure of its own.
    pub(super) fn pairs(&self) -> impl Iterator<Item = [f64; 2 * BANDS]> {
        let later = self.frames.iter().skip(LATER);
        self.frames.iter().zip(later).filter_map(|(now, later)| {
            let pair: [f64; 2 * BANDS] = std::array::from_fn(|at| {
                let decibels = if at < BANDS {
                    now[at]
                } else {
                    later[at - BANDS]
                };
                f64::from(decibels) * std::f64::consts::LN_10 / 10.0
            });
            pair.iter().any(|&value| value > 0.0).then_some(pair)
        })
    }
}

/// Powers to dB above the floor, which lies 40 dB below `peak`.
fn to_decibels(frames: &mut [[f32; BANDS]], peak: f32) {
    for band in frames.as_flattened_mut() {
        let below = 10.0 * (*band / peak).max(f32::MIN_POSITIVE).log10();
        *band = (below + RANGE_DB).max(0.0);
    }
}

/// The first frame of the stretch with the most energy; `None` for silent and very short sounds.
fn loudest_stretch(frames: &[[f32; BANDS]]) -> Option<usize> {
    let len = frames.len().min(STRETCH);
    if len < SHORTEST {
        return None;
    }
    let energy = |first: usize| -> f32 {
        let stretch = &frames[first..first + len];
        stretch.as_flattened().iter().sum()
    };
    let loudest = (0..=frames.len() - len).max_by(|&a, &b| energy(a).total_cmp(&energy(b)))?;
    (energy(loudest) > 0.0).then_some(loudest)
}

/// Where whole frames begin; one padded frame for a sound that is shorter.
pub(super) fn frame_starts(samples: usize, len: usize, hop: usize) -> impl Iterator<Item = usize> {
    let frames = match samples {
        0 => 0,
        samples => samples.saturating_sub(len) / hop + 1,
    };
    (0..frames).map(move |frame| frame * hop)
}
