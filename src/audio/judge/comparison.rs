/*! Generated sounds beside held-out recordings, with the floor that training recordings reach, and a remark. */

use serde::Serialize;

use crate::audio::judge::copies::copies;
use crate::audio::judge::level::{Level, SILENT_DBFS};
use crate::audio::judge::mel::BANDS;
use crate::audio::judge::profile::{SoundFigures, SoundProfile};
use crate::base::frechet::{Gaussian, Moments, equal_draws};

/// A band of 125 Hz with less than this share of the recordings' strongest partials is foreign to them.
const FOREIGN: f64 = 0.001;
/// A loudness this far from that of the recordings is worth a word, in dB.
const LOUDER: f64 = 12.0;
/// A Fréchet distance that real recordings may have where none are at hand to tell.
const USUAL_FLOOR: f64 = 10.0;
/// Bands of the long-term spectrum count down to this far below all of them together, in dB.
const SPECTRUM_DB: f64 = 60.0;

/// What generated sounds are, beside held-out recordings. A `_floor` compares training recordings, drawn in the amount of
/// the generated sound, with the same held-out ones; it is missing where no training recordings are at hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SoundComparison {
    /// The share of loud frames (64 ms, at most 20 dB below the sound's loudest) that have a pitch from 60 to 1,000 Hz.
    pub tonal: f64,
    /// The same of held-out recordings.
    pub tonal_real: f64,
    /// The Fréchet distance of log-mel frames to those of held-out recordings, in
    /// squared units of the natural logarithm of power (4.34 dB).
    pub frechet: f64,
    /// The same of training recordings.
    pub frechet_floor: Option<f64>,
    /// The distance of the long-term spectrum of loud frames to that of held-out recordings, in dB: the root mean square
    /// over mel bands.
    pub spectrum_db: f64,
    /// The same of training recordings.
    pub spectrum_floor: Option<f64>,
    /// The share of loud frames whose strongest partial lies in a band of 125 Hz where that of recordings (almost) never
    /// lies.
    pub foreign: f64,
    /// The same of training recordings beside all others.
    pub foreign_floor: Option<f64>,
    /// The share of blocks of 20 ms that are below −60 dBFS.
    pub silence: f64,
    /// The same of held-out recordings.
    pub silence_real: f64,
    /// The share of samples at full scale.
    pub clipping: f64,
    /// The same of held-out recordings.
    pub clipping_real: f64,
    /// The root mean square in dB below full scale.
    pub loudness: f64,
    /// The same of held-out recordings.
    pub loudness_real: f64,
    /// The share of sounds that are copies of training recordings; missing where those are not at hand.
    pub copies: Option<f64>,
    /// The same of held-out recordings.
    pub copies_floor: Option<f64>,
}

/// Compares generated sounds with held-out recordings, and training recordings with the same.
///
/// # Panics
/// If the sample rates differ.
pub fn compare(
    made: &SoundProfile,
    held_out: &SoundProfile,
    training: &SoundProfile,
) -> SoundComparison {
    let rates = [made.span(), training.span()];
    assert_eq!(rates, [held_out.span(); 2], "profiles of one sample rate");
    let reference = Totals::of(held_out.sounds());
    let ours = Totals::of(made.sounds());
    let learned = Totals::of(training.sounds());
    let floor = floor(&ours, &reference, &learned, training.sounds());
    let copies =
        (!training.is_empty()).then(|| copies(made.sounds(), held_out.sounds(), training.sounds()));
    let real = reference.strongest.plus(&learned.strongest);
    SoundComparison {
        tonal: ours.tonal(),
        tonal_real: reference.tonal(),
        frechet: ours.frames.distance(&reference.frames),
        frechet_floor: floor.map(|floor| floor.frechet),
        spectrum_db: ours.spectrum_distance(&reference),
        spectrum_floor: floor.map(|floor| floor.spectrum),
        foreign: ours.strongest.foreign_to(&real),
        foreign_floor: floor.map(|floor| floor.foreign),
        silence: ours.level.silence(),
        silence_real: reference.level.silence(),
        clipping: ours.level.clipping(),
        clipping_real: reference.level.clipping(),
        loudness: ours.level.loudness(),
        loudness_real: reference.level.loudness(),
        copies: copies.map(|(made, _)| made),
        copies_floor: copies.map(|(_, real)| real),
    }
}

