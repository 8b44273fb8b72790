/*!
WaveNet, one sample at a time (van den Oord et al. 2016, "WaveNet: a generative model for raw audio", §2).

Each dilated convolution of width 2 keeps its past in a queue (Le Paine et al. 2016, "Fast WaveNet generation
algorithm"), so that a step costs one pass over the weights, whatever the receptive field.

**Order of operations.** Pre-activation = (one chain of fused multiply-adds from the bias over x_{t-d}, then over x_t) +
what the condition adds, which is one chain from zero over the condition, computed when the condition is set. What x_{t-d}
adds is known d steps ahead: one pass over those weights computes it for several steps.
*/

use std::ops::Range;
use std::sync::Arc;

use crate::base::math::exp;
use crate::base::simd::InstructionSet;
use crate::error::Result;
use crate::kernels::registers::{F32Registers, F32Work, with_f32};
use crate::kernels::step::blocks::{Block, Rows, View, add, columns, rectify};
use crate::kernels::step::delay::Delay;
use crate::kernels::step::matrix::Matrix;
use crate::kernels::step::sum_rows;
use crate::models::cpu_stepper::{CpuStepper, PackedNet, StepInput};
use crate::models::forecast_step::ForecastWeights;
use crate::models::weights::{check_inputs, check_lanes, check_reach, check_shape, check_width};
use crate::sequence::{Alphabet, SideInputs};

/// The tensors that a calibration measures.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Activation {
    /// The input of a layer.
    Layer(usize),
    /// The rectified sum of skips.
    Skip,
    /// The rectified hidden units.
    Hidden,
}

/// A trained WaveNet as plain row-major arrays.
#[derive(Debug, Clone)]
pub(crate) struct WaveNetWeights {
    pub alphabet: Alphabet,
    /// What enters beside the current token.
    pub side_inputs: SideInputs,
    /// Width of the residual stream.
    pub residual: usize,
    /// Width of the sum of skip connections.
    pub skip: usize,
    /// Width of the hidden layer between the sum of skips and the logits.
    pub hidden: usize,
    /// Length of the vector that conditions the layers; 0 for none.
    pub condition: usize,
    /// Where the network reads a prediction.
    pub forecast: Option<ForecastWeights>,
    /// The dilation of each layer, in steps.
    pub dilations: Vec<usize>,
    /// `[entries, residual]`: the table of the current token first.
    pub embedding: Vec<f32>,
    /// `[layers, 2 · residual, 2 · residual]`: rows x_{t-d} then x_t; columns filter then gate.
    pub conv: Vec<f32>,
    /// `[layers, 2 · residual]`.
    pub conv_bias: Vec<f32>,
    /// `[condition, layers · 2 · residual]`: global conditioning (§2.5), added to the pre-activations.
    pub conditioning: Vec<f32>,
    /// `[layers, residual, residual + skip]`: columns residual then skip.
    pub out: Vec<f32>,
    /// `[layers, residual + skip]`.
    pub out_bias: Vec<f32>,
    /// `[skip, hidden]`.
    pub head: Vec<f32>,
    /// `[hidden]`.
    pub head_bias: Vec<f32>,
    /// `[hidden, alphabet.size]`.
    pub logits: Vec<f32>,
    /// `[alphabet.size]`.
    pub logits_bias: Vec<f32>,
}

impl WaveNetWeights {
    /// Checks every length against the widths.
    ///
    /// # Errors
    /// If a width is zero, a lag, clock or dilation out of range, or a tensor has another length than its shape says.
    pub(crate) fn validate(&self) -> Result<()> {
        let layers = self.dilations.len();
        let (residual, skip, hidden) = (self.residual, self.skip, self.hidden);
        check_inputs(self.alphabet, &self.side_inputs)?;
        check_width("the number of layers", layers)?;
        check_width("the residual width", residual)?;
        check_width("the skip width", skip)?;
        check_width("the width of the head", hidden)?;
        check_reach("a dilation", &self.dilations)?;
        let entries = self.side_inputs.entries(self.alphabet.inputs());
        let size = self.alphabet.size;
        if let Some(forecast) = &self.forecast {
            forecast.validate()?;
        }
        check_shape("embedding", &self.embedding, &[entries, residual])?;
        check_shape("conv", &self.conv, &[layers, 2, residual, 2, residual])?;
        check_shape("conv_bias", &self.conv_bias, &[layers, 2, residual])?;
        let conditioning = [self.condition, layers, 2, residual];
        check_shape("conditioning", &self.conditioning, &conditioning)?;
        let columns = residual.saturating_add(skip);
        check_shape("out", &self.out, &[layers, residual, columns])?;
        check_shape("out_bias", &self.out_bias, &[layers, columns])?;
        check_shape("head", &self.head, &[skip, hidden])?;
        check_shape("head_bias", &self.head_bias, &[hidden])?;
        check_shape("logits", &self.logits, &[hidden, size])?;
        check_shape("logits_bias", &self.logits_bias, &[size])
    }
}

