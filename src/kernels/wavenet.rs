/*!
The whole residual stack of a WaveNet, forward and backward (van den Oord et al. 2016, §2.1–2.5).

The state of all layers does not fit into any cache, so memory is a limit beside arithmetic. Therefore a *slab*, some
hundred time steps of all sequences, passes through all layers before the next slab begins; only what backward needs leaves
the cache. Forward runs the slabs in the order of time. Backward runs them in reverse, because the gradient of a frame
depends on those of the frames a dilation later. Within a slab and layer the threads divide the rows.
*/

use crate::base::simd::InstructionSet;
use crate::kernels::buffer::Buffer;

mod backward;
mod forward;
mod slab;

/// Sizes of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sequences.
    pub batch: usize,
    /// Time steps of each.
    pub time: usize,
    /// Residual channels R.
    pub residual: usize,
    /// Skip channels S.
    pub skip: usize,
}

/// The parameters of L layers, and the projected condition.
#[derive(Debug, Clone, Copy)]
pub struct Stack<'a> {
    /// `[L, 2R, 2R]`: rows are the past frame x_{t−d} then the current one x_t; columns the filter then the gate.
    pub conv: &'a [f32],
    /// `[L, 2R]`.
    pub conv_bias: &'a [f32],
    /// `[L, R, R + S]`: columns are the residual then the skip output.
    pub out: &'a [f32],
    /// `[L, R + S]`.
    pub out_bias: &'a [f32],
    /// `[batch, hops, L · 2R]`: each is added to the pre-activations of `hop` rows of its sequence.
    pub condition: Option<&'a [f32]>,
    /// Time steps that a condition holds; a row of time is cut into hops of this length.
    pub hop: usize,
    /// One for each layer, in time steps.
    pub dilations: &'a [usize],
}

/// What backward needs from forward, each `[L, rows, R]` (`inputs` without the first layer).
#[derive(Debug)]
pub struct Saved {
    /// Inputs of layers 1…L−1.
    inputs: Buffer,
    /// tanh(filter) · σ(gate).
    gated: Buffer,
    /// σ(gate).
    gates: Buffer,
}

/// The gradients of a stack's parameters, shaped as in [`Stack`].
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// Of the input, `[rows, R]`, if it was asked for.
    pub input: Option<Vec<f32>>,
    /// `[L, 2R, 2R]`.
    pub conv: Vec<f32>,
    /// `[L, 2R]`.
    pub conv_bias: Vec<f32>,
    /// `[batch, hops, L · 2R]`, if there was a condition.
    pub condition: Option<Vec<f32>>,
    /// `[L, R, R + S]`.
    pub out: Vec<f32>,
    /// `[L, R + S]`.
    pub out_bias: Vec<f32>,
}

/// Runs the stack over `input` `[rows, R]` and writes the sum of the skip outputs to `skip` `[rows, S]`:
///
/// ```text
/// p_t = W_past x_{t−d} + W_current x_t + b + condition        z_t = tanh(p_filter) · σ(p_gate)
/// [r_t | s_t] = z_t W_out + b_out        x_t ← x_t + r_t        skip_t ← skip_t + s_t
/// ```
///
/// with zeros before the start of each sequence. The residual half of the last layer has no effect.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn forward(shape: Shape, stack: &Stack, input: &[f32], skip: &mut [f32]) -> Saved {
    forward_at(InstructionSet::detect(), shape, stack, input, skip)
}

/// [`forward`] at a given instruction set.
fn forward_at(
    level: InstructionSet,
    shape: Shape,
    stack: &Stack,
    input: &[f32],
    skip: &mut [f32],
) -> Saved {
    shape.check(stack, input, skip);
    forward::run(level, shape, stack, input, skip)
}

/// The gradients of all arguments of [`forward`], given the gradient of `skip`.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn backward(
    shape: Shape,
    stack: &Stack,
    input: &[f32],
    saved: Saved,
    skip_gradient: &[f32],
    want_input: bool,
) -> Gradients {
    backward_at(
        InstructionSet::detect(),
        shape,
        stack,
        input,
        saved,
        skip_gradient,
        want_input,
    )
}

/// [`backward`] at a given instruction set.
fn backward_at(
    level: InstructionSet,
    shape: Shape,
    stack: &Stack,
    input: &[f32],
    saved: Saved,
    skip_gradient: &[f32],
    want_input: bool,
) -> Gradients {
    shape.check(stack, input, skip_gradient);
    assert_eq!(
        saved.gates.len(),
        stack.dilations.len() * shape.rows() * shape.residual,
        "the saved state belongs to another shape"
    );
    let given = backward::Given {
        level,
        shape,
        stack,
        input,
        skip_gradient,
        want_input,
    };
    given.run(saved)
}

