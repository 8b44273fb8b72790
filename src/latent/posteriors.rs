/*!
Statistics of the latent codes of a dataset: KL divergence from the prior, mutual information, active units.
*/

use rayon::prelude::*;

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::latent::{Gaussian, Normals};

/// A dimension is active if the variance of its posterior means is at least this (Burda et al. 2016, "Importance weighted
/// autoencoders", §5.2).
const ACTIVE_VARIANCE: f64 = 0.01;

/// The posteriors q(z|x) of the items of a dataset, as diagonal Gaussians.
#[derive(Debug, Clone)]
pub struct Posteriors {
    dims: usize,
    /// `[items, dims]`, as are the log variances.
    means: Vec<f32>,
    log_variances: Vec<f32>,
}

/// The two parts of E KL(q(z|x) ‖ p(z)) over a dataset (Hoffman & Johnson 2016, "ELBO surgery").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Information {
    /// I(x; z) under q in nats, from 0 to ln(items).
    pub mutual_information: f64,
    /// KL(q(z) ‖ p(z)) in nats for the aggregate posterior q(z) = 1/N Σ q(z|xₙ).
    pub marginal_kl: f64,
}

impl Posteriors {
    /// No items yet, for codes of `dims` dimensions.
    ///
    /// # Panics
    /// If `dims` is 0.
    pub fn new(dims: usize) -> Self {
        assert!(dims > 0, "codes have at least one dimension");
        Self {
            dims,
            means: Vec::new(),
            log_variances: Vec::new(),
        }
    }

    /// Adds items, `[items, dims]` both.
    ///
    /// # Panics
    /// If the lengths differ or are not a multiple of `dims`.
    pub fn extend(&mut self, means: &[f32], log_variances: &[f32]) {
        assert_eq!(
            means.len(),
            log_variances.len(),
            "one log variance for each mean"
        );
        assert!(means.len().is_multiple_of(self.dims), "whole rows");
        self.means.extend_from_slice(means);
        self.log_variances.extend_from_slice(log_variances);
    }

    /// The number of items.
    pub fn items(&self) -> usize {
        self.means.len() / self.dims
    }

    /// The posterior means of all items, `[items, dims]`.
    pub fn means(&self) -> &[f32] {
        &self.means
    }

    /// Every `step`-th item from the first.
    #[must_use]
    pub fn every(&self, step: usize) -> Self {
        let thin = |numbers: &[f32]| {
            numbers
                .chunks(self.dims)
                .step_by(step.max(1))
                .flatten()
                .copied()
                .collect()
        };
        Self {
            dims: self.dims,
            means: thin(&self.means),
            log_variances: thin(&self.log_variances),
        }
    }

    /// The posterior of item `index`.
    ///
    /// # Panics
    /// If `index` is out of bounds.
    pub fn posterior(&self, index: usize) -> Gaussian<'_> {
        let row = index * self.dims..(index + 1) * self.dims;
        Gaussian::new(&self.means[row.clone()], &self.log_variances[row])
    }

    /// E KL(q(z|x) ‖ N(0, I)) of each dimension in nats. This and the other statistics are NaN without items.
    pub fn kl_per_dimension(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.dims];
        for index in 0..self.items() {
            for (sum, kl) in sums
                .iter_mut()
                .zip(self.posterior(index).kl_per_dimension())
            {
                *sum += kl;
            }
        }
        sums.iter().map(|sum| sum / self.items() as f64).collect()
    }

    /// E KL(q(z|x) ‖ N(0, I)) in nats per item: the sum over dimensions.
    pub fn kl(&self) -> f64 {
        self.kl_per_dimension().iter().sum()
    }

    /// The sample variance over items of each dimension's posterior mean.
    pub fn mean_variances(&self) -> Vec<f64> {
        let items = self.items() as f64;
        let column = |dim: usize| {
            let means = self.means.iter().skip(dim).step_by(self.dims);
            means.map(|&mean| f64::from(mean))
        };
        (0..self.dims)
            .map(|dim| {
                let centre = column(dim).sum::<f64>() / items;
                column(dim).map(|x| (x - centre).powi(2)).sum::<f64>() / (items - 1.0)
            })
            .collect()
    }

    /// The number of active units (Burda et al. 2016, §5.2).
    pub fn active_units(&self) -> usize {
        let variances = self.mean_variances();
        variances.iter().filter(|&&v| v >= ACTIVE_VARIANCE).count()
    }

    /// Mutual information and marginal KL, with `samples` codes drawn from each item's posterior.
    ///
    /// I = E ln q(z|x) − ln q(z), with q(z) summed over all items rather than a batch (He et al. 2019, "Lagging inference
    /// networks and posterior collapse", who take the first term in closed form). Both terms use the same code, so that
    /// the estimate is exactly 0 for equal posteriors, exactly ln(items) for disjoint ones, and never above. The time is
    /// proportional to samples · items² · dims. The result depends on the seed, not on threads or SIMD width.
    pub fn information(&self, samples: usize, seed: u64) -> Information {
        let kernels = Kernels::new(self);
        let items: Vec<usize> = (0..self.items()).collect();
        let each: Vec<f64> = items
            .par_chunks(Kernels::ITEMS)
            .flat_map_iter(|items| self.information_of(items, samples, seed, &kernels))
            .collect();
        let mutual_information = each.iter().sum::<f64>() / each.len() as f64;
        Information {
            mutual_information,
            marginal_kl: self.kl() - mutual_information,
        }
    }

    /// ln q(z|x) − ln q(z) of codes drawn for `items`, at most [`Kernels::ITEMS`], `[samples, items]`.
    fn information_of(
        &self,
        items: &[usize],
        samples: usize,
        seed: u64,
        kernels: &Kernels,
    ) -> Vec<f64> {
        let mut streams: Vec<Normals> = items
            .iter()
            .map(|&item| Normals::new(*b"informed", seed, item as u64))
            .collect();
        let mut gains = Vec::with_capacity(items.len() * samples);
        for _ in 0..samples {
            let codes: Vec<f32> = items
                .iter()
                .zip(&mut streams)
                .flat_map(|(&item, normals)| self.posterior(item).sample(normals))
                .collect();
            let densities = kernels.log_densities(&codes);
            for (&item, densities) in items.iter().zip(densities.chunks(self.items())) {
                gains.push(densities[item] - log_mean_exp(densities));
            }
        }
        gains
    }
}

