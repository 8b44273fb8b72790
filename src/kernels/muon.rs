/*!
The direction of a step of Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"): the average of
the gradient of a weight matrix, with all its singular values made nearly equal.
*/

use crate::base::simd::InstructionSet;
use crate::kernels::buffer::LINE;
use crate::kernels::matmul::{Start, View, multiply, outer};

/// The coefficients of X ← aX + b(XXᵀ)X + c(XXᵀ)²X, which Jordan et al. found: singular values of about .01 to 1 become .7 to
/// 1.2 in [`ITERATIONS`].
pub const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
/// How often the iteration is applied.
pub const ITERATIONS: usize = 5;
/// The root mean square of the elements of a step, in learning rates: about that of AdamW, so that both have the same learning
/// rate (Liu et al. 2025, "Muon is scalable for LLM training", §2.2).
pub const SIZE: f32 = 0.2;
/// The least sum of squares that a matrix is divided by.
pub const LEAST: f32 = 1e-30;
/// Rows of a product at once.
const BLOCK: usize = 128;
/// Rows of a symmetric product at once: whole tiles, and few of their products below the diagonal.
const STRIP: usize = 66;

/// The matrix `[rows, columns]` with its singular values made nearly equal, so that the root mean square of its elements is
/// about 1. A matrix of zeros stays as it is.
///
/// The iteration multiplies X by polynomials of XXᵀ alone. So it runs on this matrix, whose side is the shorter one of X, and X
/// is multiplied once by the product of the polynomials.
///
/// # Panics
/// If the slice is not a matrix of this size.
pub fn direction(level: InstructionSet, matrix: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    assert_eq!(matrix.len(), rows * columns, "the matrix");
    let side = rows.min(columns);
    // Polynomials of one symmetric matrix: their products are symmetric.
    let square = |left: &[f32], right: &[f32], out: &mut [f32]| {
        let (left, right) = (View::rows(left, side), View::rows(right, side));
        symmetric(out, side, |first, count, out| {
            let (left, right) = (left.from(first, 0), right.from(0, first));
            let columns = side - first;
            multiply(
                level,
                left,
                count,
                right,
                side,
                columns,
                out,
                side,
                Start::Zero,
            );
        });
    };
    let x = View::rows(matrix, columns);
    let zeros = vec![0.0; side * side];
    let [mut gram, mut polynomial, mut spare] = [zeros.clone(), zeros.clone(), zeros];
    symmetric(&mut gram, side, |first, count, out| {
        let wanted = side - first;
        if rows <= columns {
            let (left, right) = (x.from(first, 0), x.transposed().from(0, first));
            multiply(
                level,
                left,
                count,
                right,
                columns,
                wanted,
                out,
                side,
                Start::Zero,
            );
        } else {
            let part = x.from(0, first);
            outer(
                level,
                part,
                part,
                [rows, count, wanted],
                out,
                side,
                Start::Zero,
            );
        }
    });
    let squares: f32 = gram.iter().step_by(side + 1).sum();
    let scale = 1.0 / squares.max(LEAST);
    for g in &mut gram {
        *g *= scale;
    }
    let [a, b, c] = COEFFICIENTS;
    let mut factor = Vec::new();
    for iteration in 0..ITERATIONS {
        square(&gram, &gram, &mut polynomial);
        for (p, g) in polynomial.iter_mut().zip(&gram) {
            *p = b * g + c * *p;
        }
        polynomial
            .iter_mut()
            .step_by(side + 1)
            .for_each(|p| *p += a);
        if factor.is_empty() {
            factor.clone_from(&polynomial);
        } else {
            square(&polynomial, &factor, &mut spare);
            std::mem::swap(&mut factor, &mut spare);
        }
        if iteration + 1 < ITERATIONS {
            square(&polynomial, &gram, &mut spare);
            square(&spare, &polynomial, &mut gram);
        }
    }
    let scale = (scale * rows.max(columns) as f32).sqrt();
    for q in &mut factor {
        *q *= scale;
    }
    let q = View::rows(&factor, side);
    let mut out = vec![0.0; rows * columns];
    if rows <= columns {
        product(level, q, x, [rows, rows, columns], &mut out);
    } else {
        product(level, x, q, [rows, columns, columns], &mut out);
    }
    out
}

