/*!
Quantised matrices: int8 weights times uint8 activations.

The weights are signed bytes with one scale per output. Integer sums are exact, so all [`Int8Registers`] give the same bits
in any order of addition.
*/

use std::ops::Range;

use crate::kernels::registers::{Int8Registers, Int8Work};
use crate::kernels::step::blocks::{Block, Bytes, Ints, Rows, View, Weights, panels};

/// The byte for zero in signed activations; 1 and 255 are the ends of their range.
pub(crate) const ZERO: u8 = 128;
/// Quantisation steps from zero to the end of a symmetric range.
pub(crate) const STEPS: f32 = 127.0;

/// A constant matrix of bytes in the panels of [`Matrix`](crate::kernels::step::matrix::Matrix), with the scale and the bias
/// of its outputs.
#[derive(Debug)]
pub(crate) struct IntMatrix {
    /// Groups of four inputs.
    fours: usize,
    weights: Vec<Weights>,
    /// Outputs are sums · scale + bias.
    scale: Vec<Block>,
    bias: Vec<Block>,
}

/// Row-major int8 weights, `[inputs, outputs]`, and the quantisation step of each output's weights.
#[derive(Debug)]
pub(crate) struct Quantised {
    values: Vec<i8>,
    scales: Vec<f32>,
}

impl Quantised {
    /// Quantises row-major `weights`, `[inputs, outputs]`, so that each output's largest becomes ±127.
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

    /// Packs the rows `inputs`; block i of the outputs holds the columns `columns[i]`. The inputs have `steps` quantisation
    /// steps per unit, and their byte for zero is `zero`, for which the bias compensates.
    pub fn pack(
        &self,
        inputs: Range<usize>,
        columns: &[Range<usize>],
        steps: f32,
        zero: u8,
        bias: &[f32],
    ) -> IntMatrix {
        let outputs = self.scales.len();
        let rows = &self.values[inputs.start * outputs..inputs.end * outputs];
        let fours = inputs.len().div_ceil(Weights::INPUTS);
        let mut weights = Vec::with_capacity(fours * columns.len());
        let mut rest = columns;
        for width in panels(columns.len()) {
            let panel;
            (panel, rest) = rest.split_at(width);
            for four in rows.chunks(Weights::INPUTS * outputs) {
                weights.extend(panel.iter().map(|block| interleave(four, outputs, block)));
            }
        }
        let scales: Vec<f32> = self.scales.iter().map(|scale| scale / steps).collect();
        let mut biases = bias.to_vec();
        for (o, (bias, scale)) in biases.iter_mut().zip(&scales).enumerate() {
            let column = self.values.iter().skip(o).step_by(outputs);
            let sum: i64 = column.map(|&w| i64::from(w)).sum();
            *bias -= (f64::from(*scale) * (i64::from(zero) * sum) as f64) as f32;
        }
        let pick = |values: &[f32]| -> Vec<Block> {
            let block = |c: &Range<usize>| Block::from_slice(&values[c.clone()]);
            columns.iter().map(block).collect()
        };
        IntMatrix {
            fours,
            weights,
            scale: pick(&scales),
            bias: pick(&biases),
        }
    }
}

/// Interleaves up to four rows of weights: each of the outputs `columns` has its weights side by side.
fn interleave(rows: &[i8], outputs: usize, columns: &Range<usize>) -> Weights {
    let mut interleaved = Weights::ZERO;
    for (i, row) in rows.chunks_exact(outputs).enumerate() {
        for (o, &weight) in row[columns.clone()].iter().enumerate() {
            interleaved.0[o * Weights::INPUTS + i] = weight;
        }
    }
    interleaved
}

impl IntMatrix {
    /// The largest number of inputs whose sum of products fits into 32 bits.
    pub const MAX_INPUTS: usize = 1 << 16;

    /// The bias, corrected for the byte of zero.
    pub fn bias(&self) -> &[Block] {
        &self.bias
    }

    /// Writes the sums input · weights for the first `rows` rows.
    #[inline(always)]
    pub fn sums(
        &self,
        registers: impl Int8Registers,
        rows: usize,
        input: View<'_, Bytes>,
        output: &mut Rows<Ints>,
    ) {
        let output = Sums(output);
        registers.call(Product {
            matrix: self,
            rows,
            input,
            start: None,
            output,
        });
    }

    /// Writes the outputs of the first `rows` rows, dequantised from the sums `start` (or zero) + input · weights.
    #[inline(always)]
    pub fn numbers(
        &self,
        registers: impl Int8Registers,
        rows: usize,
        input: View<'_, Bytes>,
        start: Option<View<'_, Ints>>,
        output: &mut Rows<Block>,
    ) {
        let output = Numbers::<false>(output);
        registers.call(Product {
            matrix: self,
            rows,
            input,
            start,
            output,
        });
    }

