/*!
Detection of degenerate output in an endless signal.

A network that continues its own output can get stuck: in silence, in clipping, or on one tone. The guard checks the
decoded values (from −1 to 1) in windows of a quarter of a second:

| degeneration | criterion | duration |
|---|---|---|
| silence | RMS about the mean below 1/100 of the prompt's, or below −60 dB | 4 s |
| clipping | over a quarter of the values beyond 0.95, and over four times the prompt's fraction | 1 s |
| stuck tone | level within ±1 dB of the first window's, and autocorrelation above 0.95 at a fixed lag | 8 s |

The lag, from 2 to 50 ms, is that of the highest autocorrelation in the first window. Silence after a silent prompt is
not reported, nor is a long note that swells, decays, bends or repeats.
*/

use std::fmt;

/// Windows per second.
const WINDOWS: f64 = 4.0;
/// The durations in seconds.
const SILENT_FOR: f64 = 4.0;
const CLIPPED_FOR: f64 = 1.0;
const STUCK_FOR: f64 = 8.0;
/// The RMS of silence: relative to the prompt, and absolute (−60 dB, a few steps of 8-bit µ-law around zero).
const SILENT_SHARE: f64 = 0.01;
const SILENT_LEVEL: f64 = 0.001;
/// Values beyond `EXTREME` are at full scale; a window clips if their fraction exceeds `EXTREME_SHARE`.
const EXTREME: f32 = 0.95;
const EXTREME_SHARE: f64 = 0.25;
const EXTREME_FACTOR: f64 = 4.0;
/// 1 dB as a ratio.
const STEADY: f64 = 1.122;
/// The autocorrelation of a stuck tone.
const ALIKE: f64 = 0.95;
/// The range of lags in seconds: 500 Hz to 20 Hz. A higher tone matches at a multiple of its period.
const SHORTEST: f64 = 0.002;
const LONGEST: f64 = 0.05;
/// The approximate rate of the autocorrelation: the low harmonics are enough.
const COARSE_RATE: f64 = 8_000.0;

/// How the output has degenerated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Degeneration {
    /// Silence for this many seconds.
    Silence(f64),
    /// Clipping: the fraction of the last second at full scale.
    Clipping(f64),
    /// One stuck tone.
    Tone {
        /// Its duration.
        seconds: f64,
        /// The rate of repetition in Hz: its pitch, or the pitch divided by a whole number.
        repeats: f64,
    },
}

impl fmt::Display for Degeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(seconds) => write!(f, "silence for {seconds:.0} s"),
            Self::Clipping(share) => write!(
                f,
                "clipping: {:.0} % of the last second is at full scale",
                100.0 * share
            ),
            Self::Tone { seconds, repeats } => write!(
                f,
                "stuck: one tone for {seconds:.0} s, repeating at {repeats:.0} Hz"
            ),
        }
    }
}

/// Checks values one by one.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The values of the incomplete window.
    window: Vec<f32>,
    length: usize,
    /// The RMS of silence; `None` if the prompt is silent.
    silence: Option<f64>,
    /// The fraction of extreme values above which a window clips.
    clipping: f64,
    silent: u32,
    clipped: u32,
    tone: Tone,
}

impl Guard {
    /// A guard for `rate` values per second after `prompt`, which may be empty.
    pub fn new(rate: f64, prompt: &[f32]) -> Self {
        let length = ((rate / WINDOWS) as usize).max(1);
        let prompt_level = level(prompt);
        Self {
            window: Vec::with_capacity(length),
            length,
            silence: (prompt.is_empty() || prompt_level > SILENT_LEVEL)
                .then_some((SILENT_SHARE * prompt_level).max(SILENT_LEVEL)),
            clipping: EXTREME_SHARE.max(EXTREME_FACTOR * extremes(prompt)),
            silent: 0,
            clipped: 0,
            tone: Tone::new(rate),
        }
    }

    /// Checks the next value. Returns a degeneration once, and then starts over.
    pub fn watch(&mut self, value: f32) -> Option<Degeneration> {
        self.window.push(value);
        if self.window.len() < self.length {
            return None;
        }
        let found = self.check_window();
        self.window.clear();
        if found.is_some() {
            self.reset();
        }
        found
    }

    /// Forgets all values: another sequence begins.
    pub fn reset(&mut self) {
        self.window.clear();
        self.silent = 0;
        self.clipped = 0;
        self.tone.streak = None;
    }

    fn check_window(&mut self) -> Option<Degeneration> {
        let level = level(&self.window);
        let share = extremes(&self.window);
        let silent = self.silence.is_some_and(|silence| level < silence);
        self.silent = if silent { self.silent + 1 } else { 0 };
        self.clipped = if share > self.clipping {
            self.clipped + 1
        } else {
            0
        };
        let steady = self.tone.add(&self.window, level);
        let seconds = |windows: u32| f64::from(windows) / WINDOWS;
        if seconds(self.silent) >= SILENT_FOR {
            return Some(Degeneration::Silence(seconds(self.silent)));
        }
        if seconds(self.clipped) >= CLIPPED_FOR {
            return Some(Degeneration::Clipping(share));
        }
        let (windows, repeats) = steady?;
        (seconds(windows) >= STUCK_FOR).then_some(Degeneration::Tone {
            seconds: seconds(windows),
            repeats,
        })
    }
}

