/*!
Sixteen sums in registers, by the instruction set: all that the matrices need of it.

A value of [`Avx512`] and its like proves that the processor has the instructions, so that only the types' own methods
are unsafe inside. [`with_fma`] and [`with_dot`] run a piece of work compiled for one of them. [`Scalar`] is the twin
that the others are tested against.
*/

use crate::base::simd::InstructionSet;
use crate::kernels::step::blocks::{Block, Ints};

/// Sums of products of floats, each product added with one rounding.
pub(crate) trait Fma: Copy {
    /// Sixteen sums in registers.
    type Sums: Copy;
    /// Rows of inputs that share a pass over the weights, as registers allow: 1 or 4.
    const ROWS: usize;

    /// Takes sums into registers.
    fn load(self, sums: &Block) -> Self::Sums;
    /// sums + weights · x.
    fn mul_add(self, sums: Self::Sums, weights: &Block, x: f32) -> Self::Sums;
    /// Takes sums out of registers.
    fn store(self, sums: Self::Sums, to: &mut Block);
    /// Adds sums to what is there.
    fn add(self, sums: Self::Sums, to: &mut Block);
    /// Runs `work` as a function of its own, compiled for these instructions.
    fn call(self, work: impl FmaWork);
}

/// What [`with_fma`] runs.
pub(crate) trait FmaWork {
    /// The work; its code is compiled once for each `F`, and must be inlined all through.
    fn run<F: Fma>(self, fma: F);
}

/// Runs `work` with the widest floats that `level` allows and the processor has.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
pub(crate) fn with_fma(level: InstructionSet, work: impl FmaWork) {
    #[cfg(target_arch = "x86_64")]
    {
        if level == InstructionSet::Avx512
            && let Some(fma) = Avx512::detect()
        {
            return fma.call(work);
        }
        if level >= InstructionSet::Avx2
            && let Some(fma) = Avx2::detect()
        {
            return Fma::call(fma, work);
        }
    }
    Fma::call(Scalar, work);
}

/// Sums of products of bytes, which are exact. AVX-512 VNNI and AVX-VNNI multiply four bytes at a time (`vpdpbusd`),
/// AVX2 widens them to 16 bits first.
pub(crate) trait Dot: Copy {
    /// Sixteen sums in registers.
    type Sums: Copy;
    /// Rows of inputs that share a pass over the weights, as registers allow: 1 or 4.
    const ROWS: usize;
    /// Chains of additions for each sum of a lone row, as registers allow: two hide the latency better than one.
    const CHAINS: usize;

    /// Takes sums into registers.
    fn load(self, sums: &Ints) -> Self::Sums;
    /// Adds to each sum the products of its four weights with four inputs.
    fn dot(self, sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums;
    /// Takes sums out of registers.
    fn store(self, sums: Self::Sums, to: &mut Ints);
    /// Sums of both.
    fn join(self, one: Self::Sums, other: Self::Sums) -> Self::Sums;
    /// sums · scale + bias, with one rounding.
    fn numbers(self, sums: Self::Sums, scale: &Block, bias: &Block, to: &mut Block);
    /// Rounds numbers to bytes of `steps` per unit, within `range`.
    #[inline(always)]
    fn quantise(self, numbers: &Block, steps: f32, range: ByteRange, to: &mut [u8; Block::WIDTH]) {
        for i in 0..Block::WIDTH {
            let number = numbers.0[i].mul_add(steps, range.zero);
            to[i] = number.clamp(range.lowest, range.highest).to_bits() as u8;
        }
    }
    /// Runs `work` as a function of its own, compiled for these instructions.
    fn call(self, work: impl DotWork);
}

/// Zero and bounds of a range of bytes, [`ByteRange::ROUND`] included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteRange {
    pub zero: f32,
    pub lowest: f32,
    pub highest: f32,
}

