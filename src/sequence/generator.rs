/*! Autoregressive sampling, from the start token or after a prompt. */

use crate::error::{Error, Result};
use crate::sequence::{Alphabet, ConditionStream, Sampler, Stepper, Token};

/// An iterator over the tokens of one lane. It ends before `stop`, or never where the alphabet has none.
///
/// The tokens depend only on the network, the sampler, the condition and the prompt. The first item is the token after
/// the prompt.
#[cfg(test)]
pub struct Generator {
    stepper: Box<dyn Stepper>,
    sampler: Sampler,
    /// The input of the next step.
    last: Token,
    ended: bool,
}

#[cfg(test)]
impl Generator {
    /// Resets the only lane of `stepper`, sets its condition and feeds the prompt.
    ///
    /// # Errors
    /// When a token of the prompt is not in the alphabet.
    ///
    /// # Panics
    /// If the stepper has more than one lane; [`generate_many`] drives several.
    pub fn new(
        mut stepper: Box<dyn Stepper>,
        mut sampler: Sampler,
        condition: Option<&[f32]>,
        prompt: &[Token],
    ) -> Result<Self> {
        assert_eq!(stepper.lanes(), 1, "a Generator drives one lane");
        check_prompt(stepper.alphabet(), prompt)?;
        stepper.reset(0, condition);
        sampler.begin();
        let mut last = stepper.alphabet().start;
        for &token in prompt {
            sampler.observe(token);
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

#[cfg(test)]
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
    /// Draws the tokens of this item.
    pub sampler: Sampler,
    /// The network's condition, if it has one.
    pub condition: Option<Vec<f32>>,
    /// Conditions that replace it, one each hop; the item ends with them.
    pub stream: Option<Box<dyn ConditionStream>>,
    /// Fed before the first token is drawn.
    pub prompt: Vec<Token>,
}

impl Item {
    /// Sets the condition of a position where it changes; false where the item's conditions have ended.
    fn steer(&mut self, position: usize, set: impl FnOnce(Option<&[f32]>)) -> bool {
        let Some(stream) = &mut self.stream else {
            if position == 0 {
                set(self.condition.as_deref());
            }
            return true;
        };
        if !position.is_multiple_of(stream.hop()) {
            return true;
        }
        let Some(held) = stream.next() else {
            return false;
        };
        self.sampler.set_sharpness(held.sharpness);
        set(Some(&held.condition));
        true
    }
}

/// Generates at most `length` tokens for each of `items`, one item per lane at a time, and passes each token to
/// `visit(item, token)`. An item ends before `stop`, or with its conditions.
///
/// The tokens of an item do not depend on the other items. An item of `length` tokens with a grammar ends in a state in
/// which the grammar allows an end.
///
/// # Errors
/// When a token of a prompt is not in the alphabet, or `visit` fails.
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
        for (lane, place) in lanes.iter_mut().enumerate() {
            *place = place.take().filter(|seat| {
                let position = seat.read + seat.made;
                items[seat.item].steer(position, |condition| stepper.recondition(lane, condition))
            });
            while place.is_none()
                && let Some(item) = waiting.next()
            {
                if items[item].steer(0, |condition| stepper.reset(lane, condition)) {
                    items[item].sampler.begin();
                    inputs[lane] = alphabet.start;
                    *place = Some(Seat {
                        item,
                        read: 0,
                        made: 0,
                    });
                }
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
                item.sampler.observe(token);
                inputs[lane] = token;
                seat.read += 1;
                continue;
            }
            let token = item.sampler.choose_within(logits, length - seat.made - 1);
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

/// The item of a lane and its progress.
struct Seat {
    item: usize,
    read: usize,
    made: usize,
}

/// Refuses a prompt with a token outside the alphabet.
pub(super) fn check_prompt(alphabet: Alphabet, prompt: &[Token]) -> Result<()> {
    match prompt.iter().find(|token| !alphabet.contains(**token)) {
        Some(token) => Err(Error::usage(format!(
            "the prompt has token {token}; this model has tokens 0 to {}",
            alphabet.size - 1
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sequence::grammar::testing::Brackets;
    use crate::sequence::toy::Toy;
    use crate::sequence::{LiveGenerator, Sampling};

    fn sampler(seed: u64) -> Sampler {
        let sampler = Sampler::new(Sampling::default(), seed, 0).unwrap();
        sampler.with_grammar(Some(Arc::new(Brackets)))
    }

    #[test]
    fn sequences_of_a_grammar_end_where_it_allows_an_end() {
        for longest in [1, 2, 5, 30] {
            for prompt in [vec![], vec![0, 2, 1], vec![0]] {
                let item = |seed| Item {
                    sampler: sampler(seed),
                    condition: None,
                    stream: None,
                    prompt: prompt.clone(),
                };
                let mut items: Vec<_> = (0..50).map(item).collect();
                let mut made = vec![prompt.clone(); items.len()];
                let mut stepper = Toy::new().stepper(3);
                generate_many(&mut stepper, &mut items, longest, &mut |item, token| {
                    made[item].push(token);
                    Ok(())
                })
                .unwrap();
                assert!(made.iter().all(|tokens| Brackets::accepts(tokens)));
            }
        }
    }

    #[test]
    fn every_way_of_generating_follows_the_grammar() {
        for seed in 0..50 {
            let stepper = || Box::new(Toy::new().stepper(1));
            let one: Vec<_> = Generator::new(stepper(), sampler(seed), None, &[0])
                .unwrap()
                .take(1_000)
                .collect();
            assert!(one.len() == 1_000 || Brackets::accepts(&[&[0], &one[..]].concat()));

            let mut live = LiveGenerator::new(stepper(), sampler(seed), None);
            live.read(0).unwrap();
            let tokens: Vec<_> = (0..300).map(|_| live.step()).collect();
            let sentences: Vec<_> = tokens.split(|&token| token == 4).collect();
            let (_, whole) = sentences.split_last().unwrap();
            for (index, sentence) in whole.iter().enumerate() {
                let begun: &[Token] = if index == 0 { &[0] } else { &[] };
                assert!(Brackets::accepts(&[begun, sentence].concat()));
            }
        }
    }
}