    /// Adds the outputs without their bias to the first `rows` rows.
    #[inline(always)]
    pub fn add(
        &self,
        registers: impl Int8Registers,
        rows: usize,
        input: View<'_, Bytes>,
        output: &mut Rows<Block>,
    ) {
        let output = Numbers::<true>(output);
        registers.call(Product {
            matrix: self,
            rows,
            input,
            start: None,
            output,
        });
    }
}

/// start (or zero) + input · weights.
struct Product<'a, O> {
    matrix: &'a IntMatrix,
    rows: usize,
    input: View<'a, Bytes>,
    start: Option<View<'a, Ints>>,
    output: O,
}

/// Stores sums from registers.
trait Output {
    /// Stores the sums of `N` blocks of row `row` from block `first` on.
    fn put<R: Int8Registers, const N: usize>(
        &mut self,
        registers: R,
        matrix: &IntMatrix,
        row: usize,
        first: usize,
        sums: [R::Sums; N],
    );
}

/// Stores the sums themselves.
struct Sums<'a>(&'a mut Rows<Ints>);

impl Output for Sums<'_> {
    #[inline(always)]
    fn put<R: Int8Registers, const N: usize>(
        &mut self,
        registers: R,
        _: &IntMatrix,
        row: usize,
        first: usize,
        sums: [R::Sums; N],
    ) {
        let output = &mut self.0.blocks_mut(row)[first..][..N];
        for i in 0..N {
            registers.store_sums(sums[i], &mut output[i]);
        }
    }
}

/// Stores the dequantised outputs or, with `ADD`, adds them without their bias.
struct Numbers<'a, const ADD: bool>(&'a mut Rows<Block>);

impl<const ADD: bool> Output for Numbers<'_, ADD> {
    #[inline(always)]
    fn put<R: Int8Registers, const N: usize>(
        &mut self,
        registers: R,
        matrix: &IntMatrix,
        row: usize,
        first: usize,
        sums: [R::Sums; N],
    ) {
        let (scale, bias) = (&matrix.scale[first..][..N], &matrix.bias[first..][..N]);
        let output = &mut self.0.blocks_mut(row)[first..][..N];
        for i in 0..N {
            let onto = if ADD { output[i] } else { bias[i] };
            registers.dequantise(sums[i], &scale[i], &onto, &mut output[i]);
        }
    }
}