impl Stack<'_> {
    /// Conditions of one sequence.
    fn hops(&self, time: usize) -> usize {
        time.div_ceil(self.hop)
    }
}

impl Shape {
    fn rows(self) -> usize {
        self.batch * self.time
    }

    fn check(self, stack: &Stack, input: &[f32], skip: &[f32]) {
        let (r, s, layers) = (self.residual, self.skip, stack.dilations.len());
        assert_eq!(input.len(), self.rows() * r, "input");
        assert_eq!(skip.len(), self.rows() * s, "skip");
        assert_eq!(stack.conv.len(), layers * 4 * r * r, "conv");
        assert_eq!(stack.conv_bias.len(), layers * 2 * r, "conv_bias");
        assert_eq!(stack.out.len(), layers * r * (r + s), "out");
        assert_eq!(stack.out_bias.len(), layers * (r + s), "out_bias");
        if let Some(condition) = stack.condition {
            let hops = self.batch * stack.hops(self.time);
            assert_eq!(condition.len(), hops * layers * 2 * r, "condition");
        }
        assert!(layers > 0, "a stack has at least one layer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise, slopes, wide};

    /// All inputs of a stack in double precision: input, conv, conv_bias, condition, out, out_bias.
    type Inputs = [Vec<f64>; 6];

    struct Case {
        shape: Shape,
        dilations: Vec<usize>,
        conditioned: bool,
        hop: usize,
        inputs: [Vec<f32>; 6],
        skip_gradient: Vec<f32>,
    }

    fn case(shape: Shape, dilations: &[usize], conditioned: bool) -> Case {
        case_with_hop(shape, dilations, conditioned, shape.time)
    }

    fn case_with_hop(shape: Shape, dilations: &[usize], conditioned: bool, hop: usize) -> Case {
        let (r, s, l) = (shape.residual, shape.skip, dilations.len());
        let rows = shape.batch * shape.time;
        let conditions = if conditioned {
            shape.batch * shape.time.div_ceil(hop) * l * 2 * r
        } else {
            0
        };
        let scaled = |seed, count, scale: f32| -> Vec<f32> {
            noise(seed, count).iter().map(|x| x * scale).collect()
        };
        Case {
            shape,
            dilations: dilations.to_vec(),
            conditioned,
            hop,
            inputs: [
                noise(1, rows * r),
                scaled(2, l * 4 * r * r, 0.5),
                noise(3, l * 2 * r),
                noise(4, conditions),
                scaled(5, l * r * (r + s), 0.5),
                noise(6, l * (r + s)),
            ],
            skip_gradient: noise(7, rows * s),
        }
    }

    impl Case {
        fn stack(&self) -> Stack<'_> {
            let [_, conv, conv_bias, condition, out, out_bias] = &self.inputs;
            Stack {
                conv,
                conv_bias,
                out,
                out_bias,
                condition: self.conditioned.then_some(condition),
                hop: self.hop,
                dilations: &self.dilations,
            }
        }

        fn run(&self, level: InstructionSet) -> (Vec<f32>, Gradients) {
            let (shape, stack, input) = (self.shape, self.stack(), &self.inputs[0]);
            let mut skip = vec![f32::NAN; self.skip_gradient.len()];
            let saved = forward_at(level, shape, &stack, input, &mut skip);
            let gradients = backward_at(
                level,
                shape,
                &stack,
                input,
                saved,
                &self.skip_gradient,
                true,
            );
            (skip, gradients)
        }

        fn run_with(&self, threads: usize) -> (Vec<f32>, Gradients) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads")
                .install(|| self.run(InstructionSet::detect()))
        }

        /// The definition, in double precision.
        fn skip(&self, inputs: &Inputs) -> Vec<f64> {
            let Shape {
                batch,
                time,
                residual: r,
                skip: s,
            } = self.shape;
            let [x, conv, conv_bias, condition, out, out_bias] = inputs;
            let layers = self.dilations.len();
            let (mut x, mut sum) = (x.clone(), vec![0.0; batch * time * s]);
            for (l, &dilation) in self.dilations.iter().enumerate() {
                let mut next = x.clone();
                for row in 0..batch * time {
                    let (b, t) = (row / time, row % time);
                    let mut p: Vec<f64> = conv_bias[l * 2 * r..][..2 * r].to_vec();
                    for (j, p) in p.iter_mut().enumerate() {
                        if self.conditioned {
                            let hop = b * time.div_ceil(self.hop) + t / self.hop;
                            *p += condition[(hop * layers + l) * 2 * r + j];
                        }
                        for i in 0..r {
                            let weight = |half: usize| conv[((l * 2 + half) * r + i) * 2 * r + j];
                            *p += x[row * r + i] * weight(1);
                            if t >= dilation {
                                *p += x[(row - dilation) * r + i] * weight(0);
                            }
                        }
                    }
                    for i in 0..r {
                        let z = p[i].tanh() / (1.0 + (-p[r + i]).exp());
                        for j in 0..r + s {
                            let product = z * out[(l * r + i) * (r + s) + j];
                            let bias = if i == 0 {
                                out_bias[l * (r + s) + j]
                            } else {
                                0.0
                            };
                            if j < r {
                                next[row * r + j] += product + bias;
                            } else {
                                sum[row * s + j - r] += product + bias;
                            }
                        }
                    }
                }
                x = next;
            }
            sum
        }

        /// The sum of the skip outputs, weighted by `skip_gradient`.
        fn value(&self, inputs: &Inputs) -> f64 {
            let weights = self.skip_gradient.iter().copied().map(f64::from);
            self.skip(inputs)
                .iter()
                .zip(weights)
                .map(|(x, w)| x * w)
                .sum()
        }

        fn wide(&self) -> Inputs {
            self.inputs.each_ref().map(|x| wide(x))
        }
    }

