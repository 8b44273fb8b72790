/*!
The last layer of a sequence model and its loss in one: a fully connected layer to classes, then softmax cross-entropy.

With thousands of classes the logits are the largest array of a training step. Here they are written once and read once:
their sums are taken while they are in the cache, and in backward their gradient exists only in pieces that
stay there.
*/

use super::buffer::{Buffer, unwritten};
use super::cross_entropy::{log_sum_exp, softmax};
use super::linear::{BLOCK, Gradients, Shape, add_columns, blocks, mask};
use super::matmul::{Start, View, add_outer, multiply};
use super::parallel::{add_in_order, carve, chunks, each, part, parts};
use crate::simd::Level;
use rayon::prelude::*;
use std::ops::Range;

/// Classes whose logits are in the cache at a time.
const CLASSES: usize = 256;

/// What forward finds, and leaves for backward.
#[derive(Debug)]
pub struct Saved {
    /// −ln softmax(logits)\[target\] of each row in nats; 0 where the target is negative.
    pub losses: Vec<f32>,
    /// ln Σ exp(logits) of each row.
    log_sums: Vec<f32>,
    /// Rows that were worked on together.
    blocks: Vec<Range<usize>>,
    /// Block after block, in each of them [`pieces`] of classes, in each of these row after row: what is worked on
    /// together lies together.
    logits: Buffer,
}

impl Saved {
    /// The sum of the losses, added in the order of the rows.
    pub fn sum(&self) -> f64 {
        self.losses.iter().copied().map(f64::from).sum()
    }
}

/// The losses of the logits `f(input) · weight + bias`.
///
/// * `input`: `[rows, inputs]`; `weight`: `[inputs, outputs]`; `bias`: `[outputs]`.
/// * `targets`: one class for each row; rows with a negative one are left out.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it or a target is not a class.
pub fn forward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    targets: &[i32],
) -> Saved {
    forward_at(Level::detect(), shape, input, weight, bias, targets)
}

/// [`forward`] at a given instruction set.
fn forward_at(
    level: Level,
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    targets: &[i32],
) -> Saved {
    let (k, n) = (shape.inputs, shape.outputs);
    let ranges: Vec<_> = (0..parts()).map(|i| part(shape.rows, parts(), i)).collect();
    let mut saved = Saved {
        losses: vec![0.0; shape.rows],
        log_sums: vec![0.0; shape.rows],
        blocks: ranges.iter().flat_map(blocks).collect(),
        logits: Buffer::any(shape.rows * n),
    };
    shape.check(input, weight, &saved.logits);
    assert_eq!(bias.len(), n, "bias");
    assert_eq!(targets.len(), shape.rows, "targets");
    let logits = carve(
        &mut saved.logits,
        ranges.iter().map(|rows| rows.start * n..rows.end * n),
    );
    let losses = carve(&mut saved.losses, ranges.iter().cloned());
    let log_sums = carve(&mut saved.log_sums, ranges.iter().cloned());
    let tasks = logits.into_iter().zip(losses.into_iter().zip(log_sums));
    each(tasks.collect(), |index, (logits, (losses, log_sums))| {
        let mut active = shape.scratch();
        let count = n.div_ceil(CLASSES);
        let mut sums = Buffer::any(BLOCK * count);
        for rows in blocks(&ranges[index]) {
            let at = rows.start - ranges[index].start;
            let x = View::rows(
                shape.activate(level, &input[rows.start * k..rows.end * k], &mut active),
                k,
            );
            let logits = &mut logits[at * n..][..rows.len() * n];
            for (piece, classes) in pieces(&(0..n)).enumerate() {
                let wide = classes.len();
                let logits = &mut logits[classes.start * rows.len()..][..wide * rows.len()];
                let weight = View::rows(&weight[classes.start..], n);
                let start = Start::Row(&bias[classes.start..]);
                multiply(level, x, rows.len(), weight, k, wide, logits, wide, start);
                for (row, logits) in logits.chunks_exact(wide).enumerate() {
                    sums[row * count + piece] = log_sum_exp(level, logits);
                    if usize::try_from(targets[rows.start + row])
                        .is_ok_and(|t| classes.contains(&t))
                    {
                        losses[at + row] =
                            -logits[targets[rows.start + row] as usize - classes.start];
                    }
                }
            }
            for (row, sums) in sums.chunks_exact(count).take(rows.len()).enumerate() {
                if let Ok(target) = usize::try_from(targets[rows.start + row]) {
                    assert!(target < n, "target {target} is not one of {n} classes");
                    log_sums[at + row] = log_sum_exp(level, sums);
                    losses[at + row] += log_sums[at + row];
                }
            }
        }
    });
    saved
}

/// Ranges of at most [`CLASSES`] classes.
fn pieces(classes: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = classes.end;
    classes
        .clone()
        .step_by(CLASSES)
        .map(move |first| first..end.min(first + CLASSES))
}

