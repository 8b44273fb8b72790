/*! What the classes of frames mean. */

use std::fmt::{self, Debug, Formatter};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audio::frames::all_pole::AllPole;
use crate::audio::frames::analysis::{Analysis, Measure, hop};
use crate::audio::frames::bands;
use crate::audio::frames::codebook::{Codebook, k_means};
use crate::audio::frames::format::{FrameFormat, features_width, order, prediction};
use crate::audio::frames::pauses::Pauses;
use crate::audio::frames::tokens::{self, CODES, Frame, GAINS, LEVELS, PITCHES};
use crate::audio::{Emphasis, MuLaw};
use crate::base::rng::rng_stream;
use crate::error::{Error, Result};
use crate::sequence::{Alphabet, Codec, Prediction, Token};

/// The sample rates of frames, in Hz.
const RATES: Range<u32> = 8_000..48_001;
/// The pitches that are sought in a corpus, in Hz.
const PITCH_RANGE: Range<f64> = 55.0..1_000.0;
/// The share of pitches at either end that does not widen the range of classes.
const OUTLIERS: f64 = 0.005;
/// The range of classes is wider than the corpus by this factor at either end: two semitones.
const MARGIN: f64 = 1.122_462_048_309_373;
/// The least ratio of the highest to the lowest pitch: two octaves.
const LEAST_RANGE: f64 = 4.0;
/// The least clarity of the pitches that decide the range of classes: errors by an octave are less clear.
const CLEAR: f64 = 0.8;
/// Fewer such frames than this share of all do not decide the range.
const FEW_VOICED: f64 = 0.005;
/// Codebooks are learned from at most this many frames.
const MOST_FRAMES: usize = 30_000;
/// The step of the gain and its lower end, in dB.
const GAIN_STEP: f64 = 2.2;
const LOWEST_GAIN: f64 = -90.0;
/// Divides an envelope, in nats, so that features have about the scale 1.
const ENVELOPE_SCALE: f32 = 3.0;
/// Frames of which a condition has the features: the last, its own and the next.
const NEIGHBOURS: usize = 3;

/// What the classes of frames mean: the sample rate and the codebooks learned from a corpus. It is kept in the model folder
/// as JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Learned", into = "Learned")]
pub struct FrameCodec {
    learned: Learned,
    tables: Arc<Tables>,
}

/// What is kept of a codec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Learned {
    /// Samples a second.
    sample_rate: u32,
    /// What was done before companding.
    #[serde(default, skip_serializing_if = "Emphasis::is_none")]
    emphasis: Emphasis,
    /// The lower end of pitch class 1, in Hz.
    lowest_pitch: f64,
    /// The upper end of the highest pitch class, in Hz.
    highest_pitch: f64,
    /// Two codebooks of log-mel envelopes, `[CODES][bands]` each: the second holds what the first leaves.
    envelopes: [Vec<Vec<f32>>; 2],
    /// The pauses of the corpus, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pauses: Option<Pauses>,
}

/// What follows from what was learned.
struct Tables {
    analysis: Analysis,
    books: [Codebook; 2],
    all_pole: AllPole,
    prediction: Prediction,
    /// The period of each pitch class in samples; 0 for none.
    periods: [f32; PITCHES],
    /// The mean square of each gain class.
    powers: [f32; GAINS],
}

impl FrameCodec {
    /// Refuses sample rates at which there are no frames.
    ///
    /// # Errors
    /// A sample rate outside of 8 to 48 kHz.
    pub fn check_rate(sample_rate: u32) -> Result<()> {
        if !RATES.contains(&sample_rate) {
            let problem = format!("frames cannot be made at a sample rate of {sample_rate} Hz");
            let hint = format!(
                "choose one from {} to {} Hz, or train on samples alone (--tiers 1)",
                RATES.start,
                RATES.end - 1
            );
            return Err(Error::usage(problem).with_hint(hint));
        }
        Ok(())
    }

