/*!
A mixture of Gaussians with diagonal covariances, fitted by expectation maximisation (EM; Dempster et al. 1977; Bishop 2006,
§9.2.2): the density of the codes that a model really uses, where the prior N(0, I) is only what they were pulled towards
(Ghosh et al. 2020, "From variational to deterministic autoencoders", §4).
*/

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::base::rng::rng_stream;
use crate::latent::Normals;

/// The most rounds of EM.
const ROUNDS: usize = 200;
/// EM ends when a round adds less than this to the mean log density, in nats.
const LITTLE: f64 = 1e-4;
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

/// ln Σ exp x, without overflow.
fn log_sum_exp(numbers: &[f64]) -> f64 {
    let highest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if highest == f64::NEG_INFINITY {
        return highest;
    }
    highest
        + numbers
            .iter()
            .map(|x| (x - highest).exp())
            .sum::<f64>()
            .ln()
}

impl Mixture {
    /// Fits `size` parts to codes `[count, dims]`: k-means++ chooses the first means (Arthur & Vassilvitskii 2007), then EM. A
    /// part that explains less than one code moves to the code that is explained worst.
    ///
    /// # Panics
    /// Without a code, a dimension or a part.
    pub fn fit(codes: &[f32], dims: usize, size: usize, seed: u64) -> Self {
        assert!(
            dims > 0 && size > 0 && codes.len() >= dims,
            "something to fit"
        );
        let rows: Vec<&[f32]> = codes.chunks_exact(dims).collect();
        let spread = moments(&rows, dims, |_| 1.0).2;
        let mut parts: Vec<Part> = first_means(&rows, size, seed)
            .into_iter()
            .map(|row| Part {
                weight: 1.0 / size as f64,
                mean: row.iter().map(|&x| f64::from(x)).collect(),
                variance: spread.clone(),
            })
            .collect();
        let mut before = f64::NEG_INFINITY;
        for _ in 0..ROUNDS {
            // Responsibilities, `[count, size]`, and how well each code is explained.
            let mut shares = Vec::with_capacity(rows.len() * size);
            let mut explained = Vec::with_capacity(rows.len());
            for row in &rows {
                let each: Vec<f64> = parts.iter().map(|part| part.log_density(row)).collect();
                let total = log_sum_exp(&each);
                shares.extend(each.iter().map(|x| (x - total).exp()));
                explained.push(total);
            }
            let mean = explained.iter().sum::<f64>() / rows.len() as f64;
            let mut moved = false;
            let mut worst: Vec<usize> = (0..rows.len()).collect();
            worst.sort_by(|&a, &b| explained[a].total_cmp(&explained[b]));
            let mut worst = worst.into_iter();
            for (index, part) in parts.iter_mut().enumerate() {
                let share = |row: usize| shares[row * size + index];
                let (weight, mean, variance) = moments(&rows, dims, share);
                if weight >= 1.0 {
                    (part.weight, part.mean, part.variance) = (weight, mean, variance);
                } else if let Some(row) = worst.next().filter(|_| rows.len() > size) {
                    moved = true;
                    part.weight = 1.0;
                    part.mean = rows[row].iter().map(|&x| f64::from(x)).collect();
                    part.variance.clone_from(&spread);
                } else {
                    part.weight = weight;
                }
            }
            let total: f64 = parts.iter().map(|part| part.weight).sum();
            for part in &mut parts {
                part.weight /= total;
            }
            if !moved && mean - before < LITTLE {
                break;
            }
            before = mean;
        }
        parts.retain(|part| part.weight > 0.0);
        Self { parts }
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
        fitted
            .map(|mixture| {
                let density = held_out
                    .chunks_exact(dims)
                    .map(|code| mixture.log_density(code));
                (density.sum::<f64>(), mixture)
            })
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .expect("one part is always tried")
            .1
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

    /// A code: a function of the seed and the item.
    pub fn draw(&self, seed: u64, item: u64) -> Vec<f32> {
        let mut rng = rng_stream(seed, *b"mixture ", item);
        let mut left = unit(&mut rng);
        let part = self.parts.iter().find(|part| {
            left -= part.weight;
            left < 0.0
        });
        // Rounding may leave nothing for the last part.
        let part = part.unwrap_or(&self.parts[self.parts.len() - 1]);
        let noise = Normals::new(*b"mixture ", seed, item).code(self.dims());
        noise
            .iter()
            .zip(part.mean.iter().zip(&part.variance))
            .map(|(&noise, (mean, variance))| (mean + variance.sqrt() * f64::from(noise)) as f32)
            .collect()
    }
}

/// Uniform in [0, 1).
fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Total weight, mean and variance of weighted codes.
fn moments(
    rows: &[&[f32]],
    dims: usize,
    weight: impl Fn(usize) -> f64,
) -> (f64, Vec<f64>, Vec<f64>) {
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
    (total, mean, variance)
}

/// Codes that are far apart: each next one with a probability that grows with the square of its distance to those before.
fn first_means<'a>(rows: &[&'a [f32]], size: usize, seed: u64) -> Vec<&'a [f32]> {
    let mut rng = rng_stream(seed, *b"k-means ", 0);
    let mut chosen = vec![rows[(rng.next_u64() % rows.len() as u64) as usize]];
    let mut distances = vec![f64::INFINITY; rows.len()];
    while chosen.len() < size {
        let last = chosen[chosen.len() - 1];
        for (distance, row) in distances.iter_mut().zip(rows) {
            let square = |(&a, &b): (&f32, &f32)| f64::from(a - b) * f64::from(a - b);
            *distance = distance.min(row.iter().zip(last).map(square).sum());
        }
        let mut left = unit(&mut rng) * distances.iter().sum::<f64>();
        let next = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        chosen.push(rows[next.unwrap_or(0)]);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let drawn: Vec<f32> = (0..4000).flat_map(|item| mixture.draw(7, item)).collect();
        let rows: Vec<&[f32]> = drawn.chunks(2).collect();
        let (_, mean, variance) = moments(&rows, 2, |_| 1.0);
        let part = |of: &dyn Fn(&Part) -> f64| -> f64 {
            mixture.parts.iter().map(|p| p.weight * of(p)).sum()
        };
        for dim in 0..2 {
            let expected = part(&|p| p.mean[dim]);
            let square = part(&|p| p.variance[dim] + p.mean[dim] * p.mean[dim]);
            assert!((mean[dim] - expected).abs() < 0.15);
            assert!((variance[dim] / (square - expected * expected) - 1.0).abs() < 0.1);
        }
        assert_eq!(mixture.draw(7, 3), mixture.draw(7, 3));
        assert_ne!(mixture.draw(7, 3), mixture.draw(8, 3));
    }

    #[test]
    fn equal_codes_and_more_parts_than_codes_do_no_harm() {
        for (codes, size) in [(vec![1.5; 60], 3), (vec![0.5, 2.0, -1.0, 3.0], 4)] {
            let mixture = Mixture::fit(&codes, 2, size, 1);
            assert!(mixture.is_valid());
            assert!(mixture.log_density(&[0.0, 0.0]).is_finite());
            assert!(mixture.draw(1, 1).iter().all(|x| x.is_finite()));
        }
        // Far from every part the density is small and not zero.
        let mixture = Mixture::fit(&clusters(100, 1), 2, 2, 1);
        assert!(mixture.log_density(&[1e4, -1e4]).is_finite());
    }
}
