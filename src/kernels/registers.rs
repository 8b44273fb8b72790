/*!
The registers of each instruction set, for the kernels that name them: the matrix products.

A value of [`Avx512`] and its like proves that the processor has the instructions, so a method is unsafe only where it
takes a raw pointer. [`with_f32`] and [`with_int8`] run a piece of work compiled for one of them. [`Scalar`] is the
reference that the tests compare the others with.
*/

use crate::base::simd::InstructionSet;
use crate::kernels::step::blocks::{Block, Ints, Weights};

/// Registers of f32.
pub(crate) trait F32Registers: Copy {
    /// One register.
    type Register: Copy;
    /// Floats in a register.
    const WIDTH: usize;
    /// Registers beside each other in the tile of a training product.
    const PANEL: usize;
    /// The registers that hold a [`Block`].
    type Sums: Copy;
    /// Rows of inputs that share a pass over the weights of a [`Matrix`](crate::kernels::step::matrix::Matrix): 1 or 4.
    const ROWS: usize;

    /// # Safety
    /// `WIDTH` floats are readable at `from`.
    unsafe fn load(self, from: *const f32) -> Self::Register;
    /// # Safety
    /// `WIDTH` floats are writable at `to`.
    unsafe fn store(self, register: Self::Register, to: *mut f32);
    /// The first `count` floats, then zeros.
    ///
    /// # Safety
    /// `count` floats are readable at `from`.
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::Register;
    /// # Safety
    /// `count` floats are writable at `to`.
    unsafe fn store_first(self, register: Self::Register, to: *mut f32, count: usize);
    /// `value` in every element.
    fn splat(self, value: f32) -> Self::Register;
    /// a + b.
    fn add(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// a · b + c, rounded once.
    fn mul_add(self, a: Self::Register, b: Self::Register, c: Self::Register) -> Self::Register;
    /// Prefetches the cache line at `address`, which need not be readable.
    fn prefetch(self, address: *const f32);

    /// Loads a block.
    fn load_block(self, block: &Block) -> Self::Sums;
    /// sums + weights · x, each rounded once.
    fn mul_add_block(self, sums: Self::Sums, weights: &Block, x: f32) -> Self::Sums;
    /// Stores a block.
    fn store_block(self, sums: Self::Sums, to: &mut Block);
    /// Adds sums to a block.
    fn add_block(self, sums: Self::Sums, to: &mut Block);

    /// Runs `work` as a function of its own, compiled for these instructions.
    fn call(self, work: impl F32Work);
}

/// What [`with_f32`] runs.
pub(crate) trait F32Work {
    /// The work. Its code is compiled once for each `R`, so all of it must be inlined.
    fn run<R: F32Registers>(self, registers: R);
}

/// Runs `work` with the widest registers that `level` allows and the processor has.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
pub(crate) fn with_f32(level: InstructionSet, work: impl F32Work) {
    #[cfg(target_arch = "x86_64")]
    {
        if level == InstructionSet::Avx512
            && let Some(registers) = Avx512::detect()
        {
            return registers.call(work);
        }
        if level >= InstructionSet::Avx2
            && let Some(registers) = Avx2::detect()
        {
            return F32Registers::call(registers, work);
        }
    }
    F32Registers::call(Scalar, work);
}

/// Floats in a register, and registers in the widest panel.
fn registers(level: InstructionSet) -> (usize, usize) {
    match level {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => (Avx512::WIDTH, Avx512::PANEL),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => (Avx2::WIDTH, Avx2::PANEL),
        _ => (Scalar::WIDTH, Scalar::PANEL),
    }
}

/// Floats in a register.
pub(crate) fn width(level: InstructionSet) -> usize {
    registers(level).0
}

/// Columns in the widest panel.
pub(crate) fn panel(level: InstructionSet) -> usize {
    let (width, count) = registers(level);
    width * count
}

/// Registers of 32-bit sums of products of bytes, which are exact. AVX-512 VNNI and AVX-VNNI multiply four bytes at a time
/// (`vpdpbusd`); AVX2 widens them to 16 bits first.
pub(crate) trait Int8Registers: Copy {
    /// The registers that hold [`Ints`].
    type Sums: Copy;
    /// Rows of inputs that share a pass over the weights: 1 or 4.
    const ROWS: usize;
    /// Chains of additions for each sum of a single row: 1, or 2 to hide more of the latency.
    const CHAINS: usize;