impl<O: Output> Int8Work for Product<'_, O> {
    #[inline(always)]
    fn run<R: Int8Registers>(mut self, registers: R) {
        let (mut weights, mut first) = (self.matrix.weights.as_slice(), 0);
        for width in panels(self.matrix.bias.len()) {
            let panel;
            (panel, weights) = weights.split_at(width * self.matrix.fours);
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

impl<O: Output> Product<'_, O> {
    /// All rows through the panel of `BLOCKS` blocks that begins with block `first`.
    #[inline(always)]
    fn panel<R: Int8Registers, const BLOCKS: usize>(
        &mut self,
        registers: R,
        panel: &[Weights],
        first: usize,
    ) {
        let weights = &panel.as_chunks::<BLOCKS>().0[..self.matrix.fours];
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
    fn tile<R: Int8Registers, const ROWS: usize, const BLOCKS: usize>(
        &mut self,
        registers: R,
        weights: &[[Weights; BLOCKS]],
        first: usize,
        row: usize,
    ) {
        let mut inputs: [&[[u8; 4]]; ROWS] = [&[]; ROWS];
        let mut sums = [[registers.load_sums(&Ints::ZERO); BLOCKS]; ROWS];
        for r in 0..ROWS {
            inputs[r] = &self.input.bytes(row + r).as_chunks::<4>().0[..weights.len()];
            if let Some(start) = self.start {
                let start = &start.blocks(row + r)[first..][..BLOCKS];
                for b in 0..BLOCKS {
                    sums[r][b] = registers.load_sums(&start[b]);
                }
            }
        }
        if ROWS == 1 && R::CHAINS == 2 {
            sums[0] = two_chains(registers, weights, inputs[0], sums[0]);
        } else {
            for (i, weights) in weights.iter().enumerate() {
                for r in 0..ROWS {
                    for b in 0..BLOCKS {
                        sums[r][b] = registers.dot(sums[r][b], &weights[b], inputs[r][i]);
                    }
                }
            }
        }
        for r in 0..ROWS {
            self.output
                .put(registers, self.matrix, row + r, first, sums[r]);
        }
    }
}

/// Adds the products of one row through a panel to `sums`, in two chains for even and odd groups of four inputs.
#[inline(always)]
fn two_chains<R: Int8Registers, const BLOCKS: usize>(
    registers: R,
    weights: &[[Weights; BLOCKS]],
    inputs: &[[u8; 4]],
    mut sums: [R::Sums; BLOCKS],
) -> [R::Sums; BLOCKS] {
    let mut more = [registers.load_sums(&Ints::ZERO); BLOCKS];
    let (pairs, last) = weights.as_chunks::<2>();
    let (input_pairs, last_input) = inputs.as_chunks::<2>();
    for ([one, other], [x, y]) in pairs.iter().zip(input_pairs) {
        for b in 0..BLOCKS {
            sums[b] = registers.dot(sums[b], &one[b], *x);
            more[b] = registers.dot(more[b], &other[b], *y);
        }
    }
    for (weights, x) in last.iter().zip(last_input) {
        for b in 0..BLOCKS {
            sums[b] = registers.dot(sums[b], &weights[b], *x);
        }
    }
    for b in 0..BLOCKS {
        sums[b] = registers.add_sums(sums[b], more[b]);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::kernels::registers::Scalar;
    #[cfg(target_arch = "x86_64")]
    use crate::kernels::registers::{Avx2, Vnni256, Vnni512};
    use crate::kernels::step::blocks::columns;

    /// The sums `input · weights`, and the outputs stored and then added once more.
    fn product(
        registers: impl Int8Registers,
        matrix: &IntMatrix,
        rows: &Rows<Bytes>,
    ) -> (Vec<Ints>, Vec<Block>) {
        let (n, blocks) = (rows.len(), matrix.bias.len());
        let mut sums = Rows::filled(n, blocks, Ints::ZERO);
        let mut numbers = Rows::filled(n, blocks, Block::ZERO);
        matrix.sums(registers, n, rows.view(0), &mut sums);
        matrix.numbers(registers, n, rows.view(0), None, &mut numbers);
        matrix.add(registers, n, rows.view(0), &mut numbers);
        (
            sums.view(0).blocks(0).to_vec(),
            numbers.view(0).blocks(0).to_vec(),
        )
    }

    #[test]
    fn all_registers_give_the_same_integers() {
        let mut random = Lcg(3);
        for (inputs, outputs, rows) in
            [(1, 1, 1), (7, 33, 3), (20, 64, 4), (5, 130, 9), (64, 96, 7)]
        {
            let quantised = Quantised::new(&random.values(inputs * outputs, 1.0), outputs);
            let columns: Vec<_> = columns(0..outputs).collect();
            let bias = random.values(outputs, 1.0);
            let matrix = quantised.pack(0..inputs, &columns, 9.0, 128, &bias);
            let mut bytes = Rows::filled(rows, Bytes::count(inputs), Bytes([255; Bytes::WIDTH]));
            for row in 1..rows {
                let values = random.tokens(Bytes::WIDTH, 256);
                bytes
                    .bytes_mut(row)
                    .iter_mut()
                    .zip(values)
                    .for_each(|(b, v)| *b = v as u8);
            }
            let (sums, numbers) = product(Scalar, &matrix, &bytes);
            for row in 0..rows {
                for o in 0..outputs {
                    let weight = |i: usize| i32::from(quantised.values[i * outputs + o]);
                    let input = |i: usize| i32::from(bytes.view(row).bytes(0)[i]);
                    let wanted: i32 = (0..inputs).map(|i| weight(i) * input(i)).sum();
                    let (block, i) = (row * columns.len() + o / Block::WIDTH, o % Block::WIDTH);
                    assert_eq!(sums[block].0[i], wanted);
                    let signed: i32 = (0..inputs).map(|i| weight(i) * (input(i) - 128)).sum();
                    let scale = quantised.scales[o] / 9.0;
                    let number =
                        2.0 * scale * signed as f32 + bias[o] + scale * (wanted - signed) as f32;
                    assert!((numbers[block].0[i] - number).abs() < 1e-4 * (1.0 + number.abs()));
                }
            }
            #[cfg(target_arch = "x86_64")]
            {
                let wanted = (sums, numbers);
                if let Some(registers) = Avx2::detect() {
                    assert_eq!(product(registers, &matrix, &bytes), wanted, "AVX2");
                }
                if let Some(registers) = Vnni256::detect() {
                    assert_eq!(product(registers, &matrix, &bytes), wanted, "AVX-VNNI");
                }
                if let Some(registers) = Vnni512::detect() {
                    assert_eq!(product(registers, &matrix, &bytes), wanted, "AVX-512 VNNI");
                }
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
