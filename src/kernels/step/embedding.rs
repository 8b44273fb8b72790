/*!
The embedding at the input of a step: the rows to sum for the current token and the [`SideInputs`].

The module stores the earlier tokens for the lags and the positions for the clocks.
*/

use crate::kernels::step::blocks::{Block, Rows};
use crate::sequence::{Alphabet, Forecast, Predictor, SideInputs, Token};

/// The position of every lane and its earlier tokens, as far back as the longest lag.
#[derive(Debug)]
pub struct Embedding {
    alphabet: Alphabet,
    side_inputs: SideInputs,
    lanes: usize,
    /// `[longest lag, lanes]`; the slot of step t is t modulo the longest lag.
    past: Vec<Token>,
    slot: usize,
    /// Tokens that each lane has read since its reset.
    positions: Vec<usize>,
    /// One for each lane where there is a prediction, else none.
    predictors: Vec<Predictor>,
    /// What they said in the last look-up.
    forecasts: Vec<Forecast>,
    /// `[lanes, sources]`: the rows of the last look-up.
    rows: Vec<usize>,
}

impl Embedding {
    /// For `lanes` lanes, whose earlier tokens are `alphabet.start`.
    pub fn new(alphabet: Alphabet, side_inputs: &SideInputs, lanes: usize) -> Self {
        let longest = side_inputs.lags.iter().copied().max().unwrap_or(0);
        Self {
            alphabet,
            side_inputs: side_inputs.clone(),
            lanes,
            past: vec![alphabet.start; longest * lanes],
            slot: 0,
            positions: vec![0; lanes],
            predictors: match &side_inputs.prediction {
                Some(prediction) => vec![Predictor::new(prediction); lanes],
                None => Vec::new(),
            },
            forecasts: Vec::new(),
            rows: vec![0; lanes * side_inputs.sources()],
        }
    }

    /// Clears the earlier tokens of `lane`; its next position is the first.
    pub fn reset(&mut self, lane: usize) {
        let start = self.alphabet.start;
        let lanes = self.past.iter_mut().skip(lane).step_by(self.lanes);
        lanes.for_each(|token| *token = start);
        self.positions[lane] = 0;
        if let Some(predictor) = self.predictors.get_mut(lane) {
            predictor.reset();
        }
    }

    /// Gives the prediction of `lane` its parameters, at the start of the condition.
    pub fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        if let Some(predictor) = self.predictors.get_mut(lane) {
            predictor.set_parameters(condition);
        }
    }

    /// The rows of the last look-up, `[lanes, sources]`.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Tokens that each lane has read since its reset, those of the last look-up included.
    pub fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The forecasts of the last look-up, one for each lane; empty without a prediction.
    pub fn forecasts(&self) -> &[Forecast] {
        &self.forecasts
    }

    /// Lane i continues with the earlier tokens and the position of lane `parents[i]`.
    pub fn gather(&mut self, parents: &[usize]) {
        let mut before = Vec::with_capacity(parents.len());
        for slot in self.past.chunks_exact_mut(parents.len()) {
            before.clear();
            before.extend_from_slice(slot);
            for (token, &parent) in slot.iter_mut().zip(parents) {
                *token = before[parent];
            }
        }
        if !self.predictors.is_empty() {
            self.predictors = parents
                .iter()
                .map(|&parent| self.predictors[parent].clone())
                .collect();
        }
        let before = self.positions.clone();
        for (position, &parent) in self.positions.iter_mut().zip(parents) {
            *position = before[parent];
        }
    }

    /// The rows of the embedding `[entries, …]` to sum in this step: `[lanes, sources]`, the current token's first. Stores
    /// `tokens`.
    ///
    /// # Panics
    /// If `tokens` is not one input token per lane.
    pub fn look_up(&mut self, tokens: &[Token]) -> &[usize] {
        let (inputs, sources) = (self.alphabet.inputs(), self.side_inputs.sources());
        assert_eq!(tokens.len(), self.lanes, "one token per lane");
        for (rows, &token) in self.rows.chunks_exact_mut(sources).zip(tokens) {
            rows[0] = token as usize;
            assert!(
                rows[0] < inputs,
                "token {token} is out of range: there are {inputs} inputs"
            );
        }
        let longest = self.past.len() / self.lanes;
        for (source, lag) in (1..).zip(&self.side_inputs.lags) {
            let slot = (self.slot + longest - lag) % longest;
            let past = &self.past[slot * self.lanes..][..self.lanes];
            for (rows, &token) in self.rows.chunks_exact_mut(sources).zip(past) {
                rows[source] = source * inputs + token as usize;
            }
        }
        let first_clock = 1 + self.side_inputs.lags.len();
        let lanes = self.rows.chunks_exact_mut(sources);
        for (rows, position) in lanes.zip(&mut self.positions) {
            let clocks = self.side_inputs.clock_rows(inputs, *position);
            rows[first_clock..]
                .iter_mut()
                .zip(clocks)
                .for_each(|(row, clock)| *row = clock);
            *position += 1;
        }
        self.forecasts.clear();
        let lanes = self.rows.chunks_exact_mut(sources).zip(tokens);
        for (predictor, (rows, &token)) in self.predictors.iter_mut().zip(lanes) {
            predictor.read(token);
            let forecast = predictor.forecast();
            self.forecasts.push(forecast);
            rows[sources - 2..].copy_from_slice(&self.side_inputs.forecast_rows(inputs, forecast));
        }
        if longest > 0 {
            self.past[self.slot * self.lanes..][..self.lanes].copy_from_slice(tokens);
            self.slot = (self.slot + 1) % longest;
        }
        &self.rows
    }
}

/// Writes for each lane the sum of its rows of `table`, `[entries, width]`; `rows` are what
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