/// Counts consecutive windows of one tone.
#[derive(Debug, Clone)]
struct Tone {
    /// The number of values that are averaged to one coarse value.
    thin: usize,
    coarse_rate: f64,
    /// The coarse values of the previous and the current window.
    heard: Vec<f32>,
    streak: Option<Streak>,
}

#[derive(Debug, Clone, Copy)]
struct Streak {
    /// The level of the first window.
    level: f64,
    /// In coarse values.
    lag: usize,
    windows: u32,
}

impl Tone {
    fn new(rate: f64) -> Self {
        let thin = ((rate / COARSE_RATE).round() as usize).max(1);
        Self {
            thin,
            coarse_rate: rate / thin as f64,
            heard: Vec::new(),
            streak: None,
        }
    }

    /// Adds a window. Returns the number of consecutive windows of the tone and its rate in Hz.
    fn add(&mut self, window: &[f32], level: f64) -> Option<(u32, f64)> {
        let shortest = (SHORTEST * self.coarse_rate).ceil() as usize;
        let longest = (LONGEST * self.coarse_rate) as usize;
        let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
        // The longest lag decides how much of the past is needed.
        let kept = self.heard.len().saturating_sub(longest);
        self.heard.drain(..kept);
        let past = self.heard.len();
        self.heard.extend(window.chunks(self.thin).map(mean));
        if past < longest || longest <= shortest || level < SILENT_LEVEL {
            self.streak = None;
            return None;
        }
        let alike = |lag: usize| {
            correlation(
                &self.heard[past..],
                &self.heard[past - lag..self.heard.len() - lag],
            )
        };
        let steady = |streak: &Streak| {
            let change = level / streak.level;
            change < STEADY && change > 1.0 / STEADY && alike(streak.lag) > ALIKE
        };
        self.streak = match self.streak.filter(steady) {
            Some(streak) => Some(Streak {
                windows: streak.windows + 1,
                ..streak
            }),
            None => (shortest..=longest)
                .map(|lag| (alike(lag), lag))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|&(likeness, _)| likeness > ALIKE)
                .map(|(_, lag)| Streak {
                    level,
                    lag,
                    windows: 1,
                }),
        };
        self.streak
            .map(|streak| (streak.windows, self.coarse_rate / streak.lag as f64))
    }
}

/// The RMS about the mean; 0 without values.
fn level(values: &[f32]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let power = values
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>();
    (power / count).sqrt()
}

/// The fraction of values at full scale; 0 without values.
fn extremes(values: &[f32]) -> f64 {
    let count = values.iter().filter(|v| v.abs() > EXTREME).count();
    count as f64 / values.len().max(1) as f64
}