    /// Learns codebooks and the range of pitches from recordings, given their µ-law classes at `sample_rate` Hz and what was done
    /// before companding. At most 30,000 frames are used, spread evenly over all recordings; the seed fixes the result.
    ///
    /// # Errors
    /// A sample rate outside of 8 to 48 kHz, recordings without a sample, or the first error of the recordings.
    pub fn learn(
        sample_rate: u32,
        emphasis: Emphasis,
        recordings: impl Iterator<Item = Result<Vec<Token>>>,
        seed: u64,
    ) -> Result<Self> {
        Self::check_rate(sample_rate)?;
        let analysis = Analysis::new(sample_rate);
        let mut measures = Thinned::new(MOST_FRAMES);
        for recording in recordings {
            let tokens = recording?;
            let [samples, heard] =
                [Emphasis::NONE, emphasis].map(|filter| filter.decode(&tokens, sample_rate));
            let mut analyser = analysis.of(&samples, &heard, PITCH_RANGE);
            for index in 0..samples.len().div_ceil(hop(sample_rate)) {
                measures.offer(|| analyser.measure(index));
            }
        }
        if measures.kept.is_empty() {
            return Err(Error::usage("the recordings are empty"));
        }
        let pitches = pitch_range(&measures.kept);
        let envelopes = measures.kept.into_iter().map(|measure| measure.envelope);
        let learned = Learned {
            sample_rate,
            emphasis,
            lowest_pitch: pitches.start,
            highest_pitch: pitches.end,
            envelopes: codebooks(envelopes.collect(), seed),
            pauses: None,
        };
        Ok(Self::new(learned))
    }

    fn new(learned: Learned) -> Self {
        Self {
            tables: Arc::new(Tables::new(&learned)),
            learned,
        }
    }

    /// Takes the pauses from the frames of the corpus.
    pub(super) fn find_pauses(&mut self, recordings: &[Vec<Frame>]) {
        self.learned.pauses = Pauses::of(recordings);
    }

    /// The pauses of the corpus, where they are known.
    pub fn pauses(&self) -> Option<Pauses> {
        self.learned.pauses
    }

    /// What a model records of it.
    pub fn format(&self) -> FrameFormat {
        FrameFormat {
            lowest_pitch: self.learned.lowest_pitch,
            highest_pitch: self.learned.highest_pitch,
        }
    }

    /// Samples a second.
    #[cfg(test)]
    pub fn sample_rate(&self) -> u32 {
        self.learned.sample_rate
    }

    /// Samples a frame.
    pub fn hop(&self) -> usize {
        hop(self.learned.sample_rate)
    }

    /// The number of frames of a recording; the last one may be shorter.
    pub fn frames_of(&self, samples: usize) -> usize {
        samples.div_ceil(self.hop())
    }

    /// The frames of a recording, given its µ-law classes.
    pub fn analyse(&self, tokens: &[Token]) -> Vec<Frame> {
        let filters = [Emphasis::NONE, self.learned.emphasis];
        let [samples, heard] =
            filters.map(|filter| filter.decode(tokens, self.learned.sample_rate));
        let pitches = self.learned.lowest_pitch..self.learned.highest_pitch;
        let mut analyser = self.tables.analysis.of(&samples, &heard, pitches);
        let mut frames: Vec<Frame> = (0..self.frames_of(samples.len()))
            .map(|index| self.classified(&analyser.measure(index)))
            .collect();
        let errors = self.prediction_errors(tokens, &frames);
        for (frame, error) in frames.iter_mut().zip(errors) {
            frame.excitation = level(error);
        }
        frames
    }

    /// The frame of a measurement, with the least excitation.
    fn classified(&self, measure: &Measure) -> Frame {
        let [first, second] = &self.tables.books;
        let code = first.nearest(&measure.envelope);
        let vector = &self.learned.envelopes[0][usize::from(code)];
        let rest: Vec<f32> = (measure.envelope.iter().zip(vector))
            .map(|(value, of_vector)| value - of_vector)
            .collect();
        let decibels = 10.0 * (measure.mean_square + 1e-9).log10();
        let gain = (decibels - LOWEST_GAIN) / GAIN_STEP;
        Frame {
            gain: gain.clamp(0.0, (GAINS - 1) as f64) as u8,
            pitch: measure.pitch.map_or(0, |pitch| self.pitch_class(pitch.hz)),
            envelope: [code, second.nearest(&rest)],
            excitation: 0,
        }
    }