    /// The gradients in the order of [`Inputs`].
    fn ordered(gradients: Gradients) -> [Vec<f32>; 6] {
        [
            gradients.input.expect("wanted"),
            gradients.conv,
            gradients.conv_bias,
            gradients.condition.unwrap_or_default(),
            gradients.out,
            gradients.out_bias,
        ]
    }

    #[test]
    fn small_stacks_are_the_definition_and_every_gradient_is_its_slope() {
        let shape = Shape {
            batch: 3,
            time: 11,
            residual: 5,
            skip: 7,
        };
        for (dilations, conditioned, hop) in [
            (&[1, 2, 16, 4][..], true, 11),
            (&[3][..], false, 11),
            (&[2, 1][..], true, 4),
            (&[1, 3][..], true, 1),
        ] {
            let case = case_with_hop(shape, dilations, conditioned, hop);
            let inputs = case.wide();
            let slopes = slopes(&inputs, |inputs| case.value(inputs));
            for level in InstructionSet::available() {
                let (skip, gradients) = case.run(level);
                close(&skip, &case.skip(&inputs), 2e-6, "skip");
                for (found, expected) in ordered(gradients).iter().zip(&slopes) {
                    close(found, expected, 5e-6, "gradient");
                }
            }
        }
    }

    #[test]
    fn long_sequences_agree_with_the_definition_for_any_number_of_threads() {
        // Several slabs, and dilations that reach over blocks and slabs.
        let shape = Shape {
            batch: 3,
            time: 1500,
            residual: 4,
            skip: 6,
        };
        let case = case_with_hop(shape, &[1, 700, 64, 2, 513], true, 80);
        let inputs = case.wide();
        let expected = case.skip(&inputs);
        for threads in [1, 2, 5] {
            let (skip, gradients) = case.run_with(threads);
            close(&skip, &expected, 5e-6, "skip");
            for (which, gradient) in ordered(gradients).iter().enumerate() {
                let direction = noise(20 + which as u64, gradient.len());
                let at = |step: f64| {
                    let mut moved = inputs.clone();
                    for (x, d) in moved[which].iter_mut().zip(&direction) {
                        *x += step * f64::from(*d);
                    }
                    case.value(&moved)
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let products = gradient
                    .iter()
                    .zip(&direction)
                    .map(|(g, d)| f64::from(*g) * f64::from(*d));
                let found: f64 = products.sum();
                assert!(
                    (found - slope).abs() < 1e-3 + 1e-5 * slope.abs(),
                    "{which}: {found} {slope}"
                );
            }
        }
    }

    #[test]
    fn wide_channels_agree_with_the_definition() {
        let shape = Shape {
            batch: 2,
            time: 200,
            residual: 33,
            skip: 70,
        };
        let case = case(shape, &[1, 2], false);
        let (skip, _) = case.run(InstructionSet::detect());
        close(&skip, &case.skip(&case.wide()), 5e-6, "skip");
    }

    #[test]
    fn the_same_inputs_give_the_same_bits() {
        let shape = Shape {
            batch: 2,
            time: 600,
            residual: 8,
            skip: 16,
        };
        let case = case(shape, &[1, 64, 2], true);
        assert_eq!(case.run_with(2), case.run_with(2));
    }

    #[test]
    fn a_later_frame_changes_no_earlier_skip() {
        let shape = Shape {
            batch: 1,
            time: 300,
            residual: 4,
            skip: 3,
        };
        let mut case = case(shape, &[1, 128], false);
        let (before, _) = case.run(InstructionSet::detect());
        case.inputs[0][200 * 4] += 1.0;
        let (after, _) = case.run(InstructionSet::detect());
        assert_eq!(before[..200 * 3], after[..200 * 3]);
        assert_ne!(before[200 * 3..], after[200 * 3..]);
    }
}