/// A WaveNet one step at a time in f32.
pub(crate) type WaveNetStepper = CpuStepper<PackedWaveNet>;

/// Packed weights and the state of every lane.
pub(crate) struct PackedWaveNet {
    weights: Arc<WaveNetWeights>,
    layers: Vec<Layer>,
    head: Matrix,
    logits: Matrix,
    scratch: Scratch,
}

/// One residual layer: its weights and its past. Pre-activations are pairs of blocks, filter then gate.
struct Layer {
    past_weights: Matrix,
    weights: Matrix,
    out: Matrix,
    /// Frames x, and what bias and x_{t-d} add to the pre-activations.
    delay: Delay<Block, Block>,
}

/// Buffers of one step.
struct Scratch {
    /// `[lanes, residual + skip]`: the residual stream, then the sum of skips.
    streams: Rows<Block>,
    /// `[lanes, 2 · residual]`.
    pre: Rows<Block>,
    /// `[lanes, residual]`: tanh(filter) · sigmoid(gate).
    gated: Rows<Block>,
    /// `[lanes, hidden]`.
    hidden: Rows<Block>,
    /// `[lanes, alphabet.size]`, rows padded.
    logits: Rows<Block>,
}

impl WaveNetStepper {
    /// With the widest instruction set of the processor.
    ///
    /// # Errors
    /// If `lanes` is 0 or the weights do not pass [`WaveNetWeights::validate`].
    pub(crate) fn new(weights: Arc<WaveNetWeights>, lanes: usize) -> Result<Self> {
        Self::with_instruction_set(weights, lanes, InstructionSet::detect())
    }

