/*!
Expectation maximisation (EM; Dempster et al. 1977; Bishop 2006, §9.4) for a mixture of any family of distributions. Sums are
in f64 and in the order of the items, so that the same items and seed give the same mixture on any number of threads.
*/

use rand_core::Rng;

use crate::base::rng::rng_stream;

/// A family of distributions over some items, whose mixture is fitted to these items.
pub trait Family {
    /// The parameters of one distribution.
    type Part;

    /// The number of items.
    fn items(&self) -> usize;

    /// The squared distance between two items, which spreads the first parts.
    fn squared_distance(&self, a: usize, b: usize) -> f64;

    /// A broad distribution around an item.
    fn around(&self, item: usize) -> Self::Part;

    /// The distribution that makes the items with these weights, `[items]`, likeliest.
    fn fitted(&self, weights: &[f64]) -> Self::Part;

    /// ln density of each item under each part, in nats, `[items, parts]`.
    fn log_densities(&self, parts: &[Self::Part]) -> Vec<f64>;
}

/// When EM ends.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most rounds.
    pub rounds: usize,
    /// A round that adds less than this to the mean log density, in nats, is the last one.
    pub least_gain: f64,
}

/// Fits a mixture of at most `size` parts: k-means++ chooses the items that the first parts stand around (Arthur &
/// Vassilvitskii 2007), then EM. A part that explains less than one item moves to the item that is explained worst. Parts of
/// weight 0 are left out. Gives the weights, which sum to 1, with their parts.
///
/// # Panics
/// Without an item or a part.
pub fn fit<F: Family>(family: &F, size: usize, limits: Limits, seed: u64) -> Vec<(f64, F::Part)> {
    let items = family.items();
    assert!(size > 0 && items > 0, "something to fit");
    let seeds = distant_items(family, size, seed);
    let mut parts: Vec<F::Part> = seeds.iter().map(|&item| family.around(item)).collect();
    let mut weights = vec![1.0 / size as f64; size];
    let mut before = f64::NEG_INFINITY;
    for _ in 0..limits.rounds {
        // Responsibilities, `[items, size]`, and how well each item is explained.
        let mut shares = family.log_densities(&parts);
        let mut explained = Vec::with_capacity(items);
        for row in shares.chunks_exact_mut(size) {
            for (share, weight) in row.iter_mut().zip(&weights) {
                *share += weight.ln();
            }
            let total = log_sum_exp(row);
            for share in row {
                *share = (*share - total).exp();
            }
            explained.push(total);
        }
        let mean = explained.iter().sum::<f64>() / items as f64;
        let mut moved = false;
        let mut worst: Vec<usize> = (0..items).collect();
        worst.sort_by(|&a, &b| explained[a].total_cmp(&explained[b]));
        let mut worst = worst.into_iter();
        for (index, part) in parts.iter_mut().enumerate() {
            let own: Vec<f64> = shares.iter().skip(index).step_by(size).copied().collect();
            let weight: f64 = own.iter().sum();
            weights[index] = weight;
            if weight >= 1.0 {
                *part = family.fitted(&own);
            } else if let Some(item) = worst.next().filter(|_| items > size) {
                moved = true;
                weights[index] = 1.0;
                *part = family.around(item);
            }
        }
        let total: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= total;
        }
        if !moved && mean - before < limits.least_gain {
            break;
        }
        before = mean;
    }
    let both = weights.into_iter().zip(parts);
    both.filter(|(weight, _)| *weight > 0.0).collect()
}

/// Of several mixtures the one that gives held-out items the highest total log density by `score`.
///
/// # Panics
/// Without a mixture.
pub fn best<M>(mixtures: impl Iterator<Item = M>, score: impl Fn(&M) -> f64) -> M {
    mixtures
        .map(|mixture| (score(&mixture), mixture))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .expect("a mixture")
        .1
}

/// ln Σ exp x, without overflow.
pub fn log_sum_exp(numbers: &[f64]) -> f64 {
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

/// Items that are far apart: each next one with a probability that grows with the square of its distance to those before.
fn distant_items(family: &impl Family, size: usize, seed: u64) -> Vec<usize> {
    let items = family.items();
    let mut rng = rng_stream(seed, *b"k-means ", 0);
    let mut chosen = vec![(rng.next_u64() % items as u64) as usize];
    let mut distances = vec![f64::INFINITY; items];
    while chosen.len() < size {
        let last = chosen[chosen.len() - 1];
        for (item, distance) in distances.iter_mut().enumerate() {
            *distance = distance.min(family.squared_distance(item, last));
        }
        let mut left = unit(&mut rng) * distances.iter().sum::<f64>();
        let next = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        chosen.push(next.unwrap_or(0));
    }
    chosen
}

/// Uniform in [0, 1).
pub(super) fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
