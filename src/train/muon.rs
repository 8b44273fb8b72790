/*! Which weights step by [Muon](crate::kernels::muon), and its direction as tensors, for a GPU. */

use burn::prelude::*;

use crate::kernels::muon::{COEFFICIENTS, ITERATIONS, LEAST, SIZE};

/// Parts of the names of parameters that step by AdamW: biases, what is looked up, what makes the logits (Jordan et al. 2024),
/// and recurrent layers, where one matrix holds several gates.
const OTHERS: [&str; 8] = [
    "bias",
    "embedding",
    "table",
    "colors",
    "classes",
    "logits",
    "input",
    "recurrent",
];

/// The number, rows and columns of the matrices in a parameter, if they lead from one hidden layer to the next.
pub(crate) fn hidden_matrices(name: &str, shape: &[usize]) -> Option<[usize; 3]> {
    let [before @ .., rows, columns] = shape else {
        return None;
    };
    let other = OTHERS.iter().any(|other| name.contains(other));
    (!other).then(|| [before.iter().product(), *rows, *columns])
}

/// The change of all weights, `[parameters]`, with that of hidden matrices replaced by Muon's.
///
/// * `change`: AdamW's.
/// * `momentum`: the averages of the gradients, as long as `change`.
/// * `parameters`: for each parameter in turn its length and its matrices.
pub(super) fn replace(
    change: &Tensor<1>,
    momentum: &Tensor<1>,
    parameters: impl Iterator<Item = (usize, Option<[usize; 3]>)>,
    learning_rate: f64,
) -> Tensor<1> {
    let mut begin = 0;
    let parts = parameters.map(|(length, matrices)| {
        let part = |all: &Tensor<1>| all.clone().narrow(0, begin, length);
        let part = match matrices {
            None => part(change),
            Some(sides) => {
                let direction = direction(part(momentum).reshape(sides));
                direction.reshape([length]) * (learning_rate * f64::from(SIZE))
            }
        };
        begin += length;
        part
    });
    Tensor::cat(parts.collect(), 0)
}

/// As [`crate::kernels::muon::direction`] for matrices `[count, rows, columns]`, in the published form, which needs less
/// precision.
fn direction(matrices: Tensor<3>) -> Tensor<3> {
    let [_, rows, columns] = matrices.dims();
    let turned = |x: Tensor<3>| if rows > columns { x.swap_dims(1, 2) } else { x };
    let mut x = turned(matrices);
    let squares = (x.clone() * x.clone()).sum_dim(2).sum_dim(1);
    x = x / squares.clamp_min(LEAST).sqrt();
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..ITERATIONS {
        let gram = x.clone().matmul(x.clone().swap_dims(1, 2));
        let polynomial = gram.clone() * b + gram.clone().matmul(gram) * c;
        x = x.clone() * a + polynomial.matmul(x);
    }
    turned(x) * (rows.max(columns) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_matrices_are_known_by_their_names_and_shapes() {
        let of = |name, shape: &[usize]| hidden_matrices(name, shape);
        assert_eq!(of("conv", &[20, 64, 32]), Some([20, 64, 32]));
        assert_eq!(of("encoder.first.weight", &[784, 200]), Some([1, 784, 200]));
        assert_eq!(of("conv_bias", &[20, 64]), None);
        assert_eq!(of("decoder.core.embedding", &[68, 32]), None);
        assert_eq!(of("layers.0.recurrent", &[256, 768]), None);
        assert_eq!(of("head_scale", &[5]), None);
    }
}