/// Fills a symmetric matrix. `fill(first, count, out)` writes `count` rows from the diagonal on, the first at `[first, first]`.
fn symmetric(matrix: &mut [f32], side: usize, fill: impl Fn(usize, usize, &mut [f32])) {
    for first in (0..side).step_by(STRIP) {
        fill(
            first,
            STRIP.min(side - first),
            &mut matrix[first * (side + 1)..],
        );
    }
    // In squares, so that the lines of the cache which a column crosses stay in it.
    for (top, left) in (0..side)
        .step_by(LINE)
        .flat_map(|top| (0..=top).step_by(LINE).map(move |left| (top, left)))
    {
        for row in top..side.min(top + LINE) {
            for column in left..row.min(left + LINE) {
                matrix[row * side + column] = matrix[column * side + row];
            }
        }
    }
}

/// `out = left · right` for `[rows, depth, columns]`.
fn product(
    level: InstructionSet,
    left: View,
    right: View,
    [rows, depth, columns]: [usize; 3],
    out: &mut [f32],
) {
    for (block, out) in out.chunks_mut(BLOCK * columns).enumerate() {
        let first = block * BLOCK;
        let count = BLOCK.min(rows - first);
        let left = left.from(first, 0);
        multiply(
            level,
            left,
            count,
            right,
            depth,
            columns,
            out,
            columns,
            Start::Zero,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise, wide};

    /// Wide, tall, square, one row, one column, beyond every block.
    const SIDES: [[usize; 2]; 6] = [[3, 40], [40, 3], [16, 16], [1, 9], [9, 1], [150, 300]];

    /// `a · b` for `[rows, depth, columns]`.
    fn times(a: &[f64], b: &[f64], [rows, depth, columns]: [usize; 3]) -> Vec<f64> {
        (0..rows * columns)
            .map(|i| {
                let (r, c) = (i / columns, i % columns);
                (0..depth)
                    .map(|k| a[r * depth + k] * b[k * columns + c])
                    .sum()
            })
            .collect()
    }

    fn transposed(x: &[f64], [rows, columns]: [usize; 2]) -> Vec<f64> {
        (0..rows * columns)
            .map(|i| x[i % rows * columns + i / rows])
            .collect()
    }

    #[test]
    fn it_is_the_iteration_as_it_is_published() {
        for [rows, columns] in SIDES {
            let matrix = noise(1, rows * columns);
            let mut x = wide(&matrix);
            let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            for x in &mut x {
                *x /= norm;
            }
            let [a, b, c] = COEFFICIENTS.map(f64::from);
            for _ in 0..ITERATIONS {
                let gram = times(&x, &transposed(&x, [rows, columns]), [rows, columns, rows]);
                let first = times(&gram, &x, [rows, rows, columns]);
                let second = times(&gram, &first, [rows, rows, columns]);
                for (x, (first, second)) in x.iter_mut().zip(first.iter().zip(second)) {
                    *x = a * *x + b * first + c * second;
                }
            }
            let size = (rows.max(columns) as f64).sqrt();
            let expected: Vec<f64> = x.iter().map(|x| x * size).collect();
            for level in InstructionSet::available() {
                let found = direction(level, &matrix, [rows, columns]);
                close(&found, &expected, 2e-3, "direction");
            }
        }
    }

    #[test]
    fn it_has_one_size_for_any_gradient_and_that_of_zeros_is_zero() {
        let level = InstructionSet::detect();
        for sides in SIDES {
            let matrix = noise(2, sides[0] * sides[1]);
            let found = direction(level, &matrix, sides);
            let squares: f32 = found.iter().map(|x| x * x).sum();
            let size = (squares / matrix.len() as f32).sqrt();
            assert!((0.65..1.25).contains(&size), "{sides:?}: {size}");
            for factor in [1e-9, 1e9] {
                let scaled: Vec<f32> = matrix.iter().map(|x| x * factor).collect();
                close(
                    &direction(level, &scaled, sides),
                    &wide(&found),
                    1e-3,
                    "scaled",
                );
            }
            let zeros = vec![0.0; matrix.len()];
            assert_eq!(direction(level, &zeros, sides), zeros);
        }
    }
}