    /// Loads sums.
    fn load_sums(self, sums: &Ints) -> Self::Sums;
    /// Adds to each sum the products of its four weights with four inputs.
    fn dot(self, sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums;
    /// Stores sums.
    fn store_sums(self, sums: Self::Sums, to: &mut Ints);
    /// a + b.
    fn add_sums(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// sums · scale + bias, rounded once.
    fn dequantise(self, sums: Self::Sums, scale: &Block, bias: &Block, to: &mut Block);
    /// Rounds `numbers` to bytes, `steps` quantisation steps per unit, and clamps them to `range`.
    #[inline(always)]
    fn quantise(self, numbers: &Block, steps: f32, range: ByteRange, to: &mut [u8; Block::WIDTH]) {
        for i in 0..Block::WIDTH {
            let number = numbers.0[i].mul_add(steps, range.zero);
            to[i] = number.clamp(range.lowest, range.highest).to_bits() as u8;
        }
    }
    /// Runs `work` as a function of its own, compiled for these instructions.
    fn call(self, work: impl Int8Work);
}

/// What [`with_int8`] runs.
pub(crate) trait Int8Work {
    /// The work. Its code is compiled once for each `R`, so all of it must be inlined.
    fn run<R: Int8Registers>(self, registers: R);
}

/// Runs `work` with the widest byte products that `level` allows and the processor has.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
pub(crate) fn with_int8(level: InstructionSet, work: impl Int8Work) {
    #[cfg(target_arch = "x86_64")]
    {
        if level == InstructionSet::Avx512
            && let Some(registers) = Vnni512::detect()
        {
            return registers.call(work);
        }
        if level >= InstructionSet::Avx2
            && let Some(registers) = Vnni256::detect()
        {
            return registers.call(work);
        }
        if level >= InstructionSet::Avx2
            && let Some(registers) = Avx2::detect()
        {
            return Int8Registers::call(registers, work);
        }
    }
    Int8Registers::call(Scalar, work);
}

/// The zero and the bounds of a range of bytes, as floats to which [`ByteRange::ROUND`] is added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteRange {
    pub zero: f32,
    pub lowest: f32,
    pub highest: f32,
}

impl ByteRange {
    /// Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
    pub const ROUND: f32 = 12_582_912.0;
    /// 128 stands for zero, 1 and 255 for the ends of a symmetric range.
    pub const SIGNED: Self = Self {
        zero: Self::ROUND + 128.0,
        lowest: Self::ROUND + 1.0,
        highest: Self::ROUND + 255.0,
    };
    /// Clamps negative numbers to zero, which is the ReLU.
    pub const UNSIGNED: Self = Self {
        zero: Self::ROUND,
        lowest: Self::ROUND,
        highest: Self::ROUND + 255.0,
    };
}

/// The methods of [`F32Registers`] over blocks of `$count` registers.
macro_rules! block_methods {
    ($register:ty, $count:literal) => {
        type Sums = [$register; $count];

        #[inline(always)]
        fn load_block(self, block: &Block) -> Self::Sums {
            let mut sums = [self.splat(0.0); $count];
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a block holds `$count` registers.
                *sum = unsafe { self.load(block.0.as_ptr().add(i * Self::WIDTH)) };
            }
            sums
        }

        #[inline(always)]
        fn mul_add_block(self, mut sums: Self::Sums, weights: &Block, x: f32) -> Self::Sums {
            let x = self.splat(x);
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as in `load_block`.
                let weights = unsafe { self.load(weights.0.as_ptr().add(i * Self::WIDTH)) };
                *sum = self.mul_add(weights, x, *sum);
            }
            sums
        }

        #[inline(always)]
        fn store_block(self, sums: Self::Sums, to: &mut Block) {
            for (i, sum) in sums.into_iter().enumerate() {
                // SAFETY: as in `load_block`.
                unsafe { self.store(sum, to.0.as_mut_ptr().add(i * Self::WIDTH)) };
            }
        }