    /// How far the prediction errs in each frame: the mean distance of tokens from the predicted places.
    fn prediction_errors(&self, tokens: &[Token], frames: &[Frame]) -> Vec<f32> {
        let prediction = &self.tables.prediction;
        let width = prediction.parameters();
        let mut conditions = Vec::with_capacity(frames.len() * width);
        for &frame in frames {
            self.parameters(frame, &mut conditions);
        }
        let mut read = tokens.to_vec();
        read.insert(0, MuLaw.alphabet().start);
        read.pop();
        let forecasts = prediction.forecasts(&read, &conditions, width, self.hop());
        let distances: Vec<f32> = (tokens.iter().zip(forecasts))
            .map(|(&token, forecast)| (token as f32 - forecast.place).abs())
            .collect();
        distances
            .chunks(self.hop())
            .map(|frame| frame.iter().sum::<f32>() / frame.len() as f32)
            .collect()
    }

    /// Frame tokens: five slots a frame (gain, pitch, two of the envelope, excitation), each with its own range, and `stop`
    /// after the last frame. `start` is only an input.
    pub fn alphabet() -> Alphabet {
        tokens::alphabet()
    }

    /// The tokens of frames, without `stop`.
    pub fn tokens(frames: &[Frame]) -> Vec<Token> {
        tokens::tokens(frames)
    }

    /// The inverse of [`tokens`](Self::tokens); `None` where a token is in the wrong slot. An incomplete last frame is
    /// dropped.
    pub fn frames(tokens: &[Token]) -> Option<Vec<Frame>> {
        tokens::frames(tokens)
    }

    /// What predicts the samples, by the parameters at the start of a condition.
    #[cfg(test)]
    pub fn prediction(&self) -> Prediction {
        self.tables.prediction.clone()
    }

    /// The length of a condition: the parameters of the prediction, and the features of three frames.
    pub fn condition_width(&self) -> usize {
        self.tables.prediction.parameters() + NEIGHBOURS * self.features_width()
    }

    /// The length of the features of one frame.
    fn features_width(&self) -> usize {
        features_width(self.tables.analysis.bands.len())
    }

    /// Appends the condition of frame `index`: the parameters of the prediction, then the features of the frame before, of
    /// the frame and of the next. Frames outside of the recording are zeros.
    pub fn condition(&self, frames: &[Frame], index: usize, out: &mut Vec<f32>) {
        let start = out.len();
        if let Some(&frame) = frames.get(index) {
            self.parameters(frame, out);
        }
        out.resize(start + self.tables.prediction.parameters(), 0.0);
        for neighbour in 0..NEIGHBOURS {
            let at = (index + neighbour).checked_sub(NEIGHBOURS / 2);
            let end = out.len() + self.features_width();
            if let Some(&frame) = at.and_then(|at| frames.get(at)) {
                self.features(frame, out);
            }
            out.resize(end, 0.0);
        }
    }

    /// Appends what the prediction is given: coefficients, period in samples, mean square, level.
    fn parameters(&self, frame: Frame, out: &mut Vec<f32>) {
        let envelope = self.envelope(frame);
        self.tables.all_pole.coefficients(&envelope, out);
        out.extend([
            self.tables.periods[usize::from(frame.pitch)],
            self.tables.powers[usize::from(frame.gain)],
            f32::from(frame.excitation),
        ]);
    }

    /// Appends the gain, the pitch and the excitation one-hot, and the envelope at about unit scale.
    fn features(&self, frame: Frame, out: &mut Vec<f32>) {
        one_hot(frame.gain, GAINS, out);
        one_hot(frame.pitch, PITCHES, out);
        out.extend(self.envelope(frame).iter().map(|log| log / ENVELOPE_SCALE));
        one_hot(frame.excitation, LEVELS, out);
    }

    /// The decoded envelope: the natural logarithm of each band's power without their mean.
    fn envelope(&self, frame: Frame) -> Vec<f32> {
        let [first, second] = [0, 1].map(|stage| {
            let code = usize::from(frame.envelope[stage]);
            self.learned.envelopes[stage][code].iter()
        });
        first.zip(second).map(|(a, b)| a + b).collect()
    }

    /// Whether a frame has a pitch.
    pub fn is_voiced(frame: Frame) -> bool {
        frame.pitch > 0
    }

    /// The pitch of a frame in Hz.
    #[cfg(test)]
    pub fn pitch(&self, frame: Frame) -> Option<f32> {
        let period = self.tables.periods[usize::from(frame.pitch)];
        Self::is_voiced(frame).then(|| self.learned.sample_rate as f32 / period)
    }

    /// The class of a pitch in Hz; pitches out of range have the outermost classes.
    fn pitch_class(&self, hz: f64) -> u8 {
        let class = (hz / self.learned.lowest_pitch).log2() * self.learned.per_octave();
        1 + class.clamp(0.0, (PITCHES - 2) as f64) as u8
    }

