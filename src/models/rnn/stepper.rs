/*!
LSTM and GRU networks, one token at a time.

The embedding is multiplied by the first layer's input matrix in advance, so that a token costs one row of a table. **Order
of operations** of every pre-activation: the bias; then the rows of the table one by one, or in deeper layers one chain of
fused multiply-adds over the layer below; then the same chain over the layer's own last output; last what the condition
adds, one chain from zero that is computed when the condition is set.
*/

use std::ops::Range;
use std::sync::Arc;

use crate::base::math::tanh;
use crate::base::simd::InstructionSet;
use crate::error::Result;
use crate::kernels::RecurrentCell;
use crate::kernels::registers::{F32Registers, F32Work, with_f32};
use crate::kernels::step::blocks::{Block, Rows, View, add, columns, rectify};
use crate::kernels::step::matrix::Matrix;
use crate::kernels::step::sum_rows;
use crate::kernels::{gru, lstm};
use crate::models::cpu_stepper::{CpuStepper, PackedNet, StepInput};
use crate::models::forecast_step::ForecastWeights;
use crate::models::rnn::TokenHeadWeights;
use crate::models::weights::{check_inputs, check_lanes, check_shape, check_width};
use crate::sequence::{Alphabet, SideInputs};

/// The gate whose recurrent part stays separate and has a bias.
const fn separate_gate(cell: RecurrentCell) -> Option<usize> {
    match cell {
        RecurrentCell::Lstm => None,
        RecurrentCell::Gru => Some(gru::NEW),
    }
}

/// A trained recurrent network as plain row-major arrays; G is [`RecurrentCell::gates`].
#[derive(Debug, Clone)]
pub(crate) struct RecurrentWeights {
    pub cell: RecurrentCell,
    pub alphabet: Alphabet,
    /// What enters beside the current token.
    pub side_inputs: SideInputs,
    /// Units in every layer.
    pub hidden: usize,
    /// Length of the vector that conditions the layers; 0 for none.
    pub condition: usize,
    /// Where the network reads a prediction.
    pub forecast: Option<ForecastWeights>,
    /// From the tokens up.
    pub layers: Vec<RecurrentLayer>,
    /// `[condition, layers · hidden]`: the initial hidden state is tanh(condition · initial).
    pub initial: Vec<f32>,
    /// `[condition, layers · G · hidden]`: added to the pre-activations of every step.
    pub conditioning: Vec<f32>,
    /// Tokens that one step of the layers reads.
    pub stride: usize,
    /// Where that is more than one; its width is that of the output layer's input.
    pub token_head: Option<TokenHeadWeights>,
    /// `[hidden, alphabet.size]`, or `[width, alphabet.size]` behind a token head.
    pub logits: Vec<f32>,
    /// `[alphabet.size]`.
    pub logits_bias: Vec<f32>,
}

/// One layer; the columns of every matrix are the cell's gates, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct RecurrentLayer {
    /// First layer: `[entries, G · hidden]`, embedding times input matrix, the table of the current token
    /// first. Deeper layers: `[hidden, G · hidden]`.
    pub input: Vec<f32>,
    /// `[G · hidden]`. The n gate of a GRU has another one, `recurrent_bias`. (PyTorch has two for every gate: add them.)
    pub bias: Vec<f32>,
    /// `[hidden, G · hidden]`.
    pub recurrent: Vec<f32>,
    /// `[hidden]` for a GRU: bias of the recurrent part of its n gate. Empty for an LSTM.
    pub recurrent_bias: Vec<f32>,
}