        #[inline(always)]
        fn add_block(self, mut sums: Self::Sums, to: &mut Block) {
            let before = self.load_block(to);
            for (sum, before) in sums.iter_mut().zip(before) {
                *sum = self.add(before, *sum);
            }
            self.store_block(sums, to);
        }
    };
}

/// Arrays and loops, which every processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl F32Registers for Scalar {
    type Register = [f32; 4];
    const WIDTH: usize = 4;
    const PANEL: usize = 2;
    const ROWS: usize = 1;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 4] {
        // SAFETY: the caller promises four readable floats; arrays of f32 have no stricter alignment.
        unsafe { from.cast::<[f32; 4]>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, register: [f32; 4], to: *mut f32) {
        // SAFETY: the caller promises four writable floats.
        unsafe { to.cast::<[f32; 4]>().write(register) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> [f32; 4] {
        let mut register = [0.0; 4];
        for (i, value) in register.iter_mut().enumerate().take(count) {
            // SAFETY: the caller promises `count` readable floats.
            *value = unsafe { *from.add(i) };
        }
        register
    }

    #[inline(always)]
    unsafe fn store_first(self, register: [f32; 4], to: *mut f32, count: usize) {
        for (i, value) in register.into_iter().enumerate().take(count) {
            // SAFETY: the caller promises `count` writable floats.
            unsafe { *to.add(i) = value };
        }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(always)]
    fn prefetch(self, _: *const f32) {}

    block_methods!([f32; 4], 4);

    fn call(self, work: impl F32Work) {
        work.run(self);
    }
}

impl Int8Registers for Scalar {
    type Sums = Ints;
    const ROWS: usize = 1;
    const CHAINS: usize = 1;

    #[inline(always)]
    fn load_sums(self, sums: &Ints) -> Ints {
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
    fn store_sums(self, sums: Ints, to: &mut Ints) {
        *to = sums;
    }

    #[inline(always)]
    fn add_sums(self, mut a: Ints, b: Ints) -> Ints {
        for i in 0..Block::WIDTH {
            a.0[i] += b.0[i];
        }
        a
    }

    #[inline(always)]
    fn dequantise(self, sums: Ints, scale: &Block, bias: &Block, to: &mut Block) {
        for i in 0..Block::WIDTH {
            to.0[i] = (sums.0[i] as f32).mul_add(scale.0[i], bias.0[i]);
        }
    }

    fn call(self, work: impl Int8Work) {
        work.run(self);
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Vnni256, Vnni512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)] // Their prefix names the intrinsics.
    use std::arch::x86_64::*;

    use super::{Block, ByteRange, F32Registers, F32Work, Int8Registers, Int8Work, Ints, Weights};
    use crate::base::simd::{InstructionSet, compiled_for};

    /// Defines a proof that the processor has an instruction set.
    macro_rules! proof {
        ($(#[$meta:meta])* $name:ident: $level:ident $(, $feature:tt)?) => {
            $(#[$meta])*
            #[derive(Debug, Clone, Copy)]
            pub(crate) struct $name(());

            impl $name {
                /// The proof, if the processor has the instructions.
                pub(crate) fn detect() -> Option<Self> {
                    (InstructionSet::detect() >= InstructionSet::$level $(&& is_x86_feature_detected!($feature))?)
                        .then_some(Self(()))
                }
            }
        };
    }

    proof!(
        /// AVX2 and FMA.
        Avx2: Avx2
    );
    proof!(
        /// AVX-512 as in [`InstructionSet::Avx512`].
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

    /// The method `call` for the work of a trait.
    macro_rules! call {
        ($name:ident, $work:ident) => {
            fn call(self, work: impl $work) {
                compiled_for!(
                    $name,
                    fn compiled(registers: $name, work: impl $work) {
                        work.run(registers);
                    }
                );
                // SAFETY: the proof has seen every feature that `compiled` uses.
                unsafe { compiled(self, work) };
            }
        };
    }

    macro_rules! f32_registers {
        (
            $name:ident: $register:ty, width $width:literal, panel $panel:literal, rows $rows:literal, block $block:literal,
            $load:ident, $store:ident, $load_first:ident, $store_first:ident, $mask:ident, $splat:ident, $add:ident, $fma:ident
        ) => {
            impl F32Registers for $name {
                type Register = $register;
                const WIDTH: usize = $width;
                const PANEL: usize = $panel;
                const ROWS: usize = $rows;

                #[inline(always)]
                unsafe fn load(self, from: *const f32) -> $register {
                    // SAFETY: `self` proves the instruction set; the caller promises readable floats.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, register: $register, to: *mut f32) {
                    // SAFETY: `self` proves the instruction set; the caller promises writable floats.
                    unsafe { $store(to, register) }
                }

                #[inline(always)]
                unsafe fn load_first(self, from: *const f32, count: usize) -> $register {
                    // SAFETY: `self` proves the instruction set; the caller promises `count` readable floats.
                    unsafe { $load_first($mask(count), from) }
                }

                #[inline(always)]
                unsafe fn store_first(self, register: $register, to: *mut f32, count: usize) {
                    // SAFETY: `self` proves the instruction set; the caller promises `count` writable floats.
                    unsafe { $store_first(to, $mask(count), register) }
                }

                #[inline(always)]
                fn splat(self, value: f32) -> $register {
                    // SAFETY: `self` proves the instruction set.
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                fn add(self, a: $register, b: $register) -> $register {
                    // SAFETY: `self` proves the instruction set.
                    unsafe { $add(a, b) }
                }

                #[inline(always)]
                fn mul_add(self, a: $register, b: $register, c: $register) -> $register {
                    // SAFETY: `self` proves the instruction set.
                    unsafe { $fma(a, b, c) }
                }

                #[inline(always)]
                fn prefetch(self, address: *const f32) {
                    // SAFETY: a prefetch reads nothing, and every x86-64 processor has it.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
                }

                block_methods!($register, $block);

                call!($name, F32Work);
            }
        };
    }

    f32_registers!(
        Avx2: __m256, width 8, panel 2, rows 1, block 2,
        _mm256_loadu_ps, _mm256_storeu_ps, load_first_8, _mm256_maskstore_ps, mask_8, _mm256_set1_ps, _mm256_add_ps,
        _mm256_fmadd_ps
    );
    f32_registers!(
        Avx512: __m512, width 16, panel 4, rows 4, block 1,
        _mm512_loadu_ps, _mm512_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps, mask_16, _mm512_set1_ps,
        _mm512_add_ps, _mm512_fmadd_ps
    );

    /// Ones for the first `count` of 16 elements.
    #[inline(always)]
    fn mask_16(count: usize) -> u16 {
        u16::MAX >> (16 - count)
    }

    /// Ones for the first `count` of 8 elements.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn mask_8(count: usize) -> __m256i {
        // SAFETY: the caller promises the instruction set.
        unsafe {
            let index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), index)
        }
    }

    /// `_mm256_maskload_ps` with the arguments in the order of the AVX-512 intrinsic.
    ///
    /// # Safety
    /// The elements of the mask are readable at `from`; the processor has AVX2.
    #[inline(always)]
    unsafe fn load_first_8(mask: __m256i, from: *const f32) -> __m256 {
        // SAFETY: passed on.
        unsafe { _mm256_maskload_ps(from, mask) }
    }

    impl Int8Registers for Vnni512 {
        type Sums = __m512i;
        const ROWS: usize = 4;
        const CHAINS: usize = 2;

        #[inline(always)]
        fn load_sums(self, sums: &Ints) -> __m512i {
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
        fn store_sums(self, sums: __m512i, to: &mut Ints) {
            // SAFETY: as in `load_sums`.
            unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), sums) }
        }

        #[inline(always)]
        fn add_sums(self, a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: `self` proves the instruction set.
            unsafe { _mm512_add_epi32(a, b) }
        }

        #[inline(always)]
        fn dequantise(self, sums: __m512i, scale: &Block, bias: &Block, to: &mut Block) {
            // SAFETY: as in `load_sums`; a `Block` too is 64 bytes, aligned to 64.
            unsafe {
                let scale = _mm512_load_ps(scale.0.as_ptr());
                let bias = _mm512_load_ps(bias.0.as_ptr());
                let numbers = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, bias);
                _mm512_store_ps(to.0.as_mut_ptr(), numbers);
            }
        }

        // The compiler would vectorise the loop of the default across blocks, with gathers.
        #[inline(always)]
        fn quantise(
            self,
            numbers: &Block,
            steps: f32,
            range: ByteRange,
            to: &mut [u8; Block::WIDTH],
        ) {
            // SAFETY: as in `dequantise`; `to` is 16 bytes, for a store of any alignment.
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

        call!(Vnni512, Int8Work);
    }

    /// `Int8Registers` with pairs of 256-bit registers, where `$dot` is the method `dot`.
    macro_rules! int8_pairs {
        ($name:ident, $($dot:tt)+) => {
            impl Int8Registers for $name {
                type Sums = [__m256i; 2];
                const ROWS: usize = 1;
                const CHAINS: usize = 1;

                #[inline(always)]
                fn load_sums(self, sums: &Ints) -> Self::Sums {
                    // SAFETY: `self` proves the instruction set; `Ints` is 64 bytes, aligned to 64.
                    unsafe { load_pair(sums.0.as_ptr().cast()) }
                }

                #[inline(always)]
                $($dot)+

                #[inline(always)]
                fn store_sums(self, sums: Self::Sums, to: &mut Ints) {
                    let halves: *mut __m256i = to.0.as_mut_ptr().cast();
                    // SAFETY: as in `load_sums`.
                    unsafe {
                        _mm256_store_si256(halves, sums[0]);
                        _mm256_store_si256(halves.add(1), sums[1]);
                    }
                }

                #[inline(always)]
                fn add_sums(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
                    // SAFETY: `self` proves the instruction set.
                    unsafe { [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])] }
                }

                #[inline(always)]
                fn dequantise(self, sums: Self::Sums, scale: &Block, bias: &Block, to: &mut Block) {
                    for (half, sums) in sums.into_iter().enumerate() {
                        let at = half * (Block::WIDTH / 2);
                        // SAFETY: `self` proves the instruction set; a `Block` is two aligned halves of eight floats.
                        unsafe {
                            let scale = _mm256_load_ps(scale.0.as_ptr().add(at));
                            let bias = _mm256_load_ps(bias.0.as_ptr().add(at));
                            let numbers = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, bias);
                            _mm256_store_ps(to.0.as_mut_ptr().add(at), numbers);
                        }
                    }
                }

                call!($name, Int8Work);
            }
        };
    }

    /// # Safety
    /// The processor has AVX2; 64 bytes are readable at `from`, which is aligned to 32.
    #[inline(always)]
    unsafe fn load_pair(from: *const __m256i) -> [__m256i; 2] {
        // SAFETY: passed on.
        unsafe { [_mm256_load_si256(from), _mm256_load_si256(from.add(1))] }
    }

    int8_pairs!(
        Vnni256,
        fn dot(self, sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums {
            // SAFETY: `self` proves the instruction set; `Weights` is 64 bytes, aligned to 64.
            unsafe {
                let weights = load_pair(weights.0.as_ptr().cast());
                let inputs = _mm256_set1_epi32(i32::from_le_bytes(inputs));
                [
                    _mm256_dpbusd_avx_epi32(sums[0], inputs, weights[0]),
                    _mm256_dpbusd_avx_epi32(sums[1], inputs, weights[1]),
                ]
            }
        }
    );

    int8_pairs!(
        Avx2,
        // Widens bytes 0 and 2 of every four to 16 bits, then 1 and 3; `madd` adds the products in pairs.
        fn dot(self, mut sums: Self::Sums, weights: &Weights, inputs: [u8; 4]) -> Self::Sums {
            // SAFETY: `self` proves the instruction set; `Weights` is 64 bytes, aligned to 64.
            unsafe {
                let inputs = _mm256_set1_epi32(i32::from_le_bytes(inputs));
                let even = _mm256_and_si256(inputs, _mm256_set1_epi32(0x00ff_00ff));
                let odd = _mm256_srli_epi16::<8>(inputs);
                let weights = load_pair(weights.0.as_ptr().cast());
                for (sum, w) in sums.iter_mut().zip(weights) {
                    let first = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w));
                    let second = _mm256_srai_epi16::<8>(w);
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(first, even));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(second, odd));
                }
                sums
            }
        }
    );
}
