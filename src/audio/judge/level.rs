/*! Silence, clipping and loudness of sounds. */

use crate::audio::loudness::{block_powers, decibels};

/// Blocks quieter than this are silent, in dB below full scale. The steps of 8-bit µ-law around zero lie at −81 dB.
pub(super) const SILENT_DBFS: f64 = -60.0;
/// Samples beyond this are clipped: those of the outermost two classes on either side.
const CLIPPED: f32 = 0.95;
/// The loudness of digital silence, in dB below full scale: that of half a step of 16-bit samples.
const QUIETEST_DBFS: f64 = -96.0;

/// Sums over sounds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Level {
    samples: u64,
    clipped: u64,
    energy: f64,
    blocks: u64,
    silent_blocks: u64,
}

impl Level {
    /// Of mono samples of `rate` Hz, and the same without their mean.
    pub(super) fn of(samples: &[f32], centred: &[f32], rate: u32) -> Self {
        let powers = block_powers(centred, rate);
        Self {
            samples: samples.len() as u64,
            clipped: samples.iter().filter(|s| s.abs() > CLIPPED).count() as u64,
            energy: samples.iter().map(|&s| f64::from(s).powi(2)).sum(),
            blocks: powers.len() as u64,
            silent_blocks: powers.iter().filter(|&&power| is_silent(power)).count() as u64,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.clipped += other.clipped;
        self.energy += other.energy;
        self.blocks += other.blocks;
        self.silent_blocks += other.silent_blocks;
    }

    /// The share of blocks of 20 ms that are quieter than −60 dBFS; 1 for no sound at all.
    pub(super) fn silence(&self) -> f64 {
        match self.blocks {
            0 => 1.0,
            all => self.silent_blocks as f64 / all as f64,
        }
    }

    /// The share of samples beyond 0.95.
    pub(super) fn clipping(&self) -> f64 {
        self.clipped as f64 / self.samples.max(1) as f64
    }

    /// The root mean square in dB below full scale, at least −96.
    pub(super) fn loudness(&self) -> f64 {
        let power = self.energy / self.samples.max(1) as f64;
        (10.0 * power.log10()).max(QUIETEST_DBFS)
    }
}

/// Whether a mean square is that of silence.
pub(super) fn is_silent(power: f64) -> bool {
    power < decibels(SILENT_DBFS).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    const RATE: u32 = 16_000;

    fn level(samples: &[f32]) -> Level {
        Level::of(samples, samples, RATE)
    }

    #[test]
    fn the_figures_are_those_of_known_sounds() {
        let tone: Vec<f32> = (0..RATE).map(|i| (TAU * i as f32 / 36.3).sin()).collect();
        let tone = level(&tone);
        assert!((tone.loudness() + 3.01).abs() < 0.1, "{}", tone.loudness());
        assert!((tone.clipping() - 0.2).abs() < 0.02, "{}", tone.clipping());
        assert_eq!(tone.silence(), 0.0);
        for n in [0, 1, 100, 2_000] {
            let silent = level(&vec![-1e-5; n]);
            assert_eq!((silent.silence(), silent.clipping()), (1.0, 0.0));
            assert_eq!(silent.loudness(), QUIETEST_DBFS);
        }
    }

    #[test]
    fn sounds_add_up() {
        let mut both = level(&[0.5; 640]);
        both.add(&level(&[0.0; 640]));
        assert_eq!(both.silence(), 0.5);
        assert!((both.loudness() + 9.03).abs() < 0.01);
    }
}
