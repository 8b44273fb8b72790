/*! What all CPU steppers share: the rows of the embedding, the condition of each lane, the logits. */

use crate::base::simd::InstructionSet;
use crate::kernels::step::Embedding;
use crate::kernels::step::blocks::{Block, Rows, View};
use crate::kernels::step::matrix::Matrix;
use crate::models::forecast_step::{ForecastWeights, PackedForecast};
use crate::sequence::{Alphabet, SideInputs, Stepper, Token};

/// What differs from architecture to architecture: packed weights and the state of every lane.
pub(crate) trait PackedNet: Send {
    /// Forgets the past of `lane`. `condition` may set its initial state; `None` stands for zeros.
    fn reset(&mut self, lane: usize, condition: Option<&[f32]>, instruction_set: InstructionSet);

    /// Lane i continues from the state of lane `parents[i]`.
    fn gather(&mut self, parents: &[usize]);

    /// One step of every lane; writes the logits, `[lanes, alphabet.size]`.
    fn step(&mut self, input: StepInput, logits: &mut [f32], instruction_set: InstructionSet);
}

/// What a step reads.
#[derive(Clone, Copy)]
pub(crate) struct StepInput<'a> {
    /// `[lanes, sources]`: rows of the embedding tables.
    pub(crate) rows: &'a [usize],
    /// Tokens that each lane has read since its reset, this one included.
    pub(crate) positions: &'a [usize],
    /// What the condition adds to the pre-activations of every layer, lane by lane.
    pub(crate) conditions: View<'a, Block>,
}

/// A [`PackedNet`] as a [`Stepper`]: the same bits with any [`InstructionSet`] and any number of lanes.
pub(crate) struct CpuStepper<N> {
    net: N,
    alphabet: Alphabet,
    lanes: usize,
    instruction_set: InstructionSet,
    rows: Embedding,
    forecast: Option<PackedForecast>,
    /// From a condition to what it adds to the pre-activations.
    conditioning: Matrix,
    conditions: Rows<Block>,
    logits: Vec<f32>,
}

impl<N> CpuStepper<N> {
    /// `net` has the state of `lanes` lanes, at least one.
    pub(super) fn from_packed(
        net: N,
        alphabet: Alphabet,
        side_inputs: &SideInputs,
        forecast: Option<&ForecastWeights>,
        conditioning: Matrix,
        lanes: usize,
        instruction_set: InstructionSet,
    ) -> Self {
        let mut stepper = Self {
            net,
            alphabet,
            lanes,
            instruction_set,
            rows: Embedding::new(alphabet, side_inputs, lanes),
            conditions: Rows::filled(lanes, conditioning.blocks(), Block::ZERO),
            forecast: forecast.map(PackedForecast::new),
            conditioning,
            logits: vec![0.0; lanes * alphabet.size],
        };
        for lane in 0..lanes {
            stepper.condition_lane(lane, None);
        }
        stepper
    }

    /// Sets the condition of a lane and returns what conditions the layers.
    fn condition_lane(&mut self, lane: usize, condition: Option<&[f32]>) -> Option<Vec<f32>> {
        self.rows.recondition(lane, condition);
        let level = self.instruction_set;
        let features = match &self.forecast {
            Some(forecast) => Some(forecast.features(level, condition)),
            None => condition.map(<[f32]>::to_vec),
        };
        let sums = self.conditions.blocks_mut(lane);
        match &features {
            None => sums.fill(Block::ZERO),
            Some(features) => {
                sums.copy_from_slice(&self.conditioning.apply(level, features));
            }
        }
        features
    }

    pub(super) fn net(&self) -> &N {
        &self.net
    }
}

impl<N: PackedNet> Stepper for CpuStepper<N> {
    fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        let features = self.condition_lane(lane, condition);
        self.rows.reset(lane);
        self.net
            .reset(lane, features.as_deref(), self.instruction_set);
    }

    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.condition_lane(lane, condition);
    }

    fn step(&mut self, tokens: &[Token]) -> &[f32] {
        self.rows.look_up(tokens);
        let input = StepInput {
            rows: self.rows.rows(),
            positions: self.rows.positions(),
            conditions: self.conditions.view(0),
        };
        self.net.step(input, &mut self.logits, self.instruction_set);
        if let Some(forecast) = &self.forecast {
            forecast.add_table(&mut self.logits, self.rows.forecasts());
        }
        &self.logits
    }

    fn gather(&mut self, parents: &[usize]) {
        assert_eq!(parents.len(), self.lanes, "one parent per lane");
        self.rows.gather(parents);
        self.conditions.gather(parents);
        self.net.gather(parents);
    }
}
