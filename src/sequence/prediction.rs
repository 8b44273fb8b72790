/*!
A forecast of the next token from the values of earlier ones: linear prediction, and in voiced passages pitch prediction.

With v the values of the tokens, e their excitation, coefficients a of order P and a period τ:

```text
m_t = Σ a_k v_{t−k}                                     linear prediction (Makhoul 1975)
e_t = v_t − m_t
q_t = g (e_{t−τ−1}/4 + e_{t−τ}/2 + e_{t−τ+1}/4)         long-term prediction with three taps, as in CELP (Atal 1982)
p_t = m_t + q_t · min(1, √(2 · power / recent power))   the last factor ends a run-away; it is 1 on real sound
```

The coefficients, the period and the power are a part of the condition, so that nothing that the sampling strays by can
bend them. All sums have a fixed order: the same tokens give the same bits, in training and step by step.
*/

use std::sync::Arc;

use rand_core::Rng;

use crate::sequence::Token;

/// What is predicted, and from how much of the past. The condition of such a model begins with
/// [`parameters`](Self::parameters) numbers for the prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The value of each class, rising with the class. Other tokens, such as `start`, have the value 0.
    pub values: Arc<[f32]>,
    /// The order of the linear prediction, at least 1.
    pub order: usize,
    /// The longest period, in tokens.
    pub longest: usize,
    /// The length over which periods are compared, in tokens.
    pub window: usize,
    /// Tokens between two refinements of the period.
    pub refine: usize,
    /// Levels: classes of how far the prediction errs.
    pub levels: usize,
}

/// The factor g of the pitch prediction.
const PITCH_GAIN: f32 = 0.85;
/// The period is refined within this share of it.
const WITHIN: f32 = 0.05;
/// The recent power is turned down beyond this multiple of the frame's.
const EXCESS: f32 = 2.0;
/// The share of the newest error in the recent error.
const NEWEST: f32 = 0.07;
/// The recent error of a past without tokens, in classes.
const FIRST_ERROR: f32 = 0.02;

/// What a prediction says of the next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The predicted class.
    pub class: usize,
    /// The predicted value's place between the classes, not rounded.
    pub place: f32,
    /// How far the prediction errs at present: the level that the condition gives.
    pub level: usize,
}

impl Prediction {
    /// The numbers at the start of a condition: the coefficients, the period in tokens (0 for none), the mean square of the
    /// sound, the level.
    pub fn parameters(&self) -> usize {
        self.order + 3
    }

    /// Rows of the tables of predicted classes and of levels.
    pub fn rows(&self) -> usize {
        self.values.len() + self.levels
    }

    /// The mean error of a level in classes: levels are half octaves from a quarter of a class on.
    pub fn error_of(level: usize) -> f32 {
        let octaves = 2_f32.powi(level as i32 / 2);
        let half = if level % 2 == 1 {
            std::f32::consts::SQRT_2
        } else {
            1.0
        };
        octaves * half / 4.0
    }

    /// The value of a token.
    fn value(&self, token: Token) -> f32 {
        self.values.get(token as usize).copied().unwrap_or(0.0)
    }

    /// The place of a value between the classes: a class's own value has its number, others are interpolated.
    fn place(&self, value: f32) -> f32 {
        let above = self.values.partition_point(|&v| v <= value);
        if above == 0 {
            return 0.0;
        }
        let below = above - 1;
        match self.values.get(above) {
            Some(next) => {
                let low = self.values[below];
                below as f32 + (value - low) / (next - low)
            }
            None => below as f32,
        }
    }

    /// The past that a prediction reads, in tokens.
    fn past(&self) -> usize {
        self.order.max(longest_lag(self.longest) + self.window) + 1
    }

    /// The forecast at each position of tokens that are read, with conditions `[hops, width]` that hold for `hop` tokens
    /// each.
    pub fn forecasts(
        &self,
        tokens: &[Token],
        conditions: &[f32],
        width: usize,
        hop: usize,
    ) -> Vec<Forecast> {
        let mut predictor = Predictor::new(self);
        let mut at = |(position, &token): (usize, &Token)| {
            if position % hop == 0 {
                let condition = conditions.get(position / hop * width..);
                predictor.set_parameters(condition.filter(|c| !c.is_empty()));
            }
            predictor.read(token);
            predictor.forecast()
        };
        tokens.iter().enumerate().map(&mut at).collect()
    }

    /// Adds Laplacian noise to tokens that are read: `strength` times the recent error of the prediction wide. `targets` are
    /// the tokens that follow. A network that is trained to go on from such a past goes on from its own mistakes.
    pub fn disturb(
        &self,
        tokens: &mut [Token],
        forecasts: &[Forecast],
        strength: f32,
        rng: &mut impl Rng,
    ) {
        let mut error = FIRST_ERROR;
        for position in 1..tokens.len() {
            let token = tokens[position];
            if token as usize >= self.values.len() {
                continue;
            }
            let place = forecasts[position - 1].place;
            let noise = laplace(rng) * strength * error;
            error += NEWEST * ((token as f32 - place).abs() - error);
            let moved = (token as f32 + noise).round();
            tokens[position] = moved.clamp(0.0, (self.values.len() - 1) as f32) as Token;
        }
    }
}

