/*! Conditions that hold for a whole sequence or for a few tokens each. */

use std::ops::Range;

/// The conditions of one sequence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions<'a> {
    /// `[hops, width]`; empty for none.
    values: &'a [f32],
    width: usize,
    hop: Option<usize>,
}

impl<'a> Conditions<'a> {
    /// One condition for the whole sequence; an empty one is none.
    pub fn whole(condition: &'a [f32]) -> Self {
        Self {
            values: condition,
            width: condition.len(),
            hop: None,
        }
    }

    /// `values` `[hops, width]`, each held for `hop` tokens; the last one holds to the end.
    pub fn held(values: &'a [f32], width: usize, hop: Option<usize>) -> Self {
        Self { values, width, hop }
    }

    /// The condition at the start.
    pub fn first(&self) -> Option<&'a [f32]> {
        self.at(0)
    }

    /// The condition that begins to hold at a position; `None` where the last one goes on.
    pub fn at(&self, position: usize) -> Option<&'a [f32]> {
        let index = match self.hop {
            Some(hop) if position.is_multiple_of(hop) => position / hop,
            _ if position == 0 => 0,
            _ => return None,
        };
        let from = index * self.width;
        self.values
            .get(from..from + self.width)
            .filter(|c| !c.is_empty())
    }
}

/// A condition that holds for one hop.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldCondition {
    /// The condition vector.
    pub condition: Vec<f32>,
    /// The temperature of the tokens is divided by it; 1 leaves it.
    pub sharpness: f32,
}

/// Conditions that follow each other while a sequence is generated.
pub trait ConditionStream: Send {
    /// Tokens that each of them holds.
    fn hop(&self) -> usize;

    /// The next condition; `None` ends the sequence.
    fn next(&mut self) -> Option<HeldCondition>;

    /// Begins another sequence.
    fn restart(&mut self);

    /// Changes what it is itself conditioned on, from the next condition on.
    fn recondition(&mut self, _condition: Option<Vec<f32>>) {}

    /// Starts the random stream of another seed.
    fn reseed(&mut self, _seed: u64) {}
}

/// The conditions of all sequences of a dataset.
pub trait ConditionSource: Sync {
    /// Tokens that a condition holds; `None` where one holds for its whole sequence.
    fn hop(&self) -> Option<usize> {
        None
    }

    /// The length of a condition vector; 0 for none.
    fn width(&self) -> usize;

    /// Appends the conditions `hops` of a sequence to `out`; there is one hop where they hold for whole sequences.
    ///
    /// # Panics
    /// If there are fewer.
    fn read(&self, sequence: usize, hops: Range<usize>, out: &mut Vec<f32>);

    /// The conditions of the first `tokens` tokens of a sequence, `[hops, width]`.
    fn read_first(&self, sequence: usize, tokens: usize) -> Vec<f32> {
        let hops = self.hop().map_or(1, |hop| tokens.div_ceil(hop));
        let mut conditions = Vec::new();
        self.read(sequence, 0..hops, &mut conditions);
        conditions
    }
}

/// One condition for each whole sequence.
impl ConditionSource for Vec<Vec<f32>> {
    fn width(&self) -> usize {
        self.first().map_or(0, Vec::len)
    }

    fn read(&self, sequence: usize, _hops: Range<usize>, out: &mut Vec<f32>) {
        out.extend_from_slice(&self[sequence]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_begins_where_its_hop_begins() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let held = Conditions::held(&values, 2, Some(3));
        let at = |position| held.at(position).map(<[f32]>::to_vec);
        assert_eq!(at(0), Some(vec![1.0, 2.0]));
        assert_eq!(at(2), None);
        assert_eq!(at(3), Some(vec![3.0, 4.0]));
        assert_eq!(at(6), None, "the last one holds to the end");
        let whole = Conditions::whole(&values);
        assert_eq!(
            (whole.first().map(<[f32]>::len), whole.at(3)),
            (Some(4), None)
        );
        assert_eq!(Conditions::whole(&[]).first(), None);
    }
}
