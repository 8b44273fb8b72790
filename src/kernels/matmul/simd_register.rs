/*! One vector register of each instruction set, and its scalar twin. */

/// One vector register, or its scalar twin.
pub(crate) trait Lanes: Copy {
    /// Floats in a vector.
    const WIDTH: usize;
    /// Vectors in the widest panel.
    const PANEL: usize;
    /// # Safety
    /// `WIDTH` floats are readable at `from`; the processor has the vector's instructions.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `WIDTH` floats are writable at `to`; the processor has the vector's instructions.
    unsafe fn store(self, to: *mut f32);
    /// The first `count` floats, then zeros.
    ///
    /// # Safety
    /// `count` floats are readable at `from`; the processor has the vector's instructions.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;
    /// # Safety
    /// `count` floats are writable at `to`; the processor has the vector's instructions.
    unsafe fn store_first(self, to: *mut f32, count: usize);
    /// # Safety
    /// The processor has the vector's instructions.
    unsafe fn splat(value: f32) -> Self;
    /// `self + a·b`, rounded once.
    ///
    /// # Safety
    /// The processor has the vector's instructions.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
    /// Asks for the cache line at `address`, which need not be readable, to come closer.
    fn prefetch(address: *const f32);
}

impl Lanes for [f32; 4] {
    const WIDTH: usize = 4;
    const PANEL: usize = 2;
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises four readable floats; arrays of f32 have no stricter alignment.
        unsafe { from.cast::<Self>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises four writable floats.
        unsafe { to.cast::<Self>().write(self) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller promises `count` readable floats.
        std::array::from_fn(|i| {
            if i < count {
                unsafe { *from.add(i) }
            } else {
                0.0
            }
        })
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        for (i, value) in self.into_iter().enumerate().take(count) {
            // SAFETY: the caller promises `count` writable floats.
            unsafe { *to.add(i) = value };
        }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|i| a[i].mul_add(b[i], self[i]))
    }
    #[inline(always)]
    fn prefetch(_: *const f32) {}
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::{
        __m256, __m256i, __m512, _MM_HINT_T1, _mm_prefetch, _mm256_cmpgt_epi32, _mm256_fmadd_ps,
        _mm256_loadu_ps, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_set1_epi32,
        _mm256_set1_ps, _mm256_setr_epi32, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    macro_rules! lanes {
        (
            $vector:ty, $width:literal, $panel:literal, $load:ident, $store:ident, $load_first:ident,
            $store_first:ident, $mask:ident, $splat:ident, $fma:ident
        ) => {
            impl Lanes for $vector {
                const WIDTH: usize = $width;
                const PANEL: usize = $panel;
                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: the caller promises readable floats and the instruction set.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: the caller promises writable floats and the instruction set.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn load_first(from: *const f32, count: usize) -> Self {
                    // SAFETY: the caller promises `count` readable floats and the instruction set.
                    unsafe { $load_first($mask(count), from) }
                }
                #[inline(always)]
                unsafe fn store_first(self, to: *mut f32, count: usize) {
                    // SAFETY: the caller promises `count` writable floats and the instruction set.
                    unsafe { $store_first(to, $mask(count), self) }
                }
                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $fma(a, b, self) }
                }
                #[inline(always)]
                fn prefetch(address: *const f32) {
                    // SAFETY: a prefetch reads nothing, and every x86-64 processor has it.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
                }
            }
        };
    }
    lanes!(
        __m256,
        8,
        2,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        load_first_8,
        _mm256_maskstore_ps,
        mask_8,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
    lanes!(
        __m512,
        16,
        4,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_maskz_loadu_ps,
        _mm512_mask_storeu_ps,
        mask_16,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );

    /// Ones for the first `count` of 16 lanes.
    #[inline(always)]
    fn mask_16(count: usize) -> u16 {
        u16::MAX >> (16 - count)
    }

    /// Ones for the first `count` of 8 lanes.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn mask_8(count: usize) -> __m256i {
        // SAFETY: the caller promises the instruction set.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
        }
    }

    /// `_mm256_maskload_ps` with the arguments of its AVX-512 sister.
    ///
    /// # Safety
    /// The lanes of the mask are readable at `from`; the processor has AVX2.
    #[inline(always)]
    unsafe fn load_first_8(mask: __m256i, from: *const f32) -> __m256 {
        // SAFETY: passed on.
        unsafe { _mm256_maskload_ps(from, mask) }
    }
}
