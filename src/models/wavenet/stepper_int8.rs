/*!
A WaveNet with int8 weights and activations: several times as fast as
[`WaveNetStepper`](crate::models::wavenet::WaveNetStepper) and slightly less exact.

Weights are quantised per output channel, activations with one scale for each tensor that a [`Calibration`] measured; the
residual stream, the sum of skips and the logits stay f32. Products of bytes are summed exactly, and the rest is
elementwise, so the logits have the same bits with any instruction set and any number of lanes.

The gated unit uses powers of two: the factors 2·log2(e) of the filter and -log2(e) of the gate are part of the scales.
*/

use std::f32::consts::LOG2_E;
use std::sync::Arc;

use crate::base::simd::InstructionSet;
use crate::error::{Error, Result};
use crate::kernels::registers::{ByteRange, Int8Registers, Int8Work, Scalar, with_int8};
use crate::kernels::step::blocks::{Block, Bytes, Ints, Rows, View, add, columns};
use crate::kernels::step::delay::Delay;
use crate::kernels::step::int8::{IntMatrix, Quantised, STEPS, ZERO};
use crate::kernels::step::sum_rows;
use crate::models::cpu_stepper::{CpuStepper, PackedNet, StepInput};
use crate::models::wavenet::calibration::Calibration;
use crate::models::wavenet::stepper::{WaveNetWeights, conditioning_matrix, pairs, streams};
use crate::models::weights::check_lanes;

/// A WaveNet one step at a time with int8 weights and activations.
pub(crate) type WaveNetInt8Stepper = CpuStepper<PackedInt8WaveNet>;

/// Packed weights and the state of every lane.
pub(crate) struct PackedInt8WaveNet {
    weights: Arc<WaveNetWeights>,
    layers: Vec<Layer>,
    /// `[residual + skip]`: zeros, then the sum of the skip biases of all layers: the initial streams of a step.
    initial: Vec<Block>,
    head: Head,
    scratch: Scratch,
}

/// One residual layer: its weights and its past. Pre-activations are pairs of blocks, filter then gate.
struct Layer {
    /// Quantisation steps of x per unit.
    steps: f32,
    past_weights: IntMatrix,
    weights: IntMatrix,
    out: IntMatrix,
    /// Quantised frames x, and what x_{t-d} adds to the sums.
    delay: Delay<Bytes, Ints>,
}

/// From the sum of skips to the logits.
struct Head {
    skip_steps: f32,
    hidden: IntMatrix,
    hidden_steps: f32,
    logits: IntMatrix,
}

/// Buffers of one step.
struct Scratch {
    /// `[lanes, residual + skip]`: the residual stream, then the sum of skips.
    streams: Rows<Block>,
    /// `[lanes, 2 · residual]`: the pre-activations as exponents of two.
    exponents: Rows<Block>,
    /// `[lanes, residual]`: tanh(filter) · sigmoid(gate), quantised.
    gated: Rows<Bytes>,
    /// `[lanes, skip]`: the sum of skips, rectified and quantised.
    rectified: Rows<Bytes>,
    /// `[lanes, hidden]`.
    numbers: Rows<Block>,
    /// `[lanes, hidden]`: the same, rectified and quantised.
    hidden: Rows<Bytes>,
    /// `[lanes, alphabet.size]`, rows padded.
    logits: Rows<Block>,
}

impl WaveNetInt8Stepper {
    /// With the widest instruction set of the processor.
    ///
    /// # Errors
    /// If `lanes` is 0, the weights do not pass [`WaveNetWeights::validate`], a matrix has more inputs than sums of 32
    /// bits hold, or the calibration belongs to another network.
    pub(crate) fn new(
        weights: Arc<WaveNetWeights>,
        calibration: &Calibration,
        lanes: usize,
    ) -> Result<Self> {
        Self::with_instruction_set(weights, calibration, lanes, InstructionSet::detect())
    }

