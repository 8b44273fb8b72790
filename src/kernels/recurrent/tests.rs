/*! Both cells against their definition in double precision, at every instruction set and for several thread counts. */

use super::*;
use crate::kernels::gru::Gru;
use crate::kernels::lstm::Lstm;
use crate::kernels::testing::{close, noise, slopes, wide};

const SHAPE: Shape = Shape {
    batch: 3,
    time: 5,
    hidden: 7,
};
const LARGE: Shape = Shape {
    batch: 9,
    time: 70,
    hidden: 83,
};
const ENTRIES: usize = 4;

/// Rows, table, condition, recurrent weights, the cell's own bias, and the initial hidden state.
type Inputs<T> = [Vec<T>; 6];

/// The next hidden state of one unit from the input of its gates, their recurrent products, the bias and the hidden state;
/// updates the cell state.
type Definition = fn(x: &[f64], u: &[f64], bias: f64, h: f64, c: &mut f64) -> f64;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn lstm(x: &[f64], u: &[f64], _: f64, _: f64, c: &mut f64) -> f64 {
    let gate = |index: usize| x[index] + u[index];
    *c = sigmoid(gate(1)) * *c + sigmoid(gate(0)) * gate(2).tanh();
    sigmoid(gate(3)) * c.tanh()
}

fn gru(x: &[f64], u: &[f64], bias: f64, h: f64, _: &mut f64) -> f64 {
    let r = sigmoid(x[0] + u[0]);
    let z = sigmoid(x[1] + u[1]);
    let n = (x[2] + r * (u[2] + bias)).tanh();
    (1.0 - z) * n + z * h
}

fn inputs<C: Cell>(shape: Shape) -> Inputs<f32> {
    let Shape {
        batch,
        time,
        hidden,
    } = shape;
    let wide = C::GATES * hidden;
    let sizes = [
        batch * time * wide,
        ENTRIES * wide,
        batch * wide,
        hidden * wide,
        if C::BIAS.is_some() { hidden } else { 0 },
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

/// The hidden states by the definition, row by row; in the table form if `tokens` are given.
fn expected<C: Cell>(
    definition: Definition,
    shape: Shape,
    inputs: &Inputs<f64>,
    tokens: Option<&[i32]>,
) -> Vec<f64> {
    let Shape {
        batch,
        time,
        hidden,
    } = shape;
    let wide = C::GATES * hidden;
    let [rows, table, condition, recurrent, bias, initial] = inputs;
    let mut outputs = Vec::new();
    for b in 0..batch {
        let mut h = initial[b * hidden..][..hidden].to_vec();
        let mut c = vec![0.0; hidden];
        for row in b * time..(b + 1) * time {
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
            let next = |i: usize| {
                let columns = || (0..C::GATES).map(|gate| gate * hidden + i);
                let x: Vec<f64> = columns().map(x).collect();
                let u: Vec<f64> = columns().map(product).collect();
                let bias = bias.get(i).copied().unwrap_or_default();
                definition(&x, &u, bias, h[i], &mut c[i])
            };
            h = (0..hidden).map(next).collect();
            outputs.extend_from_slice(&h);
        }
    }
    outputs
}

/// The output, and the gradients of all inputs for a random gradient of the output.
fn run<C: Cell>(
    level: InstructionSet,
    shape: Shape,
    inputs: &Inputs<f32>,
    tokens: Option<&[i32]>,
) -> (Vec<f32>, Inputs<f32>) {
    let [rows, table, condition, recurrent, bias, initial] = inputs;
    let input = match tokens {
        None => Input::Rows(rows),
        Some(tokens) => Input::Table {
            tokens,
            table,
            condition: Some(condition),
        },
    };
    let layer = Layer {
        level,
        shape,
        input,
        recurrent,
    };
    let mut output = vec![f32::NAN; shape.batch * shape.time * shape.hidden];
    let saved = layer.forward::<C>(initial, bias, &mut output);
    let found = layer.backward::<C>(saved, &noise(9, output.len()));
    let zeros = |like: &[f32]| vec![0.0; like.len()];
    let [d_rows, d_table, d_condition] = match found.input {
        InputGradient::Rows(d) => [d, zeros(table), zeros(condition)],
        InputGradient::Table { table, condition } => {
            [zeros(rows), table, condition.expect("there was one")]
        }
    };
    let gradients = [
        d_rows,
        d_table,
        d_condition,
        found.recurrent,
        found.bias,
        found.initial,
    ];
    (output, gradients)
}

fn check_definition<C: Cell>(definition: Definition) {
    let (inputs, tokens) = (inputs::<C>(SHAPE), tokens(SHAPE));
    let exact = inputs.each_ref().map(|x| wide(x));
    for tokens in [None, Some(&tokens[..])] {
        let weights = wide(&noise(9, SHAPE.batch * SHAPE.time * SHAPE.hidden));
        let slopes = slopes(&exact, |inputs| {
            expected::<C>(definition, SHAPE, inputs, tokens)
                .iter()
                .zip(&weights)
                .map(|(x, w)| x * w)
                .sum()
        });
        let states = expected::<C>(definition, SHAPE, &exact, tokens);
        for level in InstructionSet::available() {
            let (output, gradients) = run::<C>(level, SHAPE, &inputs, tokens);
            close(&output, &states, 1e-6, "output");
            for (which, (found, expected)) in gradients.iter().zip(&slopes).enumerate() {
                close(found, expected, 3e-6, &format!("gradient {which}"));
            }
        }
    }
}

fn check_threads<C: Cell>(definition: Definition) {
    let (inputs, tokens) = (inputs::<C>(LARGE), tokens(LARGE));
    let exact = inputs.each_ref().map(|x| wide(x));
    for tokens in [None, Some(&tokens[..])] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads")
                .install(|| run::<C>(InstructionSet::detect(), LARGE, &inputs, tokens))
        };
        let one = with(1);
        let states = expected::<C>(definition, LARGE, &exact, tokens);
        close(&one.0, &states, 1e-5, "output");
        assert_eq!(one, with(2));
        assert_eq!(one, with(3));
    }
}

#[test]
fn lstm_states_are_the_definition_and_every_gradient_is_its_slope() {
    check_definition::<Lstm>(lstm);
}

#[test]
fn gru_states_are_the_definition_and_every_gradient_is_its_slope() {
    check_definition::<Gru>(gru);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    check_threads::<Lstm>(lstm);
    check_threads::<Gru>(gru);
}