/// The gradients of `scale` times the sum of the losses.
///
/// # Panics
/// If the sizes do not match those of [`forward`].
pub fn backward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    targets: &[i32],
    saved: &Saved,
    scale: f32,
    want_input: bool,
) -> Gradients {
    let level = Level::detect();
    backward_at(
        level, shape, input, weight, targets, saved, scale, want_input,
    )
}

/// [`backward`] at a given instruction set.
#[allow(clippy::too_many_arguments)]
fn backward_at(
    level: Level,
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    targets: &[i32],
    saved: &Saved,
    scale: f32,
    want_input: bool,
) -> Gradients {
    shape.check(input, weight, &saved.logits);
    assert_eq!(targets.len(), shape.rows, "targets");
    let (rows, k, n) = (shape.rows, shape.inputs, shape.outputs);
    let pass = Pass {
        level,
        shape,
        input,
        weight,
        targets,
        saved,
        scale,
    };
    let width = if want_input { k } else { 0 };
    let (input, sums) = if rows >= n {
        // Each thread takes some of the rows; the gradients of the weights are summed.
        let blocks: Vec<_> = (0..parts())
            .map(|i| &saved.blocks[part(saved.blocks.len(), parts(), i)])
            .collect();
        let lengths = blocks.iter().map(|blocks| {
            let rows: usize = blocks.iter().map(ExactSizeIterator::len).sum();
            rows * width
        });
        let mut input = unwritten(rows * width);
        let pieces = chunks(&mut input, lengths);
        let mut sums: Vec<Sums> = blocks.iter().map(|_| Sums::new(k, 0..n)).collect();
        each(
            pieces.into_iter().zip(&mut sums).collect(),
            |index, (input, sums)| {
                pass.run(blocks[index], input, sums);
            },
        );
        (input, sums)
    } else {
        // Each thread takes some of the classes; the gradients of the input are summed.
        let count = n.div_ceil(CLASSES);
        let own = (0..parts()).map(|i| part(count, parts(), i)).map(|own| {
            let (start, end) = (own.start * CLASSES, own.end * CLASSES);
            start.min(n)..end.min(n)
        });
        let mut sums: Vec<Sums> = own.map(|own| Sums::new(k, own)).collect();
        let mut shares: Vec<Buffer> = sums.iter().map(|_| Buffer::any(rows * width)).collect();
        each(
            shares.iter_mut().zip(&mut sums).collect(),
            |_, (input, sums)| {
                pass.run(&saved.blocks, input, sums);
            },
        );
        let mut input = vec![0.0; rows * width];
        add_in_order(
            &mut input,
            &shares.iter().map(|share| &**share).collect::<Vec<_>>(),
        );
        (input, sums)
    };
    let (weight, bias) = total(k, n, &sums);
    Gradients {
        input: want_input.then_some(input),
        weight,
        bias,
    }
}

/// Sums over rows of the gradients of some classes.
struct Sums {
    classes: Range<usize>,
    /// [`pieces`] of the classes, in each of them `[inputs, classes]`.
    weight: Buffer,
    bias: Vec<f32>,
}

impl Sums {
    fn new(inputs: usize, classes: Range<usize>) -> Self {
        Self {
            weight: Buffer::zeros(inputs * classes.len()),
            bias: vec![0.0; classes.len()],
            classes,
        }
    }
}

/// Adds the sums, in their order, to the gradients of the weight `[inputs, outputs]` and the bias.
fn total(inputs: usize, outputs: usize, sums: &[Sums]) -> (Vec<f32>, Vec<f32>) {
    let mut weight = vec![0.0; inputs * outputs];
    weight
        .par_chunks_exact_mut(outputs)
        .enumerate()
        .for_each(|(row, target)| {
            for sums in sums {
                for piece in pieces(&sums.classes) {
                    let at = (piece.start - sums.classes.start) * inputs + row * piece.len();
                    let from = &sums.weight[at..at + piece.len()];
                    target[piece]
                        .iter_mut()
                        .zip(from)
                        .for_each(|(sum, x)| *sum += x);
                }
            }
        });
    let mut bias = vec![0.0; outputs];
    for sums in sums {
        bias[sums.classes.clone()]
            .iter_mut()
            .zip(&sums.bias)
            .for_each(|(sum, x)| *sum += x);
    }
    (weight, bias)
}

/// The backward pass.
struct Pass<'a> {
    level: Level,
    shape: Shape,
    input: &'a [f32],
    weight: &'a [f32],
    targets: &'a [i32],
    saved: &'a Saved,
    scale: f32,
}