    pub(super) fn with_instruction_set(
        weights: Arc<WaveNetWeights>,
        lanes: usize,
        instruction_set: InstructionSet,
    ) -> Result<Self> {
        weights.validate()?;
        check_lanes(lanes)?;
        let w = &*weights;
        let conditioning = conditioning_matrix(w, &w.conditioning);
        let (alphabet, side_inputs) = (w.alphabet, w.side_inputs.clone());
        let forecast = w.forecast.clone();
        let whole = |width| columns(0..width).collect::<Vec<_>>();
        let net = PackedWaveNet {
            layers: (0..w.dilations.len())
                .map(|i| Layer::new(w, i, lanes, instruction_set))
                .collect(),
            head: Matrix::pack(w.skip, &w.head, &w.head_bias, &whole(w.hidden)),
            logits: Matrix::pack(w.hidden, &w.logits, &w.logits_bias, &whole(alphabet.size)),
            scratch: Scratch {
                streams: streams(w, lanes),
                pre: Rows::filled(lanes, 2 * Block::count(w.residual), Block::ZERO),
                gated: Rows::zeros(lanes, w.residual),
                hidden: Rows::zeros(lanes, w.hidden),
                logits: Rows::zeros(lanes, alphabet.size),
            },
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

impl PackedWaveNet {
    /// Calls `see` with the activations of lane 0 in the last step: what entered each layer, then the head.
    pub(super) fn activations(&self, mut see: impl FnMut(Activation, &[f32])) {
        let w = &*self.weights;
        for (i, layer) in self.layers.iter().enumerate() {
            let frame = layer.delay.last_frames().floats(0);
            see(Activation::Layer(i), &frame[..w.residual]);
        }
        let residual = self.scratch.gated.blocks(0).len();
        let skip = self.scratch.streams.view(0).skip(residual).floats(0);
        see(Activation::Skip, &skip[..w.skip]);
        let hidden = self.scratch.hidden.view(0).floats(0);
        see(Activation::Hidden, &hidden[..w.hidden]);
    }
}

/// `[lanes, residual + skip]`, each part padded to whole blocks.
pub(super) fn streams(w: &WaveNetWeights, lanes: usize) -> Rows<Block> {
    let blocks = Block::count(w.residual) + Block::count(w.skip);
    Rows::filled(lanes, blocks, Block::ZERO)
}

/// From a condition to the pre-activations of all layers; `weights` are `[condition, layers · 2 · residual]`.
pub(super) fn conditioning_matrix(w: &WaveNetWeights, weights: &[f32]) -> Matrix {
    let width = 2 * w.residual;
    let layers = 0..w.dilations.len();
    let pairs: Vec<_> = layers.flat_map(|i| pairs(i * width, w.residual)).collect();
    let no_bias = vec![0.0; w.dilations.len() * width];
    Matrix::pack(w.condition, weights, &no_bias, &pairs)
}

/// The columns of a layer's pre-activations from column `first`: block by block, filter then gate.
pub(super) fn pairs(first: usize, residual: usize) -> impl Iterator<Item = Range<usize>> {
    let gate = first + residual;
    columns(first..gate)
        .zip(columns(gate..gate + residual))
        .flat_map(|(f, g)| [f, g])
}

impl Layer {
    fn new(
        w: &WaveNetWeights,
        index: usize,
        lanes: usize,
        instruction_set: InstructionSet,
    ) -> Self {
        let (residual, both) = (w.residual, w.residual + w.skip);
        let conv = &w.conv[index * 4 * residual * residual..][..4 * residual * residual];
        let (past, now) = conv.split_at(2 * residual * residual);
        let bias = &w.conv_bias[index * 2 * residual..][..2 * residual];
        let pairs: Vec<_> = pairs(0, residual).collect();
        let out = &w.out[index * residual * both..][..residual * both];
        let out_bias = &w.out_bias[index * both..][..both];
        let out_columns: Vec<_> = columns(0..residual)
            .chain(columns(residual..both))
            .collect();
        let dilation = w.dilations[index];
        let past_weights = Matrix::pack(residual, past, bias, &pairs);
        let silence = past_weights.apply(instruction_set, &vec![0.0; residual]);
        Self {
            past_weights,
            weights: Matrix::pack(residual, now, bias, &pairs),
            out: Matrix::pack(residual, out, out_bias, &out_columns),
            delay: Delay::new(
                dilation,
                lanes,
                Block::count(residual),
                Block::ZERO,
                silence,
            ),
        }
    }

    /// One step of this layer, in place on the streams; `conditions` are this layer's, `None` without a condition.
    #[inline(always)]
    fn step<R: F32Registers>(
        &mut self,
        registers: R,
        scratch: &mut Scratch,
        conditions: Option<View<'_, Block>>,
    ) {
        let Scratch {
            streams,
            pre,
            gated,
            ..
        } = scratch;
        let lanes = streams.len();
        if let Some((rows, frames, past)) = self.delay.due() {
            let bias = self.past_weights.bias();
            self.past_weights
                .multiply(registers, rows, frames, bias, past);
        }
        let (frames, first) = self.delay.frames_mut();
        for lane in 0..lanes {
            let frame = frames.blocks_mut(first + lane);
            frame.copy_from_slice(&streams.blocks(lane)[..frame.len()]);
        }
        let (x, past) = (streams.view(0), self.delay.past());
        self.weights.multiply(registers, lanes, x, past, pre);
        for lane in 0..lanes {
            let pre = pre.blocks_mut(lane);
            if let Some(conditions) = conditions {
                add(pre, conditions.blocks(lane));
            }
            let gated = gated.blocks_mut(lane).iter_mut();
            for (z, [filter, gate]) in gated.zip(pre.as_chunks::<2>().0) {
                *z = gated_unit(filter, gate);
            }
        }
        self.out.add(registers, lanes, gated.view(0), streams);
        self.delay.advance();
    }
}

/// tanh(filter) · sigmoid(gate) with one division: (e^2f - 1) / ((e^2f + 1)(1 + e^-g)), absolute error below 3e-7.
#[inline(always)]
fn gated_unit(filter: &Block, gate: &Block) -> Block {
    let mut z = Block::ZERO;
    for i in 0..Block::WIDTH {
        // Beyond 10, tanh is 1 in f32; the bound keeps the product of the denominators finite.
        let e = exp(2.0 * filter.0[i].clamp(-10.0, 10.0));
        z.0[i] = (e - 1.0) / ((e + 1.0) * (1.0 + exp(-gate.0[i])));
    }
    z
}

struct Step<'a> {
    net: &'a mut PackedWaveNet,
    input: StepInput<'a>,
    logits: &'a mut [f32],
}

impl F32Work for Step<'_> {
    #[inline(always)]
    fn run<R: F32Registers>(self, registers: R) {
        let PackedWaveNet {
            weights,
            layers,
            head,
            logits: logits_matrix,
            scratch,
        } = self.net;
        let lanes = scratch.streams.len();
        for lane in 0..lanes {
            scratch.streams.blocks_mut(lane).fill(Block::ZERO);
        }
        let table = &weights.embedding;
        sum_rows(
            self.input.rows,
            table,
            weights.residual,
            &mut scratch.streams,
        );
        let per_layer = scratch.pre.blocks(0).len();
        for (i, layer) in layers.iter_mut().enumerate() {
            let conditions =
                (weights.condition > 0).then(|| self.input.conditions.skip(i * per_layer));
            layer.step(registers, scratch, conditions);
        }
        let Scratch {
            streams,
            gated,
            hidden,
            logits,
            ..
        } = scratch;
        let residual = gated.blocks(0).len();
        for lane in 0..lanes {
            rectify(&mut streams.blocks_mut(lane)[residual..]);
        }
        let skip = streams.view(0).skip(residual);
        head.multiply(registers, lanes, skip, head.bias(), hidden);
        for lane in 0..lanes {
            rectify(hidden.blocks_mut(lane));
        }
        let bias = logits_matrix.bias();
        logits_matrix.multiply(registers, lanes, hidden.view(0), bias, logits);
        logits.copy_to(self.logits);
    }
}

impl PackedNet for PackedWaveNet {
    fn reset(&mut self, lane: usize, _: Option<&[f32]>, _: InstructionSet) {
        for layer in &mut self.layers {
            layer.delay.reset(lane);
        }
    }