impl RecurrentWeights {
    /// Checks every length against the widths and the cell's gates.
    ///
    /// # Errors
    /// If a width is zero, a lag or clock out of range, or a tensor has another length than its shape says.
    pub(crate) fn validate(&self) -> Result<()> {
        let (layers, hidden, size) = (self.layers.len(), self.hidden, self.alphabet.size);
        let gates = self.cell.gates();
        check_inputs(self.alphabet, &self.side_inputs)?;
        if let Some(forecast) = &self.forecast {
            forecast.validate()?;
        }
        check_width("the number of layers", layers)?;
        check_width("the number of hidden units", hidden)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let of = |name: &str| format!("layers.{i}.{name}");
            let table = [
                self.side_inputs.entries(self.alphabet.inputs()),
                gates,
                hidden,
            ];
            let matrix = [hidden, gates, hidden];
            let input: &[usize] = if i == 0 { &table } else { &matrix };
            let separate = usize::from(separate_gate(self.cell).is_some());
            check_shape(&of("input"), &layer.input, input)?;
            check_shape(&of("bias"), &layer.bias, &[gates, hidden])?;
            check_shape(&of("recurrent"), &layer.recurrent, &matrix)?;
            let recurrent_bias = [separate, hidden];
            check_shape(
                &of("recurrent_bias"),
                &layer.recurrent_bias,
                &recurrent_bias,
            )?;
        }
        check_shape("initial", &self.initial, &[self.condition, layers, hidden])?;
        let conditioning = [self.condition, layers, gates, hidden];
        check_shape("conditioning", &self.conditioning, &conditioning)?;
        check_width("the stride", self.stride)?;
        if let Some(head) = &self.token_head {
            let (width, entries) = (
                self.features(),
                self.side_inputs.entries(self.alphabet.inputs()),
            );
            check_width("the width of the token head", width)?;
            check_shape("token_head.embedding", &head.embedding, &[entries, width])?;
            check_shape("token_head.weight", &head.weight, &[hidden, width])?;
        }
        check_shape("logits", &self.logits, &[self.features(), size])?;
        check_shape("logits_bias", &self.logits_bias, &[size])
    }

    /// What the output layer reads.
    fn features(&self) -> usize {
        self.token_head
            .as_ref()
            .map_or(self.hidden, |head| head.bias.len())
    }
}

/// A recurrent network one step at a time in f32.
pub(crate) type RnnStepper = CpuStepper<PackedRnn>;

/// Packed weights and the state of every lane.
pub(crate) struct PackedRnn {
    weights: Arc<RecurrentWeights>,
    layers: Vec<Layer>,
    token_head: Option<PackedHead>,
    logits: Matrix,
    initial: Matrix,
    /// `[lanes, alphabet.size]`, rows padded.
    scratch: Rows<Block>,
}

/// The token head: its weights, and what the last states give it.
struct PackedHead {
    matrix: Matrix,
    /// `[lanes, width]`: of the last step of the layers.
    projected: Rows<Block>,
    /// `[lanes, width]`: with the tokens since.
    features: Rows<Block>,
}

/// One layer: its weights and its state. Pre-activations are stored by block of units, then by gate.
struct Layer {
    /// `None` for the first layer, whose input is a row of the table.
    input: Option<Matrix>,
    bias: Vec<Block>,
    recurrent: Matrix,
    /// `[lanes, hidden]`.
    output: Rows<Block>,
    /// `[lanes, hidden]`: the cell state of an LSTM; zeros for a GRU.
    cell_state: Rows<Block>,
    /// `[lanes, G · hidden]`: bias and input.
    input_sums: Rows<Block>,
    /// `[lanes, hidden]`: the same for the n gate of a GRU.
    apart: Rows<Block>,
    /// `[lanes, G · hidden]`: bias, input and recurrent part; only the recurrent part for the n gate of a GRU.
    sums: Rows<Block>,
}

impl RnnStepper {
    /// With the widest instruction set of the processor.
    ///
    /// # Errors
    /// If `lanes` is 0 or the weights do not pass [`RecurrentWeights::validate`].
    pub(crate) fn new(weights: Arc<RecurrentWeights>, lanes: usize) -> Result<Self> {
        Self::with_instruction_set(weights, lanes, InstructionSet::detect())
    }

