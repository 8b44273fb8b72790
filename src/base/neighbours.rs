/*!
Two sets of feature vectors beside each other by their nearest neighbours.

A made picture may be unlike any real one, and a real one unlike any made one; a single distance does not tell which. The
neighbours do.
*/

use rayon::prelude::*;
use serde::Serialize;

/// Neighbours of precision and recall (Kynkäänniemi et al. 2019, §3).
const PRECISION_NEIGHBOURS: usize = 3;
/// Neighbours of density and coverage (Naeem et al. 2020, §5.1).
const DENSITY_NEIGHBOURS: usize = 5;

/// How made vectors lie among real ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Neighbours {
    /// The share of made vectors that are as near to a real one as its third neighbour.
    pub precision: f64,
    /// The share of real vectors that are as near to a made one as its third neighbour.
    pub recall: f64,
    /// How many real vectors' fifth neighbours are farther than a made one, over five; 1 for equal sets.
    pub density: f64,
    /// The share of real vectors that have a made one nearer than their fifth neighbour; 1 − 2⁻⁵ for equal sets.
    pub coverage: f64,
}

impl Neighbours {
    /// Compares `made` with `real`, which are not empty; all vectors of one length.
    pub fn of(real: &[&[f32]], made: &[&[f32]]) -> Self {
        let real_radii = radii(real, DENSITY_NEIGHBOURS);
        let within = |(vector, radius): (&&[f32], &f32)| {
            let near = |other: &&&[f32]| squared_distance(vector, other) < *radius;
            made.iter().filter(near).count()
        };
        let within: Vec<usize> = real.par_iter().zip(&real_radii).map(within).collect();
        let total: usize = within.iter().sum();
        Self {
            precision: share(made, real, &radii(real, PRECISION_NEIGHBOURS)),
            recall: share(real, made, &radii(made, PRECISION_NEIGHBOURS)),
            density: total as f64 / (DENSITY_NEIGHBOURS * made.len()) as f64,
            coverage: within.iter().filter(|&&count| count > 0).count() as f64 / real.len() as f64,
        }
    }
}

/// The squared distance of each vector to its `count`-th neighbour.
fn radii(set: &[&[f32]], count: usize) -> Vec<f32> {
    let radius = |at: usize| {
        let others = (0..set.len()).filter(|&other| other != at);
        let mut squares: Vec<f32> = others.map(|o| squared_distance(set[at], set[o])).collect();
        if squares.is_empty() {
            return 0.0;
        }
        let place = count.min(squares.len()) - 1;
        *squares.select_nth_unstable_by(place, f32::total_cmp).1
    };
    (0..set.len()).into_par_iter().map(radius).collect()
}

/// The share of vectors that are within the radius of any of a set.
fn share(vectors: &[&[f32]], set: &[&[f32]], radii: &[f32]) -> f64 {
    let covered = |vector: &&&[f32]| {
        let near = |(other, radius): (&&[f32], &f32)| squared_distance(vector, other) <= *radius;
        set.iter().zip(radii).any(near)
    };
    vectors.par_iter().filter(covered).count() as f64 / vectors.len() as f64
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |x, y| (x - y) * (x - y))
}

/// The product of two vectors.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |x, y| x * y)
}

/// A sum over pairs in eight lanes, which compile to vector instructions.
fn lanes(a: &[f32], b: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks(8), b.chunks(8));
    for (a, b) in a.zip(b) {
        for ((sum, &x), &y) in sums.iter_mut().zip(a).zip(b) {
            *sum += of(x, y);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;

    /// Sums of uniform numbers, which are nearly normal.
    fn vectors(seed: u64, count: usize) -> Vec<Vec<f32>> {
        let mut random = Lcg(seed);
        let mut number = || random.values(6, 1.0).iter().sum::<f32>();
        (0..count)
            .map(|_| (0..8).map(|_| number()).collect())
            .collect()
    }

    fn compared(real: &[Vec<f32>], made: &[Vec<f32>]) -> Neighbours {
        let [real, made] =
            [real, made].map(|set| set.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Neighbours::of(&real, &made)
    }

    #[test]
    fn draws_of_one_distribution_have_the_figures_of_equal_sets() {
        let found = compared(&vectors(1, 2000), &vectors(2, 2000));
        assert!((found.density - 1.0).abs() < 0.03, "{found:?}");
        assert!(
            (found.coverage - (1.0 - 1.0 / 32.0)).abs() < 0.01,
            "{found:?}"
        );
        assert!(found.precision > 0.8 && found.recall > 0.8, "{found:?}");
    }

    #[test]
    fn what_is_missing_shows_as_recall_and_what_is_strange_as_precision() {
        let real = vectors(1, 600);
        let half: Vec<Vec<f32>> = real.iter().filter(|v| v[0] > 0.5).cloned().collect();
        let missing = compared(&real, &half);
        assert!(
            missing.precision > 0.99 && missing.recall < 0.7,
            "{missing:?}"
        );
        assert!(missing.coverage < 0.8, "{missing:?}");
        let far = vectors(3, 600)
            .into_iter()
            .map(|v| v.iter().map(|x| x + 9.0).collect());
        let more: Vec<Vec<f32>> = real.iter().cloned().chain(far).collect();
        let strange = compared(&real, &more);
        assert!(
            strange.recall > 0.99 && strange.precision < 0.6,
            "{strange:?}"
        );
    }
}