/// A draw of the Laplace distribution of scale 1.
fn laplace(rng: &mut impl Rng) -> f32 {
    let uniform = (rng.next_u32() >> 8) as f32 / (1 << 24) as f32 - 0.5;
    -uniform.signum() * (1.0 - 2.0 * uniform.abs()).max(1e-7).ln()
}

/// The longest lag that a refinement of a period tries.
fn longest_lag(period: usize) -> usize {
    (period as f32 * (1.0 + WITHIN)) as usize + 2
}

/// The state of the prediction in one lane.
#[derive(Debug, Clone)]
pub struct Predictor {
    prediction: Prediction,
    coefficients: Vec<f32>,
    /// As the condition says, 0 for none.
    period: f32,
    /// The refined period.
    lag: usize,
    /// The mean square of the sound.
    power: f32,
    level: usize,
    /// The leaky mean of the squared values.
    recent: f32,
    /// Tokens until the period is refined again.
    until_refined: usize,
    /// Values and excitations, oldest first; the last `past` count.
    values: Vec<f32>,
    excitation: Vec<f32>,
    /// The linear and the pitch part of the next token.
    linear: f32,
    pitch: f32,
}

impl Predictor {
    /// A lane that has read nothing and has no condition.
    pub fn new(prediction: &Prediction) -> Self {
        let past = prediction.past();
        Self {
            coefficients: vec![0.0; prediction.order],
            period: 0.0,
            lag: 0,
            power: 0.0,
            level: 0,
            recent: 0.0,
            until_refined: 0,
            values: vec![0.0; past],
            excitation: vec![0.0; past],
            linear: 0.0,
            pitch: 0.0,
            prediction: prediction.clone(),
        }
    }

    /// Forgets what was read; the condition stays.
    pub fn reset(&mut self) {
        let past = self.prediction.past();
        for side in [&mut self.values, &mut self.excitation] {
            side.clear();
            side.resize(past, 0.0);
        }
        (self.recent, self.until_refined) = (0.0, 0);
        (self.linear, self.pitch) = (0.0, 0.0);
    }

    /// Takes the parameters at the start of a condition; `None` stands for zeros.
    pub fn set_parameters(&mut self, condition: Option<&[f32]>) {
        let order = self.prediction.order;
        match condition {
            None => {
                self.coefficients.fill(0.0);
                (self.period, self.power, self.level) = (0.0, 0.0, 0);
            }
            Some(condition) => {
                self.coefficients.copy_from_slice(&condition[..order]);
                let longest = self.prediction.longest as f32;
                self.period = condition[order].clamp(0.0, longest);
                self.power = condition[order + 1];
                self.level = (condition[order + 2] as usize).min(self.prediction.levels - 1);
            }
        }
        self.until_refined = 0;
    }

    /// Appends a token to the past.
    pub fn read(&mut self, token: Token) {
        let value = self.prediction.value(token);
        let past = self.prediction.past();
        if self.values.len() == 4 * past {
            for side in [&mut self.values, &mut self.excitation] {
                side.copy_within(3 * past.., 0);
                side.truncate(past);
            }
        }
        self.excitation.push(value - self.linear);
        self.values.push(value);
        self.recent += (value * value - self.recent) / self.prediction.window.max(1) as f32 * 1.6;
        let newest = self.values.len() - self.prediction.order;
        let past = self.values[newest..].iter().rev();
        self.linear = past.zip(&self.coefficients).map(|(v, a)| v * a).sum();
        self.pitch = self.pitch_prediction();
    }

    /// What is predicted of the next token.
    pub fn forecast(&self) -> Forecast {
        let place = self
            .prediction
            .place((self.linear + self.pitch).clamp(-1.0, 1.0));
        Forecast {
            class: place.round() as usize,
            place,
            level: self.level,
        }
    }

    fn pitch_prediction(&mut self) -> f32 {
        if self.period <= 0.0 {
            return 0.0;
        }
        if self.until_refined == 0 {
            self.lag = self.refined();
            self.until_refined = self.prediction.refine;
        }
        self.until_refined -= 1;
        // The excitation of the next token's place one period earlier.
        let at = self.excitation.len() - self.lag;
        let [before, middle, after] = [at - 1, at, at + 1].map(|i| self.excitation[i]);
        let held = (EXCESS * self.power / (self.recent + 1e-9)).sqrt().min(1.0);
        PITCH_GAIN * held * (0.25 * before + 0.5 * middle + 0.25 * after)
    }