    fn gather(&mut self, parents: &[usize]) {
        for layer in &mut self.layers {
            layer.delay.gather(parents);
        }
    }

    fn step(&mut self, input: StepInput, logits: &mut [f32], instruction_set: InstructionSet) {
        let net = self;
        with_f32(instruction_set, Step { net, input, logits });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::models::stepper_conformance::{Subject, affine, assert_close, rows, side_inputs};
    use crate::sequence::{Stepper, Token};

    /// A small network whose widths are not multiples of a block.
    pub fn small(condition: usize, side_inputs: &SideInputs) -> WaveNetWeights {
        network(&Shape {
            size: 19,
            start: 19,
            residual: 18,
            skip: 37,
            hidden: 23,
            condition,
            side_inputs,
            dilations: &[1, 2, 4, 11, 1, 3, 16],
        })
    }

    pub struct Shape<'a> {
        pub size: usize,
        pub start: Token,
        pub residual: usize,
        pub skip: usize,
        pub hidden: usize,
        pub condition: usize,
        pub side_inputs: &'a SideInputs,
        pub dilations: &'a [usize],
    }

    pub fn network(shape: &Shape) -> WaveNetWeights {
        let (r, s, h, size) = (shape.residual, shape.skip, shape.hidden, shape.size);
        let layers = shape.dilations.len();
        let alphabet = Alphabet {
            size,
            start: shape.start,
            stop: None,
        };
        let mut random = Lcg(11);
        let scale = |fan: usize| (3.0 / fan as f32).sqrt();
        WaveNetWeights {
            alphabet,
            side_inputs: shape.side_inputs.clone(),
            residual: r,
            skip: s,
            hidden: h,
            condition: shape.condition,
            forecast: None,
            dilations: shape.dilations.to_vec(),
            embedding: random.values(shape.side_inputs.entries(alphabet.inputs()) * r, 1.0),
            conv: random.values(layers * 4 * r * r, scale(2 * r)),
            conv_bias: random.values(layers * 2 * r, 0.3),
            conditioning: random.values(shape.condition * layers * 2 * r, 0.5),
            out: random.values(layers * r * (r + s), scale(r)),
            out_bias: random.values(layers * (r + s), 0.3),
            head: random.values(s * h, scale(s)),
            head_bias: random.values(h, 0.3),
            logits: random.values(h * size, scale(h)),
            logits_bias: random.values(size, 0.3),
        }
    }

    fn relu(x: &[f64]) -> Vec<f64> {
        x.iter().map(|v| v.max(0.0)).collect()
    }