/// The posteriors, prepared to compute many densities at once.
struct Kernels<'a> {
    dims: usize,
    means: &'a [f32],
    /// 1 / σ² of each item and dimension.
    precisions: Vec<f32>,
    /// −½ Σ ln σ² of each item.
    offsets: Vec<f64>,
}

impl<'a> Kernels<'a> {
    /// The number of codes compared with an item while it is in the cache.
    const ITEMS: usize = 16;

    fn new(posteriors: &'a Posteriors) -> Self {
        let log_variances = &posteriors.log_variances;
        Self {
            dims: posteriors.dims,
            means: &posteriors.means,
            precisions: log_variances.iter().map(|&v| math::exp(-v)).collect(),
            offsets: log_variances
                .chunks(posteriors.dims)
                .map(|row| -0.5 * row.iter().map(|&v| f64::from(v)).sum::<f64>())
                .collect(),
        }
    }

    /// ln q(z|x) of each code under each item, `[codes, items]`, without the constant.
    fn log_densities(&self, codes: &[f32]) -> Vec<f64> {
        let level = InstructionSet::detect();
        let items = self.offsets.len();
        let mut densities = vec![0.0; codes.len() / self.dims * items];
        let rows = self.means.chunks(self.dims);
        let rows = rows.zip(self.precisions.chunks(self.dims));
        for (item, (mean, precision)) in rows.enumerate() {
            for (index, code) in codes.chunks(self.dims).enumerate() {
                let square = squared_distance(level, code, mean, precision);
                densities[index * items + item] = self.offsets[item] - 0.5 * f64::from(square);
            }
        }
        densities
    }
}

/// The number of parallel sums.
const BLOCK: usize = 16;

multiversion! {
    /// Σ (code − mean)² · precision in `BLOCK` partial sums at every SIMD width.
    fn squared_distance(code: &[f32], mean: &[f32], precision: &[f32]) -> f32 {
        let mut parts = [0.0_f32; BLOCK];
        let (codes, code) = code.as_chunks::<BLOCK>();
        let (means, mean) = mean.as_chunks::<BLOCK>();
        let (precisions, precision) = precision.as_chunks::<BLOCK>();
        for ((code, mean), precision) in codes.iter().zip(means).zip(precisions) {
            for i in 0..BLOCK {
                let away = code[i] - mean[i];
                parts[i] = (away * away).mul_add(precision[i], parts[i]);
            }
        }
        for (i, part) in parts[..code.len()].iter_mut().enumerate() {
            let away = code[i] - mean[i];
            *part = (away * away).mul_add(precision[i], *part);
        }
        parts.iter().fold(0.0, |sum, part| sum + part)
    }
}

