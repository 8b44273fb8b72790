/*!
Matrices of bytes: quantised once, multiplied by quantised activations, the sums exact integers.

Weights are signed bytes with one scale per output, activations unsigned bytes. As integer sums are exact, every
[`Dot`] gives the same bits whatever its order.
*/

use std::ops::Range;

use super::blocks::{Block, Bytes, Ints, Rows, View, panels};
use super::vector::{Dot, Weights};

/// What a signed activation is quantised to: 128 stands for zero, 1 and 255 for the ends of its range.
pub(super) const ZERO: u8 = 128;
/// Quantisation steps from zero to the end of a symmetric range.
pub(super) const STEPS: f32 = 127.0;

/// A constant matrix of bytes, packed in panels as [`Matrix`](super::matrix::Matrix) is.
#[derive(Debug)]
pub(super) struct IntMatrix {
    /// Inputs in fours.
    fours: usize,
    blocks: usize,
    weights: Vec<Weights>,
}

/// Row-major weights, `[inputs, outputs]`, and the size of one step of each output's weights.
#[derive(Debug)]
pub(super) struct Quantised {
    values: Vec<i8>,
    pub scales: Vec<f32>,
}

impl Quantised {
    /// Rounds row-major `weights`, `[inputs, outputs]`, so that each output's largest becomes ±127.
    pub fn new(weights: &[f32], outputs: usize) -> Self {
        let mut largest = vec![0.0_f32; outputs];
        for row in weights.chunks_exact(outputs) {
            largest
                .iter_mut()
                .zip(row)
                .for_each(|(l, w)| *l = l.max(w.abs()));
        }
        let scales: Vec<f32> = largest
            .iter()
            .map(|l| l.max(f32::MIN_POSITIVE * STEPS) / STEPS)
            .collect();
        let rows = weights.chunks_exact(outputs);
        let quantise = |row: &[f32]| -> Vec<i8> {
            row.iter()
                .zip(&scales)
                .map(|(w, scale)| (w / scale).round() as i8)
                .collect()
        };
        Self {
            values: rows.flat_map(quantise).collect(),
            scales,
        }
    }

    /// Packs the rows `inputs` with the given columns in each block of outputs.
    pub fn pack(&self, inputs: Range<usize>, columns: &[Range<usize>]) -> IntMatrix {
        let outputs = self.scales.len();
        let rows = &self.values[inputs.start * outputs..inputs.end * outputs];
        let fours = inputs.len().div_ceil(Weights::INPUTS);
        let mut weights = Vec::with_capacity(fours * columns.len());
        let mut rest = columns;
        for width in panels(columns.len()) {
            let panel;
            (panel, rest) = rest.split_at(width);
            for four in rows.chunks(Weights::INPUTS * outputs) {
                for block in panel {
                    let mut packed = Weights::ZERO;
                    for (i, row) in four.chunks_exact(outputs).enumerate() {
                        for (o, &weight) in row[block.clone()].iter().enumerate() {
                            packed.0[o * Weights::INPUTS + i] = weight;
                        }
                    }
                    weights.push(packed);
                }
            }
        }
        IntMatrix {
            fours,
            blocks: columns.len(),
            weights,
        }
    }

    /// Where sums over signed activations begin, so that [`ZERO`] adds nothing: -128 times the sum of each output's
    /// weights.
    pub fn start(&self, columns: &[Range<usize>]) -> Vec<Ints> {
        let outputs = self.scales.len();
        let sum = |column: usize| -> i32 {
            let weights = self.values.iter().skip(column).step_by(outputs);
            weights.map(|&w| i32::from(w)).sum()
        };
        let block = |columns: &Range<usize>| {
            let mut start = [0; Block::WIDTH];
            for (start, column) in start.iter_mut().zip(columns.clone()) {
                *start = -i32::from(ZERO) * sum(column);
            }
            Ints(start)
        };
        columns.iter().map(block).collect()
    }
}

impl IntMatrix {
    /// The most inputs whose sum of products fits 32 bits with room for the start.
    pub const MAX_INPUTS: usize = 1 << 15;

    /// Writes start + input · weights for the first `rows` rows.
    #[inline(always)]
    pub fn multiply<D: Dot>(
        &self,
        dot: D,
        rows: usize,
        input: View<'_, Bytes>,
        start: View<'_, Ints>,
        output: &mut Rows<Ints>,
    ) {
        let (mut weights, mut first) = (self.weights.as_slice(), 0);
        for width in panels(self.blocks) {
            let panel;
            (panel, weights) = weights.split_at(width * self.fours);
            let run = Panel {
                weights: panel,
                fours: self.fours,
                first,
            };
            match width {
                1 => run.multiply::<D, 1>(dot, rows, input, start, output),
                2 => run.multiply::<D, 2>(dot, rows, input, start, output),
                3 => run.multiply::<D, 3>(dot, rows, input, start, output),
                4 => run.multiply::<D, 4>(dot, rows, input, start, output),
                5 => run.multiply::<D, 5>(dot, rows, input, start, output),
                _ => run.multiply::<D, 6>(dot, rows, input, start, output),
            }
            first += width;
        }
    }
}

/// Some blocks of outputs, from block `first` on, with all their weights.
struct Panel<'a> {
    weights: &'a [Weights],
    fours: usize,
    first: usize,
}