    /// The frame with its pitch moved by semitones, as far as the range of pitches goes. A frame without pitch stays so.
    #[must_use]
    pub fn transposed(&self, frame: Frame, semitones: f32) -> Frame {
        if !Self::is_voiced(frame) {
            return frame;
        }
        let classes = f64::from(semitones) / 12.0 * self.learned.per_octave();
        let pitch = (f64::from(frame.pitch) + classes).round();
        Frame {
            pitch: pitch.clamp(1.0, (PITCHES - 1) as f64) as u8,
            ..frame
        }
    }
}

impl PartialEq for FrameCodec {
    fn eq(&self, other: &Self) -> bool {
        self.learned == other.learned
    }
}

impl Debug for FrameCodec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCodec")
            .field("sample_rate", &self.learned.sample_rate)
            .field("lowest_pitch", &self.learned.lowest_pitch)
            .field("highest_pitch", &self.learned.highest_pitch)
            .finish_non_exhaustive()
    }
}

impl From<FrameCodec> for Learned {
    fn from(codec: FrameCodec) -> Self {
        codec.learned
    }
}

impl TryFrom<Learned> for FrameCodec {
    type Error = &'static str;

    /// Refuses what would not work, as in a damaged file.
    fn try_from(learned: Learned) -> std::result::Result<Self, Self::Error> {
        if !RATES.contains(&learned.sample_rate) {
            return Err("the sample rate of frames is out of range");
        }
        let (low, high) = (learned.lowest_pitch, learned.highest_pitch);
        if !(20.0 <= low && 1.1 * low <= high && high <= 2_000.0) {
            return Err("the range of pitches is invalid");
        }
        let width = bands::count(learned.sample_rate.into());
        let is_vector = |vector: &Vec<f32>| {
            vector.len() == width && vector.iter().all(|value| value.abs() <= 40.0)
        };
        let is_book = |book: &Vec<Vec<f32>>| book.len() == CODES && book.iter().all(is_vector);
        if !learned.envelopes.iter().all(is_book) {
            return Err("a codebook of envelopes is invalid");
        }
        if !learned.pauses.is_none_or(Pauses::are_possible) {
            return Err("the pauses are invalid");
        }
        Ok(Self::new(learned))
    }
}

impl Learned {
    /// Pitch classes an octave.
    fn per_octave(&self) -> f64 {
        (PITCHES - 1) as f64 / (self.highest_pitch / self.lowest_pitch).log2()
    }

    /// The middle of a pitch class, in samples a period.
    fn period(&self, class: usize) -> f64 {
        let octaves = (class as f64 - 0.5) / self.per_octave();
        f64::from(self.sample_rate) / (self.lowest_pitch * octaves.exp2())
    }
}

impl Tables {
    fn new(learned: &Learned) -> Self {
        let rate = learned.sample_rate;
        let analysis = Analysis::new(rate);
        let power = |gain: usize| {
            let decibels = (gain as f64 + 0.5) * GAIN_STEP + LOWEST_GAIN;
            10_f64.powf(decibels / 10.0) as f32
        };
        let period = |class: usize| match class {
            0 => 0.0,
            class => learned.period(class) as f32,
        };
        Self {
            books: [0, 1].map(|stage| Codebook::new(&learned.envelopes[stage])),
            all_pole: AllPole::new(&analysis.bands, order(rate), rate),
            prediction: prediction(rate, learned.lowest_pitch),
            periods: std::array::from_fn(period),
            powers: std::array::from_fn(power),
            analysis,
        }
    }
}

/// Items of a stream of unknown length, at most so many, at equal distances.
struct Thinned<T> {
    kept: Vec<T>,
    most: usize,
    seen: usize,
    stride: usize,
}

impl<T> Thinned<T> {
    fn new(most: usize) -> Self {
        Self {
            kept: Vec::new(),
            most,
            seen: 0,
            stride: 1,
        }
    }

    /// Keeps the next item, which is only made for this, or passes over it.
    fn offer(&mut self, item: impl FnOnce() -> T) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == self.most {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(item());
            }
        }
        self.seen += 1;
    }
}