    fn with_instruction_set(
        weights: Arc<RecurrentWeights>,
        lanes: usize,
        instruction_set: InstructionSet,
    ) -> Result<Self> {
        weights.validate()?;
        check_lanes(lanes)?;
        let w = &*weights;
        let (hidden, gates) = (w.hidden, w.cell.gates());
        let (alphabet, side_inputs) = (w.alphabet, w.side_inputs.clone());
        let forecast = w.forecast.clone();
        let all_gates: Vec<_> = (0..w.layers.len())
            .flat_map(|i| gate_columns(i * gates * hidden, gates, hidden))
            .collect();
        let all_units: Vec<_> = (0..w.layers.len())
            .flat_map(|i| columns(i * hidden..(i + 1) * hidden))
            .collect();
        let zeros = vec![0.0; w.layers.len() * gates * hidden];
        let units = &zeros[..w.layers.len() * hidden];
        let whole: Vec<_> = columns(0..alphabet.size).collect();
        let conditioning = Matrix::pack(w.condition, &w.conditioning, &zeros, &all_gates);
        let layers = w.layers.iter().enumerate();
        let net = PackedRnn {
            layers: layers
                .map(|(i, layer)| Layer::new(layer, i, w, lanes))
                .collect(),
            token_head: w.token_head.as_ref().map(|head| {
                let width: Vec<_> = columns(0..w.features()).collect();
                PackedHead {
                    matrix: Matrix::pack(hidden, &head.weight, &head.bias, &width),
                    projected: Rows::zeros(lanes, w.features()),
                    features: Rows::zeros(lanes, w.features()),
                }
            }),
            logits: Matrix::pack(w.features(), &w.logits, &w.logits_bias, &whole),
            initial: Matrix::pack(w.condition, &w.initial, units, &all_units),
            scratch: Rows::zeros(lanes, alphabet.size),
            weights,
        };
        Ok(Self::from_packed(
            net,
            alphabet,
            &side_inputs,
            forecast.as_ref(),
            conditioning,
            lanes,
            instruction_set,
        ))
    }
}

/// The columns of a layer's gates from column `first`: by block of units, then by gate.
fn gate_columns(first: usize, gates: usize, hidden: usize) -> impl Iterator<Item = Range<usize>> {
    columns(0..hidden).flat_map(move |units| {
        (0..gates).map(move |gate| {
            let start = first + gate * hidden;
            start + units.start..start + units.end
        })
    })
}

impl Layer {
    fn new(layer: &RecurrentLayer, index: usize, w: &RecurrentWeights, lanes: usize) -> Self {
        let (hidden, gates) = (w.hidden, w.cell.gates());
        let columns: Vec<_> = gate_columns(0, gates, hidden).collect();
        let mut apart = vec![0.0; gates * hidden];
        if let Some(gate) = separate_gate(w.cell) {
            apart[gate * hidden..][..hidden].copy_from_slice(&layer.recurrent_bias);
        }
        let sums = Rows::zeros(lanes, columns.len() * Block::WIDTH);
        Self {
            input: (index > 0).then(|| Matrix::pack(hidden, &layer.input, &layer.bias, &columns)),
            bias: columns
                .iter()
                .map(|c| Block::from_slice(&layer.bias[c.clone()]))
                .collect(),
            recurrent: Matrix::pack(hidden, &layer.recurrent, &apart, &columns),
            output: Rows::zeros(lanes, hidden),
            cell_state: Rows::zeros(lanes, hidden),
            input_sums: sums.clone(),
            apart: Rows::zeros(lanes, hidden),
            sums,
        }
    }

    /// The input part of the pre-activations of `lane`, from rows of the first layer's table.
    #[inline(always)]
    fn look_up(&mut self, weights: &RecurrentWeights, rows: &[usize], lane: usize) {
        let (gates, hidden) = (weights.cell.gates(), weights.hidden);
        let sums = self.input_sums.blocks_mut(lane);
        sums.copy_from_slice(&self.bias);
        for row in rows {
            let row = &weights.layers[0].input[row * gates * hidden..][..gates * hidden];
            for (sum, columns) in sums.iter_mut().zip(gate_columns(0, gates, hidden)) {
                *sum = sum.add(&Block::from_slice(&row[columns]));
            }
        }
    }

    /// The input part of the pre-activations, from the outputs of the layer below.
    #[inline(always)]
    fn read_layer_below<R: F32Registers>(
        &mut self,
        registers: R,
        below: &Rows<Block>,
        lanes: usize,
    ) {
        if let Some(input) = &self.input {
            input.multiply(
                registers,
                lanes,
                below.view(0),
                input.bias(),
                &mut self.input_sums,
            );
        }
    }

