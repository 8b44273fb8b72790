/*!
A mixture of Gaussians with diagonal covariances, fitted by expectation maximisation (Bishop 2006, §9.2.2): the density of the
codes that a model really uses, where the prior N(0, I) is only what they were pulled towards (Ghosh et al. 2020, "From
variational to deterministic autoencoders", §4).
*/

use serde::{Deserialize, Serialize};

use crate::base::rng::rng_stream;
use crate::latent::em::{self, Family, Limits, log_sum_exp, unit};

/// When EM ends.
const LIMITS: Limits = Limits {
    rounds: 200,
    least_gain: 1e-4,
};
/// The smallest variance: a part cannot collapse onto one point.
const FLOOR: f64 = 1e-4;
/// The numbers of parts that [`Mixture::choose`] tries.
const SIZES: [usize; 6] = [1, 2, 5, 10, 20, 50];

/// A mixture over codes of a fixed length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    weight: f64,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Part {
    /// ln (weight · density).
    fn log_density(&self, code: &[f32]) -> f64 {
        let exponent: f64 = code
            .iter()
            .zip(self.mean.iter().zip(&self.variance))
            .map(|(&x, (mean, variance))| {
                let off = f64::from(x) - mean;
                off * off / variance + (std::f64::consts::TAU * variance).ln()
            })
            .sum();
        self.weight.ln() - 0.5 * exponent
    }
}

/// Codes as EM fits Gaussians to them.
struct Codes<'a> {
    rows: Vec<&'a [f32]>,
    dims: usize,
    /// The variance of all codes.
    spread: Vec<f64>,
}

impl<'a> Codes<'a> {
    fn new(codes: &'a [f32], dims: usize) -> Self {
        let rows: Vec<&[f32]> = codes.chunks_exact(dims).collect();
        Self {
            spread: moments(&rows, dims, |_| 1.0).1,
            rows,
            dims,
        }
    }
}

impl Family for Codes<'_> {
    type Part = Part;

    fn items(&self) -> usize {
        self.rows.len()
    }

    fn squared_distance(&self, a: usize, b: usize) -> f64 {
        let square = |(&a, &b): (&f32, &f32)| f64::from(a - b) * f64::from(a - b);
        self.rows[a].iter().zip(self.rows[b]).map(square).sum()
    }

    fn around(&self, item: usize) -> Part {
        Part {
            weight: 1.0,
            mean: self.rows[item].iter().map(|&x| f64::from(x)).collect(),
            variance: self.spread.clone(),
        }
    }

    fn fitted(&self, weights: &[f64]) -> Part {
        let (mean, variance) = moments(&self.rows, self.dims, |row| weights[row]);
        Part {
            weight: 1.0,
            mean,
            variance,
        }
    }

    fn log_densities(&self, parts: &[Part]) -> Vec<f64> {
        let of_row = |row: &&[f32]| parts.iter().map(|part| part.log_density(row)).collect();
        let each: Vec<Vec<f64>> = self.rows.iter().map(of_row).collect();
        each.concat()
    }
}

impl Mixture {
    /// Fits `size` parts to codes `[count, dims]`, as [`em::fit`] does.
    ///
    /// # Panics
    /// Without a code, a dimension or a part.
    pub fn fit(codes: &[f32], dims: usize, size: usize, seed: u64) -> Self {
        let parts = em::fit(&Codes::new(codes, dims), size, LIMITS, seed);
        let with_weight = |(weight, part)| Part { weight, ..part };
        Self {
            parts: parts.into_iter().map(with_weight).collect(),
        }
    }

    /// The mixture whose number of parts gives codes that it was not fitted to the highest density.
    ///
    /// # Panics
    /// As [`fit`](Self::fit), and without a held-out code.
    pub fn choose(codes: &[f32], held_out: &[f32], dims: usize, seed: u64) -> Self {
        assert!(held_out.len() >= dims, "something held out");
        let count = codes.len() / dims;
        let fitted = SIZES
            .iter()
            .filter(|&&size| size == 1 || size * 10 <= count);
        let fitted = fitted.map(|&size| Self::fit(codes, dims, size, seed));
        em::best(fitted, |mixture| {
            let held_out = held_out.chunks_exact(dims);
            held_out.map(|code| mixture.log_density(code)).sum()
        })
    }

    /// How many parts it has.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The length of a code.
    pub fn dims(&self) -> usize {
        self.parts[0].mean.len()
    }

    /// Whether it has parts of one length, whose numbers are finite and variances above 0: as a file may not.
    pub fn is_valid(&self) -> bool {
        let dims = self.parts.first().map_or(0, |part| part.mean.len());
        dims > 0
            && self.parts.iter().all(|part| {
                part.weight.is_finite()
                    && part.weight > 0.0
                    && part.mean.len() == dims
                    && part.variance.len() == dims
                    && part.mean.iter().all(|x| x.is_finite())
                    && part.variance.iter().all(|&x| x.is_finite() && x > 0.0)
            })
    }

    /// ln p(code), in nats.
    pub fn log_density(&self, code: &[f32]) -> f64 {
        let each: Vec<f64> = self
            .parts
            .iter()
            .map(|part| part.log_density(code))
            .collect();
        log_sum_exp(&each)
    }

    /// A code: standard normal `noise` moved to a part, which is a function of the seed and the item.
    ///
    /// # Panics
    /// If the noise has another length.
    pub fn draw(&self, noise: &[f32], seed: u64, item: u64) -> Vec<f32> {
        assert_eq!(noise.len(), self.dims(), "noise with another length");
        let mut rng = rng_stream(seed, *b"mixture ", item);
        let mut left = unit(&mut rng);
        let part = self.parts.iter().find(|part| {
            left -= part.weight;
            left < 0.0
        });
        // Rounding may leave nothing for the last part.
        let part = part.unwrap_or(&self.parts[self.parts.len() - 1]);
        noise
            .iter()
            .zip(part.mean.iter().zip(&part.variance))
            .map(|(&noise, (mean, variance))| (mean + variance.sqrt() * f64::from(noise)) as f32)
            .collect()
    }
}

