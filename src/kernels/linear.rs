/*!
A fully connected layer over rows, `y = f(x) · W + b` with f the identity or the ReLU, forward and backward.

The rows are processed in blocks that stay in the second-level cache. Each block packs the weights panel by panel.
*/

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::{Buffer, unwritten};
use crate::kernels::matmul::{Start, View, add_outer, multiply};
use crate::kernels::parallel::{add_in_order, carve, each, part, parts};
use std::ops::Range;

/// Rows of a block.
pub(crate) const BLOCK: usize = 480;
/// Weights up to this size have one sum of gradients per thread; the threads divide the gradient of larger ones.
const SMALL: usize = 1 << 18;

/// Sizes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the input and the output.
    pub rows: usize,
    /// Columns of the input.
    pub inputs: usize,
    /// Columns of the output.
    pub outputs: usize,
    /// Whether f is the ReLU.
    pub relu: bool,
}

/// The gradients of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// `[rows, inputs]`, if it was asked for.
    pub input: Option<Vec<f32>>,
    /// `[inputs, outputs]`.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

/// Writes `f(input) · weight + bias` to `output`.
///
/// * `input`: `[rows, inputs]`; `weight`: `[inputs, outputs]`; `bias`: `[outputs]`; `output`: `[rows, outputs]`.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn forward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    forward_at(InstructionSet::detect(), shape, input, weight, bias, output);
}

/// [`forward`] at a given instruction set.
fn forward_at(
    level: InstructionSet,
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    shape.check(input, weight, output);
    let (k, n) = (shape.inputs, shape.outputs);
    let ranges: Vec<_> = (0..parts()).map(|i| part(shape.rows, parts(), i)).collect();
    let outputs = carve(
        output,
        ranges.iter().map(|rows| rows.start * n..rows.end * n),
    );
    each(outputs, |index, output| {
        let mut active = shape.scratch();
        for rows in blocks(&ranges[index]) {
            let at = rows.start - ranges[index].start;
            let x = shape.activate(level, &input[rows.start * k..rows.end * k], &mut active);
            let y = &mut output[at * n..][..rows.len() * n];
            let start = bias.map_or(Start::Zero, Start::Row);
            let weight = View::rows(weight, n);
            multiply(
                level,
                View::rows(x, k),
                rows.len(),
                weight,
                k,
                n,
                y,
                n,
                start,
            );
        }
    });
}

/// The gradients of all arguments of [`forward`], given the gradient of the output `[rows, outputs]`.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn backward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    gradient: &[f32],
    want_input: bool,
) -> Gradients {
    backward_at(
        InstructionSet::detect(),
        shape,
        input,
        weight,
        gradient,
        want_input,
    )
}

/// One thread's share of the first pass of backward.
struct Share<'a> {
    rows: Range<usize>,
    input: Option<&'a mut [f32]>,
    bias: Vec<f32>,
    /// Sum of the weight's gradient over the rows, for small weights.
    weight: Buffer,
}

/// [`backward`] at a given instruction set.
fn backward_at(
    level: InstructionSet,
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    gradient: &[f32],
    want_input: bool,
) -> Gradients {
    shape.check(input, weight, gradient);
    let (k, n) = (shape.inputs, shape.outputs);
    let small = k * n <= SMALL;
    let mut input_gradient = want_input.then(|| unwritten(input.len()));
    let ranges: Vec<_> = (0..parts()).map(|i| part(shape.rows, parts(), i)).collect();
    let mut inputs = input_gradient.as_mut().map(|target| {
        carve(
            target,
            ranges.iter().map(|rows| rows.start * k..rows.end * k),
        )
        .into_iter()
    });
    let mut shares: Vec<Share> = ranges
        .iter()
        .map(|rows| Share {
            rows: rows.clone(),
            input: inputs.as_mut().and_then(Iterator::next),
            bias: vec![0.0; n],
            weight: Buffer::zeros(if small { k * n } else { 0 }),
        })
        .collect();
    each(shares.iter_mut().collect(), |_, share| {
        share.run(level, shape, input, weight, gradient);
    });
    let mut bias = vec![0.0; n];
    add_in_order(
        &mut bias,
        &shares
            .iter()
            .map(|share| &share.bias[..])
            .collect::<Vec<_>>(),
    );
    let mut weight_gradient = vec![0.0; k * n];
    if small {
        let sums: Vec<&[f32]> = shares.iter().map(|share| &*share.weight).collect();
        add_in_order(&mut weight_gradient, &sums);
    } else {
        add_weight_gradient(level, shape, input, gradient, &mut weight_gradient);
    }
    drop(shares);
    Gradients {
        input: input_gradient,
        weight: weight_gradient,
        bias,
    }
}