/// The correlation coefficient of two slices of equal length; 0 if one is constant.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let count = a.len() as f32;
    let (mean_a, mean_b) = (a.iter().sum::<f32>() / count, b.iter().sum::<f32>() / count);
    let (mut ab, mut aa, mut bb) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let scale = f64::from(aa).sqrt() * f64::from(bb).sqrt();
    if scale > 0.0 {
        f64::from(ab) / scale
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const RATE: f64 = 8_000.0;

    /// Deterministic noise in −1..1.
    struct Noise(u32);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(self.0 >> 8) / f64::from(1 << 23) - 1.0
        }
    }

    fn sound(seconds: f64, mut value: impl FnMut(f64) -> f64) -> Vec<f32> {
        (0..(seconds * RATE) as usize)
            .map(|i| value(i as f64 / RATE) as f32)
            .collect()
    }

    fn tone(t: f64, hz: f64) -> f64 {
        [1.0, 0.5, 0.3, 0.2]
            .iter()
            .zip(1..)
            .map(|(a, k)| 0.25 * a * (TAU * hz * f64::from(k) * t).sin())
            .sum()
    }

    fn prompt() -> Vec<f32> {
        sound(0.5, |t| tone(t, 150.0) * (0.2 + t))
    }

    /// The first degeneration and its time in seconds.
    fn first(values: &[f32]) -> Option<(f64, Degeneration)> {
        let mut guard = Guard::new(RATE, &prompt());
        values
            .iter()
            .enumerate()
            .find_map(|(i, &v)| Some((i as f64 / RATE, guard.watch(v)?)))
    }

    /// Syllables of gliding pitch with pauses between words, like speech.
    fn speech(seconds: f64) -> Vec<f32> {
        let mut noise = Noise(1);
        let mut phase = 0.0;
        sound(seconds, |t| {
            let syllable = (t / 0.22).floor();
            phase +=
                TAU * (110.0 + 40.0 * (syllable * 1.7).sin() + 60.0 * (t / 0.22).fract()) / RATE;
            let open = (std::f64::consts::PI * (t / 0.22).fract()).sin();
            let pause = (t / 2.5).fract() > 0.55;
            let voiced =
                (phase.sin() + 0.6 * (3.0 * phase).sin() + 0.3 * (7.0 * phase).sin()) * open;
            if pause {
                1e-4 * noise.next()
            } else {
                0.25 * voiced + 0.02 * noise.next()
            }
        })
    }

    #[test]
    fn plausible_sound_is_not_reported() {
        let mut noise = Noise(7);
        let rain = sound(30.0, |_| 0.3 * noise.next());
        let plucked = sound(30.0, |t| {
            let note = (t / 6.0).floor();
            3.0 * tone(t, 82.0 * 2_f64.powf(note * 5.0 / 12.0)) * (-(t - 6.0 * note) / 1.5).exp()
        });
        let organ = sound(30.0, |t| {
            2.0 * tone(t, 131.0 * 2_f64.powf((t / 5.0).floor() * 3.0 / 12.0))
        });
        let vibrato = sound(30.0, |t| {
            2.0 * tone(t + 0.0006 * (TAU * 5.5 * t).sin() / 5.5, 330.0)
                * (1.0 + 0.2 * (TAU * t / 9.0).sin())
        });
        let beat = sound(30.0, |t| {
            tone(t, 60.0) * (-(t / 0.5).fract() * 8.0).exp() * 3.0
        });
        let loud = sound(30.0, |t| {
            (2.8 * tone(t, 100.0 + 50.0 * (t / 0.8).floor().sin())).clamp(-1.0, 1.0) * 0.97
        });
        for (name, values) in [
            ("speech", speech(60.0)),
            ("rain", rain),
            ("plucked strings", plucked),
            ("long notes of an organ", organ),
            ("a note with vibrato", vibrato),
            ("a drum", beat),
            ("loud music", loud),
        ] {
            assert_eq!(first(&values), None, "{name}");
        }
    }

    #[test]
    fn silence_is_reported_in_time_and_pauses_are_not() {
        let mut values = speech(3.5);
        values.extend(sound(6.0, |_| 1e-4));
        let (at, found) = first(&values).unwrap();
        assert!(
            matches!(found, Degeneration::Silence(_)) && (7.4..8.1).contains(&at),
            "{found} at {at}"
        );
        let mut held = speech(3.5);
        held.extend(sound(6.0, |_| 0.4));
        assert!(
            matches!(first(&held), Some((_, Degeneration::Silence(_)))),
            "a constant is silent too"
        );
        let mut pause = speech(3.5);
        pause.extend(sound(3.4, |_| 0.0));
        pause.extend(speech(3.5));
        assert_eq!(first(&pause), None);
    }

    #[test]
    fn silence_after_a_silent_prompt_is_not_reported() {
        let mut guard = Guard::new(RATE, &[0.0; 4_000]);
        assert!((0..80_000).all(|_| guard.watch(0.0).is_none()));
    }

    #[test]
    fn clipping_is_reported_within_two_seconds() {
        let mut noise = Noise(3);
        let mut values = speech(3.0);
        values.extend(sound(5.0, |_| (5.0 * noise.next()).clamp(-1.0, 1.0)));
        let (at, found) = first(&values).unwrap();
        assert!(
            matches!(found, Degeneration::Clipping(share) if share > 0.5) && at < 5.0,
            "{found} at {at}"
        );
        let clipped_prompt = sound(0.5, |t| (9.0 * tone(t, 90.0)).clamp(-1.0, 1.0));
        let mut guard = Guard::new(RATE, &clipped_prompt);
        let music = sound(7.0, |t| (9.0 * tone(t, 90.0)).clamp(-1.0, 1.0));
        assert!(
            music.iter().all(|&v| guard.watch(v).is_none()),
            "the prompt clips as well"
        );
    }

    #[test]
    fn a_stuck_tone_is_reported_at_any_pitch_and_with_some_noise() {
        for hz in [31.0, 97.3, 440.0, 1_234.5] {
            let mut noise = Noise(5);
            let mut values = speech(4.0);
            values.extend(sound(12.0, |t| tone(t, hz) + 0.02 * noise.next()));
            let (at, found) = first(&values).unwrap_or_else(|| panic!("{hz} Hz is not reported"));
            let Degeneration::Tone { repeats, .. } = found else {
                panic!("{found}");
            };
            assert!((11.5..13.5).contains(&at), "{hz} Hz: {found} at {at}");
            let ratio = hz / repeats;
            assert!(
                (ratio / ratio.round() - 1.0).abs() < 0.04,
                "{hz} Hz: {found}"
            );
        }
    }

    #[test]
    fn the_rate_does_not_matter_and_a_tone_is_reported_once() {
        for rate in [8_000.0, 16_000.0, 44_100.0] {
            let mut guard = Guard::new(rate, &prompt());
            let reported: Vec<f64> = (0..(20.0 * rate) as usize)
                .filter_map(|i| {
                    let t = i as f64 / rate;
                    guard.watch(tone(t, 220.0) as f32).map(|_| t)
                })
                .collect();
            assert_eq!(reported.len(), 2, "{rate}: {reported:?}");
            assert!((reported[0] - 8.25).abs() < 0.3, "{rate}: {reported:?}");
        }
    }
}