/// The range of the pitches without outliers, widened; the whole range that was sought where hardly a frame is voiced.
fn pitch_range(measures: &[Measure]) -> Range<f64> {
    let mut pitches: Vec<f64> = measures
        .iter()
        .filter_map(|measure| measure.pitch)
        .filter(|pitch| pitch.clarity >= CLEAR)
        .map(|pitch| pitch.hz)
        .collect();
    if (pitches.len() as f64) <= FEW_VOICED * measures.len() as f64 {
        return PITCH_RANGE;
    }
    pitches.sort_by(f64::total_cmp);
    let outliers = (OUTLIERS * pitches.len() as f64) as usize;
    let low = pitches[outliers] / MARGIN;
    let high = pitches[pitches.len() - 1 - outliers] * MARGIN;
    let missing = (LEAST_RANGE / (high / low)).max(1.0).sqrt();
    let rounded = |hz: f64| (100.0 * hz).round() / 100.0;
    rounded(low / missing)..rounded(high * missing)
}

/// Codebooks of envelopes and of what the first leaves of them.
fn codebooks(mut envelopes: Vec<Vec<f32>>, seed: u64) -> [Vec<Vec<f32>>; 2] {
    let first = k_means(&envelopes, &mut rng_stream(seed, *b"envelope", 0));
    let nearest = Codebook::new(&first).nearest_of_all(&envelopes);
    for (envelope, code) in envelopes.iter_mut().zip(nearest) {
        for (value, of_vector) in envelope.iter_mut().zip(&first[usize::from(code)]) {
            *value -= of_vector;
        }
    }
    let second = k_means(&envelopes, &mut rng_stream(seed, *b"envelope", 1));
    [first, second]
}

/// The class of a prediction's error, a mean distance of tokens: half octaves from 1/4.
fn level(error: f32) -> u8 {
    (2.0 * (4.0 * error).log2()).clamp(0.0, (LEVELS - 1) as f32) as u8
}