impl Share<'_> {
    fn run(
        &mut self,
        level: InstructionSet,
        shape: Shape,
        input: &[f32],
        weight: &[f32],
        gradient: &[f32],
    ) {
        let (k, n) = (shape.inputs, shape.outputs);
        let mut active = shape.scratch();
        for rows in blocks(&self.rows) {
            let x = &input[rows.start * k..rows.end * k];
            let dy = &gradient[rows.start * n..rows.end * n];
            let count = rows.len();
            add_columns(level, dy, &mut self.bias);
            if !self.weight.is_empty() {
                let x = View::rows(shape.activate(level, x, &mut active), k);
                add_outer(
                    level,
                    x,
                    View::rows(dy, n),
                    count,
                    k,
                    n,
                    &mut self.weight,
                    n,
                );
            }
            if let Some(target) = &mut self.input {
                let dx = &mut target[(rows.start - self.rows.start) * k..][..count * k];
                let weight = View::rows(weight, n).transposed();
                multiply(
                    level,
                    View::rows(dy, n),
                    count,
                    weight,
                    n,
                    k,
                    dx,
                    k,
                    Start::Zero,
                );
                if shape.relu {
                    mask(level, x, dx);
                }
            }
        }
    }
}

/// The gradient of large weights: each thread sums over all rows for some of the inputs.
fn add_weight_gradient(
    level: InstructionSet,
    shape: Shape,
    input: &[f32],
    gradient: &[f32],
    weight: &mut [f32],
) {
    let (k, n) = (shape.inputs, shape.outputs);
    let ranges: Vec<_> = (0..parts()).map(|i| part(k, parts(), i)).collect();
    let pieces = carve(weight, ranges.iter().map(|own| own.start * n..own.end * n));
    each(pieces, |index, weight| {
        let own = &ranges[index];
        let mut active = Buffer::any(if shape.relu { BLOCK * own.len() } else { 0 });
        for rows in blocks(&(0..shape.rows)) {
            let x = &input[rows.start * k..rows.end * k];
            let dy = View::rows(&gradient[rows.start * n..rows.end * n], n);
            let x = if shape.relu {
                for (row, x) in active
                    .chunks_exact_mut(own.len().max(1))
                    .zip(x.chunks_exact(k))
                {
                    relu(level, &x[own.clone()], row);
                }
                View::rows(&active, own.len())
            } else {
                View {
                    data: &x[own.start.min(x.len())..],
                    row: k,
                    column: 1,
                }
            };
            add_outer(level, x, dy, rows.len(), own.len(), n, weight, n);
        }
    });
}

/// Ranges of at most [`BLOCK`] rows, of nearly equal length.
pub(crate) fn blocks(rows: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let (first, length) = (rows.start, rows.len());
    let count = length.div_ceil(BLOCK);
    (0..count).map(move |index| {
        let block = part(length, count, index);
        first + block.start..first + block.end
    })
}

impl Shape {
    pub(crate) fn check(self, input: &[f32], weight: &[f32], output: &[f32]) {
        assert_eq!(input.len(), self.rows * self.inputs, "input");
        assert_eq!(weight.len(), self.inputs * self.outputs, "weight");
        assert_eq!(output.len(), self.rows * self.outputs, "output");
    }

    /// Memory for a block of inputs after the ReLU.
    pub(crate) fn scratch(self) -> Buffer {
        Buffer::any(if self.relu { BLOCK * self.inputs } else { 0 })
    }

    /// The rows after f.
    pub(crate) fn activate<'a>(
        self,
        level: InstructionSet,
        rows: &'a [f32],
        scratch: &'a mut [f32],
    ) -> &'a [f32] {
        if self.relu {
            let active = &mut scratch[..rows.len()];
            relu(level, rows, active);
            active
        } else {
            rows
        }
    }
}

