/*!
A few rows times a constant matrix, one fused chain per output.

The weights are in panels of up to 96 outputs (six [`Block`]s), each panel input after input, so that one pass reads memory
in order. Several rows of inputs share a pass, which loads the weights once.
*/

use std::ops::Range;

use crate::base::simd::InstructionSet;
use crate::kernels::registers::{F32Registers, F32Work, with_f32};
use crate::kernels::step::blocks::{Block, Rows, View, panels};

/// A constant matrix with its bias, `[inputs, outputs]`, packed in panels.
#[derive(Debug)]
pub(crate) struct Matrix {
    inputs: usize,
    weights: Vec<Block>,
    bias: Vec<Block>,
}

impl Matrix {
    /// Packs row-major `weights`, `[inputs, bias.len()]`; block i of the outputs holds the columns `columns[i]`.
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
    pub fn multiply(
        &self,
        registers: impl F32Registers,
        rows: usize,
        input: View<'_, Block>,
        start: View<'_, Block>,
        output: &mut Rows<Block>,
    ) {
        registers.call(Product::<false> {
            matrix: self,
            rows,
            input,
            start,
            output,
        });
    }

    /// Adds bias + input · weights to the first `rows` rows.
    #[inline(always)]
    pub fn add(
        &self,
        registers: impl F32Registers,
        rows: usize,
        input: View<'_, Block>,
        output: &mut Rows<Block>,
    ) {
        registers.call(Product::<true> {
            matrix: self,
            rows,
            input,
            start: self.bias(),
            output,
        });
    }

    /// Bias + input · weights for one row.
    ///
    /// # Panics
    /// If `input` does not have one value per input of the matrix.
    pub fn apply(&self, level: InstructionSet, input: &[f32]) -> Vec<Block> {
        assert_eq!(input.len(), self.inputs, "one value per input");
        let mut row = Rows::zeros(1, input.len());
        row.floats_mut(0)[..input.len()].copy_from_slice(input);
        let mut output = Rows::repeated(1, &self.bias);
        let product = Product::<false> {
            matrix: self,
            rows: 1,
            input: row.view(0),
            start: self.bias(),
            output: &mut output,
        };
        with_f32(level, product);
        output.blocks(0).to_vec()
    }
}

/// start + input · weights, written to or, with `ADD`, added to the output.
struct Product<'a, const ADD: bool> {
    matrix: &'a Matrix,
    rows: usize,
    input: View<'a, Block>,
    start: View<'a, Block>,
    output: &'a mut Rows<Block>,
}

impl<const ADD: bool> F32Work for Product<'_, ADD> {
    #[inline(always)]
    fn run<R: F32Registers>(mut self, registers: R) {
        let (mut weights, mut first) = (self.matrix.weights.as_slice(), 0);
        for width in panels(self.matrix.bias.len()) {
            let panel;
            (panel, weights) = weights.split_at(width * self.matrix.inputs);
            match width {
                1 => self.panel::<R, 1>(registers, panel, first),
                2 => self.panel::<R, 2>(registers, panel, first),
                3 => self.panel::<R, 3>(registers, panel, first),
                4 => self.panel::<R, 4>(registers, panel, first),
                5 => self.panel::<R, 5>(registers, panel, first),
                _ => self.panel::<R, 6>(registers, panel, first),
            }
            first += width;
        }
    }
}

impl<const ADD: bool> Product<'_, ADD> {
    /// All rows through the panel of `BLOCKS` blocks that begins with block `first`.
    #[inline(always)]
    fn panel<R: F32Registers, const BLOCKS: usize>(
        &mut self,
        registers: R,
        panel: &[Block],
        first: usize,
    ) {
        let weights = &panel.as_chunks::<BLOCKS>().0[..self.matrix.inputs];
        let mut row = 0;
        while R::ROWS == 4 && row + 4 <= self.rows {
            self.tile::<R, 4, BLOCKS>(registers, weights, first, row);
            row += 4;
        }
        while row < self.rows {
            self.tile::<R, 1, BLOCKS>(registers, weights, first, row);
            row += 1;
        }
    }

    /// `ROWS` rows through a panel, the sums in registers.
    #[inline(always)]
    fn tile<R: F32Registers, const ROWS: usize, const BLOCKS: usize>(
        &mut self,
        registers: R,
        weights: &[[Block; BLOCKS]],
        first: usize,
        row: usize,
    ) {
        let mut inputs: [&[f32]; ROWS] = [&[]; ROWS];
        let mut sums = [[registers.load_block(&Block::ZERO); BLOCKS]; ROWS];
        for r in 0..ROWS {
            inputs[r] = &self.input.floats(row + r)[..weights.len()];
            let start = &self.start.blocks(row + r)[first..][..BLOCKS];
            for b in 0..BLOCKS {
                sums[r][b] = registers.load_block(&start[b]);
            }
        }
        for (i, weights) in weights.iter().enumerate() {
            for r in 0..ROWS {
                let x = inputs[r][i];
                for b in 0..BLOCKS {
                    sums[r][b] = registers.mul_add_block(sums[r][b], &weights[b], x);
                }
            }
        }
        for r in 0..ROWS {
            let output = &mut self.output.blocks_mut(row + r)[first..][..BLOCKS];
            for b in 0..BLOCKS {
                if ADD {
                    registers.add_block(sums[r][b], &mut output[b]);
                } else {
                    registers.store_block(sums[r][b], &mut output[b]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::base::simd::InstructionSet;
    use crate::kernels::step::blocks::columns;

    fn multiply(level: InstructionSet, matrix: &Matrix, x: &Rows<Block>, y: &mut Rows<Block>) {
        let product = Product::<false> {
            matrix,
            rows: x.len(),
            input: x.view(0),
            start: matrix.bias(),
            output: y,
        };
        with_f32(level, product);
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
            for level in InstructionSet::available() {
                let mut y = Rows::zeros(rows, outputs);
                multiply(level, &matrix, &x, &mut y);
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
