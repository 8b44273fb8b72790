/*! A gated recurrent unit over whole sequences (Cho et al. 2014), the reset gate after the recurrent product. */

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::recurrent::{Cell, Initial, Layer, SLOTS, Step};
pub use crate::kernels::recurrent::{Input, InputGradient, Saved, Shape};

/// The gradients of a GRU layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// Of what entered the gates.
    pub input: InputGradient,
    /// `[H, 3H]`.
    pub recurrent: Vec<f32>,
    /// Of the bias inside the reset gate, `[H]`.
    pub bias: Vec<f32>,
    /// Of the initial hidden state, `[batch, H]`.
    pub hidden: Vec<f32>,
}

/// Runs the layer and writes the hidden states to `output` `[batch · time, H]`:
///
/// ```text
/// r, z = σ of (x_t + h_{t−1} U)        n = tanh(x_n + r (h_{t−1} U_n + b))        h_t = (1 − z) n + z h_{t−1}
/// ```
///
/// * `input`: x, three blocks of H columns in the order r, z, n.
/// * `recurrent`: U, `[H, 3H]`; `bias`: b, `[H]`.
/// * `hidden`: h before the first step, `[batch, H]`.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it, or a token is not an entry of its table.
pub fn forward(
    shape: Shape,
    input: &Input,
    recurrent: &[f32],
    bias: &[f32],
    hidden: &[f32],
    output: &mut [f32],
) -> Saved {
    assert_eq!(bias.len(), shape.hidden, "bias");
    let initial = Initial {
        hidden,
        cells: &[],
        bias,
    };
    let layer = Layer {
        level: InstructionSet::detect(),
        shape,
        input,
        recurrent,
    };
    layer.forward::<Gru>(initial, output)
}

/// The gradients of everything that went into [`forward`], given that of its output. The saved state is used up.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn backward(
    shape: Shape,
    input: &Input,
    recurrent: &[f32],
    saved: Saved,
    gradient: &[f32],
) -> Gradients {
    let layer = Layer {
        level: InstructionSet::detect(),
        shape,
        input,
        recurrent,
    };
    let found = layer.backward::<Gru>(saved, gradient);
    Gradients {
        input: found.input,
        recurrent: found.recurrent,
        bias: found.bias,
        hidden: found.hidden,
    }
}

/// Slots: r, z, the recurrent product of n, and n.
struct Gru;

impl Cell for Gru {
    const GATES: usize = 3;
    const INPUTS: &'static [usize] = &[0, 1, 3];
    const BIAS: Option<usize> = Some(2);
    const CELLS: bool = false;

    fn forward(step: &Step, slots: &mut [f32], _: &mut [f32], hidden_after: &mut [f32]) {
        let units = step.units;
        let states = step
            .hidden_before
            .chunks_exact(units)
            .zip(hidden_after.chunks_exact_mut(units));
        for (slots, (before, after)) in slots.chunks_exact_mut(SLOTS * units).zip(states) {
            let (r, rest) = slots.split_at_mut(units);
            let (z, rest) = rest.split_at_mut(units);
            let (u, n) = rest.split_at_mut(units);
            advance(step.level, r, z, u, n, before, after);
        }
    }

    fn backward(step: &Step, slots: &mut [f32], _: &[f32], dh: &mut [f32], _: &mut [f32]) {
        let units = step.units;
        let states = step
            .hidden_before
            .chunks_exact(units)
            .zip(dh.chunks_exact_mut(units));
        for (slots, (before, dh)) in slots.chunks_exact_mut(SLOTS * units).zip(states) {
            let (r, rest) = slots.split_at_mut(units);
            let (z, rest) = rest.split_at_mut(units);
            let (u, n) = rest.split_at_mut(units);
            retreat(step.level, r, z, u, n, before, dh);
        }
    }
}

multiversion! {
    /// One step of one sequence; `u` is the recurrent product of n.
    fn advance(r: &mut [f32], z: &mut [f32], u: &[f32], n: &mut [f32], before: &[f32], after: &mut [f32]) {
        let gates = r.iter_mut().zip(z).zip(u.iter().zip(n));
        let states = before.iter().zip(after);
        for (((r, z), (u, n)), (before, after)) in gates.zip(states) {
            *r = math::sigmoid(*r);
            *z = math::sigmoid(*z);
            *n = math::tanh(r.mul_add(*u, *n));
            *after = z.mul_add(*before - *n, *n);
        }
    }
}