impl Panel<'_> {
    /// All rows through a panel of `BLOCKS` blocks.
    #[inline(always)]
    fn multiply<D: Dot, const BLOCKS: usize>(
        &self,
        dot: D,
        rows: usize,
        input: View<'_, Bytes>,
        start: View<'_, Ints>,
        output: &mut Rows<Ints>,
    ) {
        let mut row = 0;
        while D::ROWS == 4 && row + 4 <= rows {
            self.tile::<D, 4, BLOCKS>(dot, row, input, start, output);
            row += 4;
        }
        while row < rows {
            self.tile::<D, 1, BLOCKS>(dot, row, input, start, output);
            row += 1;
        }
    }

    /// `ROWS` rows through one panel of `BLOCKS` blocks, the sums in registers.
    #[inline(always)]
    fn tile<D: Dot, const ROWS: usize, const BLOCKS: usize>(
        &self,
        dot: D,
        row: usize,
        input: View<'_, Bytes>,
        start: View<'_, Ints>,
        output: &mut Rows<Ints>,
    ) {
        let mut inputs: [&[[u8; 4]]; ROWS] = [&[]; ROWS];
        let mut sums = [[dot.load(&Ints::ZERO); BLOCKS]; ROWS];
        for r in 0..ROWS {
            inputs[r] = &input.bytes(row + r).as_chunks::<4>().0[..self.fours];
            let start = &start.blocks(row + r)[self.first..][..BLOCKS];
            for b in 0..BLOCKS {
                sums[r][b] = dot.load(&start[b]);
            }
        }
        for (i, weights) in self.weights.as_chunks::<BLOCKS>().0[..self.fours]
            .iter()
            .enumerate()
        {
            for r in 0..ROWS {
                for b in 0..BLOCKS {
                    sums[r][b] = dot.dot(sums[r][b], &weights[b], inputs[r][i]);
                }
            }
        }
        for r in 0..ROWS {
            let output = &mut output.blocks_mut(row + r)[self.first..][..BLOCKS];
            for b in 0..BLOCKS {
                output[b] = dot.store(sums[r][b]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::columns;
    use super::super::vector::{Avx2, Scalar, Vnni256, Vnni512};
    use super::super::weights::tests::Lcg;
    use super::*;

    /// `input · weights` with one way of multiplying.
    fn product<D: Dot>(
        dot: D,
        matrix: &IntMatrix,
        start: &[Ints],
        rows: &Rows<Bytes>,
        n: usize,
    ) -> Vec<Ints> {
        let mut sums = Rows::filled(n, start.len(), Ints::ZERO);
        matrix.multiply(dot, n, rows.view(0), View::same(start), &mut sums);
        sums.view(0).blocks(0).to_vec()
    }

    #[test]
    fn every_way_of_multiplying_gives_the_same_integers() {
        let mut random = Lcg(3);
        for (inputs, outputs, rows) in
            [(1, 1, 1), (7, 33, 3), (20, 64, 4), (5, 130, 9), (64, 96, 7)]
        {
            let quantised = Quantised::new(&random.values(inputs * outputs, 1.0), outputs);
            let columns: Vec<_> = columns(0..outputs).collect();
            let matrix = quantised.pack(0..inputs, &columns);
            let start = quantised.start(&columns);
            let mut bytes = Rows::filled(rows, Bytes::count(inputs), Bytes([255; Bytes::WIDTH]));
            for row in 1..rows {
                let values = random.tokens(Bytes::WIDTH, 256);
                bytes
                    .bytes_mut(row)
                    .iter_mut()
                    .zip(values)
                    .for_each(|(b, v)| *b = v as u8);
            }
            let sums = product(Scalar, &matrix, &start, &bytes, rows);
            for row in 0..rows {
                for o in 0..outputs {
                    let weight = |i: usize| i32::from(quantised.values[i * outputs + o]);
                    let input = |i: usize| i32::from(bytes.view(row).bytes(0)[i]) - 128;
                    let wanted: i32 = (0..inputs).map(|i| weight(i) * input(i)).sum();
                    let block = &sums[row * start.len() + o / Block::WIDTH];
                    assert_eq!(block.0[o % Block::WIDTH], wanted);
                }
            }
            if let Some(dot) = Avx2::detect() {
                assert_eq!(product(dot, &matrix, &start, &bytes, rows), sums, "AVX2");
            }
            if let Some(dot) = Vnni256::detect() {
                assert_eq!(
                    product(dot, &matrix, &start, &bytes, rows),
                    sums,
                    "AVX-VNNI"
                );
            }
            if let Some(dot) = Vnni512::detect() {
                assert_eq!(
                    product(dot, &matrix, &start, &bytes, rows),
                    sums,
                    "AVX-512 VNNI"
                );
            }
        }
    }

    #[test]
    fn quantised_weights_are_within_half_a_step() {
        let weights = Lcg(4).values(60, 3.0);
        let quantised = Quantised::new(&weights, 5);
        for (i, &weight) in weights.iter().enumerate() {
            let scale = quantised.scales[i % 5];
            let back = f32::from(quantised.values[i]) * scale;
            assert!(
                (back - weight).abs() <= 0.501 * scale,
                "{weight} became {back}"
            );
        }
        let silent = Quantised::new(&[0.0; 4], 2);
        assert!(
            silent.values.iter().all(|&v| v == 0) && silent.scales.iter().all(|s| s.is_finite())
        );
    }
}
