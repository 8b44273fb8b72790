/*!
Matrices of bytes: quantised once, multiplied by quantised activations, the sums exact integers.

Weights are signed bytes with one scale per output, activations unsigned bytes. Integer sums are exact, so that every
instruction set gives the same bits whatever its order: AVX-512 VNNI and AVX-VNNI multiply four bytes at a time
(`vpdpbusd`), AVX2 widens to 16 bits first, the scalar twin adds one product after another.
*/

use std::ops::Range;

use super::blocks::{Block, Bytes, Ints, Sink, View};

/// What a signed activation is quantised to: 128 stands for zero, 1 and 255 for the ends of its range.
pub(super) const ZERO: u8 = 128;
/// Quantisation steps from zero to the end of a symmetric range.
pub(super) const STEPS: f32 = 127.0;

/// The way of multiplying bytes; a value of it proves that the processor has the instructions.
pub(super) trait Dot: Copy {
    /// Sixteen sums in registers.
    type Sums: Copy;
    /// Rows of inputs that share a pass over the weights, as registers allow.
    const ROWS: usize;

    /// Takes sums into registers.
    fn load(self, sums: &Ints) -> Self::Sums;
    /// Adds to each sum the products of its four weights with four inputs.
    fn add(self, sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums;
    /// Takes sums out of registers.
    fn store(self, sums: Self::Sums) -> Ints;
}

/// Four weights for each of sixteen outputs, on a cache line of their own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Weights([i8; Weights::INPUTS * Block::WIDTH]);

impl Weights {
    /// Inputs multiplied at a time.
    const INPUTS: usize = 4;
}

/// A constant matrix of bytes, packed in panels of up to four blocks of outputs.
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
        for panel in columns.chunks(IntMatrix::PANEL) {
            for four in rows.chunks(Weights::INPUTS * outputs) {
                for block in panel {
                    let mut packed = Weights([0; Weights::INPUTS * Block::WIDTH]);
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
    /// Blocks of outputs in a full panel.
    const PANEL: usize = 4;
    /// The most inputs whose sum of products fits 32 bits with room for the start.
    pub const MAX_INPUTS: usize = 1 << 15;

    /// Gives `sink` every block of start + input · weights, for the first `rows` rows.
    #[inline(always)]
    pub fn multiply<D: Dot>(
        &self,
        dot: D,
        rows: usize,
        input: View<'_, Bytes>,
        start: View<'_, Ints>,
        sink: &mut impl Sink<Ints>,
    ) {
        let mut weights = self.weights.as_slice();
        for first in (0..self.blocks).step_by(Self::PANEL) {
            let width = Self::PANEL.min(self.blocks - first);
            let panel;
            (panel, weights) = weights.split_at(width * self.fours);
            let mut row = 0;
            if width == Self::PANEL {
                while D::ROWS == 4 && row + 4 <= rows {
                    self.tile::<D, 4, 4>(dot, panel, first, row, input, start, sink);
                    row += 4;
                }
                while row < rows {
                    self.tile::<D, 1, 4>(dot, panel, first, row, input, start, sink);
                    row += 1;
                }
            }
            while row < rows {
                match width {
                    1 => self.tile::<D, 1, 1>(dot, panel, first, row, input, start, sink),
                    2 => self.tile::<D, 1, 2>(dot, panel, first, row, input, start, sink),
                    _ => self.tile::<D, 1, 3>(dot, panel, first, row, input, start, sink),
                }
                row += 1;
            }
        }
    }

    /// `ROWS` rows through one panel of `BLOCKS` blocks, the sums in registers.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn tile<D: Dot, const ROWS: usize, const BLOCKS: usize>(
        &self,
        dot: D,
        panel: &[Weights],
        first: usize,
        row: usize,
        input: View<'_, Bytes>,
        start: View<'_, Ints>,
        sink: &mut impl Sink<Ints>,
    ) {
        let mut inputs: [&[[u8; 4]]; ROWS] = [&[]; ROWS];
        let mut sums = [[dot.load(&Ints::ZERO); BLOCKS]; ROWS];
        for r in 0..ROWS {
            inputs[r] = &input.bytes(row + r).as_chunks::<4>().0[..self.fours];
            let start = &start.blocks(row + r)[first..][..BLOCKS];
            for b in 0..BLOCKS {
                sums[r][b] = dot.load(&start[b]);
            }
        }
        for (i, weights) in panel.as_chunks::<BLOCKS>().0[..self.fours]
            .iter()
            .enumerate()
        {
            for r in 0..ROWS {
                for b in 0..BLOCKS {
                    sums[r][b] = dot.add(sums[r][b], &weights[b], inputs[r][i]);
                }
            }
        }
        for r in 0..ROWS {
            for b in 0..BLOCKS {
                sink.put(row + r, first + b, dot.store(sums[r][b]));
            }
        }
    }
}

/// One product after another: what the others are tested against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

impl Dot for Scalar {
    type Sums = Ints;
    const ROWS: usize = 1;

    #[inline(always)]
    fn load(self, sums: &Ints) -> Ints {
        *sums
    }

    #[inline(always)]
    fn add(self, mut sums: Ints, weights: &Weights, inputs: [u8; 4]) -> Ints {
        for (sum, weights) in sums.0.iter_mut().zip(weights.0.as_chunks::<4>().0) {
            for (&weight, input) in weights.iter().zip(inputs) {
                *sum += i32::from(weight) * i32::from(input);
            }
        }
        sums
    }

    #[inline(always)]
    fn store(self, sums: Ints) -> Ints {
        sums
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    /*! The vector versions. */

    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32,
        _mm256_load_si256, _mm256_madd_epi16, _mm256_set1_epi32, _mm256_slli_epi16,
        _mm256_srai_epi16, _mm256_srli_epi16, _mm256_store_si256, _mm512_dpbusd_epi32,
        _mm512_load_si512, _mm512_set1_epi32, _mm512_store_si512,
    };

    use super::{Dot, Ints, Weights};

    /// AVX-512 VNNI.
    #[derive(Debug, Clone, Copy)]
    pub struct Vnni512(());

    /// AVX-VNNI: the same instruction on 32 bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Vnni256(());

    /// AVX2 alone.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(());

    impl Vnni512 {
        /// The proof, if the processor has AVX-512 VNNI.
        pub fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx512vnni").then_some(Self(()))
        }
    }

    impl Vnni256 {
        /// The proof, if the processor has AVX-VNNI.
        pub fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avxvnni") && is_x86_feature_detected!("avx2"))
                .then_some(Self(()))
        }
    }