impl ByteRange {
    /// Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
    pub const ROUND: f32 = 12_582_912.0;
    /// 128 stands for zero, 1 and 255 for the ends.
    pub const SIGNED: Self = Self {
        zero: Self::ROUND + 128.0,
        lowest: Self::ROUND + 1.0,
        highest: Self::ROUND + 255.0,
    };
    /// Negative numbers become zero, which rectifies them.
    pub const UNSIGNED: Self = Self {
        zero: Self::ROUND,
        lowest: Self::ROUND,
        highest: Self::ROUND + 255.0,
    };
}

/// What [`with_dot`] runs.
pub(crate) trait DotWork {
    /// The work; its code is compiled once for each `D`, and must be inlined all through.
    fn run<D: Dot>(self, dot: D);
}

/// Runs `work` with the widest byte products that `level` allows and the processor has.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
pub(crate) fn with_dot(level: InstructionSet, work: impl DotWork) {
    #[cfg(target_arch = "x86_64")]
    {
        if level == InstructionSet::Avx512
            && let Some(dot) = Vnni512::detect()
        {
            return dot.call(work);
        }
        if level >= InstructionSet::Avx2
            && let Some(dot) = Vnni256::detect()
        {
            return dot.call(work);
        }
        if level >= InstructionSet::Avx2
            && let Some(dot) = Avx2::detect()
        {
            return Dot::call(dot, work);
        }
    }
    Dot::call(Scalar, work);
}

/// Four weights for each of sixteen outputs, on a cache line of their own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Weights(pub [i8; Weights::INPUTS * Block::WIDTH]);

impl Weights {
    /// Inputs multiplied at a time.
    pub const INPUTS: usize = 4;
    /// Sixty-four zeros.
    pub const ZERO: Self = Self([0; Self::INPUTS * Block::WIDTH]);
}

/// One product after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl Fma for Scalar {
    type Sums = Block;
    const ROWS: usize = 1;

    #[inline(always)]
    fn load(self, sums: &Block) -> Block {
        *sums
    }

    #[inline(always)]
    fn mul_add(self, mut sums: Block, weights: &Block, x: f32) -> Block {
        for (sum, weight) in sums.0.iter_mut().zip(&weights.0) {
            *sum = weight.mul_add(x, *sum);
        }
        sums
    }

    #[inline(always)]
    fn store(self, sums: Block, to: &mut Block) {
        *to = sums;
    }

    #[inline(always)]
    fn add(self, sums: Block, to: &mut Block) {
        *to = to.add(&sums);
    }

    fn call(self, work: impl FmaWork) {
        work.run(self);
    }
}

impl Dot for Scalar {
    type Sums = Ints;
    const ROWS: usize = 1;
    const CHAINS: usize = 1;

    #[inline(always)]
    fn load(self, sums: &Ints) -> Ints {
        *sums
    }

    #[inline(always)]
    fn dot(self, mut sums: Ints, weights: &Weights, inputs: [u8; 4]) -> Ints {
        for (sum, weights) in sums.0.iter_mut().zip(weights.0.as_chunks::<4>().0) {
            for (&weight, input) in weights.iter().zip(inputs) {
                *sum += i32::from(weight) * i32::from(input);
            }
        }
        sums
    }

    #[inline(always)]
    fn store(self, sums: Ints, to: &mut Ints) {
        *to = sums;
    }

    #[inline(always)]
    fn numbers(self, sums: Ints, scale: &Block, bias: &Block, to: &mut Block) {
        for i in 0..Block::WIDTH {
            to.0[i] = (sums.0[i] as f32).mul_add(scale.0[i], bias.0[i]);
        }
    }

    #[inline(always)]
    fn join(self, one: Ints, other: Ints) -> Ints {
        let mut joined = one;
        for i in 0..Block::WIDTH {
            joined.0[i] += other.0[i];
        }
        joined
    }