/// The means over draws of training recordings.
#[derive(Clone, Copy, Default)]
struct Floor {
    frechet: f64,
    spectrum: f64,
    foreign: f64,
}

fn floor(
    made: &Totals,
    held_out: &Totals,
    learned: &Totals,
    training: &[SoundFigures],
) -> Option<Floor> {
    let sizes: Vec<usize> = training.iter().map(|sound| sound.pairs).collect();
    let draws = equal_draws(&sizes, made.pairs);
    let mut sum = Floor::default();
    for draw in &draws {
        let draw = Totals::of(draw.iter().map(|&sound| &training[sound]));
        let others = held_out.strongest.plus(&learned.strongest);
        sum.frechet += draw.frames.distance(&held_out.frames);
        sum.spectrum += draw.spectrum_distance(held_out);
        sum.foreign += draw.strongest.foreign_to(&others.minus(&draw.strongest));
    }
    let count = draws.len() as f64;
    (!draws.is_empty()).then(|| Floor {
        frechet: sum.frechet / count,
        spectrum: sum.spectrum / count,
        foreign: sum.foreign / count,
    })
}

/// The figures of several sounds together.
struct Totals {
    level: Level,
    pairs: usize,
    frames: Gaussian,
    loud: usize,
    tonal: usize,
    spectrum: [f64; BANDS],
    strongest: Histogram,
}

impl Totals {
    fn of<'a>(sounds: impl IntoIterator<Item = &'a SoundFigures>) -> Self {
        let (mut level, mut moments) = (Level::default(), Moments::new(2 * BANDS));
        let (mut pairs, mut loud, mut tonal) = (0, 0, 0);
        let (mut spectrum, mut strongest) = ([0.0; BANDS], Histogram::default());
        for sound in sounds {
            level.add(&sound.level);
            sound.mel.pairs().for_each(|pair| moments.add(&pair));
            pairs += sound.pairs;
            loud += sound.loud;
            tonal += sound.tonal;
            for (sum, power) in spectrum.iter_mut().zip(sound.spectrum) {
                *sum += power;
            }
            sound.strongest.iter().for_each(|&band| strongest.add(band));
        }
        Self {
            level,
            pairs,
            frames: moments.gaussian(),
            loud,
            tonal,
            spectrum,
            strongest,
        }
    }

    fn tonal(&self) -> f64 {
        self.tonal as f64 / self.loud.max(1) as f64
    }

    /// Each band in dB relative to all together.
    fn decibels(&self) -> [f64; BANDS] {
        let all: f64 = self.spectrum.iter().sum();
        self.spectrum.map(|power| {
            let db = 10.0 * (power / all.max(f64::MIN_POSITIVE)).log10();
            db.max(-SPECTRUM_DB)
        })
    }

    fn spectrum_distance(&self, other: &Self) -> f64 {
        let bands = self.decibels().into_iter().zip(other.decibels());
        let squares: f64 = bands.map(|(a, b)| (a - b).powi(2)).sum();
        (squares / BANDS as f64).sqrt()
    }
}

/// How many loud frames have their strongest partial in each band of 125 Hz.
#[derive(Clone, Default)]
struct Histogram(Vec<usize>);

impl Histogram {
    fn add(&mut self, band: u16) {
        let band = usize::from(band);
        if band >= self.0.len() {
            self.0.resize(band + 1, 0);
        }
        self.0[band] += 1;
    }

    fn count(&self, band: usize) -> usize {
        self.0.get(band).copied().unwrap_or(0)
    }

    fn plus(&self, other: &Self) -> Self {
        let bands = 0..self.0.len().max(other.0.len());
        Self(bands.map(|b| self.count(b) + other.count(b)).collect())
    }

    fn minus(&self, part: &Self) -> Self {
        let bands = 0..self.0.len();
        Self(bands.map(|b| self.count(b) - part.count(b)).collect())
    }

    fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// The share of frames in bands that the other has (almost) none in.
    fn foreign_to(&self, real: &Self) -> f64 {
        let least = FOREIGN * real.total() as f64;
        let is_foreign = |band: usize| real.count(band) == 0 || (real.count(band) as f64) < least;
        let foreign = (0..self.0.len()).filter(|&band| is_foreign(band));
        let foreign: usize = foreign.map(|band| self.0[band]).sum();
        foreign as f64 / self.total().max(1) as f64
    }
}

impl SoundComparison {
    /// One sentence: what is wrong, the figures that show it, and what to do.
    pub fn remark(&self) -> String {
        self.fault()
            .unwrap_or_else(|| "close to the recordings in all figures: listen to it".into())
    }

    /// The remark and the figures, for one line.
    pub fn summary(&self) -> String {
        format!(
            "{} (pitch {} beside {}, Fréchet distance {:.1}{}, spectrum {:.1} dB{}, foreign tones {}, {:.0} dBFS beside {:.0})",
            self.remark(),
            percent(self.tonal),
            percent(self.tonal_real),
            self.frechet,
            beside(self.frechet_floor, 1),
            self.spectrum_db,
            beside(self.spectrum_floor, 1),
            percent(self.foreign),
            self.loudness,
            self.loudness_real,
        )
    }

    fn fault(&self) -> Option<String> {
        if self.silence > 0.9 && self.silence > self.silence_real + 0.2 {
            return Some(format!(
                "silent: {} of it is below {SILENT_DBFS:.0} dBFS, {} of the recordings: train longer, or trim their silence",
                percent(self.silence),
                percent(self.silence_real)
            ));
        }
        if self.clipping > 0.02 && self.clipping > 4.0 * self.clipping_real {
            return Some(format!(
                "clipped: {} of its samples are at full scale, {} in the recordings: train longer, or lower the temperature",
                percent(self.clipping),
                percent(self.clipping_real)
            ));
        }
        if let (Some(copies), Some(floor)) = (self.copies, self.copies_floor)
            && copies > 0.05 + 2.0 * floor
        {
            return Some(format!(
                "copies: {} of the sounds repeat a training recording, {} of the held-out ones do: add recordings, or stop training earlier",
                percent(copies),
                percent(floor)
            ));
        }
        let tone = self.wrong_tone().or_else(|| self.no_pitch());
        let sound = tone.or_else(|| {
            let far = self.frechet > 1.0 + 3.0 * self.frechet_floor.unwrap_or(USUAL_FLOOR);
            far.then(|| {
                format!(
                    "unlike the recordings: Fréchet distance {:.1}{}: train longer or add recordings",
                    self.frechet,
                    beside(self.frechet_floor, 1)
                )
            })
        });
        sound.or_else(|| {
            let (made, real) = (self.loudness, self.loudness_real);
            ((made - real).abs() > LOUDER).then(|| {
                let word = if made > real { "louder" } else { "quieter" };
                format!("{word} than the recordings: {made:.0} dBFS, not {real:.0}: train longer")
            })
        })
    }

    /// A pitch is no good sign where the spectrum is another.
    fn wrong_tone(&self) -> Option<String> {
        if self.tonal < 0.5 * self.tonal_real || self.tonal < 0.1 {
            return None;
        }
        let floor = self.foreign_floor.unwrap_or(0.0);
        if self.foreign > 0.2 + 2.0 * floor {
            return Some(format!(
                "whistles: {} of loud frames have their strongest partial where the recordings never have it (floor {}): train longer, or lower the temperature",
                percent(self.foreign),
                percent(floor)
            ));
        }
        (self.spectrum_db > 8.0 + 2.0 * self.spectrum_floor.unwrap_or(0.0)).then(|| {
            format!(
                "a tone, but not of the recordings: the spectrum is {:.1} dB away{}: train longer or add recordings",
                self.spectrum_db,
                beside(self.spectrum_floor, 1)
            )
        })
    }

    fn no_pitch(&self) -> Option<String> {
        (self.tonal_real > 0.1 && self.tonal < 0.5 * self.tonal_real).then(|| {
            format!(
                "noisy: {} of loud frames have a pitch, {} in the recordings: train longer or add recordings",
                percent(self.tonal),
                percent(self.tonal_real)
            )
        })
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn beside(floor: Option<f64>, digits: usize) -> String {
    floor.map_or(String::new(), |floor| format!(" (floor {floor:.digits$})"))
}
