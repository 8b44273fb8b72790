/*!
Softmax cross-entropy over classes, forward and backward, with rows that are ignored.

Forward saves one number per row, ln Σ exp(logits). Backward computes the probabilities from it again, which costs less than
writing and reading them.
*/

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::Buffer;
use rayon::prelude::*;

/// Rows of one task.
const BLOCK: usize = 64;
/// With at most so many classes, the registers hold one class of many rows instead of many classes of one row.
const FEW: usize = 16;

/// −ln softmax(logits)\[target\] of every row, in nats.
#[derive(Debug)]
pub struct Losses {
    /// One for each row; 0 if the target is negative.
    pub rows: Vec<f32>,
    /// ln Σ exp(logits) of each row.
    log_sums: Buffer,
}

impl Losses {
    /// The sums over this many equal runs of rows, added in their order.
    ///
    /// # Panics
    /// If the rows cannot be shared out.
    pub fn sums(&self, runs: usize) -> Vec<f64> {
        assert!(self.rows.len().is_multiple_of(runs), "runs of rows");
        let run = |run| {
            let rows = &self.rows[run * (self.rows.len() / runs)..][..self.rows.len() / runs];
            rows.iter().copied().map(f64::from).sum()
        };
        (0..runs).map(run).collect()
    }
}

/// The losses of `logits` `[rows, classes]`.
///
/// * `targets`: one class for each row; rows with a negative target are ignored.
///
/// # Panics
/// If the sizes do not match or a target is not a class.
pub fn forward(logits: &[f32], classes: usize, targets: &[i32]) -> Losses {
    forward_at(InstructionSet::detect(), logits, classes, targets)
}

/// [`forward`] at a given instruction set.
fn forward_at(level: InstructionSet, logits: &[f32], classes: usize, targets: &[i32]) -> Losses {
    assert_eq!(logits.len(), targets.len() * classes, "logits");
    let mut rows = vec![0.0; targets.len()];
    let mut log_sums = Buffer::any(targets.len());
    let outputs = rows
        .par_chunks_mut(BLOCK)
        .zip(log_sums.par_chunks_mut(BLOCK));
    let inputs = logits
        .par_chunks(BLOCK * classes)
        .zip(targets.par_chunks(BLOCK));
    outputs
        .zip(inputs)
        .for_each(|((losses, log_sums), (logits, targets))| {
            if classes <= FEW {
                log_sums_of_few(level, logits, classes, log_sums);
            }
            let rows = logits.chunks_exact(classes).zip(targets);
            for ((loss, log_sum), (logits, &target)) in losses.iter_mut().zip(log_sums).zip(rows) {
                if let Ok(target) = usize::try_from(target) {
                    if classes > FEW {
                        *log_sum = log_sum_exp(level, logits);
                    }
                    *loss = *log_sum - logits[target];
                }
            }
        });
    Losses { rows, log_sums }
}

/// Writes to `gradient` the gradient of the losses, each times its scale: scale · (softmax − one-hot), and zero in ignored
/// rows.
///
/// * `scales`: each holds for as many rows in turn.
///
/// # Panics
/// If the sizes do not match those of [`forward`].
pub fn backward(
    logits: &[f32],
    classes: usize,
    targets: &[i32],
    losses: &Losses,
    scales: &[f32],
    gradient: &mut [f32],
) {
    let level = InstructionSet::detect();
    assert_eq!(logits.len(), targets.len() * classes, "logits");
    assert_eq!(gradient.len(), logits.len(), "gradient");
    assert_eq!(losses.log_sums.len(), targets.len(), "losses");
    assert!(targets.len().is_multiple_of(scales.len()), "scales");
    let rows_of_scale = targets.len() / scales.len();
    let inputs = logits
        .par_chunks(BLOCK * classes)
        .zip(targets.par_chunks(BLOCK));
    let blocks = gradient
        .par_chunks_mut(BLOCK * classes)
        .zip(losses.log_sums.par_chunks(BLOCK))
        .zip(inputs);
    blocks
        .enumerate()
        .for_each(|(block, ((gradient, log_sums), (logits, targets)))| {
            if classes <= FEW {
                softmax_of_few(level, logits, classes, log_sums, gradient);
            }
            let rows = logits.chunks_exact(classes).zip(targets).zip(log_sums);
            for (row, (gradient, ((logits, &target), &log_sum))) in
                gradient.chunks_exact_mut(classes).zip(rows).enumerate()
            {
                let scale = scales[(block * BLOCK + row) / rows_of_scale];
                if let Ok(target) = usize::try_from(target) {
                    if classes > FEW {
                        softmax(level, logits, log_sum, scale, gradient);
                    } else {
                        for p in gradient.iter_mut() {
                            *p *= scale;
                        }
                    }
                    gradient[target] -= scale;
                } else {
                    gradient.fill(0.0);
                }
            }
        });
}

/// Number of separate sums; they fill vector registers.
const SIDE: usize = 32;

multiversion! {
    /// ln Σ exp(x), safe from overflow.
    fn log_sum_exp(logits: &[f32]) -> f32 {
        let mut largest = [f32::NEG_INFINITY; SIDE];
        let whole = logits.chunks_exact(SIDE);
        let rest = whole.remainder();
        for chunk in whole.clone() {
            for (largest, &x) in largest.iter_mut().zip(chunk) {
                *largest = if x > *largest { x } else { *largest };
            }
        }
        for (largest, &x) in largest.iter_mut().zip(rest) {
            *largest = if x > *largest { x } else { *largest };
        }
        let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let mut sums = [0.0f32; SIDE];
        for chunk in whole {
            for (sum, &x) in sums.iter_mut().zip(chunk) {
                *sum += math::exp(x - largest);
            }
        }
        for (sum, &x) in sums.iter_mut().zip(rest) {
            *sum += math::exp(x - largest);
        }
        let mut width = SIDE;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                sums[i] += sums[i + width];
            }
        }
        largest + math::ln(sums[0])
    }
}