multiversion! {
    /// max(x, 0).
    fn relu(from: &[f32], to: &mut [f32]) {
        for (to, &x) in to.iter_mut().zip(from) {
            *to = if x > 0.0 { x } else { 0.0 };
        }
    }
}

multiversion! {
    /// Sets the gradient of inputs that were not positive to zero.
    pub(crate) fn mask(input: &[f32], gradient: &mut [f32]) {
        for (g, &x) in gradient.iter_mut().zip(input) {
            *g = if x > 0.0 { *g } else { 0.0 };
        }
    }
}

multiversion! {
    /// Adds up the columns of rows as long as `sums`.
    pub(crate) fn add_columns(rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise};

    struct Case {
        shape: Shape,
        input: Vec<f32>,
        weight: Vec<f32>,
        bias: Vec<f32>,
        gradient: Vec<f32>,
    }

    fn case(rows: usize, inputs: usize, outputs: usize, relu: bool) -> Case {
        Case {
            shape: Shape {
                rows,
                inputs,
                outputs,
                relu,
            },
            input: noise(1, rows * inputs),
            weight: noise(2, inputs * outputs),
            bias: noise(3, outputs),
            gradient: noise(4, rows * outputs),
        }
    }

    /// Output, and gradients of input, weight and bias.
    fn reference(case: &Case) -> [Vec<f64>; 4] {
        let Shape {
            rows,
            inputs,
            outputs,
            relu,
        } = case.shape;
        let mut y = vec![0.0; rows * outputs];
        let mut dx = vec![0.0; rows * inputs];
        let mut dw = vec![0.0; inputs * outputs];
        let mut db = vec![0.0; outputs];
        for row in 0..rows {
            for o in 0..outputs {
                y[row * outputs + o] = f64::from(case.bias[o]);
                let dy = f64::from(case.gradient[row * outputs + o]);
                db[o] += dy;
                for i in 0..inputs {
                    let x = f64::from(case.input[row * inputs + i]);
                    let w = f64::from(case.weight[i * outputs + o]);
                    if !relu || x > 0.0 {
                        y[row * outputs + o] += x * w;
                        dx[row * inputs + i] += dy * w;
                        dw[i * outputs + o] += dy * x;
                    }
                }
            }
        }
        [y, dx, dw, db]
    }

    #[test]
    fn forward_and_backward_are_those_of_the_definition() {
        let cases = [
            case(3, 5, 7, false),
            case(1001, 70, 67, true),
            case(37, 130, 2100, true),
            case(37, 130, 2100, false),
            case(5, 1100, 3, false),
        ];
        for case in &cases {
            let [y, dx, dw, db] = reference(case);
            for level in InstructionSet::available() {
                let mut output = vec![f32::NAN; y.len()];
                let Case {
                    shape,
                    input,
                    weight,
                    bias,
                    gradient,
                } = case;
                forward_at(level, *shape, input, weight, Some(bias), &mut output);
                close(&output, &y, 1e-5, "output");
                let found = backward_at(level, *shape, input, weight, gradient, true);
                close(&found.input.expect("wanted"), &dx, 1e-5, "input");
                close(&found.weight, &dw, 1e-5, "weight");
                close(&found.bias, &db, 1e-5, "bias");
            }
        }
    }

    #[test]
    fn without_bias_and_input_gradient() {
        let case = case(9, 4, 6, false);
        let mut output = vec![f32::NAN; 54];
        forward(case.shape, &case.input, &case.weight, None, &mut output);
        let [y, _, dw, _] = reference(&Case {
            bias: vec![0.0; 6],
            ..case_like(&case)
        });
        close(&output, &y, 1e-6, "output");
        let found = backward(case.shape, &case.input, &case.weight, &case.gradient, false);
        assert_eq!(found.input, None);
        close(&found.weight, &dw, 1e-6, "weight");
    }

    fn case_like(case: &Case) -> Case {
        Case {
            shape: case.shape,
            input: case.input.clone(),
            weight: case.weight.clone(),
            bias: case.bias.clone(),
            gradient: case.gradient.clone(),
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_bits() {
        for case in [case(999, 33, 65, true), case(100, 600, 500, true)] {
            let run = || backward(case.shape, &case.input, &case.weight, &case.gradient, true);
            assert_eq!(run(), run());
        }
    }
}
