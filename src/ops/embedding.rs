/*! Embedding: rows of a table, looked up and summed. */

use burn::prelude::*;
use burn::tensor::IndexingUpdateOp;

use crate::kernels::buffer::unwritten;
use crate::kernels::embedding as kernel;
use crate::ops::composed;
use crate::ops::composed::ComposedOp;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;

/// Row i of the result is the sum over all `sources` of the table's row `source[i]`.
///
/// * `table`: `[entries, width]`; each source: `[rows]`.
/// * returns `[rows, width]`.
///
/// # Panics
/// If there is no source.
pub fn embedding(table: Tensor<2>, sources: Vec<Tensor<1, Int>>) -> Tensor<2> {
    if !has_kernels(&table.device()) {
        return composed::apply(Lookup { sources }, [table]);
    }
    let [_, width] = table.dims();
    let sources = sources.into_iter().map(indices).collect();
    fused::apply(Embedding { width, sources }, [fused::input(&table)])
}

fn indices(source: Tensor<1, Int>) -> Vec<i32> {
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

/// The composed form.
#[derive(Debug)]
struct Lookup {
    sources: Vec<Tensor<1, Int>>,
}

/// Elements of the largest one-hot matrix that is multiplied to get a table's gradient.
const MAX_ONE_HOT: usize = 1 << 24;

impl ComposedOp<1> for Lookup {
    /// The number of the table's rows.
    type Saved = usize;

    fn forward(&self, [table]: [Tensor<2>; 1], _train: bool) -> (Tensor<2>, Option<usize>) {
        let [entries, _] = table.dims();
        let looked_up = self
            .sources
            .iter()
            .map(|source| table.clone().select(0, source.clone().inner()));
        let sum = looked_up.reduce(|sum, rows| sum + rows);
        (sum.expect("a source to look up"), Some(entries))
    }

    fn backward(
        &self,
        entries: usize,
        gradient: Tensor<2>,
        _wanted: [bool; 1],
    ) -> [Option<Tensor<2>>; 1] {
        let [rows, width] = gradient.dims();
        let device = gradient.device();
        let of_source = |source: &Tensor<1, Int>| {
            let source = source.clone().inner();
            if rows * entries > MAX_ONE_HOT {
                let zeros = Tensor::zeros([entries, width], &device);
                return zeros.select_assign(0, source, gradient.clone(), IndexingUpdateOp::Add);
            }
            // On a GPU a product with the one-hot matrix is faster than adding rows one by one.
            let entry = Tensor::<1, Int>::arange(0..entries as i64, &device);
            let one_hot = source.reshape([1, rows]).equal(entry.reshape([entries, 1]));
            one_hot.float().matmul(gradient.clone())
        };
        [self
            .sources
            .iter()
            .map(of_source)
            .reduce(|sum, of| sum + of)]
    }
}
