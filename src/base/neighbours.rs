/*!
Two sets of feature vectors beside each other by their nearest neighbours.

A made picture may be unlike any real one, and a real one unlike any made one; a single distance does not tell which. The
neighbours do.
*/

use rayon::prelude::*;
use serde::Serialize;

use crate::base::simd::{InstructionSet, multiversion};

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

/// What the vectors made tell of some real ones.
#[derive(Default)]
struct Found {
    /// Pairs of a made vector and a real one whose fifth neighbour is farther.
    within: usize,
    /// Real vectors of at least one such pair.
    covered: usize,
    /// Real vectors that are as near to a made one as its third neighbour.
    recalled: usize,
    /// Whether each made vector is as near to one of the real ones as its third neighbour.
    precise: Vec<bool>,
}

impl Neighbours {
    /// Compares `made` with `real`, which are not empty; all vectors of one length.
    pub fn of(real: &[&[f32]], made: &[&[f32]]) -> Self {
        let [of_real, of_made] = [real, made].map(radii);
        let add = |mut found: Found, (vector, radii): (&&[f32], &Radii)| {
            found.precise.resize(made.len(), false);
            let mut within = 0;
            let mut recalled = false;
            let distances = distances(vector, made);
            for ((&distance, precise), other) in
                distances.iter().zip(&mut found.precise).zip(&of_made)
            {
                within += usize::from(distance < radii.density);
                recalled |= distance <= other.precision;
                *precise |= distance <= radii.precision;
            }
            found.within += within;
            found.covered += usize::from(within > 0);
            found.recalled += usize::from(recalled);
            found
        };
        let both = |mut a: Found, b: Found| {
            a.precise.resize(made.len(), false);
            for (a, b) in a.precise.iter_mut().zip(&b.precise) {
                *a |= b;
            }
            Found {
                within: a.within + b.within,
                covered: a.covered + b.covered,
                recalled: a.recalled + b.recalled,
                precise: a.precise,
            }
        };
        let pairs = real.par_iter().zip(&of_real);
        let found = pairs.fold(Found::default, add).reduce(Found::default, both);
        let precise = found.precise.iter().filter(|&&precise| precise).count();
        let share = |count: usize, of: &[&[f32]]| count as f64 / of.len() as f64;
        Self {
            precision: share(precise, made),
            recall: share(found.recalled, real),
            density: share(found.within, made) / DENSITY_NEIGHBOURS as f64,
            coverage: share(found.covered, real),
        }
    }
}

/// Squared distances of a vector to its neighbours.
struct Radii {
    precision: f32,
    density: f32,
}

/// Those of each vector of a set, itself not counted.
fn radii(set: &[&[f32]]) -> Vec<Radii> {
    let radius = |at: usize| {
        let mut squares = distances(set[at], set);
        squares.remove(at);
        let mut nth = |count: usize| match squares.len() {
            0 => 0.0,
            others => {
                *squares
                    .select_nth_unstable_by(count.min(others) - 1, f32::total_cmp)
                    .1
            }
        };
        Radii {
            precision: nth(PRECISION_NEIGHBOURS),
            density: nth(DENSITY_NEIGHBOURS),
        }
    };
    (0..set.len()).into_par_iter().map(radius).collect()
}

/// The squared distance of a vector to each of a set.
fn distances(vector: &[f32], set: &[&[f32]]) -> Vec<f32> {
    let mut found = vec![0.0; set.len()];
    all_distances(InstructionSet::detect(), vector, set, &mut found);
    found
}

/// The product of a vector with each of a set.
pub fn products(vector: &[f32], set: &[&[f32]]) -> Vec<f32> {
    let mut found = vec![0.0; set.len()];
    all_products(InstructionSet::detect(), vector, set, &mut found);
    found
}

multiversion! {
    fn all_distances(vector: &[f32], set: &[&[f32]], found: &mut [f32]) {
        for (found, other) in found.iter_mut().zip(set) {
            *found = sum_over_pairs(vector, other, |x, y| (x - y) * (x - y));
        }
    }
}

multiversion! {
    fn all_products(vector: &[f32], set: &[&[f32]], found: &mut [f32]) {
        for (found, other) in found.iter_mut().zip(set) {
            *found = sum_over_pairs(vector, other, |x, y| x * y);
        }
    }
}

/// A sum over pairs of numbers. Its lanes keep several vector instructions busy, and are the same at any width.
#[inline(always)]
fn sum_over_pairs(a: &[f32], b: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 32;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += of(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&x, &y)| of(x, y)).sum();
    sums.iter().sum::<f32>() + rest
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

    #[test]
    fn every_width_gives_the_sums_of_the_definition_in_the_same_bits() {
        for length in [1, 31, 32, 100] {
            let mut random = Lcg(length as u64);
            let vectors: Vec<Vec<f32>> = (0..5).map(|_| random.values(length, 1.0)).collect();
            let set: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
            let of = |level| {
                let mut found = [[0.0; 5]; 2];
                all_distances(level, set[0], &set, &mut found[0]);
                all_products(level, set[0], &set, &mut found[1]);
                found
            };
            let found = of(InstructionSet::Scalar);
            for (at, other) in set.iter().enumerate() {
                let pairs = || {
                    set[0]
                        .iter()
                        .zip(*other)
                        .map(|(&x, &y)| [x, y].map(f64::from))
                };
                let distance: f64 = pairs().map(|[x, y]| (x - y).powi(2)).sum();
                let product: f64 = pairs().map(|[x, y]| x * y).sum();
                assert!((f64::from(found[0][at]) - distance).abs() < 1e-4);
                assert!((f64::from(found[1][at]) - product).abs() < 1e-4);
            }
            for level in InstructionSet::available() {
                assert_eq!(of(level), found, "{level:?}");
            }
        }
    }
}
