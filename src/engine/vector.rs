/*!
Sixteen sums in registers, by the instruction set: all that the matrices need of it.

A value of a type here proves that the processor has the instructions, so that only the types' own methods are unsafe
inside. [`dispatch!`] compiles a function for each of them. [`Scalar`] is the twin the others are tested against.
*/

use super::blocks::{Block, Ints};

/// Sums of products of floats, each product added with one rounding.
pub(super) trait Fma: Copy {
    /// Sixteen sums in registers.
    type Sums: Copy;
    /// Rows of inputs that share a pass over the weights, as registers allow: 1 or 4.
    const ROWS: usize;

    /// Takes sums into registers.
    fn load(self, sums: &Block) -> Self::Sums;
    /// sums + weights · x.
    fn mul_add(self, sums: Self::Sums, weights: &Block, x: f32) -> Self::Sums;
    /// Takes sums out of registers.
    fn store(self, sums: Self::Sums) -> Block;
}

/// Sums of products of bytes, which are exact. AVX-512 VNNI and AVX-VNNI multiply four bytes at a time (`vpdpbusd`),
/// AVX2 widens them to 16 bits first.
pub(super) trait Dot: Copy {
    /// Sixteen sums in registers.
    type Sums: Copy;
    /// Rows of inputs that share a pass over the weights, as registers allow: 1 or 4.
    const ROWS: usize;

    /// Takes sums into registers.
    fn load(self, sums: &Ints) -> Self::Sums;
    /// Adds to each sum the products of its four weights with four inputs.
    fn dot(self, sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums;
    /// Takes sums out of registers.
    fn store(self, sums: Self::Sums) -> Ints;
}

/// Four weights for each of sixteen outputs, on a cache line of their own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Weights(pub [i8; Weights::INPUTS * Block::WIDTH]);

impl Weights {
    /// Inputs multiplied at a time.
    pub const INPUTS: usize = 4;
    /// Sixty-four zeros.
    pub const ZERO: Self = Self([0; Self::INPUTS * Block::WIDTH]);
}

/// Defines `fn name(level, arguments…)`, which runs `body(proof, arguments…)` compiled for the first of the listed
/// instruction sets that `level` allows and the processor has, else for [`Scalar`].
macro_rules! dispatch {
    (
        fn $name:ident $arguments:tt = $body:ident
        for $($proof:ident at $level:ident with $features:literal),* $(,)?
    ) => {
        dispatch!(@function $name $arguments $body level {
            $(dispatch!(@try level $arguments $body $proof $level $features);)*
        });
    };
    (@function $name:ident ($($arg:ident: $type:ty),* $(,)?) $body:ident $given:ident $attempts:block) => {
        fn $name($given: $crate::simd::Level, $($arg: $type),*) {
            $attempts
            $body($crate::engine::vector::Scalar, $($arg),*);
        }
    };
    (@try $given:ident ($($arg:ident: $type:ty),* $(,)?) $body:ident $proof:ident $level:ident $features:literal) => {
        #[cfg(target_arch = "x86_64")]
        if $given >= $crate::simd::Level::$level
            && let Some(proof) = $crate::engine::vector::$proof::detect()
        {
            #[target_feature(enable = $features)]
            fn compiled(proof: $crate::engine::vector::$proof, $($arg: $type),*) {
                $body(proof, $($arg),*);
            }
            // SAFETY: the proof has seen every feature listed with it.
            unsafe { compiled(proof, $($arg),*) };
            return;
        }
    };
}
pub(super) use dispatch;

/// One product after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

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
    fn store(self, sums: Block) -> Block {
        sums
    }
}

impl Dot for Scalar {
    type Sums = Ints;
    const ROWS: usize = 1;

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
    fn store(self, sums: Ints) -> Ints {
        sums
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512, Vnni256, Vnni512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    /*! The vector versions. */

    use std::arch::x86_64::{
        __m256, __m256i, __m512, __m512i, _mm256_add_epi32, _mm256_and_si256,
        _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_load_ps, _mm256_load_si256,
        _mm256_madd_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi16, _mm256_srai_epi16,
        _mm256_srli_epi16, _mm256_store_ps, _mm256_store_si256, _mm512_dpbusd_epi32,
        _mm512_fmadd_ps, _mm512_load_ps, _mm512_load_si512, _mm512_set1_epi32, _mm512_set1_ps,
        _mm512_store_ps, _mm512_store_si512,
    };

    use super::{Block, Dot, Fma, Ints, Weights};
    use crate::simd::Level;

    /// Defines a proof and how it is come by.
    macro_rules! proof {
        ($(#[$meta:meta])* $name:ident: $level:ident $(, $feature:tt)?) => {
            $(#[$meta])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name(());

            impl $name {
                /// The proof, if the processor has the instructions.
                pub fn detect() -> Option<Self> {
                    (Level::detect() >= Level::$level $(&& is_x86_feature_detected!($feature))?).then_some(Self(()))
                }
            }
        };
    }

    proof!(
        /// AVX2 and FMA.
        Avx2: Avx2
    );
    proof!(
        /// AVX-512 as [`Level::Avx512`] has it.
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
        fn store(self, sums: __m512) -> Block {
            let mut stored = Block::ZERO;
            // SAFETY: as in `load`.
            unsafe { _mm512_store_ps(stored.0.as_mut_ptr(), sums) }
            stored
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
        fn store(self, sums: [__m256; 2]) -> Block {
            let mut stored = Block::ZERO;
            let half = stored.0.as_mut_ptr();
            // SAFETY: as in `load`.
            unsafe {
                _mm256_store_ps(half, sums[0]);
                _mm256_store_ps(half.add(8), sums[1]);
            }
            stored
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
        fn dot(self, sums: __m512i, weights: &Weights, inputs: [u8; 4]) -> __m512i {
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
        fn store(self, sums: Self::Sums) -> Ints {
            // SAFETY: `self` proves the instruction set.
            unsafe { store_pair(sums) }
        }
    }
}
