/*!
One source for several instruction sets, chosen at run time.

[`multiversion!`] compiles the body of a function for each [`InstructionSet`] and calls the widest that the processor has;
the compiler vectorises the body. Code that names registers itself uses `kernels::registers`, which chooses in the same
way. The plain version is the scalar reference of the tests. A body must give the same bits at any width: every output is
one chain of [`f32::mul_add`] in index order.
*/

use std::sync::OnceLock;

/// An instruction set of the kernels, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// The platform's baseline.
    Scalar,
    /// AVX2 and FMA: 8 floats per register.
    Avx2,
    /// AVX-512 F, VL, DQ and BW: 16 floats per register.
    Avx512,
}

impl InstructionSet {
    /// The widest set that this processor has; detected once.
    pub fn detect() -> Self {
        static LEVEL: OnceLock<InstructionSet> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("fma")
                {
                    return Self::Avx512;
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    return Self::Avx2;
                }
            }
            Self::Scalar
        })
    }

    /// Every set that this processor has, narrowest first.
    #[cfg(test)]
    pub fn available() -> Vec<Self> {
        [Self::Scalar, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|level| *level <= Self::detect())
            .collect()
    }
}

/// Compiles a function with the instructions of a set. This is the only list of the instructions of each.
#[cfg(target_arch = "x86_64")]
macro_rules! compiled_for {
    (Avx2, $($function:tt)+) => {
        #[target_feature(enable = "avx2,fma")]
        $($function)+
    };
    (Vnni256, $($function:tt)+) => {
        #[target_feature(enable = "avxvnni,avx2,fma")]
        $($function)+
    };
    (Avx512, $($function:tt)+) => {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        $($function)+
    };
    (Vnni512, $($function:tt)+) => {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni,avx2,fma")]
        $($function)+
    };
}
#[cfg(target_arch = "x86_64")]
pub(crate) use compiled_for;

/// Defines `fn name(level, arguments…)`, whose body is compiled once for each [`InstructionSet`].
///
/// A level wider than [`InstructionSet::detect`] is lowered to it, so that no caller can reach an instruction that the
/// processor lacks.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident : $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name(level: $crate::base::simd::InstructionSet, $($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            $crate::base::simd::compiled_for!(Avx512, fn avx512($($arg: $type),*) $(-> $ret)? { body($($arg),*) });

            #[cfg(target_arch = "x86_64")]
            $crate::base::simd::compiled_for!(Avx2, fn avx2($($arg: $type),*) $(-> $ret)? { body($($arg),*) });

            match level.min($crate::base::simd::InstructionSet::detect()) {
                // SAFETY: `detect` found every feature that `avx512` is compiled with.
                #[cfg(target_arch = "x86_64")]
                $crate::base::simd::InstructionSet::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: `detect` found every feature that `avx2` is compiled with.
                #[cfg(target_arch = "x86_64")]
                $crate::base::simd::InstructionSet::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    };
}
pub(crate) use multiversion;
