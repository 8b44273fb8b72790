/*! Vector quantisation: codebooks and k-means (Lloyd 1982). */

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use rayon::prelude::*;

use crate::audio::frames::tokens::CODES;

/// Rounds of k-means.
const ROUNDS: usize = 15;
/// Vectors are rounded to this many parts of 1, so that the model folder holds short numbers.
const PARTS: f32 = 1000.0;

/// [`CODES`] vectors among which the nearest is found.
pub(super) struct Codebook {
    /// `[width, CODES]`: one coordinate of all vectors lies together.
    coordinates: Vec<[f32; CODES]>,
    /// Half the squared length of each vector.
    half_squares: [f32; CODES],
}

impl Codebook {
    /// The codebook of vectors `[CODES][width]`.
    pub(super) fn new(vectors: &[Vec<f32>]) -> Self {
        let width = vectors[0].len();
        let coordinate = |at: usize| std::array::from_fn(|code| vectors[code][at]);
        let half_square = |code: usize| vectors[code].iter().map(|v| v * v).sum::<f32>() / 2.0;
        Self {
            coordinates: (0..width).map(coordinate).collect(),
            half_squares: std::array::from_fn(half_square),
        }
    }

    /// The vector with the least Euclidean distance; the first of equals.
    pub(super) fn nearest(&self, point: &[f32]) -> u8 {
        // Half the squared distance without |point|², which all vectors share.
        let mut distances = self.half_squares;
        for (value, coordinate) in point.iter().zip(&self.coordinates) {
            for (distance, c) in distances.iter_mut().zip(coordinate) {
                *distance -= value * c;
            }
        }
        let mut best = 0;
        for code in 1..CODES {
            if distances[code] < distances[best] {
                best = code;
            }
        }
        best as u8
    }

    /// The nearest vector of each point.
    pub(super) fn nearest_of_all(&self, points: &[Vec<f32>]) -> Vec<u8> {
        let points = points.par_iter().with_min_len(256);
        points.map(|point| self.nearest(point)).collect()
    }
}

/// Vectors `[CODES][width]` that lie near all points, of which there is at least one.
pub(super) fn k_means(points: &[Vec<f32>], rng: &mut ChaCha8Rng) -> Vec<Vec<f32>> {
    let mut any = || points[(rng.next_u64() % points.len() as u64) as usize].clone();
    let mut vectors: Vec<_> = (0..CODES).map(|_| any()).collect();
    for _ in 0..ROUNDS {
        let nearest = Codebook::new(&vectors).nearest_of_all(points);
        let mut sums = vec![vec![0.0_f64; vectors[0].len()]; CODES];
        let mut counts = [0_u32; CODES];
        for (point, code) in points.iter().zip(nearest) {
            counts[usize::from(code)] += 1;
            for (sum, &value) in sums[usize::from(code)].iter_mut().zip(point) {
                *sum += f64::from(value);
            }
        }
        for ((vector, sum), count) in vectors.iter_mut().zip(sums).zip(counts) {
            *vector = match count {
                0 => any(),
                count => sum.iter().map(|s| (s / f64::from(count)) as f32).collect(),
            };
        }
    }
    for value in vectors.iter_mut().flatten() {
        *value = (*value * PARTS).round() / PARTS;
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::rng_stream;
    use crate::base::rng::testing::Lcg;

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
    }

    fn points(count: usize, width: usize) -> Vec<Vec<f32>> {
        let mut lcg = Lcg(3);
        (0..count).map(|_| lcg.values(width, 2.0)).collect()
    }

    #[test]
    fn the_nearest_vector_is_found() {
        let vectors = points(CODES, 5);
        let book = Codebook::new(&vectors);
        for point in points(900, 5) {
            let found = distance(&vectors[usize::from(book.nearest(&point))], &point);
            let least = vectors.iter().map(|v| distance(v, &point));
            assert!(found <= least.fold(f32::MAX, f32::min) + 1e-5);
        }
    }

    #[test]
    fn k_means_lies_nearer_than_chance_and_a_seed_fixes_it() {
        let points = points(4_000, 3);
        let run = |seed| k_means(&points, &mut rng_stream(seed, *b"codebook", 0));
        let error = |vectors: &[Vec<f32>]| {
            let nearest = Codebook::new(vectors).nearest_of_all(&points);
            let pairs = points.iter().zip(nearest);
            let errors = pairs.map(|(p, code)| distance(p, &vectors[usize::from(code)]));
            errors.sum::<f32>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(error(&run(1)) < 0.8 * error(&points[..CODES]));
    }

    #[test]
    fn fewer_points_than_vectors_are_all_found_again() {
        let points = points(9, 4);
        let vectors = k_means(&points, &mut rng_stream(1, *b"codebook", 0));
        for point in &points {
            let least = vectors.iter().map(|v| distance(v, point));
            assert!(least.fold(f32::MAX, f32::min) < 1e-5);
        }
    }
}