    fn call(self, work: impl DotWork) {
        work.run(self);
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Vnni256, Vnni512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    /*! The vector versions. */

    use std::arch::x86_64::{
        __m256, __m256i, __m512, __m512i, _mm_storeu_si128, _mm256_add_epi32, _mm256_add_ps,
        _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps,
        _mm256_load_ps, _mm256_load_si256, _mm256_madd_epi16, _mm256_set1_epi32, _mm256_set1_ps,
        _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16, _mm256_store_ps,
        _mm256_store_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_castps_si512,
        _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps,
        _mm512_load_ps, _mm512_load_si512, _mm512_max_ps, _mm512_min_ps, _mm512_set1_epi32,
        _mm512_set1_ps, _mm512_store_ps, _mm512_store_si512,
    };

    use super::{Block, ByteRange, Dot, DotWork, Fma, FmaWork, Ints, Weights};
    use crate::base::simd::InstructionSet;

    /// Defines a proof and how it is come by.
    macro_rules! proof {
        ($(#[$meta:meta])* $name:ident: $level:ident $(, $feature:tt)?) => {
            $(#[$meta])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name(());

            impl $name {
                /// The proof, if the processor has the instructions.
                pub fn detect() -> Option<Self> {
                    (InstructionSet::detect() >= InstructionSet::$level $(&& is_x86_feature_detected!($feature))?).then_some(Self(()))
                }
            }
        };
    }

    proof!(
        /// AVX2 and FMA.
        Avx2: Avx2
    );
    proof!(
        /// AVX-512 as [`InstructionSet::Avx512`] has it.
        Avx512: Avx512
    );
    proof!(
        /// AVX2 and FMA with AVX-VNNI.
        Vnni256: Avx2, "avxvnni"
    );
    proof!(
        /// AVX-512 with VNNI.
        Vnni512: Avx512, "avx512vnni"
    );

    impl Fma for Avx512 {
        type Sums = __m512;
        const ROWS: usize = 4;

        #[inline(always)]
        fn load(self, sums: &Block) -> __m512 {
            // SAFETY: `self` proves the instruction set; a `Block` is 64 bytes, aligned to 64.
            unsafe { _mm512_load_ps(sums.0.as_ptr()) }
        }

        #[inline(always)]
        fn mul_add(self, sums: __m512, weights: &Block, x: f32) -> __m512 {
            // SAFETY: as in `load`.
            unsafe { _mm512_fmadd_ps(_mm512_load_ps(weights.0.as_ptr()), _mm512_set1_ps(x), sums) }
        }

        #[inline(always)]
        fn store(self, sums: __m512, to: &mut Block) {
            // SAFETY: as in `load`.
            unsafe { _mm512_store_ps(to.0.as_mut_ptr(), sums) }
        }

        #[inline(always)]
        fn add(self, sums: __m512, to: &mut Block) {
            // SAFETY: as in `load`.
            unsafe {
                let there = _mm512_load_ps(to.0.as_ptr());
                _mm512_store_ps(to.0.as_mut_ptr(), _mm512_add_ps(there, sums));
            }
        }

        fn call(self, work: impl FmaWork) {
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            fn compiled(fma: Avx512, work: impl FmaWork) {
                work.run(fma);
            }
            // SAFETY: the proof has seen every feature listed.
            unsafe { compiled(self, work) };
        }
    }

    impl Fma for Avx2 {
        type Sums = [__m256; 2];
        const ROWS: usize = 1;

        #[inline(always)]
        fn load(self, sums: &Block) -> [__m256; 2] {
            let half = sums.0.as_ptr();
            // SAFETY: `self` proves the instruction set; a `Block` is two aligned halves of eight floats.
            unsafe { [_mm256_load_ps(half), _mm256_load_ps(half.add(8))] }
        }

        #[inline(always)]
        fn mul_add(self, sums: [__m256; 2], weights: &Block, x: f32) -> [__m256; 2] {
            let half = weights.0.as_ptr();
            // SAFETY: as in `load`.
            unsafe {
                let x = _mm256_set1_ps(x);
                [
                    _mm256_fmadd_ps(_mm256_load_ps(half), x, sums[0]),
                    _mm256_fmadd_ps(_mm256_load_ps(half.add(8)), x, sums[1]),
                ]
            }
        }

        #[inline(always)]
        fn store(self, sums: [__m256; 2], to: &mut Block) {
            let half = to.0.as_mut_ptr();
            // SAFETY: as in `load`.
            unsafe {
                _mm256_store_ps(half, sums[0]);
                _mm256_store_ps(half.add(8), sums[1]);
            }
        }

        #[inline(always)]
        fn add(self, sums: [__m256; 2], to: &mut Block) {
            let there = Fma::load(self, to);
            // SAFETY: `self` proves the instruction set.
            let sums = unsafe {
                [
                    _mm256_add_ps(there[0], sums[0]),
                    _mm256_add_ps(there[1], sums[1]),
                ]
            };
            Fma::store(self, sums, to);
        }

        fn call(self, work: impl FmaWork) {
            #[target_feature(enable = "avx2,fma")]
            fn compiled(fma: Avx2, work: impl FmaWork) {
                work.run(fma);
            }
            // SAFETY: the proof has seen every feature listed.
            unsafe { compiled(self, work) };
        }
    }

    impl Dot for Vnni512 {
        type Sums = __m512i;
        const ROWS: usize = 4;
        const CHAINS: usize = 2;

        #[inline(always)]
        fn load(self, sums: &Ints) -> __m512i {
            // SAFETY: `self` proves the instruction set; `Ints` is 64 bytes, aligned to 64.
            unsafe { _mm512_load_si512(sums.0.as_ptr().cast()) }
        }

        #[inline(always)]
        fn dot(self, sums: __m512i, weights: &Weights, inputs: [u8; 4]) -> __m512i {
            // SAFETY: `self` proves the instruction set; `Weights` is 64 bytes, aligned to 64.
            unsafe {
                let weights = _mm512_load_si512(weights.0.as_ptr().cast());
                _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(i32::from_le_bytes(inputs)), weights)
            }
        }

        #[inline(always)]
        fn store(self, sums: __m512i, to: &mut Ints) {
            // SAFETY: as in `load`.
            unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), sums) }
        }

