/*!
Diagonal Gaussians: the posterior of a latent code, and the standard normal prior.

Standard normal numbers are a function of a seed with the same bits on every machine. They use only +, ×, ÷ and √, since
the logarithm differs between C libraries.
*/

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::base::math;
use crate::base::rng::keyed;

/// N(mean, diag(exp(log_variance))).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaussian<'a> {
    mean: &'a [f32],
    log_variance: &'a [f32],
}

impl<'a> Gaussian<'a> {
    /// A Gaussian from its means and log variances (natural logarithms), `[dims]` each.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn new(mean: &'a [f32], log_variance: &'a [f32]) -> Self {
        assert_eq!(
            mean.len(),
            log_variance.len(),
            "one log variance for each mean"
        );
        Self { mean, log_variance }
    }

    /// The mean, `[dims]`.
    pub fn mean(&self) -> &'a [f32] {
        self.mean
    }

    /// Mean and log variance of each dimension.
    fn dimensions(&self) -> impl Iterator<Item = (f64, f64)> {
        self.mean
            .iter()
            .zip(self.log_variance)
            .map(|(&mean, &log_variance)| (f64::from(mean), f64::from(log_variance)))
    }

    /// KL(self ‖ N(0, 1)) of each dimension in nats: ½ (μ² + σ² − 1 − ln σ²) (Kingma & Welling 2014, "Auto-encoding
    /// variational Bayes", appendix B).
    pub fn kl_per_dimension(&self) -> impl Iterator<Item = f64> {
        // exp_m1 keeps the digits that σ² − 1 loses near 1.
        self.dimensions().map(|(mean, log_variance)| {
            0.5 * (mean * mean + (log_variance.exp_m1() - log_variance))
        })
    }

    /// KL(self ‖ N(0, I)) in nats: the sum over dimensions.
    pub fn kl(&self) -> f64 {
        self.kl_per_dimension().sum()
    }

    /// The log density at `code`.
    ///
    /// # Panics
    /// If the code has another length.
    pub fn log_density(&self, code: &[f32]) -> f64 {
        assert_eq!(code.len(), self.mean.len(), "a code with another length");
        self.dimensions()
            .zip(code)
            .map(|((mean, log_variance), &z)| {
                let away = f64::from(z) - mean;
                -0.5 * (LN_TAU + log_variance + away * away * (-log_variance).exp())
            })
            .sum()
    }

    /// σ of each dimension.
    pub fn deviations(&self) -> Vec<f32> {
        let deviation = |v: &f32| math::exp(0.5 * v);
        self.log_variance.iter().map(deviation).collect()
    }

    /// μ + σ ε for standard normal `noise` ε: the reparameterisation trick (Kingma & Welling 2014, §2.4).
    ///
    /// # Panics
    /// If the noise has another length.
    pub fn reparameterise(&self, noise: &[f32]) -> Vec<f32> {
        assert_eq!(noise.len(), self.mean.len(), "noise with another length");
        self.mean
            .iter()
            .zip(self.log_variance)
            .zip(noise)
            .map(|((mean, log_variance), noise)| {
                math::exp(0.5 * log_variance).mul_add(*noise, *mean)
            })
            .collect()
    }

    /// Draws a code.
    pub fn sample(&self, normals: &mut Normals) -> Vec<f32> {
        self.reparameterise(&normals.code(self.mean.len()))
    }
}

/// A code drawn from the prior N(0, I): a function of the seed and the stream's number.
pub fn draw_from_prior(dims: usize, seed: u64, stream: u64) -> Vec<f32> {
    Normals::new(*b"prior   ", seed, stream).code(dims)
}

/// The log density of N(0, I) at `code`.
pub fn standard_log_density(code: &[f32]) -> f64 {
    code.iter()
        .map(|&z| -0.5 * (LN_TAU + f64::from(z) * f64::from(z)))
        .sum()
}

/// ln 2π.
const LN_TAU: f64 = 1.837_877_066_409_345_3;

/// An endless iterator of standard normal numbers by the polar method (Marsaglia & Bray 1964, "A convenient method for
/// generating normal variables").
#[derive(Debug, Clone)]
pub struct Normals {
    rng: ChaCha8Rng,
    /// The second number of a pair.
    second: Option<f64>,
}

