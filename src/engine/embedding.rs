/*!
The way in: tokens become the sum of their table rows, looked up rather than multiplied.

Each source (the current token, then each lag) has a table of its own; the module keeps the earlier tokens that
lags ask for.
*/

use crate::sequence::{Alphabet, Token};

/// The tokens that lags reach back to, in every lane.
#[derive(Debug)]
pub(super) struct Embedding {
    alphabet: Alphabet,
    lags: Vec<usize>,
    width: usize,
    lanes: usize,
    /// `[longest lag, lanes]`; the slot of step t is t modulo the longest lag.
    past: Vec<Token>,
    slot: usize,
}

impl Embedding {
    /// Rows of `width` values for each of `lanes` lanes; before the beginning lies `alphabet.start`.
    pub fn new(alphabet: Alphabet, lags: &[usize], width: usize, lanes: usize) -> Self {
        let longest = lags.iter().copied().max().unwrap_or(0);
        Self {
            alphabet,
            lags: lags.to_vec(),
            width,
            lanes,
            past: vec![alphabet.start; longest * lanes],
            slot: 0,
        }
    }

    /// Forgets the earlier tokens of `lane`.
    pub fn reset(&mut self, lane: usize) {
        let start = self.alphabet.start;
        let lanes = self.past.iter_mut().skip(lane).step_by(self.lanes);
        lanes.for_each(|token| *token = start);
    }

    /// Lane i goes on from the earlier tokens of lane `parents[i]`.
    pub fn gather(&mut self, parents: &[usize]) {
        let mut before = Vec::with_capacity(parents.len());
        for slot in self.past.chunks_exact_mut(parents.len()) {
            before.clear();
            before.extend_from_slice(slot);
            for (token, &parent) in slot.iter_mut().zip(parents) {
                *token = before[parent];
            }
        }
    }

    /// Calls `add(lane, row)` with each row of `table`, `[(1 + lags) · inputs, width]`, that makes up this step:
    /// in every lane the current token's first, then each lag's. Remembers `tokens`.
    ///
    /// # Panics
    /// If `tokens` is not one input token per lane.
    #[inline(always)]
    pub fn look_up(&mut self, table: &[f32], tokens: &[Token], mut add: impl FnMut(usize, &[f32])) {
        let inputs = self.alphabet.inputs();
        assert_eq!(tokens.len(), self.lanes, "one token per lane");
        for (lane, &token) in tokens.iter().enumerate() {
            let current = token as usize;
            assert!(
                current < inputs,
                "token {token} is not among the {inputs} inputs"
            );
            add(lane, &table[current * self.width..][..self.width]);
        }
        let longest = self.past.len() / self.lanes;
        for (source, lag) in self.lags.iter().enumerate() {
            let slot = (self.slot + longest - lag) % longest;
            for lane in 0..self.lanes {
                let token = self.past[slot * self.lanes + lane] as usize;
                let row = (1 + source) * inputs + token;
                add(lane, &table[row * self.width..][..self.width]);
            }
        }
        if longest > 0 {
            self.past[self.slot * self.lanes..][..self.lanes].copy_from_slice(tokens);
            self.slot = (self.slot + 1) % longest;
        }
    }
}
