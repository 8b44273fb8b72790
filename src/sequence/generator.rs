/*! Goes round: feed a token, choose the next, feed that. After a prompt, or from nothing. */

use crate::error::{Error, Result};
use crate::sequence::{Alphabet, Sampler, Stepper, Token};

/// An endless (or, where the alphabet has a `stop`, ending) stream of tokens from one lane.
///
/// What it gives depends on the network, the sampler, the condition and the prompt alone.
///
/// The prompt is not given again: the first item is the token that follows it.
pub struct Generator {
    stepper: Box<dyn Stepper>,
    sampler: Sampler,
    /// Fed at the next step.
    last: Token,
    ended: bool,
}

impl Generator {
    /// Resets the only lane of `stepper`, gives it the condition and reads the prompt.
    ///
    /// # Errors
    /// When a token of the prompt is not of the alphabet.
    ///
    /// # Panics
    /// If the stepper has more than one lane: see [`generate_many`].
    pub fn new(
        mut stepper: Box<dyn Stepper>,
        sampler: Sampler,
        condition: Option<&[f32]>,
        prompt: &[Token],
    ) -> Result<Self> {
        assert_eq!(stepper.lanes(), 1, "a Generator drives one lane");
        check_prompt(stepper.alphabet(), prompt)?;
        stepper.reset(0, condition);
        let mut last = stepper.alphabet().start;
        for &token in prompt {
            stepper.step(&[last]);
            last = token;
        }
        Ok(Self {
            stepper,
            sampler,
            last,
            ended: false,
        })
    }
}

impl Iterator for Generator {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if self.ended {
            return None;
        }
        let token = self.sampler.choose(self.stepper.step(&[self.last]));
        self.last = token;
        self.ended = self.stepper.alphabet().stop == Some(token);
        (!self.ended).then_some(token)
    }
}

/// One sequence among the many of [`generate_many`].
pub struct Item {
    /// Draws this item's tokens.
    pub sampler: Sampler,
    /// The network's condition, if it has one.
    pub condition: Option<Vec<f32>>,
    /// Read before the first token is drawn.
    pub prompt: Vec<Token>,
}

/// Generates all `items`, as many at a time as the stepper has lanes, each at most `length` tokens long (ending
/// before `stop` where there is one), and hands each token to `visit(item, token)` as it is made.
///
/// Each item gets the same tokens as it would alone.
///
/// # Errors
/// When a prompt is not of the alphabet, or `visit` fails.
pub fn generate_many(
    stepper: &mut dyn Stepper,
    items: &mut [Item],
    length: usize,
    visit: &mut dyn FnMut(usize, Token) -> Result<()>,
) -> Result<()> {
    for item in items.iter() {
        check_prompt(stepper.alphabet(), &item.prompt)?;
    }
    let alphabet = stepper.alphabet();
    let mut waiting = if length == 0 { 0..0 } else { 0..items.len() };
    let mut lanes: Vec<Option<Seat>> = (0..stepper.lanes()).map(|_| None).collect();
    let mut inputs = vec![alphabet.start; lanes.len()];
    loop {
        for (lane, seat) in lanes.iter_mut().enumerate() {
            if seat.is_none()
                && let Some(item) = waiting.next()
            {
                stepper.reset(lane, items[item].condition.as_deref());
                inputs[lane] = alphabet.start;
                *seat = Some(Seat {
                    item,
                    read: 0,
                    made: 0,
                });
            }
        }
        if lanes.iter().all(Option::is_none) {
            return Ok(());
        }
        let logits = stepper.step(&inputs);
        for ((lane, occupied), logits) in lanes
            .iter_mut()
            .enumerate()
            .zip(logits.chunks(alphabet.size))
        {
            let Some(seat) = occupied else { continue };
            let item = &mut items[seat.item];
            if let Some(&token) = item.prompt.get(seat.read) {
                inputs[lane] = token;
                seat.read += 1;
                continue;
            }
            let token = item.sampler.choose(logits);
            inputs[lane] = token;
            let stopped = alphabet.stop == Some(token);
            if !stopped {
                visit(seat.item, token)?;
                seat.made += 1;
            }
            if stopped || seat.made == length {
                *occupied = None;
            }
        }
    }
}

/// Which item sits in a lane, and how far it is.
struct Seat {
    item: usize,
    read: usize,
    made: usize,
}

/// Refuses a prompt that is not of the alphabet.
pub(super) fn check_prompt(alphabet: Alphabet, prompt: &[Token]) -> Result<()> {
    match prompt.iter().find(|token| !alphabet.contains(**token)) {
        Some(token) => Err(Error::usage(format!(
            "the prompt has token {token}, but this model knows 0 to {}",
            alphabet.size - 1
        ))),
        None => Ok(()),
    }
}