    /// The lag near the period with the largest normalised correlation of the values.
    fn refined(&self) -> usize {
        let length = self.prediction.window;
        let end = self.values.len();
        let newest = &self.values[end - length..];
        let energy = dot(newest, newest);
        let first = ((self.period * (1.0 - WITHIN)) as usize).max(2);
        let last = longest_lag(self.period as usize);
        let mut best = (f32::MIN, (self.period.round() as usize).max(2));
        for lag in first..last {
            let earlier = &self.values[end - length - lag..end - lag];
            let both = (energy * dot(earlier, earlier)).sqrt() + 1e-9;
            let correlation = dot(newest, earlier) / both;
            if correlation > best.0 {
                best = (correlation, lag);
            }
        }
        best.1
    }
}

/// The inner product in eight partial sums, so that a processor can add them side by side in a fixed order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a, rest_a) = a.as_chunks::<8>();
    let (b, rest_b) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::rng_stream;

    /// 201 classes from −1 to 1.
    fn prediction() -> Prediction {
        Prediction {
            values: (0..201_u8)
                .map(|class| f32::from(class) / 100.0 - 1.0)
                .collect(),
            order: 2,
            longest: 60,
            window: 80,
            refine: 20,
            levels: 4,
        }
    }

    fn class(value: f32) -> Token {
        ((value + 1.0) * 100.0).round() as Token
    }

    /// The mean distance in classes of the forecasts from the tokens that follow, behind the first 300.
    fn error(tokens: &[Token], condition: &[f32]) -> f32 {
        let forecasts = prediction().forecasts(tokens, condition, condition.len(), tokens.len());
        let pairs = forecasts[300..].iter().zip(&tokens[301..]);
        let distances: Vec<f32> = pairs.map(|(f, &t)| (f.place - t as f32).abs()).collect();
        distances.iter().sum::<f32>() / distances.len() as f32
    }

    #[test]
    fn a_place_is_the_class_of_a_value_and_between_classes_in_between() {
        let prediction = prediction();
        for class in [0, 7, 100, 199, 200] {
            let place = prediction.place(prediction.value(class));
            assert!((place - class as f32).abs() < 1e-3, "{place} for {class}");
        }
        let between = prediction.place(0.5 * (prediction.value(120) + prediction.value(121)));
        assert!((between - 120.5).abs() < 1e-2, "{between}");
        assert_eq!(
            (prediction.place(-9.0), prediction.place(9.0)),
            (0.0, 200.0)
        );
    }

    #[test]
    fn a_sine_is_predicted_by_its_two_coefficients() {
        let step = 0.2_f32;
        let sine: Vec<Token> = (0..1_000)
            .map(|i| class(0.7 * (i as f32 * step).sin()))
            .collect();
        let right = error(&sine, &[2.0 * step.cos(), -1.0, 0.0, 0.0, 0.0]);
        let nothing = error(&sine, &[0.0; 5]);
        assert!(right < 1.5 && nothing > 30.0, "{right} beside {nothing}");
    }

    #[test]
    fn a_period_is_found_near_the_one_that_is_told_and_predicts_what_repeats() {
        let pulse = |i: usize| if i % 40 < 3 { 0.6 } else { 0.0 };
        let pulses: Vec<Token> = (0..2_000).map(|i| class(pulse(i))).collect();
        let told = |period: f32| error(&pulses, &[0.0, 0.0, period, 1.0, 0.0]);
        let (without, right, near) = (told(0.0), told(40.0), told(41.0));
        assert!(right < 0.6 * without, "{right} beside {without}");
        assert!((near - right).abs() < 0.1, "{near} beside {right}");
        // The power that is allowed turns the pitch prediction down.
        let quiet = error(&pulses, &[0.0, 0.0, 40.0, 1e-4, 0.0]);
        assert!(quiet > 0.9 * without, "{quiet} beside {without}");
    }

    #[test]
    fn noise_is_as_strong_as_asked_and_leaves_tokens_that_are_no_classes() {
        let clean: Vec<Token> = (0..2_000)
            .map(|i| class(0.5 * (i as f32 * 0.37).sin()))
            .collect();
        let clean = [vec![201], clean].concat();
        let prediction = prediction();
        let forecasts = prediction.forecasts(&clean, &[0.0; 5], 5, clean.len());
        let moved = |strength: f32| {
            let mut tokens = clean.clone();
            prediction.disturb(
                &mut tokens,
                &forecasts,
                strength,
                &mut rng_stream(1, *b"noise   ", 0),
            );
            assert_eq!(tokens[0], 201, "start is no class");
            let pairs = tokens.iter().zip(&clean);
            pairs.map(|(a, b)| a.abs_diff(*b)).sum::<u32>()
        };
        assert_eq!(moved(0.0), 0);
        assert!(moved(0.3) > 2 * moved(0.1), "{} {}", moved(0.3), moved(0.1));
    }
}
