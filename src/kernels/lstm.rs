/*! A long short-term memory layer over whole sequences (Hochreiter & Schmidhuber 1997, with forget gates). */

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::recurrent::{Cell, Initial, Layer, SLOTS, Step};
pub use crate::kernels::recurrent::{Input, InputGradient, Saved, Shape};

/// The gradients of an LSTM layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// Of what entered the gates.
    pub input: InputGradient,
    /// `[H, 4H]`.
    pub recurrent: Vec<f32>,
    /// Of the initial hidden state, `[batch, H]`.
    pub hidden: Vec<f32>,
    /// Of the initial cell state, `[batch, H]`.
    pub cell: Vec<f32>,
}

/// Runs the layer and writes the hidden states to `output` `[batch · time, H]`:
///
/// ```text
/// i, f, g, o = σ, σ, tanh, σ of (x_t + h_{t−1} U)        c_t = f c_{t−1} + i g        h_t = o tanh(c_t)
/// ```
///
/// * `input`: x, four blocks of H columns in the order i, f, g, o.
/// * `recurrent`: U, `[H, 4H]`.
/// * `hidden`, `cell`: h and c before the first step, `[batch, H]`.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it, or a token is not an entry of its table.
pub fn forward(
    shape: Shape,
    input: &Input,
    recurrent: &[f32],
    hidden: &[f32],
    cell: &[f32],
    output: &mut [f32],
) -> Saved {
    let initial = Initial {
        hidden,
        cells: cell,
        bias: &[],
    };
    let layer = Layer {
        level: InstructionSet::detect(),
        shape,
        input,
        recurrent,
    };
    layer.forward::<Lstm>(initial, output)
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
    let found = layer.backward::<Lstm>(saved, gradient);
    Gradients {
        input: found.input,
        recurrent: found.recurrent,
        hidden: found.hidden,
        cell: found.cells,
    }
}

/// Slots: i, f, g, o.
struct Lstm;

impl Cell for Lstm {
    const GATES: usize = 4;
    const INPUTS: &'static [usize] = &[0, 1, 2, 3];
    const BIAS: Option<usize> = None;
    const CELLS: bool = true;

    fn forward(step: &Step, slots: &mut [f32], cells_after: &mut [f32], hidden_after: &mut [f32]) {
        let units = step.units;
        let states = cells_after
            .chunks_exact_mut(units)
            .zip(hidden_after.chunks_exact_mut(units));
        let states = step.cells_before.chunks_exact(units).zip(states);
        for (slots, (before, (cell, hidden))) in slots.chunks_exact_mut(SLOTS * units).zip(states) {
            let (i, rest) = slots.split_at_mut(units);
            let (f, rest) = rest.split_at_mut(units);
            let (g, o) = rest.split_at_mut(units);
            advance(step.level, i, f, g, o, before, cell, hidden);
        }
    }

    fn backward(
        step: &Step,
        slots: &mut [f32],
        cells_after: &[f32],
        dh: &mut [f32],
        dc: &mut [f32],
    ) {
        let units = step.units;
        let states = step
            .cells_before
            .chunks_exact(units)
            .zip(cells_after.chunks_exact(units));
        let gradients = dh.chunks_exact_mut(units).zip(dc.chunks_exact_mut(units));
        let rows = states.zip(gradients);
        for (slots, ((before, after), (dh, dc))) in slots.chunks_exact_mut(SLOTS * units).zip(rows)
        {
            let (i, rest) = slots.split_at_mut(units);
            let (f, rest) = rest.split_at_mut(units);
            let (g, o) = rest.split_at_mut(units);
            retreat(step.level, i, f, g, o, before, after, dh, dc);
        }
    }
}

multiversion! {
    /// One step of one sequence; the pre-activations become the gates' values.
    fn advance(
        i: &mut [f32],
        f: &mut [f32],
        g: &mut [f32],
        o: &mut [f32],
        before: &[f32],
        cell: &mut [f32],
        hidden: &mut [f32],
    ) {
        let gates = i.iter_mut().zip(f).zip(g.iter_mut().zip(o));
        let states = before.iter().zip(cell.iter_mut().zip(hidden));
        for (((i, f), (g, o)), (before, (cell, hidden))) in gates.zip(states) {
            *i = math::sigmoid(*i);
            *f = math::sigmoid(*f);
            *g = math::tanh(*g);
            *o = math::sigmoid(*o);
            *cell = f.mul_add(*before, *i * *g);
            *hidden = *o * math::tanh(*cell);
        }
    }
}

multiversion! {
    /// One step of one sequence backward; the gates' values become the gradients of their pre-activations.
    fn retreat(
        i: &mut [f32],
        f: &mut [f32],
        g: &mut [f32],
        o: &mut [f32],
        before: &[f32],
        after: &[f32],
        dh: &mut [f32],
        dc: &mut [f32],
    ) {
        let gates = i.iter_mut().zip(f).zip(g.iter_mut().zip(o));
        let states = before.iter().zip(after);
        let gradients = dh.iter_mut().zip(dc);
        for (((i, f), (g, o)), ((before, after), (dh, dc))) in gates.zip(states.zip(gradients)) {
            let tanh = math::tanh(*after);
            let d = *dc + *dh * *o * (1.0 - tanh * tanh);
            *o = *dh * tanh * *o * (1.0 - *o);
            let (di, df, dg) = (d * *g, d * *before, d * *i);
            *dc = d * *f;
            *i = di * *i * (1.0 - *i);
            *f = df * *f * (1.0 - *f);
            *g = dg * (1.0 - *g * *g);
            *dh = 0.0;
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

    /// Rows, table, condition, recurrent, and the initial hidden and cell states.
    type Inputs<T> = [Vec<T>; 6];

    fn inputs(shape: Shape) -> Inputs<f32> {
        let Shape {
            batch,
            time,
            hidden,
        } = shape;
        let wide = 4 * hidden;
        let sizes = [
            batch * time * wide,
            ENTRIES * wide,
            batch * wide,
            hidden * wide,
            batch * hidden,
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
        let wide = 4 * hidden;
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let [rows, table, condition, recurrent, h0, c0] = inputs;
        let mut outputs = Vec::new();
        for b in 0..batch {
            let mut h = h0[b * hidden..][..hidden].to_vec();
            let mut c = c0[b * hidden..][..hidden].to_vec();
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
                    let gate = |block: usize| {
                        let column = block * hidden + i;
                        x(column) + product(column)
                    };
                    c[i] = sigmoid(gate(1)) * c[i] + sigmoid(gate(0)) * gate(2).tanh();
                    next[i] = sigmoid(gate(3)) * c[i].tanh();
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
        let [rows, table, condition, recurrent, h0, c0] = inputs;
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
            cells: c0,
            bias: &[],
        };
        let mut output = vec![f32::NAN; shape.batch * shape.time * shape.hidden];
        let layer = Layer {
            level,
            shape,
            input: &input,
            recurrent,
        };
        let saved = layer.forward::<Lstm>(initial, &mut output);
        let weights = noise(9, output.len());
        let found = layer.backward::<Lstm>(saved, &weights);
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
                found.hidden,
                found.cells,
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