    /// The recurrent part, then the new state; `conditions` are this layer's.
    #[inline(always)]
    fn step<R: F32Registers>(
        &mut self,
        registers: R,
        cell: RecurrentCell,
        lanes: usize,
        conditions: View<'_, Block>,
    ) {
        let Self {
            output,
            cell_state,
            input_sums,
            apart,
            sums,
            recurrent,
            ..
        } = self;
        if cell == RecurrentCell::Gru {
            for lane in 0..lanes {
                let bias = recurrent.bias().blocks(0);
                gru::set_apart(input_sums.blocks_mut(lane), bias, apart.blocks_mut(lane));
            }
        }
        recurrent.multiply(registers, lanes, output.view(0), input_sums.view(0), sums);
        for lane in 0..lanes {
            let (sums, output) = (sums.blocks(lane), output.blocks_mut(lane));
            let condition = &conditions.blocks(lane)[..sums.len()];
            match cell {
                RecurrentCell::Lstm => {
                    lstm::update(sums, condition, output, cell_state.blocks_mut(lane));
                }
                RecurrentCell::Gru => gru::update(sums, apart.blocks(lane), condition, output),
            }
        }
    }
}

struct Step<'a> {
    net: &'a mut PackedRnn,
    input: StepInput<'a>,
    logits: &'a mut [f32],
}

impl F32Work for Step<'_> {
    #[inline(always)]
    fn run<R: F32Registers>(self, registers: R) {
        let PackedRnn {
            weights,
            layers,
            token_head,
            logits: logits_matrix,
            scratch,
            ..
        } = self.net;
        let lanes = scratch.len();
        let due = |lane: usize| (self.input.positions[lane] - 1).is_multiple_of(weights.stride);
        if (0..lanes).any(due) {
            let waiting: Vec<usize> = (0..lanes).filter(|&lane| !due(lane)).collect();
            let before: Vec<_> = waiting.iter().map(|&lane| state(layers, lane)).collect();
            step_layers(registers, weights, layers, self.input, lanes);
            for (&lane, before) in waiting.iter().zip(before) {
                set_state(layers, lane, &before);
            }
            if let Some(PackedHead {
                matrix, projected, ..
            }) = token_head
            {
                let top = layers[layers.len() - 1].output.view(0);
                matrix.multiply(registers, lanes, top, matrix.bias(), projected);
            }
        }
        let features = match (token_head, &weights.token_head) {
            (Some(head), Some(table)) => {
                let features = &mut head.features;
                sum_rows(
                    self.input.rows,
                    &table.embedding,
                    weights.features(),
                    features,
                );
                for lane in 0..lanes {
                    let features = features.blocks_mut(lane);
                    add(features, head.projected.blocks(lane));
                    rectify(features);
                }
                features.view(0)
            }
            _ => layers[layers.len() - 1].output.view(0),
        };
        logits_matrix.multiply(registers, lanes, features, logits_matrix.bias(), scratch);
        scratch.copy_to(self.logits);
    }
}

/// The states of all layers in one lane, one after another.
fn state(layers: &[Layer], lane: usize) -> Vec<Block> {
    let of_layer =
        |layer: &Layer| [layer.output.blocks(lane), layer.cell_state.blocks(lane)].concat();
    layers.iter().flat_map(of_layer).collect()
}

/// The inverse of [`state`].
fn set_state(layers: &mut [Layer], lane: usize, state: &[Block]) {
    let mut from = 0;
    for layer in layers {
        for rows in [&mut layer.output, &mut layer.cell_state] {
            let blocks = rows.blocks_mut(lane);
            blocks.copy_from_slice(&state[from..from + blocks.len()]);
            from += blocks.len();
        }
    }
}

/// One step of every layer in every lane.
#[inline(always)]
fn step_layers<R: F32Registers>(
    registers: R,
    weights: &RecurrentWeights,
    layers: &mut [Layer],
    input: StepInput,
    lanes: usize,
) {
    let sources = weights.side_inputs.sources();
    for (lane, rows) in input.rows.chunks_exact(sources).enumerate() {
        layers[0].look_up(weights, rows, lane);
    }
    let mut first = 0;
    for i in 0..layers.len() {
        let (below, above) = layers.split_at_mut(i);
        let layer = &mut above[0];
        if let Some(below) = below.last() {
            layer.read_layer_below(registers, &below.output, lanes);
        }
        let conditions = input.conditions.skip(first);
        layer.step(registers, weights.cell, lanes, conditions);
        first += layer.bias.len();
    }
}