        #[inline(always)]
        fn numbers(self, sums: __m512i, scale: &Block, bias: &Block, to: &mut Block) {
            // SAFETY: as in `load`; a `Block` too is 64 bytes, aligned to 64.
            unsafe {
                let scale = _mm512_load_ps(scale.0.as_ptr());
                let bias = _mm512_load_ps(bias.0.as_ptr());
                let numbers = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, bias);
                _mm512_store_ps(to.0.as_mut_ptr(), numbers);
            }
        }

        #[inline(always)]
        fn join(self, one: __m512i, other: __m512i) -> __m512i {
            // SAFETY: `self` proves the instruction set.
            unsafe { _mm512_add_epi32(one, other) }
        }

        // The loop alone would be vectorised across blocks, with gathers.
        #[inline(always)]
        fn quantise(
            self,
            numbers: &Block,
            steps: f32,
            range: ByteRange,
            to: &mut [u8; Block::WIDTH],
        ) {
            // SAFETY: as in `numbers`; `to` is 16 bytes, for a store of any alignment.
            unsafe {
                let numbers = _mm512_load_ps(numbers.0.as_ptr());
                let numbers =
                    _mm512_fmadd_ps(numbers, _mm512_set1_ps(steps), _mm512_set1_ps(range.zero));
                let numbers = _mm512_max_ps(numbers, _mm512_set1_ps(range.lowest));
                let numbers = _mm512_min_ps(numbers, _mm512_set1_ps(range.highest));
                let bytes = _mm512_cvtepi32_epi8(_mm512_castps_si512(numbers));
                _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
            }
        }

        fn call(self, work: impl DotWork) {
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni,avx2,fma")]
            fn compiled(dot: Vnni512, work: impl DotWork) {
                work.run(dot);
            }
            // SAFETY: the proof has seen every feature listed.
            unsafe { compiled(self, work) };
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
    unsafe fn store_pair(sums: [__m256i; 2], to: &mut Ints) {
        let halves: *mut __m256i = to.0.as_mut_ptr().cast();
        // SAFETY: as in `load_pair`.
        unsafe {
            _mm256_store_si256(halves, sums[0]);
            _mm256_store_si256(halves.add(1), sums[1]);
        }
    }

    /// sums · scale + bias.
    #[inline(always)]
    unsafe fn number_pair(sums: [__m256i; 2], scale: &Block, bias: &Block, to: &mut Block) {
        for (half, sums) in sums.into_iter().enumerate() {
            let at = half * (Block::WIDTH / 2);
            // SAFETY: the caller has AVX2 and FMA; a `Block` is two aligned halves of eight floats.
            unsafe {
                let scale = _mm256_load_ps(scale.0.as_ptr().add(at));
                let bias = _mm256_load_ps(bias.0.as_ptr().add(at));
                let numbers = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, bias);
                _mm256_store_ps(to.0.as_mut_ptr().add(at), numbers);
            }
        }
    }

    impl Dot for Vnni256 {
        type Sums = [__m256i; 2];
        const ROWS: usize = 1;
        const CHAINS: usize = 1;

        #[inline(always)]
        fn load(self, sums: &Ints) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe { load_pair(sums) }
        }

        #[inline(always)]
        fn dot(self, sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums {
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
        fn store(self, sums: Self::Sums, to: &mut Ints) {
            // SAFETY: `self` proves the instruction set.
            unsafe { store_pair(sums, to) }
        }

        #[inline(always)]
        fn numbers(self, sums: Self::Sums, scale: &Block, bias: &Block, to: &mut Block) {
            // SAFETY: `self` proves the instruction set.
            unsafe { number_pair(sums, scale, bias, to) }
        }

        #[inline(always)]
        fn join(self, one: Self::Sums, other: Self::Sums) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe {
                [
                    _mm256_add_epi32(one[0], other[0]),
                    _mm256_add_epi32(one[1], other[1]),
                ]
            }
        }

        fn call(self, work: impl DotWork) {
            #[target_feature(enable = "avxvnni,avx2,fma")]
            fn compiled(dot: Vnni256, work: impl DotWork) {
                work.run(dot);
            }
            // SAFETY: the proof has seen every feature listed.
            unsafe { compiled(self, work) };
        }
    }

    impl Dot for Avx2 {
        type Sums = [__m256i; 2];
        const ROWS: usize = 1;
        const CHAINS: usize = 1;

        #[inline(always)]
        fn load(self, sums: &Ints) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe { load_pair(sums) }
        }

        /// Bytes 0 and 2 of every four, then 1 and 3, as 16-bit numbers, whose products are added in pairs.
        #[inline(always)]
        fn dot(self, mut sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums {
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
        fn store(self, sums: Self::Sums, to: &mut Ints) {
            // SAFETY: `self` proves the instruction set.
            unsafe { store_pair(sums, to) }
        }

        #[inline(always)]
        fn numbers(self, sums: Self::Sums, scale: &Block, bias: &Block, to: &mut Block) {
            // SAFETY: `self` proves the instruction set.
            unsafe { number_pair(sums, scale, bias, to) }
        }

        #[inline(always)]
        fn join(self, one: Self::Sums, other: Self::Sums) -> Self::Sums {
            // SAFETY: `self` proves the instruction set.
            unsafe {
                [
                    _mm256_add_epi32(one[0], other[0]),
                    _mm256_add_epi32(one[1], other[1]),
                ]
            }
        }

        fn call(self, work: impl DotWork) {
            #[target_feature(enable = "avx2,fma")]
            fn compiled(dot: Avx2, work: impl DotWork) {
                work.run(dot);
            }
            // SAFETY: the proof has seen every feature listed.
            unsafe { compiled(self, work) };
        }
    }
}
