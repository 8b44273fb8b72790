/*! Endless autoregressive sampling whose settings may change at any token. */

use crate::error::Result;
use crate::sequence::generator::check_prompt;
use crate::sequence::{ConditionStream, Sampler, Stepper, Token};

/// An endless stream of tokens. Sampling settings, seed and condition may change between any two tokens.
///
/// Without changes it gives the tokens of [`Generator`](crate::sequence::Generator). A change keeps the past of the
/// network; only [`restart`](Self::restart) and a `stop` reset it.
pub struct LiveGenerator {
    stepper: Box<dyn Stepper>,
    sampler: Sampler,
    condition: Option<Vec<f32>>,
    /// Conditions that replace it, one each hop.
    stream: Option<Box<dyn ConditionStream>>,
    /// Tokens since the restart.
    position: usize,
    /// The input of the next step.
    last: Token,
}

impl LiveGenerator {
    /// Resets the only lane of `stepper` and sets its condition.
    ///
    /// # Panics
    /// If the stepper has more than one lane.
    pub fn new(stepper: Box<dyn Stepper>, sampler: Sampler, condition: Option<Vec<f32>>) -> Self {
        assert_eq!(stepper.lanes(), 1, "a LiveGenerator drives one lane");
        let last = stepper.alphabet().start;
        let mut live = Self {
            stepper,
            sampler,
            condition,
            stream: None,
            position: 0,
            last,
        };
        live.restart();
        live
    }

    /// Begins anew and takes its conditions from a stream. Where the stream ends, a new sequence begins.
    #[cfg(feature = "play")]
    #[must_use]
    pub fn steered_by(mut self, stream: Box<dyn ConditionStream>) -> Self {
        self.stream = None;
        self.restart();
        self.stream = Some(stream);
        self
    }

    /// The stepper, for another use.
    pub fn into_stepper(self) -> Box<dyn Stepper> {
        self.stepper
    }

    /// Takes the next condition of the stream where one is due.
    fn steer(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        if self.position.is_multiple_of(stream.hop()) {
            let held = stream.next().or_else(|| {
                stream.restart();
                stream.next()
            });
            if let Some(held) = held {
                self.sampler.set_sharpness(held.sharpness);
                self.stepper.recondition(0, Some(&held.condition));
            }
        }
        self.position += 1;
    }

    /// The next token. A new sequence begins after `stop`.
    pub fn step(&mut self) -> Token {
        self.steer();
        let token = self.sampler.choose(self.stepper.step(&[self.last]));
        if self.stepper.alphabet().stop == Some(token) {
            self.restart();
        } else {
            self.last = token;
        }
        token
    }

    /// Appends `token` to the past as if it had been generated.
    ///
    /// # Errors
    /// When the token is not in the alphabet.
    pub fn read(&mut self, token: Token) -> Result<()> {
        check_prompt(self.stepper.alphabet(), &[token])?;
        self.steer();
        self.sampler.observe(token);
        self.stepper.step(&[self.last]);
        self.last = token;
        Ok(())
    }

    /// Changes the sampling settings from the next token on.
    ///
    /// # Errors
    /// When a setting is out of range; the old settings stay.
    #[cfg(any(test, feature = "play"))]
    pub fn set_sampling(&mut self, sampling: crate::sequence::Sampling) -> Result<()> {
        self.sampler.set_settings(sampling)
    }

    /// Starts the random stream of another seed.
    #[cfg(any(test, feature = "play"))]
    pub fn reseed(&mut self, seed: u64) {
        self.sampler.reseed(seed, 0);
        if let Some(stream) = &mut self.stream {
            stream.reseed(seed);
        }
    }

    /// Changes the condition from the next token on; the past stays.
    #[cfg(any(test, feature = "play"))]
    pub fn recondition(&mut self, condition: Option<Vec<f32>>) {
        if let Some(stream) = &mut self.stream {
            stream.recondition(condition);
            return;
        }
        self.stepper.recondition(0, condition.as_deref());
        self.condition = condition;
    }

    /// Forgets the past; settings, random stream and condition stay.
    pub fn restart(&mut self) {
        self.stepper.reset(0, self.condition.as_deref());
        self.position = 0;
        if let Some(stream) = &mut self.stream {
            stream.restart();
        }
        self.sampler.begin();
        self.last = self.stepper.alphabet().start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::toy::Toy;
    use crate::sequence::{Generator, Sampling};

    const STEERING: [f32; 2] = [0.9, -0.4];

    fn sampler(seed: u64) -> Sampler {
        Sampler::new(Sampling::default(), seed, 0).unwrap()
    }

    fn live(seed: u64) -> LiveGenerator {
        LiveGenerator::new(
            Box::new(Toy::new().stepper(1)),
            sampler(seed),
            Some(STEERING.to_vec()),
        )
    }

    fn take(live: &mut LiveGenerator, count: usize) -> Vec<Token> {
        (0..count).map(|_| live.step()).collect()
    }

    #[test]
    fn without_changes_it_is_the_generator() {
        let seed = (0..1_000)
            .find(|&seed| take(&mut live(seed), 30).iter().all(|&t| t != 4))
            .unwrap();
        let stepper = Box::new(Toy::new().stepper(1));
        let plain = Generator::new(stepper, sampler(seed), Some(&STEERING), &[]).unwrap();
        assert_eq!(
            take(&mut live(seed), 30),
            plain.take(30).collect::<Vec<_>>()
        );
        let stepper = Box::new(Toy::new().stepper(1));
        let prompted = Generator::new(stepper, sampler(seed), Some(&STEERING), &[1, 3, 0]).unwrap();
        let mut live = live(seed);
        for token in [1, 3, 0] {
            live.read(token).unwrap();
        }
        let expected: Vec<_> = prompted.take(10).collect();
        assert_eq!(take(&mut live, expected.len()), expected);
        assert!(live.read(77).unwrap_err().is_usage());
    }

    #[test]
    fn it_continues_after_stop() {
        let tokens = take(&mut live(1), 500);
        assert!(tokens.iter().filter(|&&t| t == 4).count() > 3);
    }

    #[test]
    fn a_setting_changes_tokens_only_when_its_value_changes() {
        let changed = |change: &dyn Fn(&mut LiveGenerator)| {
            let mut live = live(3);
            take(&mut live, 50);
            change(&mut live);
            take(&mut live, 200)
        };
        let untouched = changed(&|_| {});
        assert_eq!(
            untouched,
            changed(&|l| l.set_sampling(Sampling::default()).unwrap())
        );
        assert_eq!(
            untouched,
            changed(&|l| l.recondition(Some(STEERING.to_vec())))
        );
        let cold = Sampling {
            temperature: 0.3,
            ..Sampling::default()
        };
        assert_ne!(untouched, changed(&|l| l.set_sampling(cold).unwrap()));
        assert_ne!(
            untouched,
            changed(&|l| l.recondition(Some(vec![-2.0, 2.0])))
        );
        assert_ne!(untouched, changed(&|l| l.reseed(4)));
        assert_eq!(
            untouched,
            changed(&|l| assert!(
                l.set_sampling(Sampling {
                    temperature: -1.0,
                    ..cold
                })
                .is_err()
            ))
        );
    }

    #[test]
    fn a_restart_forgets_the_past_and_keeps_the_condition() {
        let mut used = live(5);
        take(&mut used, 40);
        used.restart();
        used.reseed(6);
        assert_eq!(take(&mut used, 40), take(&mut live(6), 40));
    }
}
