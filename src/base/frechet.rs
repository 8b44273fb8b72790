/*!
The Fréchet distance between two sets of feature vectors, each described by a Gaussian of its mean and covariance
(Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982; Heusel et al., "GANs trained
by a two time-scale update rule", 2017, eq. 6).

The distance of a small set is too large, even if it is drawn from the same distribution. [`equal_draws`] therefore draws
sets of the same size from real data, whose mean distance is the floor for that size.
*/

use crate::base::rng::{rng_stream, shuffle};

/// The most sets that [`equal_draws`] makes.
const DRAWS: usize = 8;
/// The most sweeps of [`eigen`]; it converges in about ten.
const SWEEPS: usize = 60;

/// Sums over feature vectors, from which mean and covariance follow.
#[derive(Debug, Clone)]
pub struct Moments {
    count: f64,
    sum: Vec<f64>,
    /// `[dimensions, dimensions]`, lower triangle.
    products: Vec<f64>,
}

impl Moments {
    /// No vectors yet.
    pub fn new(dimensions: usize) -> Self {
        Self {
            count: 0.0,
            sum: vec![0.0; dimensions],
            products: vec![0.0; dimensions * dimensions],
        }
    }

    /// Adds one vector.
    pub fn add(&mut self, vector: &[f64]) {
        let n = self.sum.len();
        self.count += 1.0;
        for (i, &a) in vector.iter().enumerate() {
            self.sum[i] += a;
            for (sum, &b) in self.products[i * n..].iter_mut().zip(&vector[..=i]) {
                *sum += a * b;
            }
        }
    }

    /// The Gaussian with the mean and the covariance of the vectors; zeros without any.
    pub fn gaussian(&self) -> Gaussian {
        let n = self.sum.len();
        let count = self.count.max(1.0);
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / count).collect();
        let covariance = Square::new(n, |i, j| {
            let (i, j) = (i.max(j), i.min(j));
            self.products[i * n + j] / count - mean[i] * mean[j]
        });
        Gaussian { mean, covariance }
    }
}

/// A mean and a covariance.
#[derive(Debug, Clone)]
pub struct Gaussian {
    mean: Vec<f64>,
    covariance: Square,
}

impl Gaussian {
    /// The principal axes (Jolliffe 2002): directions of length 1 and the variance along each, by falling variance.
    pub fn axes(&self) -> Vec<(Vec<f64>, f64)> {
        let (variances, vectors) = eigen(self.covariance.clone());
        let column = |k: usize| (0..vectors.n).map(|i| vectors.at(i, k)).collect();
        let mut axes: Vec<_> = variances
            .into_iter()
            .enumerate()
            .map(|(k, variance)| (column(k), variance.max(0.0)))
            .collect();
        axes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        axes
    }

    /// d² = |m₁ − m₂|² + tr(C₁ + C₂ − 2 (C₁C₂)^½), in the squared unit of the features.
    pub fn distance(&self, other: &Self) -> f64 {
        let means = self.mean.iter().zip(&other.mean);
        let means: f64 = means.map(|(a, b)| (a - b).powi(2)).sum();
        // C₁C₂ has the eigenvalues of the symmetric C₁^½ C₂ C₁^½.
        let root = self.covariance.root();
        let (eigenvalues, _) = eigen(root.times(&other.covariance).times(&root));
        let root_trace: f64 = eigenvalues.iter().map(|value| value.max(0.0).sqrt()).sum();
        let traces = self.covariance.trace() + other.covariance.trace();
        (means + traces - 2.0 * root_trace).max(0.0)
    }
}

/// Up to eight disjoint sets of items whose sizes add up to at least `wanted`, drawn from all of them; one set of all
/// where they are fewer.
pub fn equal_draws(sizes: &[usize], wanted: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    shuffle(&mut order, &mut rng_stream(1, *b"draws   ", 0));
    let (mut draws, mut draw, mut size) = (Vec::new(), Vec::new(), 0);
    for item in order {
        size += sizes[item];
        draw.push(item);
        if size >= wanted.max(1) {
            draws.push(std::mem::take(&mut draw));
            size = 0;
            if draws.len() == DRAWS {
                break;
            }
        }
    }
    if draws.is_empty() && !draw.is_empty() {
        draws.push(draw);
    }
    draws
}

/// A square matrix.
#[derive(Debug, Clone)]
struct Square {
    n: usize,
    /// `[n, n]`
    values: Vec<f64>,
}

