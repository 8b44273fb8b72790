/*!
One step at a time as burn tensors on the model's device: for hundreds to thousands of lanes on a GPU. The CPU stepper is
faster for a few lanes.
*/

use burn::prelude::*;

use crate::error::Result;
use crate::kernels::step::Embedding;
use crate::models::forecast_step::ForecastWeights;
use crate::models::weights::check_lanes;
use crate::models::{Interface, values};
use crate::sequence::{Alphabet, Stepper, Token};

/// What differs from architecture to architecture. The first dimension of all states is the lane.
pub(crate) trait BatchedNet: Send {
    /// Sets the conditions `[lanes, condition]` from the next step on.
    fn recondition(&mut self, conditions: Tensor<2>);

    /// Resets the lanes where `kept` `[lanes, 1]` is 0; it is 1 for the others.
    fn reset(&mut self, kept: Tensor<2>);

    /// Lane i continues from the state of lane `parents[i]`.
    fn gather(&mut self, parents: Tensor<1, Int>);

    /// The logits `[lanes, alphabet.size]` after these rows of the embedding, `[lanes · sources]`. `positions` are the tokens
    /// that each lane has read since its reset, this one included.
    fn step(&mut self, rows: Tensor<1, Int>, positions: &[usize]) -> Tensor<2>;
}

/// A [`BatchedNet`] as a [`Stepper`].
pub(crate) struct BatchedStepper<N> {
    net: N,
    alphabet: Alphabet,
    device: Device,
    sources: Embedding,
    forecast: Option<ForecastWeights>,
    /// `[lanes, condition]`.
    conditions: Vec<f32>,
    /// Whether `net` has these conditions.
    conditions_set: bool,
    /// The length of one lane's condition.
    condition: usize,
    /// 0 for each lane to reset before the next step, 1 for the others.
    kept: Vec<f32>,
    logits: Vec<f32>,
}

impl<N: BatchedNet> BatchedStepper<N> {
    /// `net` has the state of `lanes` lanes.
    pub(crate) fn new(
        net: N,
        interface: &Interface,
        forecast: Option<ForecastWeights>,
        lanes: usize,
        device: Device,
    ) -> Result<Self> {
        check_lanes(lanes)?;
        let Interface {
            alphabet,
            side_inputs,
            condition,
        } = interface;
        Ok(Self {
            net,
            alphabet: *alphabet,
            device,
            sources: Embedding::new(*alphabet, side_inputs, lanes),
            forecast,
            conditions: vec![0.0; lanes * condition],
            conditions_set: false,
            condition: *condition,
            kept: vec![0.0; lanes],
            logits: Vec::new(),
        })
    }

    fn upload(&self, numbers: &[f32], width: usize) -> Tensor<2> {
        let shape = [self.kept.len(), width];
        Tensor::from_data(TensorData::new(numbers.to_vec(), shape), &self.device)
    }

    fn indices(&self, numbers: &[usize]) -> Tensor<1, Int> {
        let numbers: Vec<i32> = numbers.iter().map(|&number| number as i32).collect();
        let count = numbers.len();
        Tensor::from_data(TensorData::new(numbers, [count]), &self.device)
    }
}

impl<N: BatchedNet> Stepper for BatchedStepper<N> {
    fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    fn lanes(&self) -> usize {
        self.kept.len()
    }

    fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.recondition(lane, condition);
        self.sources.reset(lane);
        self.kept[lane] = 0.0;
    }

    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.sources.recondition(lane, condition);
        let place = &mut self.conditions[lane * self.condition..][..self.condition];
        match condition {
            Some(condition) => place.copy_from_slice(condition),
            None => place.fill(0.0),
        }
        self.conditions_set = false;
    }

    fn step(&mut self, tokens: &[Token]) -> &[f32] {
        if !self.conditions_set && self.condition > 0 {
            let conditions = self.upload(&self.conditions, self.condition);
            self.net.recondition(conditions);
        }
        self.conditions_set = true;
        if self.kept.contains(&0.0) {
            let kept = self.upload(&self.kept, 1);
            self.net.reset(kept);
            self.kept.fill(1.0);
        }
        let rows = self.sources.look_up(tokens).to_vec();
        let rows = self.indices(&rows);
        self.logits = values(self.net.step(rows, self.sources.positions()));
        if let Some(forecast) = &self.forecast {
            forecast.add_table(&mut self.logits, self.sources.forecasts());
        }
        &self.logits
    }

    fn gather(&mut self, parents: &[usize]) {
        self.sources.gather(parents);
        let indices = self.indices(parents);
        self.net.gather(indices);
        let kept = self.kept.clone();
        let conditions = self.conditions.clone();
        for (lane, &parent) in parents.iter().enumerate() {
            self.kept[lane] = kept[parent];
            let of_parent = &conditions[parent * self.condition..][..self.condition];
            self.conditions[lane * self.condition..][..self.condition].copy_from_slice(of_parent);
        }
        self.conditions_set = false;
    }
}

/// The sum over the sources of each lane's rows of `table`, `[lanes, width]`.
pub(crate) fn look_up(table: &Tensor<2>, rows: Tensor<1, Int>, lanes: usize) -> Tensor<2> {
    let [_, width] = table.dims();
    let [count] = rows.dims();
    let found = table.clone().select(0, rows);
    if count == lanes {
        return found;
    }
    let by_lane = found.reshape([lanes, count / lanes, width]);
    by_lane.sum_dim(1).reshape([lanes, width])
}

/// The state where `kept` is 1, `first` (zeros without one) where it is 0.
pub(crate) fn keep(state: Tensor<2>, kept: &Tensor<2>, first: Option<Tensor<2>>) -> Tensor<2> {
    let state = state * kept.clone();
    match first {
        Some(first) => state + first * (kept.clone().neg() + 1.0),
        None => state,
    }
}