    /// The network of the paper in f64: causal convolutions over the whole sequence, without queues.
    fn direct(w: &WaveNetWeights, tokens: &[Token], condition: &[f32]) -> Vec<Vec<f64>> {
        let (r, s) = (w.residual, w.skip);
        let mut x: Vec<Vec<f64>> = (0..tokens.len())
            .map(|t| {
                let mut sum = vec![0.0; r];
                for row in rows(&w.side_inputs, w.alphabet, tokens, t) {
                    let row = &w.embedding[row * r..][..r];
                    sum.iter_mut()
                        .zip(row)
                        .for_each(|(a, &b)| *a += f64::from(b));
                }
                sum
            })
            .collect();
        let mut skips = vec![vec![0.0; s]; tokens.len()];
        for (layer, &dilation) in w.dilations.iter().enumerate() {
            let before = x.clone();
            for t in 0..tokens.len() {
                let mut frames = if dilation > t {
                    vec![0.0; r]
                } else {
                    before[t - dilation].clone()
                };
                frames.extend(&before[t]);
                let bias = &w.conv_bias[layer * 2 * r..][..2 * r];
                let mut pre = affine(&frames, &w.conv[layer * 4 * r * r..][..4 * r * r], bias);
                for (c, &value) in condition.iter().enumerate() {
                    let row = &w.conditioning[(c * w.dilations.len() + layer) * 2 * r..][..2 * r];
                    pre.iter_mut()
                        .zip(row)
                        .for_each(|(p, &k)| *p += f64::from(value * k));
                }
                let z: Vec<f64> = (0..r)
                    .map(|i| pre[i].tanh() / (1.0 + (-pre[r + i]).exp()))
                    .collect();
                let matrix = &w.out[layer * r * (r + s)..][..r * (r + s)];
                let y = affine(&z, matrix, &w.out_bias[layer * (r + s)..][..r + s]);
                x[t].iter_mut().zip(&y).for_each(|(x, y)| *x += y);
                skips[t].iter_mut().zip(&y[r..]).for_each(|(s, y)| *s += y);
            }
        }
        skips
            .iter()
            .map(|sum| {
                let hidden = relu(&affine(&relu(sum), &w.head, &w.head_bias));
                affine(&hidden, &w.logits, &w.logits_bias)
            })
            .collect()
    }

    #[test]
    fn the_stepper_equals_the_direct_evaluation() {
        for (condition, lags, clocks) in [
            (0, &[][..], &[][..]),
            (3, &[5], &[]),
            (0, &[1, 7], &[(1, 6), (6, 4)]),
        ] {
            let w = small(condition, &side_inputs(lags, clocks));
            let mut random = Lcg(5);
            let tokens = random.tokens(60, 20);
            let c = random.values(condition, 1.0);
            let wanted = direct(&w, &tokens, &c);
            let mut stepper = WaveNetStepper::new(Arc::new(w), 1).unwrap();
            stepper.reset(0, Some(&c));
            for (t, wanted) in wanted.iter().enumerate() {
                assert_close(stepper.step(&tokens[t..=t]), wanted, &format!("step {t}"));
            }
        }
    }

    #[test]
    fn the_laws_hold() {
        let blocks = Shape {
            size: 64,
            start: 3,
            residual: 32,
            skip: 64,
            hidden: 64,
            condition: 1,
            side_inputs: &SideInputs::default(),
            dilations: &[1, 2, 4, 8, 9],
        };
        for w in [small(2, &side_inputs(&[4], &[(3, 5)])), network(&blocks)] {
            let w = Arc::new(w);
            let subject = Subject {
                stepper: &|lanes, instruction_set| {
                    Box::new(
                        WaveNetStepper::with_instruction_set(w.clone(), lanes, instruction_set)
                            .unwrap(),
                    )
                },
                condition: w.condition,
                steps: 40,
            };
            subject.keeps_the_laws();
        }
    }

    #[test]
    fn the_gated_unit_is_tanh_times_sigmoid() {
        for i in -300..=300 {
            for j in -300..=300 {
                let (filter, gate) = (i as f32 * 0.05, j as f32 * 0.4);
                let z = gated_unit(&Block([filter; 16]), &Block([gate; 16]));
                let (f, g) = (f64::from(filter), f64::from(gate));
                let error = (f64::from(z.0[0]) - f.tanh() / (1.0 + (-g).exp())).abs();
                assert!(error < 3e-7, "tanh({f}) · sigmoid({g}) is off by {error:e}");
            }
        }
    }

    #[test]
    fn wrong_lengths_are_errors() {
        let break_one: [fn(&mut WaveNetWeights); 8] = [
            |w| w.conv.truncate(1),
            |w| w.embedding.truncate(1),
            |w| w.logits.push(0.0),
            |w| w.dilations[2] = 0,
            |w| w.dilations[2] = usize::MAX,
            |w| w.dilations.truncate(1),
            |w| w.side_inputs.lags.push(3),
            |w| w.skip = usize::MAX,
        ];
        for change in break_one {
            let mut w = small(2, &side_inputs(&[4], &[(3, 5)]));
            assert!(w.validate().is_ok());
            change(&mut w);
            assert!(WaveNetStepper::new(Arc::new(w), 1).is_err());
        }
        assert!(WaveNetStepper::new(Arc::new(small(0, &SideInputs::default())), 0).is_err());
    }
}
