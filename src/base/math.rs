/*!
exp, ln, tanh and sigmoid as fixed chains of f32 operations, with the same bits on every machine and at every SIMD width. Those
of C libraries differ.
*/

/// e^x with a relative error below 2e-7. x is clamped to [-87, 88], so that the result is neither 0 nor infinite.
///
/// Cody–Waite reduction to |r| ≤ ln2/2 and a polynomial of degree 6 (the coefficients of Cephes `expf`).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4_f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let p = p.mul_add(r * r, r) + 1.0;
    // 2^n from the low bits of `rounded`: a conversion to an integer would prevent vectorisation.
    let two_to_n = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    p * two_to_n
}

/// The natural logarithm, with an error below 2e-7 or 2e-7 of it, whichever is more. x is normal, from 1.2e-38; less is taken for that. NaN
/// stays NaN.
///
/// x = (1 + m)·2ⁿ with 1 + m from √½ to √2, and a polynomial in m of degree 8 (the coefficients of Cephes `logf`).
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    // Rounds the exponent so that m is as near to 0 as it can be.
    let n = (bits.wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits()) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((n << 23) as u32)) - 1.0;
    let n = n as f32;
    let p = 7.037_683_6e-2_f32;
    let p = p.mul_add(m, -1.151_461e-1);
    let p = p.mul_add(m, 1.167_699_9e-1);
    let p = p.mul_add(m, -1.242_014_1e-1);
    let p = p.mul_add(m, 1.424_932_3e-1);
    let p = p.mul_add(m, -1.666_805_8e-1);
    let p = p.mul_add(m, 2.000_071_5e-1);
    let p = p.mul_add(m, -2.499_999_4e-1);
    let p = p.mul_add(m, 3.333_333e-1);
    let square = m * m;
    let rest = (p * m).mul_add(square, n * -2.121_944_4e-4) - 0.5 * square;
    let ln = n.mul_add(0.693_359_4, m + rest);
    if x.is_nan() { x } else { ln }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh(x) with an absolute error below 3e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> impl Iterator<Item = f32> {
        (-80_000..80_000).map(|i| i as f32 * 1e-3)
    }

    #[test]
    fn exp_has_a_relative_error_below_2e_7() {
        for x in inputs() {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2e-7, "exp({x}) is off by {error:e}");
        }
    }

    #[test]
    fn ln_has_an_error_below_2e_7() {
        for x in inputs().map(exp) {
            let exact = f64::from(x).ln();
            let error = (f64::from(ln(x)) - exact).abs() / exact.abs().max(1.0);
            assert!(error < 2e-7, "ln({x}) is off by {error:e}");
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), ln(f32::MIN_POSITIVE));
        assert!(ln(f32::MAX).is_finite());
        assert!(ln(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_and_sigmoid_are_close_and_bounded() {
        for x in inputs() {
            let wide = f64::from(x);
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 3e-7, "tanh({x})");
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + (-wide).exp())).abs() < 2e-7);
            assert!(tanh(x).abs() <= 1.0 && (0.0..=1.0).contains(&sigmoid(x)));
        }
    }

    #[test]
    fn extreme_inputs_stay_finite() {
        for x in [f32::MIN, -1e6, 1e6, f32::MAX] {
            assert!(exp(x).is_finite() && tanh(x).is_finite() && sigmoid(x).is_finite());
        }
    }
}
