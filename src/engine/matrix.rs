/*!
Matrices packed for one job: multiply a few vectors by a constant matrix, one fused chain per output.

Weights lie in panels of 64 outputs (four [`Block`]s; the last panel may be narrower), each panel input after
input, so that one pass reads memory straight on. Several rows of inputs share a pass: the weights are loaded
once for all of them.
*/

use std::ops::Range;

use super::blocks::{Block, Rows, Sink, View};
use crate::simd::multiversion;

/// A constant matrix with its bias, `[inputs, outputs]`, packed in panels.
#[derive(Debug)]
pub(super) struct Matrix {
    inputs: usize,
    weights: Vec<Block>,
    bias: Vec<Block>,
}

impl Matrix {
    /// Blocks of outputs in a full panel: four accumulators hide the latency of a fused multiply-add.
    const PANEL: usize = 4;

    /// Packs row-major `weights`, `[inputs, bias.len()]`, with the given columns in each block of outputs.
    pub fn pack(inputs: usize, weights: &[f32], bias: &[f32], columns: &[Range<usize>]) -> Self {
        let mut packed = Vec::with_capacity(inputs * columns.len());
        for panel in columns.chunks(Self::PANEL) {
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
    #[inline(always)]
    pub fn bias(&self) -> View<'_, Block> {
        View::same(&self.bias)
    }

    /// Gives `sink` every block of start + input · weights, for the first `rows` rows. `wide` chooses how many rows
    /// go together, not what comes out.
    #[inline(always)]
    pub fn multiply(
        &self,
        wide: bool,
        rows: usize,
        input: View<'_, Block>,
        start: View<'_, Block>,
        sink: &mut impl Sink<Block>,
    ) {
        let mut weights = self.weights.as_slice();
        for first in (0..self.bias.len()).step_by(Self::PANEL) {
            let width = Self::PANEL.min(self.bias.len() - first);
            let panel;
            (panel, weights) = weights.split_at(width * self.inputs);
            let mut row = 0;
            if width == Self::PANEL {
                while wide && row + 4 <= rows {
                    self.tile::<4, 4>(panel, first, row, input, start, sink);
                    row += 4;
                }
                while row < rows {
                    self.tile::<1, 4>(panel, first, row, input, start, sink);
                    row += 1;
                }
            }
            while row < rows {
                match width {
                    1 => self.tile::<1, 1>(panel, first, row, input, start, sink),
                    2 => self.tile::<1, 2>(panel, first, row, input, start, sink),
                    _ => self.tile::<1, 3>(panel, first, row, input, start, sink),
                }
                row += 1;
            }
        }
    }

    /// `ROWS` rows through one panel of `BLOCKS` blocks, the sums in registers.
    #[inline(always)]
    fn tile<const ROWS: usize, const BLOCKS: usize>(
        &self,
        panel: &[Block],
        first: usize,
        row: usize,
        input: View<'_, Block>,
        start: View<'_, Block>,
        sink: &mut impl Sink<Block>,
    ) {
        let mut inputs: [&[f32]; ROWS] = [&[]; ROWS];
        let mut sums = [[Block::ZERO; BLOCKS]; ROWS];
        for r in 0..ROWS {
            inputs[r] = &input.floats(row + r)[..self.inputs];
            let start = &start.blocks(row + r)[first..][..BLOCKS];
            for b in 0..BLOCKS {
                sums[r][b] = start[b];
            }
        }
        for (i, weights) in panel.as_chunks::<BLOCKS>().0[..self.inputs]
            .iter()
            .enumerate()
        {
            for r in 0..ROWS {
                let x = inputs[r][i];
                for b in 0..BLOCKS {
                    sums[r][b] = sums[r][b].mul_add(&weights[b], x);
                }
            }
        }
        for r in 0..ROWS {
            for b in 0..BLOCKS {
                sink.put(row + r, first + b, sums[r][b]);
            }
        }
    }
}

multiversion! {
    /// `sums = input · matrix + bias`: one row.
    ///
    /// # Panics
    /// If `input` has not one value per input of the matrix.
    pub(super) fn linear(matrix: &Matrix, input: &[f32], sums: &mut [Block]) {
        assert_eq!(input.len(), matrix.inputs, "the length of the vector, here of the condition");
        let mut row = Rows::zeros(1, input.len());
        row.floats_mut(0)[..input.len()].copy_from_slice(input);
        let mut product = Rows::repeated(1, &matrix.bias);
        matrix.multiply(false, 1, row.view(0), matrix.bias(), &mut product);
        sums.copy_from_slice(product.blocks(0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::columns;
    use super::super::weights::tests::Lcg;
    use super::*;
    use crate::simd::Level;

    multiversion! {
        fn product(matrix: &Matrix, wide: bool, rows: usize, x: &Rows<Block>, y: &mut Rows<Block>) {
            matrix.multiply(wide, rows, x.view(0), matrix.bias(), y);
        }
    }

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
                for wide in [false, true] {
                    let mut y = Rows::zeros(rows, outputs);
                    product(level, &matrix, wide, rows, &x, &mut y);
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
}