impl Normals {
    /// The stream of `item` for this seed and purpose.
    pub fn new(purpose: [u8; 8], seed: u64, item: u64) -> Self {
        Self {
            rng: keyed(&[seed.to_le_bytes(), *b"normals ", purpose], item),
            second: None,
        }
    }

    /// A code drawn from N(0, I): the next `dims` numbers.
    pub fn code(&mut self, dims: usize) -> Vec<f32> {
        self.take(dims).map(|x| x as f32).collect()
    }

    /// Uniform in [−1, 1).
    fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 52) as f64;
        (self.rng.next_u64() >> 11) as f64 * STEP - 1.0
    }

    fn pair(&mut self) -> (f64, f64) {
        loop {
            let (x, y) = (self.uniform(), self.uniform());
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let scale = (-2.0 * ln(square) / square).sqrt();
                return (scale * x, scale * y);
            }
        }
    }
}

impl Iterator for Normals {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        Some(self.second.take().unwrap_or_else(|| {
            let (first, second) = self.pair();
            self.second = Some(second);
            first
        }))
    }
}

/// ln of a normal positive number: x = 2ⁿ m with m in [√½, √2), and ln m = 2 artanh((m − 1) / (m + 1)) by its series, with
/// a first omitted term below 10⁻¹⁸.
fn ln(x: f64) -> f64 {
    const EXPONENT: u64 = 0x7FF << 52;
    let mut n = ((x.to_bits() & EXPONENT) >> 52) as i32 - 1023;
    let mut m = f64::from_bits((x.to_bits() & !EXPONENT) | 1.0_f64.to_bits());
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        n += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let series = (0..=10)
        .rev()
        .fold(0.0, |sum, k| sum * s * s + 1.0 / f64::from(2 * k + 1));
    2.0 * s * series + f64::from(n) * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN: [f32; 4] = [0.0, -1.25, 2.0, 0.5];
    const LOG_VARIANCE: [f32; 4] = [0.0, -2.0, 0.75, 1e-3];

    fn gaussian() -> Gaussian<'static> {
        Gaussian::new(&MEAN, &LOG_VARIANCE)
    }

    /// ∫ f over [−30, 30], by the trapezoidal rule.
    fn integral(f: impl Fn(f32) -> f64) -> f64 {
        const STEP: f32 = 1.0 / 512.0;
        (-30 * 512..=30 * 512)
            .map(|i| f64::from(STEP) * f(i as f32 * STEP))
            .sum()
    }

    #[test]
    fn kl_equals_its_integral() {
        for (i, kl) in gaussian().kl_per_dimension().enumerate() {
            let one = Gaussian::new(&MEAN[i..=i], &LOG_VARIANCE[i..=i]);
            let expected = integral(|z| {
                let log = one.log_density(&[z]);
                log.exp() * (log - standard_log_density(&[z]))
            });
            assert!((kl - expected).abs() < 1e-6, "{kl} is not {expected}");
            assert!((one.kl() - kl).abs() < 1e-12);
        }
        let sum: f64 = gaussian().kl_per_dimension().sum();
        assert!((gaussian().kl() - sum).abs() < 1e-12);
    }

    #[test]
    fn kl_is_zero_only_for_the_standard_normal() {
        assert_eq!(Gaussian::new(&[0.0; 3], &[0.0; 3]).kl(), 0.0);
        for tiny in [1e-3, -1e-3] {
            let from_mean = Gaussian::new(&[tiny], &[0.0]).kl();
            assert!((from_mean / 5e-7 - 1.0).abs() < 1e-5);
            let from_variance = Gaussian::new(&[0.0], &[tiny]).kl();
            assert!((from_variance / 2.5e-7 - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn densities_integrate_to_one_and_are_products() {
        for i in 0..4 {
            let one = Gaussian::new(&MEAN[i..=i], &LOG_VARIANCE[i..=i]);
            assert!((integral(|z| one.log_density(&[z]).exp()) - 1.0).abs() < 1e-6);
        }
        let code = [0.3, -1.0, 4.0, 0.0];
        let product: f64 = (0..4)
            .map(|i| Gaussian::new(&MEAN[i..=i], &LOG_VARIANCE[i..=i]).log_density(&code[i..=i]))
            .sum();
        assert!((gaussian().log_density(&code) - product).abs() < 1e-12);
        let standard = Gaussian::new(&[0.0; 4], &[0.0; 4]);
        assert!((standard.log_density(&code) - standard_log_density(&code)).abs() < 1e-12);
    }

    #[test]
    fn noise_is_the_distance_from_the_mean_in_standard_deviations() {
        assert_eq!(gaussian().reparameterise(&[0.0; 4]), MEAN);
        let noise = [1.0, -2.0, 0.5, 3.0];
        let code = gaussian().reparameterise(&noise);
        for i in 0..4 {
            let deviation = (0.5 * f64::from(LOG_VARIANCE[i])).exp();
            let away = f64::from(code[i] - MEAN[i]);
            assert!((away - deviation * f64::from(noise[i])).abs() < 1e-6);
        }
    }

    #[test]
    fn samples_have_the_moments_of_their_gaussian() {
        const COUNT: usize = 20_000;
        let mut normals = Normals::new(*b"testing ", 1, 2);
        let codes: Vec<Vec<f32>> = (0..COUNT)
            .map(|_| gaussian().sample(&mut normals))
            .collect();
        for i in 0..4 {
            let numbers = || codes.iter().map(|code| f64::from(code[i]));
            let mean = numbers().sum::<f64>() / COUNT as f64;
            let variance = numbers().map(|x| (x - mean).powi(2)).sum::<f64>() / COUNT as f64;
            let expected = f64::from(LOG_VARIANCE[i]).exp();
            // Four standard errors.
            let allowed = 4.0 * (expected / COUNT as f64).sqrt();
            assert!((mean - f64::from(MEAN[i])).abs() < allowed);
            assert!((variance / expected - 1.0).abs() < 4.0 * (2.0 / COUNT as f64).sqrt());
        }
    }

    #[test]
    fn normals_have_the_right_distribution_and_are_uncorrelated() {
        const COUNT: usize = 200_000;
        let numbers: Vec<f64> = Normals::new(*b"testing ", 7, 0).take(COUNT).collect();
        let share = |below: f64| numbers.iter().filter(|&&x| x < below).count() as f64;
        for (below, expected) in [
            (-3.0, 0.001_350),
            (-2.0, 0.022_750),
            (-1.0, 0.158_655),
            (0.0, 0.5),
            (0.5, 0.691_462),
            (1.0, 0.841_345),
            (2.0, 0.977_250),
            (3.0, 0.998_650),
        ] {
            let error = (expected * (1.0 - expected) / COUNT as f64).sqrt();
            assert!((share(below) / COUNT as f64 - expected).abs() < 4.0 * error);
        }
        let error = 1.0 / (COUNT as f64).sqrt();
        for lag in 1..4 {
            let neighbours = numbers.iter().zip(&numbers[lag..]);
            let (plain, squared) = neighbours.fold((0.0, 0.0), |(plain, squared), (x, y)| {
                (plain + x * y, squared + (x * x - 1.0) * (y * y - 1.0))
            });
            assert!((plain / COUNT as f64).abs() < 4.0 * error);
            assert!((squared / COUNT as f64).abs() < 4.0 * 2.0 * error);
        }
    }

    #[test]
    fn numbers_depend_on_purpose_seed_and_item_alone() {
        let whole = Normals::new(*b"testing ", 3, 5).code(9);
        let mut normals = Normals::new(*b"testing ", 3, 5);
        let parts = [normals.code(2), normals.code(3), normals.code(4)].concat();
        assert_eq!(whole, parts);
        assert_ne!(whole, Normals::new(*b"testing ", 3, 6).code(9));
        assert_ne!(whole, Normals::new(*b"testing ", 4, 5).code(9));
        assert_ne!(whole, Normals::new(*b"proving ", 3, 5).code(9));
    }

    #[test]
    fn the_logarithm_is_right() {
        let mut x = 2_f64.powi(-104);
        while x < 4.0 {
            assert!(
                (ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0),
                "ln {x}"
            );
            x *= 1.003_7;
        }
        for x in [1.0, 0.5, 1.0 - f64::EPSILON, 1.0 + f64::EPSILON] {
            assert!((ln(x) - x.ln()).abs() <= 1e-15 * x.ln().abs());
        }
    }
}