impl Pass<'_> {
    /// Some blocks of rows, and the classes of `sums`: writes their share of the input's gradient (where `target` is
    /// not empty) and adds to the sums.
    fn run(&self, blocks: &[Range<usize>], target: &mut [f32], sums: &mut Sums) {
        let (level, k, n) = (self.level, self.shape.inputs, self.shape.outputs);
        if sums.classes.is_empty() {
            target.fill(0.0);
        }
        let mut active = self.shape.scratch();
        let mut gradients = Buffer::any(BLOCK * CLASSES);
        let mut rest = target;
        for rows in blocks {
            let count = rows.len();
            let x = &self.input[rows.start * k..rows.end * k];
            let left = View::rows(self.shape.activate(level, x, &mut active), k);
            let (dx, after) = rest.split_at_mut(rest.len().min(count * k));
            rest = after;
            for classes in pieces(&sums.classes) {
                let wide = classes.len();
                let at = classes.start - sums.classes.start;
                let gradients = &mut gradients[..count * wide];
                self.gradients(rows, &classes, gradients);
                add_columns(level, gradients, &mut sums.bias[at..at + wide]);
                let d = View::rows(gradients, wide);
                let dw = &mut sums.weight[at * k..][..k * wide];
                add_outer(level, left, d, count, k, wide, dw, wide);
                if !dx.is_empty() {
                    let weight = View::rows(&self.weight[classes.start..], n).transposed();
                    let start = if at == 0 { Start::Zero } else { Start::Add };
                    multiply(level, d, count, weight, wide, k, dx, k, start);
                }
            }
            if self.shape.relu && !dx.is_empty() {
                mask(level, x, dx);
            }
        }
    }

    /// scale · (softmax − one-hot) of a block of rows and a piece of the classes.
    fn gradients(&self, rows: &Range<usize>, classes: &Range<usize>, out: &mut [f32]) {
        let at = rows.start * self.shape.outputs + classes.start * rows.len();
        let logits =
            self.saved.logits[at..][..rows.len() * classes.len()].chunks_exact(classes.len());
        for (row, (logits, out)) in rows
            .clone()
            .zip(logits.zip(out.chunks_exact_mut(classes.len())))
        {
            let Ok(target) = usize::try_from(self.targets[row]) else {
                out.fill(0.0);
                continue;
            };
            softmax(
                self.level,
                logits,
                self.saved.log_sums[row],
                self.scale,
                out,
            );
            if classes.contains(&target) {
                out[target - classes.start] -= self.scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, noise, wide};
    use super::super::{cross_entropy, linear};
    use super::*;

    #[test]
    fn it_is_a_linear_layer_followed_by_cross_entropy() {
        // More rows than classes, and fewer; more than one piece of classes.
        for (rows, inputs, outputs, relu) in
            [(700, 20, 300, true), (60, 33, 1000, false), (3, 2, 1, true)]
        {
            let shape = Shape {
                rows,
                inputs,
                outputs,
                relu,
            };
            let (x, w, b) = (
                noise(1, rows * inputs),
                noise(2, inputs * outputs),
                noise(3, outputs),
            );
            let targets: Vec<i32> = (0..rows)
                .map(|row| {
                    if row % 7 == 2 {
                        -1
                    } else {
                        (row * 31 % outputs) as i32
                    }
                })
                .collect();
            let mut logits = vec![0.0; rows * outputs];
            linear::forward(shape, &x, &w, Some(&b), &mut logits);
            let losses = cross_entropy::forward(&logits, outputs, &targets);
            let mut gradient = vec![0.0; logits.len()];
            cross_entropy::backward(&logits, outputs, &targets, &losses, 0.5, &mut gradient);
            let expected = linear::backward(shape, &x, &w, &gradient, true);
            for level in Level::available() {
                let saved = forward_at(level, shape, &x, &w, &b, &targets);
                close(&saved.losses, &wide(&losses.rows), 2e-6, "losses");
                assert!((saved.sum() - losses.sum()).abs() <= 1e-5 * losses.sum());
                let found = backward_at(level, shape, &x, &w, &targets, &saved, 0.5, true);
                let input = expected.input.as_ref().expect("wanted");
                close(&found.input.expect("wanted"), &wide(input), 1e-5, "input");
                close(&found.weight, &wide(&expected.weight), 1e-5, "weight");
                close(&found.bias, &wide(&expected.bias), 1e-5, "bias");
                let found = backward_at(level, shape, &x, &w, &targets, &saved, 0.5, false);
                assert_eq!(found.input, None);
                close(&found.weight, &wide(&expected.weight), 1e-5, "weight");
            }
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_bits() {
        for outputs in [50, 900] {
            let shape = Shape {
                rows: 600,
                inputs: 9,
                outputs,
                relu: false,
            };
            let (x, w, b) = (noise(1, 600 * 9), noise(2, 9 * outputs), noise(3, outputs));
            let targets = vec![3; 600];
            let run = || {
                let saved = forward(shape, &x, &w, &b, &targets);
                (
                    saved.losses.clone(),
                    backward(shape, &x, &w, &targets, &saved, 1.0, true),
                )
            };
            assert_eq!(run(), run());
        }
    }
}
