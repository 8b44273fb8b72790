/*!
The embedding at the input of a step: the rows to sum for the current token and the lags.

Each source (the current token, then each lag) has a table of its own. The module stores the earlier tokens for the lags.
*/

use crate::kernels::step::blocks::{Block, Rows};
use crate::sequence::{Alphabet, Token};

/// The earlier tokens of every lane, as far back as the longest lag.
#[derive(Debug)]
pub struct Embedding {
    alphabet: Alphabet,
    lags: Vec<usize>,
    lanes: usize,
    /// `[longest lag, lanes]`; the slot of step t is t modulo the longest lag.
    past: Vec<Token>,
    slot: usize,
    /// `[lanes, 1 + lags]`: the rows of the last look-up.
    rows: Vec<usize>,
}

impl Embedding {
    /// For `lanes` lanes, whose earlier tokens are `alphabet.start`.
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

    /// Clears the earlier tokens of `lane`.
    pub fn reset(&mut self, lane: usize) {
        let start = self.alphabet.start;
        let lanes = self.past.iter_mut().skip(lane).step_by(self.lanes);
        lanes.for_each(|token| *token = start);
    }

    /// Lane i continues with the earlier tokens of lane `parents[i]`.
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

    /// The rows of the embedding `[(1 + lags) · inputs, …]` to sum in this step: `[lanes, 1 + lags]`, the current token's
    /// first, then each lag's. Stores `tokens`.
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
                "token {token} is out of range: there are {inputs} inputs"
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