    fn with_instruction_set(
        weights: Arc<WaveNetWeights>,
        calibration: &Calibration,
        lanes: usize,
        instruction_set: InstructionSet,
    ) -> Result<Self> {
        weights.validate()?;
        check_lanes(lanes)?;
        calibration.validate(weights.dilations.len())?;
        let w = &*weights;
        let residual = w.residual;
        let widest = residual.saturating_mul(2).max(w.skip).max(w.hidden);
        if widest > IntMatrix::MAX_INPUTS {
            return Err(Error::usage(format!(
                "a matrix with {widest} inputs is too wide for int8"
            )));
        }
        let conditioning = conditioning_matrix(w, &exponents(&w.conditioning, residual));
        let (alphabet, side_inputs) = (w.alphabet, w.side_inputs.clone());
        let forecast = w.forecast.clone();
        let layers: Vec<_> = (0..w.dilations.len())
            .map(|i| Layer::new(w, calibration, i, lanes))
            .collect();
        let net = PackedInt8WaveNet {
            initial: initial_streams(&layers, Block::count(residual)),
            head: Head::new(w, calibration),
            scratch: Scratch {
                streams: streams(w, lanes),
                exponents: Rows::filled(lanes, 2 * Block::count(residual), Block::ZERO),
                gated: zero_bytes(lanes, residual),
                rectified: zero_bytes(lanes, w.skip),
                numbers: Rows::zeros(lanes, w.hidden),
                hidden: zero_bytes(lanes, w.hidden),
                logits: Rows::zeros(lanes, alphabet.size),
            },
            layers,
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

fn zero_bytes(rows: usize, width: usize) -> Rows<Bytes> {
    Rows::filled(rows, Bytes::count(width), Bytes([0; Bytes::WIDTH]))
}

/// Scales alternating columns of filter and gate so that two to their power is e^2f and e^-g.
fn exponents(values: &[f32], residual: usize) -> Vec<f32> {
    let factor = |i: usize| {
        if (i / residual).is_multiple_of(2) {
            2.0 * LOG2_E
        } else {
            -LOG2_E
        }
    };
    values
        .iter()
        .enumerate()
        .map(|(i, v)| v * factor(i))
        .collect()
}

/// The streams before the first layer: `residual` blocks of zeros, then the sum of the skip biases, layer by layer.
fn initial_streams(layers: &[Layer], residual: usize) -> Vec<Block> {
    let mut initial = vec![Block::ZERO; layers[0].out.bias().len()];
    for layer in layers {
        let biases = layer.out.bias().iter();
        for (sum, bias) in initial.iter_mut().zip(biases).skip(residual) {
            *sum = sum.add(bias);
        }
    }
    initial
}

/// Quantisation steps per unit, so that `largest` becomes `steps`.
fn steps_per_unit(largest: f32, steps: f32) -> f32 {
    steps / largest.max(1e-6)
}

impl Layer {
    fn new(w: &WaveNetWeights, calibration: &Calibration, index: usize, lanes: usize) -> Self {
        let (residual, both) = (w.residual, w.residual + w.skip);
        let conv = &w.conv[index * 4 * residual * residual..][..4 * residual * residual];
        let conv_bias = &w.conv_bias[index * 2 * residual..][..2 * residual];
        let out = &w.out[index * residual * both..][..residual * both];
        let out_bias = &w.out_bias[index * both..][..both];
        let pairs: Vec<_> = pairs(0, residual).collect();
        let out_columns: Vec<_> = columns(0..residual)
            .chain(columns(residual..both))
            .collect();
        let steps = steps_per_unit(calibration.x[index], STEPS);
        let conv = Quantised::new(&exponents(conv, residual), 2 * residual);
        let conv_bias = exponents(conv_bias, residual);
        let out = Quantised::new(out, both);
        let now = residual..2 * residual;
        let past_weights = conv.pack(0..residual, &pairs, steps, ZERO, &conv_bias);
        let zero = Bytes([ZERO; Bytes::WIDTH]);
        let silence = Rows::filled(1, Bytes::count(residual), zero);
        let mut contribution = Rows::filled(1, pairs.len(), Ints::ZERO);
        past_weights.sums(Scalar, 1, silence.view(0), &mut contribution);
        let contribution = contribution.blocks(0).to_vec();
        let width = Bytes::count(residual);
        Self {
            steps,
            past_weights,
            weights: conv.pack(now, &pairs, steps, ZERO, &conv_bias),
            out: out.pack(0..residual, &out_columns, STEPS, ZERO, out_bias),
            delay: Delay::new(w.dilations[index], lanes, width, zero, contribution),
        }
    }

    /// One step of this layer, in place on the streams; `conditions` are this layer's, `None` without a condition.
    #[inline(always)]
    fn step<R: Int8Registers>(
        &mut self,
        registers: R,
        scratch: &mut Scratch,
        conditions: Option<View<'_, Block>>,
    ) {
        let Scratch {
            streams,
            exponents,
            gated,
            ..
        } = scratch;
        let lanes = streams.len();
        if let Some((rows, frames, past)) = self.delay.due() {
            self.past_weights.sums(registers, rows, frames, past);
        }
        let (frames, first) = self.delay.frames_mut();
        for lane in 0..lanes {
            let x = &mut streams.blocks_mut(lane)[..exponents.blocks(lane).len() / 2];
            let frame = frames.bytes_mut(first + lane);
            quantise(registers, x, self.steps, ByteRange::SIGNED, frame);
            // The bias of the layer's output, added here while the stream is in the cache.
            add(x, self.out.bias());
        }
        let (frames, past) = (self.delay.frames(), self.delay.past());
        self.weights
            .numbers(registers, lanes, frames, Some(past), exponents);
        for lane in 0..lanes {
            let exponents = exponents.blocks_mut(lane);
            if let Some(conditions) = conditions {
                add(exponents, conditions.blocks(lane));
            }
            let bytes = gated.bytes_mut(lane).as_chunks_mut::<{ Block::WIDTH }>().0;
            for (bytes, [filter, gate]) in bytes.iter_mut().zip(exponents.as_chunks::<2>().0) {
                *bytes = gated_unit(filter, gate);
            }
        }
        self.out.add(registers, lanes, gated.view(0), streams);
        self.delay.advance();
    }
}

impl Head {
    fn new(w: &WaveNetWeights, calibration: &Calibration) -> Self {
        let skip_steps = steps_per_unit(calibration.skip, UNSIGNED_STEPS);
        let hidden_steps = steps_per_unit(calibration.hidden, UNSIGNED_STEPS);
        let pack = |weights: &[f32], inputs: usize, steps: f32, bias: &[f32]| {
            let columns: Vec<_> = columns(0..bias.len()).collect();
            Quantised::new(weights, bias.len()).pack(0..inputs, &columns, steps, 0, bias)
        };
        Self {
            skip_steps,
            hidden: pack(&w.head, w.skip, skip_steps, &w.head_bias),
            hidden_steps,
            logits: pack(&w.logits, w.hidden, hidden_steps, &w.logits_bias),
        }
    }

    /// From the sum of skips to the logits, both in `scratch`.
    #[inline(always)]
    fn step<R: Int8Registers>(&self, registers: R, scratch: &mut Scratch) {
        let Scratch {
            streams,
            exponents,
            rectified,
            numbers,
            hidden,
            logits,
            ..
        } = scratch;
        let (lanes, residual) = (streams.len(), exponents.blocks(0).len() / 2);
        for lane in 0..lanes {
            let skip = &streams.blocks(lane)[residual..];
            let bytes = rectified.bytes_mut(lane);
            quantise(registers, skip, self.skip_steps, ByteRange::UNSIGNED, bytes);
        }
        self.hidden
            .numbers(registers, lanes, rectified.view(0), None, numbers);
        for lane in 0..lanes {
            let bytes = hidden.bytes_mut(lane);
            let numbers = numbers.blocks(lane);
            quantise(
                registers,
                numbers,
                self.hidden_steps,
                ByteRange::UNSIGNED,
                bytes,
            );
        }
        self.logits
            .numbers(registers, lanes, hidden.view(0), None, logits);
    }
}

/// Quantisation steps of an unsigned range.
const UNSIGNED_STEPS: f32 = 255.0;

/// Rounds a row of numbers to bytes of `steps` per unit.
#[inline(always)]
fn quantise(
    registers: impl Int8Registers,
    numbers: &[Block],
    steps: f32,
    range: ByteRange,
    bytes: &mut [u8],
) {
    let bytes = bytes.as_chunks_mut::<{ Block::WIDTH }>().0;
    for (bytes, numbers) in bytes.iter_mut().zip(numbers) {
        registers.quantise(numbers, steps, range, bytes);
    }
}

/// (e^2f - 1) / ((e^2f + 1)(1 + e^-g)), which is tanh(f) · sigmoid(g), quantised, from exponents of two.
#[inline(always)]
fn gated_unit(filter: &Block, gate: &Block) -> [u8; Block::WIDTH] {
    let mut bytes = [0; Block::WIDTH];
    for i in 0..Block::WIDTH {
        let e = exp2(filter.0[i].clamp(-30.0, 30.0));
        let g = exp2(gate.0[i].clamp(-60.0, 60.0));
        let z = (e - 1.0) * reciprocal((e + 1.0) * (1.0 + g));
        bytes[i] = z.mul_add(STEPS, ByteRange::SIGNED.zero).to_bits() as u8;
    }
    bytes
}

/// 2^x for |x| ≤ 60, with a relative error below 1e-4, a hundredth of a quantisation step: the minimax polynomial of
/// degree 3 on [-½, ½].
#[inline(always)]
fn exp2(x: f32) -> f32 {
    let shifted = x + ByteRange::ROUND;
    let r = x - (shifted - ByteRange::ROUND);
    let p = 5.517_167e-2_f32.mul_add(r, 0.242_611_12);
    let p = p.mul_add(r, 0.693_261);
    let p = p.mul_add(r, 0.999_928_1);
    // The low bits of `shifted` are the integer part of x: added to the exponent of p.
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// 1 / x for 1 ≤ x ≤ 2^100 with a relative error below 2e-5, faster than a division: two steps of Newton's method from a
/// guess that negates the exponent.
#[inline(always)]
fn reciprocal(x: f32) -> f32 {
    let guess = f32::from_bits(0x7ef1_27ea_u32.wrapping_sub(x.to_bits()));
    let better = guess * (-x).mul_add(guess, 2.0);
    better * (-x).mul_add(better, 2.0)
}

struct Step<'a> {
    net: &'a mut PackedInt8WaveNet,
    input: StepInput<'a>,
    logits: &'a mut [f32],
}

impl Int8Work for Step<'_> {
    #[inline(always)]
    fn run<R: Int8Registers>(self, registers: R) {
        let PackedInt8WaveNet {
            weights,
            layers,
            initial,
            head,
            scratch,
        } = self.net;
        for lane in 0..scratch.streams.len() {
            scratch.streams.blocks_mut(lane).copy_from_slice(initial);
        }
        let table = &weights.embedding;
        sum_rows(
            self.input.rows,
            table,
            weights.residual,
            &mut scratch.streams,
        );
        let per_layer = scratch.exponents.blocks(0).len();
        for (i, layer) in layers.iter_mut().enumerate() {
            let conditions =
                (weights.condition > 0).then(|| self.input.conditions.skip(i * per_layer));
            layer.step(registers, scratch, conditions);
        }
        head.step(registers, scratch);
        scratch.logits.copy_to(self.logits);
    }
}

impl PackedNet for PackedInt8WaveNet {
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
        with_int8(instruction_set, Step { net, input, logits });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::models::stepper_conformance::{Subject, side_inputs};
    use crate::models::wavenet::stepper::WaveNetStepper;
    use crate::models::wavenet::stepper::tests::{Shape, network, small};
    use crate::sequence::Conditions;
    use crate::sequence::{SideInputs, Stepper};

    fn calibrated(w: &Arc<WaveNetWeights>) -> Calibration {
        let tokens = Lcg(21).tokens(300, w.alphabet.size);
        let condition = Lcg(22).values(w.condition, 1.0);
        Calibration::collect(
            w,
            &[
                (&tokens[..150], Conditions::default()),
                (&tokens[150..], Conditions::whole(&condition)),
            ],
        )
        .unwrap()
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
            let calibration = calibrated(&w);
            let subject = Subject {
                stepper: &|lanes, instruction_set| {
                    let w = w.clone();
                    Box::new(
                        WaveNetInt8Stepper::with_instruction_set(
                            w,
                            &calibration,
                            lanes,
                            instruction_set,
                        )
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
    fn logits_stay_near_the_exact_ones() {
        let w = Arc::new(small(2, &side_inputs(&[4], &[(3, 5)])));
        let condition = [0.4, -0.8];
        let mut exact = WaveNetStepper::new(w.clone(), 1).unwrap();
        let mut coarse = WaveNetInt8Stepper::new(w.clone(), &calibrated(&w), 1).unwrap();
        exact.reset(0, Some(&condition));
        coarse.reset(0, Some(&condition));
        let (mut error, mut power) = (0.0, 0.0);
        for token in Lcg(23).tokens(200, 19) {
            for (e, c) in exact.step(&[token]).iter().zip(coarse.step(&[token])) {
                error += (e - c).powi(2);
                power += e.powi(2);
            }
        }
        assert!(
            error < 1e-3 * power,
            "relative error {}",
            (error / power).sqrt()
        );
    }

    #[test]
    fn activations_beyond_the_calibration_saturate() {
        let w = Arc::new(small(0, &SideInputs::default()));
        let mut calibration = calibrated(&w);
        calibration.x.fill(1e-3);
        calibration.skip = 1e-3;
        let mut stepper = WaveNetInt8Stepper::new(w, &calibration, 1).unwrap();
        for token in 0..19 {
            assert!(stepper.step(&[token]).iter().all(|l| l.is_finite()));
        }
    }

    #[test]
    fn powers_of_two_are_close() {
        for i in -6000..=6000 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp2();
            assert!((f64::from(exp2(x)) - exact).abs() < 1e-4 * exact, "2^{x}");
        }
    }

    #[test]
    fn reciprocals_are_close() {
        for i in 0..10_000 {
            let x = (i as f32 * 0.0069).exp();
            let error = f64::from(reciprocal(x)) * f64::from(x) - 1.0;
            assert!(error.abs() < 2e-5, "1 / {x} is off by {error}");
        }
    }

    #[test]
    fn a_calibration_of_another_network_is_refused() {
        let w = Arc::new(small(2, &SideInputs::default()));
        let good = calibrated(&w);
        let refused = |change: fn(&mut Calibration)| {
            let mut calibration = good.clone();
            change(&mut calibration);
            WaveNetInt8Stepper::new(w.clone(), &calibration, 1).is_err()
        };
        assert!(!refused(|_| ()));
        assert!(refused(|c| c.x.truncate(1)));
        assert!(refused(|c| c.skip = f32::NAN));
        assert!(refused(|c| c.x[0] = -1.0));
        assert!(Calibration::collect(&w, &[(&[], Conditions::default())]).is_err());
        assert!(Calibration::collect(&w, &[(&[99], Conditions::default())]).is_err());
        assert!(Calibration::collect(&w, &[(&[1], Conditions::whole(&[1.0]))]).is_err());
    }
}
