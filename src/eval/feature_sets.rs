/*! Two sets of feature vectors beside each other: real pictures and made ones, as a classifier sees them. */

use rayon::prelude::*;
use serde::Serialize;

use crate::base::frechet::Moments;
use crate::base::neighbours::{Neighbours, products};
use crate::base::rng::{rng_stream, shuffle};
use crate::base::split::evenly;

/// The most vectors of a set whose neighbours are looked for.
const MOST: usize = 5000;
/// Subsets of the kernel distance, and vectors of each (Bińkowski et al. 2018, §4).
const SUBSETS: [usize; 2] = [100, 1000];
/// Sizes of subsets through which the Fréchet distance is extrapolated (Chong & Forsyth 2020, §3).
const SIZES: usize = 15;

/// How a set of vectors compares with real ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetComparison {
    /// The Fréchet distance (Heusel et al. 2017, eq. 6).
    pub frechet: f64,
    /// The same extrapolated to infinitely many made vectors (Chong & Forsyth 2020); `None` below 1,000 of them.
    pub frechet_without_bias: Option<f64>,
    /// The squared maximum mean discrepancy with the kernel (x·y / d + 1)³ (Bińkowski et al. 2018), unbiased.
    pub kernel_distance: f64,
    /// How the made vectors lie among the real ones.
    #[serde(flatten)]
    pub neighbours: Neighbours,
}

/// Compares `made` with `real`; all vectors of one length.
///
/// # Panics
/// If a set is empty.
pub fn compare_sets(real: &[Vec<f32>], made: &[Vec<f32>]) -> SetComparison {
    let gaussian = |set: &[&Vec<f32>]| {
        let mut moments = Moments::new(real[0].len());
        for vector in set {
            let vector: Vec<f64> = vector.iter().map(|&x| f64::from(x)).collect();
            moments.add(&vector);
        }
        moments.gaussian()
    };
    let mut drawn: Vec<&Vec<f32>> = made.iter().collect();
    let reference = gaussian(&real.iter().collect::<Vec<_>>());
    let frechet = gaussian(&drawn).distance(&reference);
    let without_bias = (made.len() >= 1000).then(|| {
        shuffle(&mut drawn, &mut rng_stream(1, *b"subsets ", 0));
        let half = made.len() / 2;
        let size = |index: usize| half + index * (made.len() - half) / (SIZES - 1);
        let points = (0..SIZES).into_par_iter().map(|index| {
            let size = size(index);
            (
                1.0 / size as f64,
                gaussian(&drawn[..size]).distance(&reference),
            )
        });
        intercept(&points.collect::<Vec<_>>())
    });
    let real: Vec<&[f32]> = spread(real, MOST);
    let made: Vec<&[f32]> = spread(made, MOST);
    SetComparison {
        frechet,
        frechet_without_bias: without_bias,
        kernel_distance: kernel_distance(&real, &made),
        neighbours: Neighbours::of(&real, &made),
    }
}

/// At most `most` vectors, evenly spread.
fn spread(set: &[Vec<f32>], most: usize) -> Vec<&[f32]> {
    let count = set.len().min(most);
    evenly(count, set.len())
        .map(|place| &set[place][..])
        .collect()
}

/// The mean over subsets of the unbiased estimate (Bińkowski et al. 2018, eq. 4).
fn kernel_distance(real: &[&[f32]], made: &[&[f32]]) -> f64 {
    let [subsets, size] = SUBSETS;
    let size = size.min(real.len()).min(made.len());
    let width = real[0].len() as f64;
    // The sum over a set of the kernels with one vector.
    let kernels = |vector: &[f32], set: &[&[f32]]| -> f64 {
        let products = products(vector, set).into_iter();
        let kernel = |product| (f64::from(product) / width + 1.0).powi(3);
        products.map(kernel).sum()
    };
    let some = |set: &[&[f32]], purpose: [u8; 8], index: usize| {
        let mut order: Vec<usize> = (0..set.len()).collect();
        shuffle(&mut order, &mut rng_stream(1, purpose, index as u64));
        order.truncate(size);
        order
    };
    let of_subset = |index: usize| {
        let real: Vec<&[f32]> = some(real, *b"real    ", index)
            .iter()
            .map(|&i| real[i])
            .collect();
        let made: Vec<&[f32]> = some(made, *b"made    ", index)
            .iter()
            .map(|&i| made[i])
            .collect();
        let within = |set: &[&[f32]]| {
            let sum: f64 = (0..size).map(|i| kernels(set[i], &set[..i])).sum();
            2.0 * sum / (size * (size - 1)).max(1) as f64
        };
        let between: f64 = real.iter().map(|vector| kernels(vector, &made)).sum();
        within(&real) + within(&made) - 2.0 * between / (size * size) as f64
    };
    let all: Vec<f64> = (0..subsets).into_par_iter().map(of_subset).collect();
    all.iter().sum::<f64>() / subsets as f64
}

/// Where the line of least squares through the points meets x = 0.
fn intercept(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let slope = mean(&|p| (p.0 - x) * (p.1 - y)) / mean(&|p| (p.0 - x).powi(2));
    y - slope * x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Normals;

    fn vectors(seed: u64, count: u64) -> Vec<Vec<f32>> {
        (0..count)
            .map(|item| Normals::new(*b"vectors ", seed, item).code(8))
            .collect()
    }

    #[test]
    fn draws_of_one_distribution_are_near_and_others_far() {
        let found = compare_sets(&vectors(1, 2000), &vectors(2, 2000));
        assert!(
            found.frechet < 0.1 && found.kernel_distance.abs() < 0.01,
            "{found:?}"
        );
        let without_bias = found.frechet_without_bias.unwrap();
        assert!(without_bias < found.frechet, "{found:?}");
        let far = vectors(3, 600)
            .into_iter()
            .map(|v| v.iter().map(|x| x + 9.0).collect());
        let found = compare_sets(&vectors(1, 600), &far.collect::<Vec<_>>());
        assert!(
            found.kernel_distance > 0.1 && found.frechet > 100.0,
            "{found:?}"
        );
    }

    #[test]
    fn a_line_meets_zero_where_it_should_and_single_vectors_have_figures() {
        assert!((intercept(&[(1.0, 5.0), (2.0, 7.0), (3.0, 9.0)]) - 3.0).abs() < 1e-12);
        let found = compare_sets(&vectors(1, 1), &vectors(2, 1));
        assert!(
            found.frechet.is_finite() && found.kernel_distance.is_finite(),
            "{found:?}"
        );
    }
}