impl Square {
    fn new(n: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..n * n).map(|at| value(at / n, at % n)).collect();
        Self { n, values }
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n + j]
    }

    fn at_mut(&mut self, i: usize, j: usize) -> &mut f64 {
        &mut self.values[i * self.n + j]
    }

    fn trace(&self) -> f64 {
        (0..self.n).map(|i| self.at(i, i)).sum()
    }

    fn times(&self, other: &Self) -> Self {
        Self::new(self.n, |i, j| {
            (0..self.n).map(|k| self.at(i, k) * other.at(k, j)).sum()
        })
    }

    /// The symmetric root of a symmetric matrix; negative eigenvalues, which come from rounding, count as 0.
    fn root(&self) -> Self {
        let (values, vectors) = eigen(self.clone());
        let roots: Vec<f64> = values.iter().map(|value| value.max(0.0).sqrt()).collect();
        Self::new(self.n, |i, j| {
            (0..self.n)
                .map(|k| vectors.at(i, k) * roots[k] * vectors.at(j, k))
                .sum()
        })
    }
}

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, "Matrix
/// computations", §8.5).
fn eigen(mut a: Square) -> (Vec<f64>, Square) {
    let n = a.n;
    let mut vectors = Square::new(n, |i, j| f64::from(i == j));
    let scale = a.values.iter().map(|value| value * value).sum::<f64>();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a.at(i, j).powi(2))
            .sum();
        if off <= 1e-24 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
    }
    ((0..n).map(|i| a.at(i, i)).collect(), vectors)
}

/// The rotation in the plane of p and q that makes `a[p, q]` zero.
fn rotate(a: &mut Square, vectors: &mut Square, p: usize, q: usize) {
    let off = a.at(p, q);
    if off == 0.0 {
        return;
    }
    let theta = (a.at(q, q) - a.at(p, p)) / (2.0 * off);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |x: f64, y: f64| (cosine * x - sine * y, sine * x + cosine * y);
    for k in 0..a.n {
        (*a.at_mut(k, p), *a.at_mut(k, q)) = turn(a.at(k, p), a.at(k, q));
    }
    for k in 0..a.n {
        (*a.at_mut(p, k), *a.at_mut(q, k)) = turn(a.at(p, k), a.at(q, k));
        (*vectors.at_mut(k, p), *vectors.at_mut(k, q)) = turn(vectors.at(k, p), vectors.at(k, q));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;

    fn gaussian(vectors: &[Vec<f64>]) -> Gaussian {
        let mut moments = Moments::new(vectors[0].len());
        for vector in vectors {
            moments.add(vector);
        }
        moments.gaussian()
    }

    /// Vectors of dimensions that depend on each other.
    fn vectors(seed: u64, n: usize, count: usize) -> Vec<Vec<f64>> {
        let mut random = Lcg(seed);
        (0..count)
            .map(|_| {
                let values = random.values(n, 1.0);
                (0..n)
                    .map(|i| f64::from(values[i] * (i + 1) as f32 + values[0] + 3.0))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn eigenvectors_diagonalise_and_the_root_squares_to_the_matrix() {
        let matrix = gaussian(&vectors(1, 24, 60)).covariance;
        let root = matrix.root();
        let square = root.times(&root);
        for (a, b) in square.values.iter().zip(&matrix.values) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        let (values, _) = eigen(matrix.clone());
        assert!((values.iter().sum::<f64>() - matrix.trace()).abs() < 1e-9);
    }

    #[test]
    fn the_first_axis_is_the_direction_in_which_vectors_differ_most() {
        let line: Vec<Vec<f64>> = (0..50)
            .map(|i| {
                let along = f64::from(i) - 24.5;
                let beside = if i % 2 == 0 { 0.5 } else { -0.5 };
                vec![0.6 * along - 0.8 * beside, 0.8 * along + 0.6 * beside, 7.0]
            })
            .collect();
        let axes = gaussian(&line).axes();
        let (first, variance) = &axes[0];
        assert!(
            (first[0] * 0.6 + first[1] * 0.8).abs() > 0.9999,
            "{first:?}"
        );
        assert!(
            (variance - (50.0 * 50.0 - 1.0) / 12.0).abs() < 0.5,
            "{variance}"
        );
        assert!(axes.is_sorted_by(|(_, a), (_, b)| a >= b) && axes[2].1.abs() < 1e-9);
        for (axis, _) in &axes {
            assert!((axis.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn distances_of_known_gaussians_are_exact() {
        // In one dimension, d² = (m₁ − m₂)² + (σ₁ − σ₂)².
        let one = gaussian(&[vec![-1.0], vec![1.0]]);
        let two = gaussian(&[vec![2.0], vec![8.0]]);
        assert!((one.distance(&two) - (25.0 + 4.0)).abs() < 1e-9);
        let many = gaussian(&vectors(1, 48, 200));
        assert!(many.distance(&many) < 1e-6);
        let other = gaussian(&vectors(2, 48, 200));
        let (there, back) = (many.distance(&other), other.distance(&many));
        assert!(there > 0.1 && (there - back).abs() < 1e-6, "{there} {back}");
    }

    #[test]
    fn small_and_empty_sets_have_a_distance() {
        let some = gaussian(&vectors(1, 8, 100));
        let empty = Moments::new(8).gaussian();
        let single = gaussian(&vectors(2, 8, 1));
        for other in [empty, single] {
            let distance = some.distance(&other);
            assert!(distance.is_finite() && distance > 0.0, "{distance}");
        }
    }

    #[test]
    fn draws_are_disjoint_and_large_enough() {
        let draws = equal_draws(&[3; 100], 10);
        assert_eq!(draws.len(), 8);
        let mut all = draws.concat();
        assert_eq!(all.len(), 32);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 32);
        assert_eq!(equal_draws(&[3; 2], 10)[0].len(), 2);
        assert!(equal_draws(&[], 10).is_empty());
    }
}