/// The index of the code in `codes`, `[lines, dims]`, that is nearest to `point`; the first of equals, none without codes.
/// The training lines of nearest codes are the trivial interpolation, to compare with a model's.
///
/// # Panics
/// If the point has no dimensions.
pub fn nearest_code(point: &[f32], codes: &[f32]) -> Option<usize> {
    let level = InstructionSet::detect();
    let even = vec![1.0; point.len()];
    codes
        .chunks_exact(point.len())
        .map(|code| squared_distance(level, code, point, &even))
        .enumerate()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(index, _)| index)
}

/// ln (1/K Σ exp(xₖ)) without overflow; NaN for K = 0.
pub(super) fn log_mean_exp(numbers: &[f64]) -> f64 {
    let highest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if highest.is_infinite() {
        return highest;
    }
    let sum: f64 = numbers.iter().map(|x| (x - highest).exp()).sum();
    highest + (sum / numbers.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::standard_log_density;

    fn posteriors(dims: usize, rows: &[(Vec<f32>, Vec<f32>)]) -> Posteriors {
        let mut posteriors = Posteriors::new(dims);
        for (mean, log_variance) in rows {
            posteriors.extend(mean, log_variance);
        }
        posteriors
    }

    /// Means drawn from N(0, spread²), the same variance for all.
    fn drawn(items: usize, dims: usize, spread: f32, variance: f32) -> Posteriors {
        let mut normals = Normals::new(*b"testing ", 2, 9);
        let row = |_| {
            let mean = normals.code(dims).iter().map(|x| spread * x).collect();
            (mean, vec![variance.ln(); dims])
        };
        posteriors(dims, &(0..items).map(row).collect::<Vec<_>>())
    }

    #[test]
    fn collapsed_posteriors_have_no_mutual_information() {
        for dims in [1, 5, 33] {
            let same = posteriors(dims, &vec![(vec![0.3; dims], vec![-1.0; dims]); 40]);
            let found = same.information(2, 1);
            assert!(found.mutual_information.abs() < 1e-12);
            assert!((found.marginal_kl - same.kl()).abs() < 1e-12);
            assert_eq!(same.active_units(), 0);
            assert!((same.kl() - same.posterior(7).kl()).abs() < 1e-9);
        }
    }

    #[test]
    fn disjoint_posteriors_have_the_largest_mutual_information() {
        // Twelve items in four groups: three items share a posterior.
        for (alike, told) in [(1, 12.0_f64), (3, 4.0), (12, 1.0)] {
            let rows: Vec<_> = (0..12)
                .map(|item| (vec![50.0 * (item / alike) as f32, 1.0], vec![-1.0, 0.5]))
                .collect();
            let found = posteriors(2, &rows).information(4, 1);
            assert!((found.mutual_information - told.ln()).abs() < 1e-9);
        }
    }

    #[test]
    fn two_overlapping_gaussians_give_the_integral() {
        for away in [0.2_f32, 1.0, 2.0] {
            // Many items make one sample of each enough.
            let rows: Vec<_> = (0..2000)
                .map(|item| {
                    let side = if item % 2 == 0 { away } else { -away };
                    (vec![side], vec![0.0])
                })
                .collect();
            let found = posteriors(1, &rows).information(4, 5);
            // ln 2 − E ln(1 + exp(−2a(a + ε))), by the trapezoidal rule.
            let a = f64::from(away);
            let lost: f64 = (-8000..=8000)
                .map(|i| {
                    let noise = f64::from(i) * 1e-3;
                    let density = standard_log_density(&[noise as f32]).exp();
                    1e-3 * density * (-2.0 * a * (a + noise)).exp().ln_1p()
                })
                .sum();
            let expected = 2_f64.ln() - lost;
            assert!(
                (found.mutual_information - expected).abs() < 0.02,
                "{found:?}: {expected}"
            );
        }
    }

    #[test]
    fn it_approaches_the_capacity_of_a_gaussian_channel() {
        // z = μ + ε with μ from N(0, τ²): I = dims · ½ ln(1 + τ²/σ²). With τ² + σ² = 1 the aggregate posterior is the prior.
        let variance = 0.4_f32;
        for dims in [1, 2] {
            let channel = drawn(3000, dims, (1.0 - variance).sqrt(), variance);
            let found = channel.information(1, 3);
            let expected = dims as f64 * 0.5 * (1.0 / f64::from(variance)).ln();
            assert!(
                (found.mutual_information - expected).abs() < 0.05 * dims as f64,
                "{found:?}: {expected}"
            );
            assert!(found.marginal_kl.abs() < 0.06 * dims as f64, "{found:?}");
        }
    }

    #[test]
    fn information_is_bounded_by_the_number_of_items_and_by_the_kl() {
        for (spread, variance) in [(0.1, 0.9), (1.0, 0.5), (3.0, 0.1), (0.5, 1e-4)] {
            let some = drawn(300, 20, spread, variance);
            let found = some.information(2, 1);
            assert!(found.mutual_information <= 300_f64.ln() + 1e-9);
            // The estimate may be slightly negative.
            assert!(found.mutual_information > -0.02 && found.marginal_kl > -0.3);
            let sum = found.mutual_information + found.marginal_kl;
            assert!((sum - some.kl()).abs() < 1e-9);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_number() {
        let some = drawn(100, 8, 1.0, 0.5);
        assert_eq!(some.information(2, 1), some.information(2, 1));
        assert_ne!(some.information(2, 1), some.information(2, 2));
    }

    #[test]
    fn log_densities_equal_those_of_the_gaussians_at_every_width() {
        for dims in [1, 15, 16, 33, 128] {
            let some = drawn(20, dims, 1.0, 0.3);
            let codes = Normals::new(*b"testing ", 1, 1).code(3 * dims);
            let found = Kernels::new(&some).log_densities(&codes);
            let constant = some.dims as f64 * 0.5 * std::f64::consts::TAU.ln();
            for (index, code) in codes.chunks(dims).enumerate() {
                for item in 0..20 {
                    let expected = some.posterior(item).log_density(code) + constant;
                    let found = found[index * 20 + item];
                    assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0));
                }
            }
            let precision = vec![1.5; dims];
            let narrow = squared_distance(
                InstructionSet::Scalar,
                &codes[..dims],
                &some.means[..dims],
                &precision,
            );
            for level in InstructionSet::available() {
                let wide = squared_distance(level, &codes[..dims], &some.means[..dims], &precision);
                assert_eq!(narrow, wide);
            }
        }
    }

    #[test]
    fn a_dimension_is_active_from_a_variance_of_one_hundredth() {
        // Means of ±s have the variance s² · items / (items − 1).
        let deviation = |variance: f64| (variance * 0.9).sqrt() as f32;
        let scales = [deviation(0.0101), deviation(0.0099), 0.0, 1.0];
        let rows: Vec<_> = (0..10)
            .map(|item| {
                let sign = if item % 2 == 0 { 1.0 } else { -1.0 };
                // A constant mean far from zero is not activity.
                (scales.map(|s| 5.0 + sign * s).to_vec(), vec![0.0; 4])
            })
            .collect();
        let some = posteriors(4, &rows);
        let variances = some.mean_variances();
        for (found, expected) in variances.iter().zip([0.0101, 0.0099, 0.0, 1.0 / 0.9]) {
            assert!((found - expected).abs() < 1e-5);
        }
        assert_eq!(some.active_units(), 2);
    }

    #[test]
    fn kl_is_the_mean_over_items_and_the_sum_over_dimensions() {
        let some = drawn(7, 3, 1.0, 0.5);
        let expected = (0..7).map(|item| some.posterior(item).kl()).sum::<f64>() / 7.0;
        assert!((some.kl() - expected).abs() < 1e-12);
        assert_eq!(some.kl_per_dimension().len(), 3);
        assert_eq!((some.items(), some.means().len()), (7, 21));
    }

    #[test]
    fn the_mean_of_exponentials_does_not_overflow() {
        let plain = [0.5_f64, -1.0, 2.0];
        let expected = (plain.iter().map(|x| x.exp()).sum::<f64>() / 3.0).ln();
        for shift in [0.0, 1e4, -1e4] {
            let shifted = plain.map(|x| x + shift);
            assert!((log_mean_exp(&shifted) - expected - shift).abs() < 1e-9);
        }
        assert_eq!(log_mean_exp(&[-3.0; 500]), -3.0);
        assert_eq!(log_mean_exp(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
        assert!((log_mean_exp(&[f64::NEG_INFINITY, 0.0]) + 2_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn the_nearest_code_is_the_first_among_equals() {
        let codes = [0.0, 0.0, 1.0, 0.0, 0.0, 3.0, 1.0, 0.0];
        assert_eq!(nearest_code(&[0.9, 0.2], &codes), Some(1));
        assert_eq!(nearest_code(&[0.0, 2.0], &codes), Some(2));
        assert_eq!(nearest_code(&[-9.0, -9.0], &codes), Some(0));
        assert_eq!(nearest_code(&[1.0, 0.0], &codes), Some(1));
        assert_eq!(nearest_code(&[0.0, 2.0], &[]), None);
    }
}