/// Mean and variance of weighted codes.
fn moments(rows: &[&[f32]], dims: usize, weight: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<f64>) {
    let mut total = 0.0;
    let mut mean = vec![0.0; dims];
    for (index, row) in rows.iter().enumerate() {
        let weight = weight(index);
        total += weight;
        for (mean, &x) in mean.iter_mut().zip(*row) {
            *mean += weight * f64::from(x);
        }
    }
    let divisor = total.max(f64::MIN_POSITIVE);
    for mean in &mut mean {
        *mean /= divisor;
    }
    let mut variance = vec![0.0; dims];
    for (index, row) in rows.iter().enumerate() {
        let weight = weight(index);
        for (variance, (&x, mean)) in variance.iter_mut().zip(row.iter().zip(&mean)) {
            let off = f64::from(x) - mean;
            *variance += weight * off * off;
        }
    }
    for variance in &mut variance {
        *variance = (*variance / divisor).max(FLOOR);
    }
    (mean, variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Normals;

    fn draw(mixture: &Mixture, seed: u64, item: u64) -> Vec<f32> {
        let noise = Normals::new(*b"mixture ", seed, item).code(mixture.dims());
        mixture.draw(&noise, seed, item)
    }

    /// Codes about three points of the plane, half of them about the first.
    fn clusters(count: usize, seed: u64) -> Vec<f32> {
        let points = [[0.0, 0.0], [6.0, 0.0], [0.0, -5.0], [0.0, 0.0]];
        let mut normals = Normals::new(*b"clusters", seed, 0);
        (0..count)
            .flat_map(|item| {
                let [x, y] = points[item % 4];
                let noise = normals.code(2);
                [x + 0.5 * noise[0], y + 0.5 * noise[1]]
            })
            .collect()
    }

    #[test]
    fn clusters_are_found_with_their_weights_and_the_right_number_is_chosen() {
        let mixture = Mixture::fit(&clusters(2000, 1), 2, 3, 4);
        let mut found: Vec<_> = mixture
            .parts
            .iter()
            .map(|p| (p.weight, p.mean.clone()))
            .collect();
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        for ((weight, _), wanted) in found.iter().zip([0.5, 0.25, 0.25]) {
            assert!((weight - wanted).abs() < 0.02, "{weight}");
        }
        assert!(found[0].1.iter().all(|x| x.abs() < 0.1), "{found:?}");
        let mut sides: Vec<f64> = found[1..]
            .iter()
            .map(|(_, mean)| mean[0] - mean[1])
            .collect();
        sides.sort_by(f64::total_cmp);
        assert!(
            (sides[0] - 5.0).abs() < 0.2 && (sides[1] - 6.0).abs() < 0.2,
            "{sides:?}"
        );
        let chosen = Mixture::choose(&clusters(2000, 1), &clusters(500, 2), 2, 4);
        assert!(
            (3..=5).contains(&chosen.parts()),
            "{} parts",
            chosen.parts()
        );
        let one = Mixture::fit(&clusters(2000, 1), 2, 1, 4);
        let density = |m: &Mixture| -> f64 {
            clusters(500, 3)
                .chunks(2)
                .map(|code| m.log_density(code))
                .sum()
        };
        assert!(density(&chosen) > density(&one) + 100.0);
    }

    #[test]
    fn its_density_sums_to_one_and_its_draws_have_its_moments() {
        let mixture = Mixture::fit(&clusters(400, 1), 2, 5, 1);
        let step = 0.1_f32;
        let mut sum = 0.0;
        for x in -60..120 {
            for y in -120..60 {
                let code = [x as f32 * step, y as f32 * step];
                sum += mixture.log_density(&code).exp() * f64::from(step * step);
            }
        }
        assert!((sum - 1.0).abs() < 0.01, "{sum}");
        let drawn: Vec<f32> = (0..4000).flat_map(|item| draw(&mixture, 7, item)).collect();
        let rows: Vec<&[f32]> = drawn.chunks(2).collect();
        let (mean, variance) = moments(&rows, 2, |_| 1.0);
        let part = |of: &dyn Fn(&Part) -> f64| -> f64 {
            mixture.parts.iter().map(|p| p.weight * of(p)).sum()
        };
        for dim in 0..2 {
            let expected = part(&|p| p.mean[dim]);
            let square = part(&|p| p.variance[dim] + p.mean[dim] * p.mean[dim]);
            assert!((mean[dim] - expected).abs() < 0.15);
            assert!((variance[dim] / (square - expected * expected) - 1.0).abs() < 0.1);
        }
        assert_eq!(draw(&mixture, 7, 3), draw(&mixture, 7, 3));
        assert_ne!(draw(&mixture, 7, 3), draw(&mixture, 8, 3));
    }

    #[test]
    fn equal_codes_and_more_parts_than_codes_do_no_harm() {
        for (codes, size) in [(vec![1.5; 60], 3), (vec![0.5, 2.0, -1.0, 3.0], 4)] {
            let mixture = Mixture::fit(&codes, 2, size, 1);
            assert!(mixture.is_valid());
            assert!(mixture.log_density(&[0.0, 0.0]).is_finite());
            assert!(draw(&mixture, 1, 1).iter().all(|x| x.is_finite()));
        }
        // Far from every part the density is small and not zero.
        let mixture = Mixture::fit(&clusters(100, 1), 2, 2, 1);
        assert!(mixture.log_density(&[1e4, -1e4]).is_finite());
    }
}