impl PackedNet for PackedRnn {
    fn reset(&mut self, lane: usize, condition: Option<&[f32]>, instruction_set: InstructionSet) {
        let initial = match condition {
            None => vec![Block::ZERO; self.initial.blocks()],
            Some(condition) => self.initial.apply(instruction_set, condition),
        };
        let per_layer = Block::count(self.weights.hidden);
        for (layer, initial) in self.layers.iter_mut().zip(initial.chunks(per_layer)) {
            layer.cell_state.blocks_mut(lane).fill(Block::ZERO);
            for (output, initial) in layer.output.blocks_mut(lane).iter_mut().zip(initial) {
                *output = Block(initial.0.map(tanh));
            }
        }
    }

    fn gather(&mut self, parents: &[usize]) {
        for layer in &mut self.layers {
            layer.output.gather(parents);
            layer.cell_state.gather(parents);
        }
        if let Some(head) = &mut self.token_head {
            head.projected.gather(parents);
        }
    }

    fn step(&mut self, input: StepInput, logits: &mut [f32], instruction_set: InstructionSet) {
        let net = self;
        with_f32(instruction_set, Step { net, input, logits });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::models::stepper_conformance::{Subject, affine, assert_close, rows, side_inputs};
    use crate::sequence::{Stepper, Token};

    fn network(
        cell: RecurrentCell,
        hidden: usize,
        condition: usize,
        side_inputs: &SideInputs,
    ) -> RecurrentWeights {
        let alphabet = Alphabet {
            size: 21,
            start: 21,
            stop: None,
        };
        let mut random = Lcg(17);
        let (layers, width) = (2, cell.gates() * hidden);
        let scale = (1.0 / hidden as f32).sqrt() * 2.0;
        let layer = |i, random: &mut Lcg| {
            let rows = if i == 0 {
                side_inputs.entries(alphabet.inputs())
            } else {
                hidden
            };
            let apart = if cell == RecurrentCell::Gru {
                hidden
            } else {
                0
            };
            RecurrentLayer {
                input: random.values(rows * width, scale),
                bias: random.values(width, 0.5),
                recurrent: random.values(hidden * width, scale),
                recurrent_bias: random.values(apart, 0.5),
            }
        };
        RecurrentWeights {
            cell,
            alphabet,
            side_inputs: side_inputs.clone(),
            hidden,
            condition,
            forecast: None,
            layers: (0..layers).map(|i| layer(i, &mut random)).collect(),
            initial: random.values(condition * layers * hidden, 1.0),
            conditioning: random.values(condition * layers * width, 0.5),
            stride: 1,
            token_head: None,
            logits: random.values(hidden * alphabet.size, 1.0),
            logits_bias: random.values(alphabet.size, 0.5),
        }
    }

    /// The network with a step every five tokens.
    fn with_token_head(w: RecurrentWeights) -> RecurrentWeights {
        let (mut random, width) = (Lcg(18), 21);
        let entries = w.side_inputs.entries(w.alphabet.inputs());
        RecurrentWeights {
            stride: 5,
            token_head: Some(TokenHeadWeights {
                embedding: random.values(entries * width, 0.5),
                weight: random.values(w.hidden * width, 0.5),
                bias: random.values(width, 0.5),
            }),
            logits: random.values(width * w.alphabet.size, 1.0),
            ..w
        }
    }

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// The equations of PyTorch's documentation in f64: the logits after every token.
    fn direct(w: &RecurrentWeights, tokens: &[Token], condition: &[f32]) -> Vec<Vec<f64>> {
        let (n, width) = (w.hidden, w.cell.gates() * w.hidden);
        let wide: Vec<f64> = condition.iter().map(|&c| f64::from(c)).collect();
        let initial = affine(&wide, &w.initial, &vec![0.0; w.layers.len() * n]);
        let extra = affine(&wide, &w.conditioning, &vec![0.0; w.layers.len() * width]);
        let mut h: Vec<Vec<f64>> = initial
            .chunks(n)
            .map(|h| h.iter().map(|v| v.tanh()).collect())
            .collect();
        let mut c = vec![vec![0.0; n]; w.layers.len()];
        let step = |t: usize| {
            let mut below = vec![0.0; w.side_inputs.entries(w.alphabet.inputs())];
            for row in rows(&w.side_inputs, w.alphabet, tokens, t) {
                below[row] = 1.0;
            }
            for (i, layer) in w.layers.iter().enumerate() {
                let mut x = affine(&below, &layer.input, &layer.bias);
                x.iter_mut()
                    .zip(&extra[i * width..])
                    .for_each(|(x, e)| *x += e);
                let u = affine(&h[i], &layer.recurrent, &vec![0.0; width]);
                for j in 0..n {
                    let sum = |gate: usize| x[gate * n + j] + u[gate * n + j];
                    h[i][j] = match w.cell {
                        RecurrentCell::Lstm => {
                            c[i][j] = sigmoid(sum(1)) * c[i][j] + sigmoid(sum(0)) * sum(2).tanh();
                            sigmoid(sum(3)) * c[i][j].tanh()
                        }
                        RecurrentCell::Gru => {
                            let apart = u[2 * n + j] + f64::from(layer.recurrent_bias[j]);
                            let new = (x[2 * n + j] + sigmoid(sum(0)) * apart).tanh();
                            (1.0 - sigmoid(sum(1))) * new + sigmoid(sum(1)) * h[i][j]
                        }
                    };
                }
                below.clone_from(&h[i]);
            }
            affine(&below, &w.logits, &w.logits_bias)
        };
        (0..tokens.len()).map(step).collect()
    }

    #[test]
    fn the_stepper_equals_the_direct_evaluation() {
        for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            for (hidden, condition, lags, clocks) in [
                (19, 0, &[][..], &[][..]),
                (32, 3, &[5], &[]),
                (16, 1, &[1, 7], &[(1, 6), (6, 4)]),
            ] {
                let w = network(cell, hidden, condition, &side_inputs(lags, clocks));
                let mut random = Lcg(5);
                let tokens = random.tokens(50, w.alphabet.inputs());
                let c = random.values(condition, 1.0);
                let wanted = direct(&w, &tokens, &c);
                let mut stepper = RnnStepper::new(Arc::new(w), 1).unwrap();
                stepper.reset(0, Some(&c));
                for (t, wanted) in wanted.iter().enumerate() {
                    assert_close(
                        stepper.step(&tokens[t..=t]),
                        wanted,
                        &format!("{cell:?}, step {t}"),
                    );
                }
            }
        }
    }