/// Appends zeros, and 1 at the class.
fn one_hot(class: u8, classes: usize, out: &mut Vec<f32>) {
    let start = out.len();
    out.resize(start + classes, 0.0);
    out[start..][usize::from(class)] = 1.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::frames::all_pole::tests::largest_reflection;
    use crate::base::rng::testing::Lcg;
    use serde_json::json;
    use std::f64::consts::TAU;
    use std::sync::LazyLock;

    const ALL_RATES: [u32; 5] = [8_000, 16_000, 22_050, 44_100, 48_000];

    /// Adds up a frequency in Hz, given at each second, with these amplitudes of the partials.
    fn tone(rate: u32, seconds: f64, hz: impl Fn(f64) -> f64, partials: &[f64]) -> Vec<f32> {
        let mut phase = 0.0;
        let sample = |i: usize| {
            phase += TAU * hz(i as f64 / f64::from(rate)) / f64::from(rate);
            let parts = (1..).zip(partials);
            let value: f64 = parts.map(|(n, a)| a * (f64::from(n) * phase).sin()).sum();
            value as f32
        };
        (0..(seconds * f64::from(rate)) as usize)
            .map(sample)
            .collect()
    }

    fn noise(n: usize, amplitude: f32) -> Vec<f32> {
        Lcg(11).values(n, amplitude)
    }

    /// Tones from 70 to 900 Hz, noise and silence.
    fn recordings(rate: u32) -> Vec<Vec<f32>> {
        let glide = |t: f64| 70.0 * (900.0_f64 / 70.0).powf(t / 1.5);
        let second = rate as usize;
        vec![
            tone(rate, 1.5, glide, &[0.3]),
            tone(rate, 1.5, glide, &[0.3, 0.2, 0.1, 0.1]),
            noise(second / 2, 0.3),
            noise(second / 4, 0.003),
            vec![0.0; second / 10],
            vec![],
        ]
    }

    fn codec(rate: u32, seed: u64) -> FrameCodec {
        let recordings = recordings(rate).into_iter();
        let tokens = recordings.map(|recording| MuLaw.encode(&recording));
        FrameCodec::learn(rate, Emphasis::NONE, tokens, seed).unwrap()
    }

    /// A codec for each rate of [`ALL_RATES`].
    static CODECS: LazyLock<Vec<FrameCodec>> =
        LazyLock::new(|| ALL_RATES.map(|rate| codec(rate, 1)).into());

    fn frames(codec: &FrameCodec, samples: &[f32]) -> Vec<Frame> {
        codec.analyse(&MuLaw.encode(&samples.to_vec()).unwrap())
    }

    /// Those whose windows lie within the recording.
    fn inner(frames: &[Frame]) -> &[Frame] {
        &frames[3..frames.len() - 3]
    }

    #[test]
    fn a_sine_has_its_pitch() {
        for codec in &*CODECS {
            for hz in [80.0, 110.0, 234.5, 440.0, 777.0, 890.0] {
                let sine = tone(codec.sample_rate(), 0.3, |_| hz, &[0.4]);
                let class = codec.pitch_class(hz);
                for frame in inner(&frames(codec, &sine)) {
                    assert!(FrameCodec::is_voiced(*frame));
                    let off = frame.pitch.abs_diff(class);
                    assert!(off <= 1, "{hz} Hz: {frame:?}, not class {class}");
                    let heard = f64::from(codec.pitch(*frame).unwrap());
                    let off = (heard / hz).log2().abs() * codec.learned.per_octave();
                    assert!(off <= 1.5, "{hz} Hz became {heard}");
                }
            }
        }
    }

    #[test]
    fn pre_emphasis_leaves_the_pitch() {
        let raised = Emphasis::USUAL;
        let tokens = recordings(8_000).into_iter();
        let tokens = tokens.map(|recording| Ok(raised.encode(&recording)));
        let codec = FrameCodec::learn(8_000, raised, tokens, 1).unwrap();
        let mut voice = tone(8_000, 1.0, |_| 110.0, &[0.3, 0.1, 0.05]);
        for (sample, hiss) in voice.iter_mut().zip(noise(8_000, 0.05)) {
            *sample += hiss;
        }
        let class = codec.pitch_class(110.0);
        let found = codec.analyse(&raised.encode(&voice));
        assert!(inner(&found).iter().all(|f| f.pitch.abs_diff(class) <= 1));
        // As it is companded, hiss hides it.
        let unaware = FrameCodec::new(Learned {
            emphasis: Emphasis::NONE,
            ..codec.learned
        });
        let found = unaware.analyse(&raised.encode(&voice));
        assert!(inner(&found).iter().any(|f| f.pitch.abs_diff(class) > 1));
    }

    #[test]
    fn noise_has_no_pitch_and_is_flat() {
        for codec in &*CODECS {
            let noise = frames(codec, &noise(codec.sample_rate() as usize / 2, 0.2));
            let voiced = noise.iter().filter(|f| FrameCodec::is_voiced(**f)).count();
            assert!(voiced * 20 < noise.len(), "{voiced} of {}", noise.len());
            let bands = codec.tables.analysis.bands.len();
            let mut mean = vec![0.0; bands];
            for &frame in inner(&noise) {
                for (sum, log) in mean.iter_mut().zip(codec.envelope(frame)) {
                    *sum += log / inner(&noise).len() as f32;
                }
            }
            assert!(mean.iter().all(|log| log.abs() < 1.0), "{mean:?}");
        }
    }

    #[test]
    fn silence_has_the_lowest_gain_and_no_pitch() {
        for codec in &*CODECS {
            for frame in frames(codec, &vec![0.0; 5_000]) {
                assert_eq!((frame.gain, frame.pitch), (0, 0));
            }
        }
    }

    #[test]
    fn the_gain_is_the_mean_square() {
        for codec in &*CODECS {
            for amplitude in [0.01, 0.1, 0.9] {
                let sine = tone(codec.sample_rate(), 0.3, |_| 500.0, &[amplitude]);
                for frame in inner(&frames(codec, &sine)) {
                    let power = f64::from(codec.tables.powers[usize::from(frame.gain)]);
                    let off = 10.0 * (power / (amplitude * amplitude / 2.0)).log10();
                    assert!(off.abs() < GAIN_STEP, "{amplitude}: {off} dB");
                }
            }
        }
    }

    #[test]
    fn a_glide_rises() {
        for codec in &*CODECS {
            let rise = |t: f64| 120.0 + 400.0 * t;
            let glide = tone(codec.sample_rate(), 1.0, rise, &[0.3, 0.2, 0.1]);
            let mut highest = 0;
            for frame in inner(&frames(codec, &glide)) {
                assert!(
                    frame.pitch + 1 >= highest,
                    "{} after {highest}",
                    frame.pitch
                );
                highest = highest.max(frame.pitch);
            }
            let expected = codec.pitch_class(510.0);
            assert!(highest.abs_diff(expected) <= 1, "{highest}, not {expected}");
        }
    }

    #[test]
    fn a_tone_is_predicted_and_noise_is_not() {
        for codec in &*CODECS {
            let rate = codec.sample_rate();
            let mean_level = |samples: &[f32]| {
                let frames = frames(codec, samples);
                let levels = inner(&frames).iter().map(|f| f32::from(f.excitation));
                levels.sum::<f32>() / inner(&frames).len() as f32
            };
            let tone = mean_level(&tone(rate, 0.5, |_| 220.0, &[0.3, 0.2, 0.1]));
            let noise = mean_level(&noise(rate as usize / 2, 0.4));
            assert!(tone + 4.0 < noise, "levels {tone} and {noise}");
        }
    }

    #[test]
    fn any_length_has_its_frames() {
        for codec in &*CODECS {
            let hop = codec.hop();
            for n in [0, 1, 2, hop - 1, hop, hop + 1, 5 * hop + 3] {
                let sound = frames(codec, &noise(n, 0.5));
                assert_eq!(sound.len(), n.div_ceil(hop));
                assert_eq!(sound.len(), codec.frames_of(n));
            }
        }
    }

    #[test]
    fn a_condition_has_its_width_and_the_frames_around() {
        for codec in &*CODECS {
            let sound = frames(
                codec,
                &tone(codec.sample_rate(), 0.1, |_| 300.0, &[0.3, 0.1]),
            );
            let parameters = codec.prediction().parameters();
            let width = codec.features_width();
            let conditions: Vec<Vec<f32>> = (0..sound.len() + 2)
                .map(|index| {
                    let mut condition = Vec::new();
                    codec.condition(&sound, index, &mut condition);
                    assert_eq!(condition.len(), codec.condition_width());
                    assert!(condition.iter().all(|value| value.is_finite()));
                    condition
                })
                .collect();
            let features = |index: usize, place: usize| {
                &conditions[index][parameters + place * width..][..width]
            };
            let zeros = vec![0.0; width];
            assert_eq!(features(0, 0), zeros);
            for index in 1..conditions.len() {
                assert_eq!(features(index, 0), features(index - 1, 1));
                assert_eq!(features(index, 1), features(index - 1, 2));
            }
            assert_eq!(features(sound.len() - 1, 2), zeros);
            let outside = &conditions[sound.len() + 1];
            assert!(outside.iter().all(|&value| value == 0.0));
            let ones = features(2, 1).iter().filter(|&&value| value == 1.0).count();
            assert!(ones >= 3);
        }
    }

    #[test]
    fn the_parameters_are_those_of_the_frame() {
        let codec = &CODECS[0];
        let sine = tone(8_000, 0.2, |_| 250.0, &[0.3, 0.2]);
        let sound = frames(codec, &sine);
        let mut condition = Vec::new();
        codec.condition(&sound, 8, &mut condition);
        let order = codec.prediction().order;
        assert!(
            (condition[order] - 32.0).abs() < 1.5,
            "{}",
            condition[order]
        );
        assert!((0.05..0.08).contains(&condition[order + 1]));
        assert_eq!(condition[order + 2], f32::from(sound[8].excitation));
        assert!(condition[order] <= codec.prediction().longest as f32);
    }

    #[test]
    fn every_envelope_has_a_stable_filter() {
        let mut lcg = Lcg(9);
        for codec in &*CODECS {
            for _ in 0..200 {
                let codes = lcg.tokens(2, CODES);
                let frame = Frame::of([0, 0, codes[0] as u8, codes[1] as u8, 0]);
                let mut condition = Vec::new();
                codec.condition(&[frame], 0, &mut condition);
                let a = &condition[..codec.prediction().order];
                assert!(largest_reflection(a) < 1.0);
                let mut response = vec![1.0_f32];
                for n in 1..codec.sample_rate() as usize / 2 {
                    let past = response[n.saturating_sub(a.len())..].iter().rev();
                    let next = past.zip(a).map(|(y, a)| y * a).sum();
                    response.push(next);
                }
                let last = &response[response.len() - 100..];
                assert!(last.iter().all(|y| y.abs() < 1e-3));
            }
        }
    }

    #[test]
    fn an_octave_doubles_the_pitch_within_the_range() {
        let codec = &CODECS[0];
        let frame = |pitch| Frame::of([20, pitch, 3, 4, 5]);
        let half_class = (0.5 / codec.learned.per_octave()).exp2() as f32 * 1.0001;
        let octave = codec.learned.per_octave() as u8;
        for class in 1..PITCHES as u8 {
            let up = codec.transposed(frame(class), 12.0);
            assert_eq!(codec.transposed(frame(class), 0.0), frame(class));
            if class + octave + 1 < PITCHES as u8 {
                let ratio = codec.pitch(up).unwrap() / codec.pitch(frame(class)).unwrap() / 2.0;
                assert!((1.0 / half_class..half_class).contains(&ratio), "{ratio}");
                assert!(codec.transposed(up, -12.0).pitch.abs_diff(class) <= 1);
            }
            assert_eq!(
                codec.transposed(frame(class), 500.0).pitch,
                PITCHES as u8 - 1
            );
            assert_eq!(codec.transposed(frame(class), -500.0).pitch, 1);
        }
        assert_eq!(codec.transposed(frame(0), 12.0), frame(0));
    }

    #[test]
    fn learning_is_deterministic_and_survives_the_file() {
        let first = codec(8_000, 4);
        assert_eq!(first, codec(8_000, 4));
        assert_ne!(first, codec(8_000, 5));
        let json = serde_json::to_string(&first).unwrap();
        let read: FrameCodec = serde_json::from_str(&json).unwrap();
        assert_eq!(read, first);
        let sound = recordings(8_000).concat();
        assert_eq!(frames(&read, &sound), frames(&first, &sound));
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let json = serde_json::to_value(&CODECS[0]).unwrap();
        let with = |key: &str, value: serde_json::Value| {
            let mut json = json.clone();
            json[key] = value;
            serde_json::from_value::<FrameCodec>(json)
        };
        assert!(with("sample_rate", 8_000.into()).is_ok());
        assert!(with("sample_rate", 44_100.into()).is_err());
        assert!(with("sample_rate", 0.into()).is_err());
        assert!(with("lowest_pitch", 0.into()).is_err());
        assert!(with("highest_pitch", 1.into()).is_err());
        assert!(with("envelopes", vec![vec![vec![0.0; 18]; 3]; 2].into()).is_err());
        let pauses = |longest| json!({"quiet_below": 9, "longest": longest});
        assert!(with("pauses", pauses(40)).is_ok());
        assert!(with("pauses", pauses(0)).is_err());
        assert!(with("other", 1.into()).is_err());
    }

    #[test]
    fn what_cannot_be_learned_from_is_an_error() {
        let learn = |rate, recordings: Vec<Result<Vec<f32>>>| {
            let tokens = recordings.into_iter().map(|sound| MuLaw.encode(&sound?));
            FrameCodec::learn(rate, Emphasis::NONE, tokens, 1).is_ok()
        };
        assert!(learn(8_000, vec![Ok(vec![0.0])]));
        assert!(learn(8_000, vec![Ok(vec![f32::NAN; 900])]));
        assert!(!learn(8_000, vec![]));
        assert!(!learn(8_000, vec![Ok(vec![])]));
        assert!(!learn(4_000, vec![Ok(vec![0.0; 900])]));
        assert!(!learn(
            8_000,
            vec![Ok(vec![0.0; 900]), Err(Error::usage("no file"))]
        ));
    }

    #[test]
    fn the_range_of_pitches_is_that_of_the_corpus() {
        let range = |hz: &[f64]| {
            let tones = hz
                .iter()
                .map(|&hz| MuLaw.encode(&tone(8_000, 1.0, |_| hz, &[0.3, 0.1])));
            let learned = FrameCodec::learn(8_000, Emphasis::NONE, tones, 1);
            let learned = learned.unwrap().learned;
            (learned.lowest_pitch, learned.highest_pitch)
        };
        let near = |(a, b): (f64, f64), c: f64, d: f64| {
            (a / c).log2().abs() < 0.03 && (b / d).log2().abs() < 0.03
        };
        assert!(near(range(&[100.0, 800.0]), 100.0 / MARGIN, 800.0 * MARGIN));
        // At least two octaves.
        assert!(near(range(&[300.0]), 150.0, 600.0));
    }

    #[test]
    fn a_long_stream_is_thinned_evenly() {
        for (n, stride) in [(0, 1), (10, 1), (11, 2), (20, 2), (21, 4), (1_000, 128)] {
            let mut thinned = Thinned::new(10);
            for item in 0..n {
                thinned.offer(|| item);
            }
            let expected: Vec<usize> = (0..n).step_by(stride).collect();
            assert_eq!(thinned.kept, expected, "{n} items");
        }
    }
}