multiversion! {
    /// [`log_sum_exp`] of each row of at most [`BLOCK`], over few classes.
    fn log_sums_of_few(logits: &[f32], classes: usize, out: &mut [f32]) {
        let mut column = [0.0f32; BLOCK];
        let mut largest = [f32::NEG_INFINITY; BLOCK];
        for class in 0..classes {
            gather(logits, classes, class, &mut column);
            for (largest, &x) in largest.iter_mut().zip(&column) {
                *largest = if x > *largest { x } else { *largest };
            }
        }
        let mut sums = [0.0f32; BLOCK];
        for class in 0..classes {
            gather(logits, classes, class, &mut column);
            for ((sum, &x), largest) in sums.iter_mut().zip(&column).zip(largest) {
                *sum += math::exp(x - largest);
            }
        }
        for (sum, largest) in sums.iter_mut().zip(largest) {
            *sum = largest + math::ln(*sum);
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// The logits of one class.
#[inline(always)]
fn gather(logits: &[f32], classes: usize, class: usize, column: &mut [f32]) {
    for (x, logits) in column.iter_mut().zip(logits.chunks_exact(classes)) {
        *x = logits[class];
    }
}

multiversion! {
    /// scale · exp(x − log_sum).
    fn softmax(logits: &[f32], log_sum: f32, scale: f32, out: &mut [f32]) {
        for (out, &x) in out.iter_mut().zip(logits) {
            *out = scale * math::exp(x - log_sum);
        }
    }
}

multiversion! {
    /// exp(x − log_sum) of rows of few classes.
    fn softmax_of_few(logits: &[f32], classes: usize, log_sums: &[f32], out: &mut [f32]) {
        for (out, &log_sum) in out.chunks_exact_mut(classes).zip(log_sums) {
            out.fill(log_sum);
        }
        for (out, &x) in out.iter_mut().zip(logits) {
            *out = math::exp(x - *out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise};

    fn reference(logits: &[f32], classes: usize, targets: &[i32]) -> (f64, Vec<f64>) {
        let mut loss = 0.0;
        let mut gradient = Vec::new();
        for (row, &target) in logits.chunks(classes).zip(targets) {
            let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            for (class, &x) in row.iter().enumerate() {
                let p = f64::from(x).exp() / sum;
                let hit = f64::from(u8::from(i32::try_from(class) == Ok(target)));
                gradient.push(if target < 0 { 0.0 } else { p - hit });
                if hit > 0.0 {
                    loss -= p.ln();
                }
            }
        }
        (loss, gradient)
    }

    #[test]
    fn losses_and_gradient_are_those_of_the_definition() {
        for (rows, classes) in [
            (1, 1),
            (131, 2),
            (3, 7),
            (65, FEW),
            (65, FEW + 1),
            (150, 33),
            (67, 167),
        ] {
            let logits: Vec<f32> = noise(1, rows * classes).iter().map(|x| x * 8.0).collect();
            let targets: Vec<i32> = (0..rows)
                .map(|row| {
                    if row % 5 == 3 {
                        -1
                    } else {
                        (row * 7 % classes) as i32
                    }
                })
                .collect();
            let (loss, gradient) = reference(&logits, classes, &targets);
            for level in InstructionSet::available() {
                let losses = forward_at(level, &logits, classes, &targets);
                assert!((losses.sums(1)[0] - loss).abs() <= 1e-6 * loss.max(1.0));
                let mut found = vec![f32::NAN; logits.len()];
                backward(&logits, classes, &targets, &losses, &[0.25], &mut found);
                let expected: Vec<f64> = gradient.iter().map(|g| g * 0.25).collect();
                close(&found, &expected, 1e-6, "gradient");
            }
        }
    }

    #[test]
    fn gradient_is_the_slope_of_the_loss() {
        let (classes, targets) = (9, [4, -1, 0]);
        let logits = noise(2, 3 * classes);
        let losses = forward(&logits, classes, &targets);
        let mut gradient = vec![0.0; logits.len()];
        backward(&logits, classes, &targets, &losses, &[1.0], &mut gradient);
        for i in 0..logits.len() {
            let at = |step: f32| {
                let mut moved = logits.clone();
                moved[i] += step;
                forward(&moved, classes, &targets).sums(1)[0]
            };
            let slope = (at(0.02) - at(-0.02)) / 0.04;
            assert!((slope - f64::from(gradient[i])).abs() < 1e-4, "logit {i}");
        }
    }

    #[test]
    fn a_logit_that_is_not_a_number_makes_the_loss_none() {
        for classes in [2, FEW, FEW + 1] {
            let mut logits = vec![0.0; classes];
            logits[1] = f32::NAN;
            assert!(forward(&logits, classes, &[0]).rows[0].is_nan());
        }
    }

    #[test]
    fn huge_logits_and_rows_without_target_stay_finite() {
        let logits = [1e30, -1e30, 0.0, f32::NAN, f32::NAN, f32::NAN];
        let losses = forward(&logits, 3, &[0, -7]);
        assert_eq!(losses.rows, [0.0, 0.0]);
        let mut gradient = [1.0; 6];
        backward(&logits, 3, &[0, -7], &losses, &[1.0], &mut gradient);
        assert!(gradient.iter().all(|g| g.abs() < 1e-6));
    }
}