    impl Avx2 {
        /// The proof, if the processor has AVX2.
        pub fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx2").then_some(Self(()))
        }
    }

    impl Dot for Vnni512 {
        type Sums = __m512i;
        const ROWS: usize = 4;

        #[inline(always)]
        fn load(self, sums: &Ints) -> __m512i {
            // SAFETY: `self` proves the instruction set; `Ints` is 64 bytes, aligned to 64.
            unsafe { _mm512_load_si512(sums.0.as_ptr().cast()) }
        }

        #[inline(always)]
        fn add(self, sums: __m512i, weights: &Weights, inputs: [u8; 4]) -> __m512i {
            // SAFETY: `self` proves the instruction set; `Weights` is 64 bytes, aligned to 64.
            unsafe {
                let weights = _mm512_load_si512(weights.0.as_ptr().cast());
                _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(i32::from_le_bytes(inputs)), weights)
            }
        }

        #[inline(always)]
        fn store(self, sums: __m512i) -> Ints {
            let mut stored = Ints([0; 16]);
            // SAFETY: as in `load`.
            unsafe { _mm512_store_si512(stored.0.as_mut_ptr().cast(), sums) }
            stored
        }
    }

    #[inline(always)]
    unsafe fn load_pair(sums: &Ints) -> [__m256i; 2] {
        let halves: *const __m256i = sums.0.as_ptr().cast();
        // SAFETY: the caller has AVX; `Ints` is two aligned halves of 32 bytes.
        unsafe { [_mm256_load_si256(halves), _mm256_load_si256(halves.add(1))] }
    }

    #[inline(always)]
    unsafe fn weight_pair(weights: &Weights) -> [__m256i; 2] {
        let halves: *const __m256i = weights.0.as_ptr().cast();
        // SAFETY: the caller has AVX; `Weights` is two aligned halves of 32 bytes.
        unsafe { [_mm256_load_si256(halves), _mm256_load_si256(halves.add(1))] }
    }

    #[inline(always)]
    unsafe fn store_pair(sums: [__m256i; 2]) -> Ints {
        let mut stored = Ints([0; 16]);
        let halves: *mut __m256i = stored.0.as_mut_ptr().cast();
        // SAFETY: as in `load_pair`.
        unsafe {
            _mm256_store_si256(halves, sums[0]);
            _mm256_store_si256(halves.add(1), sums[1]);
        }
        stored
    }

    impl Dot for Vnni256 {
        type Sums = [__m256i; 2];
        const ROWS: usize = 1;

        #[inline(always)]
        fn load(self, sums: &Ints) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe { load_pair(sums) }
        }

        #[inline(always)]
        fn add(self, sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe {
                let weights = weight_pair(weights);
                let inputs = _mm256_set1_epi32(i32::from_le_bytes(inputs));
                [
                    _mm256_dpbusd_avx_epi32(sums[0], inputs, weights[0]),
                    _mm256_dpbusd_avx_epi32(sums[1], inputs, weights[1]),
                ]
            }
        }

        #[inline(always)]
        fn store(self, sums: Self::Sums) -> Ints {
            // SAFETY: `self` proves the instruction set.
            unsafe { store_pair(sums) }
        }
    }

    impl Dot for Avx2 {
        type Sums = [__m256i; 2];
        const ROWS: usize = 1;

        #[inline(always)]
        fn load(self, sums: &Ints) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe { load_pair(sums) }
        }

        /// Bytes 0 and 2 of every four, then 1 and 3, as 16-bit numbers, whose products are added in pairs.
        #[inline(always)]
        fn add(self, mut sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe {
                let inputs = _mm256_set1_epi32(i32::from_le_bytes(inputs));
                let even = _mm256_and_si256(inputs, _mm256_set1_epi32(0x00ff_00ff));
                let odd = _mm256_srli_epi16::<8>(inputs);
                let weights = weight_pair(weights);
                for (sum, w) in sums.iter_mut().zip(weights) {
                    let first = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w));
                    let second = _mm256_srai_epi16::<8>(w);
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(first, even));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(second, odd));
                }
                sums
            }
        }

        #[inline(always)]
        fn store(self, sums: Self::Sums) -> Ints {
            // SAFETY: `self` proves the instruction set.
            unsafe { store_pair(sums) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{Rows, columns};
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
            #[cfg(target_arch = "x86_64")]
            {
                let dots = (
                    x86::Avx2::detect(),
                    x86::Vnni256::detect(),
                    x86::Vnni512::detect(),
                );
                if let Some(dot) = dots.0 {
                    assert_eq!(product(dot, &matrix, &start, &bytes, rows), sums, "AVX2");
                }
                if let Some(dot) = dots.1 {
                    assert_eq!(
                        product(dot, &matrix, &start, &bytes, rows),
                        sums,
                        "AVX-VNNI"
                    );
                }
                if let Some(dot) = dots.2 {
                    assert_eq!(
                        product(dot, &matrix, &start, &bytes, rows),
                        sums,
                        "AVX-512 VNNI"
                    );
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
