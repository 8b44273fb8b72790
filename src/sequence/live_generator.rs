/*! Goes round for ever, and can be steered meanwhile. */

use crate::error::{Error, Result};
use crate::sequence::{Sampler, Sampling, Stepper, Token};

/// An endless stream of tokens whose settings may change between any two of them.
///
/// As long as nothing is changed it gives the tokens that [`Generator`](crate::sequence::Generator) gives, and a change touches
/// only what it names: whatever has been made stays the network's past, except after [`restart`](Self::restart).
/// Alphabets with a `stop` start anew behind it.
pub struct LiveGenerator {
    stepper: Box<dyn Stepper>,
    sampler: Sampler,
    condition: Option<Vec<f32>>,
    /// Fed at the next step.
    last: Token,
}

impl LiveGenerator {
    /// Resets the only lane of `stepper` and gives it the condition.
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
            last,
        };
        live.restart();
        live
    }

    /// The next token. A `stop` is given like any other, and what follows it is a new sequence.
    pub fn step(&mut self) -> Token {
        let token = self.sampler.choose(self.stepper.step(&[self.last]));
        if self.stepper.alphabet().stop == Some(token) {
            self.restart();
        } else {
            self.last = token;
        }
        token
    }

    /// Lets the network read `token` as if it had just been made.
    ///
    /// # Errors
    /// When the token is not of the alphabet.
    pub fn read(&mut self, token: Token) -> Result<()> {
        let alphabet = self.stepper.alphabet();
        if !alphabet.contains(token) {
            return Err(Error::usage(format!(
                "the prompt has token {token}, but this model knows 0 to {}",
                alphabet.size - 1
            )));
        }
        self.stepper.step(&[self.last]);
        self.last = token;
        Ok(())
    }

    /// Other settings from the next token on.
    ///
    /// # Errors
    /// When they are not allowed; the old ones stay.
    pub fn set_sampling(&mut self, sampling: Sampling) -> Result<()> {
        self.sampler.set_settings(sampling)
    }

    /// The chance of another seed from the next token on.
    pub fn reseed(&mut self, seed: u64) {
        self.sampler.reseed(seed, 0);
    }

    /// Another condition from the next token on; the past stays.
    pub fn recondition(&mut self, condition: Option<Vec<f32>>) {
        self.stepper.recondition(0, condition.as_deref());
        self.condition = condition;
    }

    /// Forgets the past; settings, chance and condition stay.
    pub fn restart(&mut self) {
        self.stepper.reset(0, self.condition.as_deref());
        self.last = self.stepper.alphabet().start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::Generator;
    use crate::sequence::toy::Toy;

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
    fn untouched_it_is_the_generator() {
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
    fn it_goes_on_behind_a_stop() {
        let tokens = take(&mut live(1), 500);
        assert!(tokens.iter().filter(|&&t| t == 4).count() > 3);
    }

    #[test]
    fn changes_to_the_same_change_nothing_and_others_do() {
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
