/*!
The way in: which rows of the embedding a step adds up, looked up rather than multiplied.

Each source (the current token, then each lag) has a table of its own; the module keeps the earlier tokens that
lags ask for.
*/

use crate::kernels::step::blocks::{Block, Rows};
use crate::sequence::{Alphabet, Token};

/// The tokens that lags reach back to, in every lane.
#[derive(Debug)]
pub struct Embedding {
    alphabet: Alphabet,
    lags: Vec<usize>,
    lanes: usize,
    /// `[longest lag, lanes]`; the slot of step t is t modulo the longest lag.
    past: Vec<Token>,
    slot: usize,
    /// `[lanes, 1 + lags]`: what the last look-up found.
    rows: Vec<usize>,
}

impl Embedding {
    /// For `lanes` lanes; before the beginning lies `alphabet.start`.
    pub fn new(alphabet: Alphabet, lags: &[usize], lanes: usize) -> Self {
        let longest = lags.iter().copied().max().unwrap_or(0);
        Self {
            alphabet,
            lags: lags.to_vec(),
            lanes,
            past: vec![alphabet.start; longest * lanes],
            slot: 0,
            rows: vec![0; lanes * (1 + lags.len())],
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

    /// Which rows of the embedding, `[(1 + lags) · inputs, …]`, this step adds up: `[lanes, 1 + lags]`, the current
    /// token's first, then each lag's. Remembers `tokens`.
    ///
    /// # Panics
    /// If `tokens` is not one input token per lane.
    pub fn look_up(&mut self, tokens: &[Token]) -> &[usize] {
        let (inputs, sources) = (self.alphabet.inputs(), 1 + self.lags.len());
        assert_eq!(tokens.len(), self.lanes, "one token per lane");
        for (rows, &token) in self.rows.chunks_exact_mut(sources).zip(tokens) {
            rows[0] = token as usize;
            assert!(
                rows[0] < inputs,
                "token {token} is not among the {inputs} inputs"
            );
        }
        let longest = self.past.len() / self.lanes;
        for (source, lag) in (1..).zip(&self.lags) {
            let slot = (self.slot + longest - lag) % longest;
            let past = &self.past[slot * self.lanes..][..self.lanes];
            for (rows, &token) in self.rows.chunks_exact_mut(sources).zip(past) {
                rows[source] = source * inputs + token as usize;
            }
        }
        if longest > 0 {
            self.past[self.slot * self.lanes..][..self.lanes].copy_from_slice(tokens);
            self.slot = (self.slot + 1) % longest;
        }
        &self.rows
    }
}

/// Writes for each lane the sum of its rows of `table`, `[(1 + lags) · inputs, width]`; `rows` are what
/// [`Embedding::look_up`] gave.
#[inline(always)]
pub(crate) fn sum_rows(rows: &[usize], table: &[f32], width: usize, sums: &mut Rows<Block>) {
    let sources = rows.len() / sums.len();
    for (lane, rows) in rows.chunks_exact(sources).enumerate() {
        let sums = &mut sums.floats_mut(lane)[..width];
        sums.copy_from_slice(&table[rows[0] * width..][..width]);
        for row in &rows[1..] {
            let row = &table[row * width..][..width];
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
