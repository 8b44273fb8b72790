/*!
Matrices packed for one job: multiply a few vectors by a constant matrix, one fused chain per output.

Weights lie in panels of up to 96 outputs (six [`Block`]s), each panel input after input, so that one pass reads
memory straight on. Several rows of inputs share a pass: the weights are loaded once for all of them.
*/

use std::ops::Range;

use super::blocks::{Block, Rows, View, panels};
use super::vector::{Fma, dispatch};
use crate::simd::Level;

/// A constant matrix with its bias, `[inputs, outputs]`, packed in panels.
#[derive(Debug)]
pub(super) struct Matrix {
    inputs: usize,
    weights: Vec<Block>,
    bias: Vec<Block>,
}

impl Matrix {
    /// Packs row-major `weights`, `[inputs, bias.len()]`, with the given columns in each block of outputs.
    pub fn pack(inputs: usize, weights: &[f32], bias: &[f32], columns: &[Range<usize>]) -> Self {
        let mut packed = Vec::with_capacity(inputs * columns.len());
        let mut rest = columns;
        for width in panels(columns.len()) {
            let panel;
            (panel, rest) = rest.split_at(width);
            for row in weights.chunks_exact(bias.len()) {
                packed.extend(panel.iter().map(|c| Block::from_slice(&row[c.clone()])));
            }
        }
        Self {
            inputs,
            weights: packed,
            bias: columns
                .iter()
                .map(|c| Block::from_slice(&bias[c.clone()]))
                .collect(),
        }
    }

    /// Blocks of outputs.
    pub fn blocks(&self) -> usize {
        self.bias.len()
    }

    /// The bias, for every row.
    pub fn bias(&self) -> View<'_, Block> {
        View::same(&self.bias)
    }

    /// Writes start + input · weights for the first `rows` rows.
    #[inline(always)]
    pub fn multiply<F: Fma>(
        &self,
        fma: F,
        rows: usize,
        input: View<'_, Block>,
        start: View<'_, Block>,
        output: &mut Rows<Block>,
    ) {
        let (mut weights, mut first) = (self.weights.as_slice(), 0);
        for width in panels(self.bias.len()) {
            let panel;
            (panel, weights) = weights.split_at(width * self.inputs);
            let run = Panel {
                weights: panel,
                inputs: self.inputs,
                first,
            };
            match width {
                1 => run.multiply::<F, 1>(fma, rows, input, start, output),
                2 => run.multiply::<F, 2>(fma, rows, input, start, output),
                3 => run.multiply::<F, 3>(fma, rows, input, start, output),
                4 => run.multiply::<F, 4>(fma, rows, input, start, output),
                5 => run.multiply::<F, 5>(fma, rows, input, start, output),
                _ => run.multiply::<F, 6>(fma, rows, input, start, output),
            }
            first += width;
        }
    }

    /// Bias + input · weights for one row.
    ///
    /// # Panics
    /// If `input` has not one value per input of the matrix.
    pub fn apply(&self, level: Level, input: &[f32]) -> Vec<Block> {
        assert_eq!(input.len(), self.inputs, "one value per input");
        let mut row = Rows::zeros(1, input.len());
        row.floats_mut(0)[..input.len()].copy_from_slice(input);
        let mut output = Rows::repeated(1, &self.bias);
        multiply(level, self, row.view(0), &mut output);
        output.blocks(0).to_vec()
    }
}

dispatch! {
    fn multiply(matrix: &Matrix, input: View<'_, Block>, output: &mut Rows<Block>) = multiply_all
    for Avx512 at Avx512 with "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma",
        Avx2 at Avx2 with "avx2,fma",
}

/// Bias + input · weights for every row.
#[inline(always)]
fn multiply_all<F: Fma>(fma: F, matrix: &Matrix, input: View<'_, Block>, output: &mut Rows<Block>) {
    matrix.multiply(fma, output.len(), input, matrix.bias(), output);
}

/// Some blocks of outputs, from block `first` on, with all their weights.
struct Panel<'a> {
    weights: &'a [Block],
    inputs: usize,
    first: usize,
}

impl Panel<'_> {
    /// All rows through a panel of `BLOCKS` blocks.
    #[inline(always)]
    fn multiply<F: Fma, const BLOCKS: usize>(
        &self,
        fma: F,
        rows: usize,
        input: View<'_, Block>,
        start: View<'_, Block>,
        output: &mut Rows<Block>,
    ) {
        let mut row = 0;
        while F::ROWS == 4 && row + 4 <= rows {
            self.tile::<F, 4, BLOCKS>(fma, row, input, start, output);
            row += 4;
        }
        while row < rows {
            self.tile::<F, 1, BLOCKS>(fma, row, input, start, output);
            row += 1;
        }
    }

    /// `ROWS` rows through one panel of `BLOCKS` blocks, the sums in registers.
    #[inline(always)]
    fn tile<F: Fma, const ROWS: usize, const BLOCKS: usize>(
        &self,
        fma: F,
        row: usize,
        input: View<'_, Block>,
        start: View<'_, Block>,
        output: &mut Rows<Block>,
    ) {
        let mut inputs: [&[f32]; ROWS] = [&[]; ROWS];
        let mut sums = [[fma.load(&Block::ZERO); BLOCKS]; ROWS];
        for r in 0..ROWS {
            inputs[r] = &input.floats(row + r)[..self.inputs];
            let start = &start.blocks(row + r)[self.first..][..BLOCKS];
            for b in 0..BLOCKS {
                sums[r][b] = fma.load(&start[b]);
            }
        }
        let weights = &self.weights.as_chunks::<BLOCKS>().0[..self.inputs];
        for (i, weights) in weights.iter().enumerate() {
            for r in 0..ROWS {
                let x = inputs[r][i];
                for b in 0..BLOCKS {
                    sums[r][b] = fma.mul_add(sums[r][b], &weights[b], x);
                }
            }
        }
        for r in 0..ROWS {
            let output = &mut output.blocks_mut(row + r)[self.first..][..BLOCKS];
            for b in 0..BLOCKS {
                output[b] = fma.store(sums[r][b]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::columns;
    use super::super::weights::tests::Lcg;
    use super::*;
    use crate::simd::Level;

    #[test]
    fn every_output_is_one_chain_in_index_order() {
        let mut random = Lcg(3);
        for (inputs, outputs, rows) in
            [(1, 1, 1), (7, 33, 3), (20, 64, 4), (5, 130, 9), (16, 96, 7)]
        {
            let weights = random.values(inputs * outputs, 1.0);
            let bias = random.values(outputs, 1.0);
            let matrix = Matrix::pack(
                inputs,
                &weights,
                &bias,
                &columns(0..outputs).collect::<Vec<_>>(),
            );
            let mut x = Rows::zeros(rows, inputs);
            for r in 0..rows {
                x.floats_mut(r)[..inputs].copy_from_slice(&random.values(inputs, 1.0));
            }
            for level in Level::available() {
                let mut y = Rows::zeros(rows, outputs);
                multiply(level, &matrix, x.view(0), &mut y);
                for r in 0..rows {
                    for o in 0..outputs {
                        let chain = (0..inputs).fold(bias[o], |sum, i| {
                            weights[i * outputs + o].mul_add(x.view(r).floats(0)[i], sum)
                        });
                        assert_eq!(
                            y.view(r).floats(0)[o].to_bits(),
                            chain.to_bits(),
                            "{level:?} {r} {o}"
                        );
                    }
                }
            }
        }
    }
}
