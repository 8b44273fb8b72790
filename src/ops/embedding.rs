/*! Rows of a table, looked up and summed. */

use burn::prelude::*;

use super::fused::{self, FusedOp};
use super::kernels::buffer::unwritten;
use super::kernels::embedding as kernel;

/// Row i of the result is the sum over all `sources` of the table's row `source[i]`.
///
/// * `table`: `[entries, width]`; each source: `[rows]`.
/// * gives `[rows, width]`.
///
/// # Panics
/// If there is no source.
pub fn embedding(table: Tensor<2>, sources: Vec<Tensor<1, Int>>) -> Tensor<2> {
    let [_, width] = table.dims();
    match fused::input(&table) {
        Some(input) => {
            let sources = sources.into_iter().map(numbers).collect();
            fused::apply(Embedding { width, sources }, [input])
        }
        None => composed(table, sources),
    }
}

/// The same, of burn's own operations.
pub(crate) fn composed(table: Tensor<2>, sources: Vec<Tensor<1, Int>>) -> Tensor<2> {
    let looked_up = sources
        .into_iter()
        .map(|source| table.clone().select(0, source));
    looked_up
        .reduce(|sum, rows| sum + rows)
        .expect("a source to look up")
}

fn numbers(source: Tensor<1, Int>) -> Vec<i32> {
    source.into_data().iter::<i32>().collect()
}

#[derive(Debug)]
struct Embedding {
    width: usize,
    sources: Vec<Vec<i32>>,
}

impl FusedOp<1> for Embedding {
    type Saved = ();

    fn shape(&self) -> Vec<usize> {
        vec![self.sources[0].len(), self.width]
    }

    fn forward(&self, [table]: [&[f32]; 1], _train: bool) -> (Vec<f32>, Option<()>) {
        let lookups: Vec<_> = self
            .sources
            .iter()
            .map(|tokens| kernel::Lookup { table, tokens })
            .collect();
        let mut output = unwritten(self.sources[0].len() * self.width);
        kernel::forward(&lookups, self.width, &mut output);
        (output, Some(()))
    }

    fn backward(
        &self,
        [table]: [&[f32]; 1],
        (): (),
        gradient: &[f32],
        _wanted: [bool; 1],
    ) -> [Vec<f32>; 1] {
        let mut result = vec![0.0; table.len()];
        for tokens in &self.sources {
            kernel::backward(tokens, self.width, gradient, &mut result);
        }
        [result]
    }
}