multiversion! {
    /// One step of one sequence backward; the values become the gradients of what they were made from.
    fn retreat(r: &mut [f32], z: &mut [f32], u: &mut [f32], n: &mut [f32], before: &[f32], dh: &mut [f32]) {
        let gates = r.iter_mut().zip(z).zip(u.iter_mut().zip(n));
        let states = before.iter().zip(dh);
        for (((r, z), (u, n)), (before, dh)) in gates.zip(states) {
            let dn = *dh * (1.0 - *z) * (1.0 - *n * *n);
            let dz = *dh * (*before - *n) * *z * (1.0 - *z);
            let dr = dn * *u * *r * (1.0 - *r);
            *dh *= *z;
            *u = dn * *r;
            *n = dn;
            *z = dz;
            *r = dr;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise, slopes, wide};

    const SHAPE: Shape = Shape {
        batch: 3,
        time: 5,
        hidden: 7,
    };
    const ENTRIES: usize = 4;

    /// Rows, table, condition, recurrent, bias, and the initial hidden state.
    type Inputs<T> = [Vec<T>; 6];

    fn inputs(shape: Shape) -> Inputs<f32> {
        let Shape {
            batch,
            time,
            hidden,
        } = shape;
        let wide = 3 * hidden;
        let sizes = [
            batch * time * wide,
            ENTRIES * wide,
            batch * wide,
            hidden * wide,
            hidden,
            batch * hidden,
        ];
        // Small enough for errors not to grow from step to step.
        let scale = (hidden as f32).sqrt().recip();
        let scaled = |seed, count| noise(seed, count).iter().map(|x| x * scale).collect();
        std::array::from_fn(|i| scaled(i as u64 + 1, sizes[i]))
    }

    fn tokens(shape: Shape) -> Vec<i32> {
        (0..shape.batch * shape.time)
            .map(|row| (row * row % ENTRIES) as i32)
            .collect()
    }

    /// The hidden states by the definition, row by row; the table form where `tokens` are given.
    fn outputs(shape: Shape, inputs: &Inputs<f64>, tokens: Option<&[i32]>) -> Vec<f64> {
        let Shape {
            batch,
            time,
            hidden,
        } = shape;
        let wide = 3 * hidden;
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let [rows, table, condition, recurrent, bias, h0] = inputs;
        let mut outputs = Vec::new();
        for b in 0..batch {
            let mut h = h0[b * hidden..][..hidden].to_vec();

            for t in 0..time {
                let row = b * time + t;
                let x = |column: usize| match tokens {
                    None => rows[row * wide + column],
                    Some(tokens) => {
                        table[tokens[row] as usize * wide + column] + condition[b * wide + column]
                    }
                };
                let product = |column: usize| -> f64 {
                    (0..hidden)
                        .map(|i| h[i] * recurrent[i * wide + column])
                        .sum()
                };
                let mut next = h.clone();
                for i in 0..hidden {
                    let column = |block: usize| block * hidden + i;
                    let r = sigmoid(x(column(0)) + product(column(0)));
                    let z = sigmoid(x(column(1)) + product(column(1)));
                    let n = (x(column(2)) + r * (product(column(2)) + bias[i])).tanh();
                    next[i] = (1.0 - z) * n + z * h[i];
                }
                h = next;
                outputs.extend_from_slice(&h);
            }
        }
        outputs
    }

    fn run(
        level: InstructionSet,
        shape: Shape,
        inputs: &Inputs<f32>,
        tokens: Option<&[i32]>,
    ) -> (Vec<f32>, Inputs<f32>) {
        let [rows, table, condition, recurrent, bias, h0] = inputs;
        let input = match tokens {
            None => Input::Rows(rows),
            Some(tokens) => Input::Table {
                tokens,
                table,
                condition: Some(condition),
            },
        };
        let initial = Initial {
            hidden: h0,
            cells: &[],
            bias,
        };
        let mut output = vec![f32::NAN; shape.batch * shape.time * shape.hidden];
        let layer = Layer {
            level,
            shape,
            input: &input,
            recurrent,
        };
        let saved = layer.forward::<Gru>(initial, &mut output);
        let weights = noise(9, output.len());
        let found = layer.backward::<Gru>(saved, &weights);
        let zeros = |like: &[f32]| vec![0.0; like.len()];
        let (d_rows, d_table, d_condition) = match found.input {
            InputGradient::Rows(d) => (d, zeros(table), zeros(condition)),
            InputGradient::Table { table, condition } => {
                (zeros(rows), table, condition.expect("there was one"))
            }
        };
        (
            output,
            [
                d_rows,
                d_table,
                d_condition,
                found.recurrent,
                found.bias,
                found.hidden,
            ],
        )
    }

    #[test]
    fn states_are_the_definition_and_every_gradient_is_its_slope() {
        let (inputs, tokens) = (inputs(SHAPE), tokens(SHAPE));
        let exact = inputs.each_ref().map(|x| wide(x));
        for tokens in [None, Some(&tokens[..])] {
            let weights = wide(&noise(9, SHAPE.batch * SHAPE.time * SHAPE.hidden));
            let slopes = slopes(&exact, |inputs| {
                outputs(SHAPE, inputs, tokens)
                    .iter()
                    .zip(&weights)
                    .map(|(x, w)| x * w)
                    .sum()
            });
            for level in InstructionSet::available() {
                let (output, gradients) = run(level, SHAPE, &inputs, tokens);
                close(&output, &outputs(SHAPE, &exact, tokens), 1e-6, "output");
                for (which, (found, expected)) in gradients.iter().zip(&slopes).enumerate() {
                    close(found, expected, 3e-6, &format!("gradient {which}"));
                }
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let shape = Shape {
            batch: 9,
            time: 70,
            hidden: 83,
        };
        let (inputs, tokens) = (inputs(shape), tokens(shape));
        for tokens in [None, Some(&tokens[..])] {
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.expect("threads")
                    .install(|| run(InstructionSet::detect(), shape, &inputs, tokens))
            };
            let one = with(1);
            close(
                &one.0,
                &outputs(shape, &inputs.each_ref().map(|x| wide(x)), tokens),
                1e-5,
                "output",
            );
            assert_eq!(one, with(2));
            assert_eq!(one, with(3));
        }
    }
}