    #[test]
    fn the_laws_hold() {
        for (cell, hidden) in [
            (RecurrentCell::Lstm, 19),
            (RecurrentCell::Lstm, 32),
            (RecurrentCell::Gru, 37),
            (RecurrentCell::Gru, 16),
        ] {
            let every_token = network(cell, hidden, 2, &side_inputs(&[6], &[(3, 5)]));
            for w in [with_token_head(every_token.clone()), every_token] {
                let w = Arc::new(w);
                let subject = Subject {
                    stepper: &|lanes, instruction_set| {
                        Box::new(
                            RnnStepper::with_instruction_set(w.clone(), lanes, instruction_set)
                                .unwrap(),
                        )
                    },
                    condition: 2,
                    steps: 30,
                };
                subject.keeps_the_laws();
            }
        }
    }

    #[test]
    fn wrong_lengths_are_errors() {
        let break_one: [fn(&mut RecurrentWeights); 6] = [
            |w| w.layers[1].input.truncate(1),
            |w| w.layers[0].recurrent_bias.push(0.0),
            |w| w.layers.truncate(0),
            |w| w.side_inputs.lags.push(0),
            |w| w.hidden = usize::MAX,
            |w| w.initial.push(0.0),
        ];
        for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            for change in break_one {
                let mut w = network(cell, 8, 2, &side_inputs(&[4], &[(3, 5)]));
                assert!(w.validate().is_ok());
                change(&mut w);
                assert!(RnnStepper::new(Arc::new(w), 1).is_err());
            }
            assert!(
                RnnStepper::new(Arc::new(network(cell, 8, 0, &SideInputs::default())), 0).is_err()
            );
        }
    }
}
