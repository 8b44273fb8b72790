/*!
Baselines that predict the pixels of indexed pictures from the frequency of each colour, from the pixel on the left or
above, and from both.

They are fitted on one set of pictures and measured on another. Pixels are in raster order; beyond the edge is a colour of
its own.
*/

/// Bits per pixel on held-out pictures; NaN without pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelBaselines {
    /// The frequency of each colour, with half a count added (Krichevsky and Trofimov 1981).
    pub order_zero: f64,
    /// A mixture of the colour on the left and `order_zero`.
    pub copy_left: f64,
    /// A mixture of the colour above and `order_zero`.
    pub copy_above: f64,
    /// The frequency given both neighbours, interpolated with the frequencies given each of them and `order_zero`.
    pub neighbours: f64,
}

/// The largest number of pictures to fit weights on.
const FITTED: usize = 1_000;
/// Rounds of expectation maximisation; it converges in far fewer.
const ROUNDS: usize = 40;
/// Interpolation weights depend on the count of a pair of neighbours: 0, 1, 2 to 3, 4 to 7, …
const BUCKETS: usize = 16;

/// Fits the baselines on the pictures `train` and measures them on `test`. A picture is its rows of `width` pixels, of
/// colours `0..classes`.
///
/// Expectation maximisation fits the weights of the mixtures on every tenth training picture with the counts of the others;
/// then all training pictures are counted. With fewer than ten pictures the weights are equal.
///
/// # Panics
/// If a pixel has no such colour, or the width is 0.
pub fn pixel_baselines(
    train: &[&[u8]],
    test: &[&[u8]],
    width: usize,
    classes: usize,
) -> PixelBaselines {
    let held_out = || train.iter().skip(9).step_by(10);
    let mut counts = Counts::new(width, classes);
    for (_, picture) in train
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 10 != 9)
    {
        counts.add(picture);
    }
    let mut mixtures = Mixtures::default();
    mixtures.fit(
        &counts,
        &held_out().take(FITTED).copied().collect::<Vec<_>>(),
    );
    for picture in held_out() {
        counts.add(picture);
    }
    mixtures.measure(&counts, test)
}

/// Counts of colours, alone and given their neighbours.
struct Counts {
    width: usize,
    classes: usize,
    /// `[classes]`
    alone: Vec<u32>,
    /// `[classes + 1, classes]`: given the left neighbour, the edge last.
    left: Vec<u32>,
    /// `[classes + 1, classes]`
    above: Vec<u32>,
    /// `[classes + 1, classes + 1, classes]`: left, above.
    pair: Vec<u32>,
    /// The sums over the last axis of each table.
    totals: [Vec<u64>; 4],
}

/// A pixel and its neighbours.
#[derive(Clone, Copy)]
struct Place {
    pixel: usize,
    left: usize,
    above: usize,
}

impl Counts {
    fn new(width: usize, classes: usize) -> Self {
        let contexts = classes + 1;
        Self {
            width,
            classes,
            alone: vec![0; classes],
            left: vec![0; contexts * classes],
            above: vec![0; contexts * classes],
            pair: vec![0; contexts * contexts * classes],
            totals: [
                vec![0],
                vec![0; contexts],
                vec![0; contexts],
                vec![0; contexts * contexts],
            ],
        }
    }

    /// The pixels of a picture in raster order; the edge is colour `classes`.
    fn places<'a>(&'a self, picture: &'a [u8]) -> impl Iterator<Item = Place> + 'a {
        let colour = |index: usize| usize::from(picture[index]);
        (0..picture.len()).map(move |index| Place {
            pixel: colour(index),
            left: if index % self.width == 0 {
                self.classes
            } else {
                colour(index - 1)
            },
            above: index.checked_sub(self.width).map_or(self.classes, colour),
        })
    }

    fn add(&mut self, picture: &[u8]) {
        let places: Vec<Place> = self.places(picture).collect();
        for place in places {
            assert!(place.pixel < self.classes, "no colour {}", place.pixel);
            let contexts = self.contexts(place);
            let tables = [
                &mut self.alone,
                &mut self.left,
                &mut self.above,
                &mut self.pair,
            ];
            for ((table, totals), context) in tables.into_iter().zip(&mut self.totals).zip(contexts)
            {
                table[context * self.classes + place.pixel] += 1;
                totals[context] += 1;
            }
        }
    }

    /// The row of a place in each table.
    fn contexts(&self, Place { left, above, .. }: Place) -> [usize; 4] {
        [0, left, above, left * (self.classes + 1) + above]
    }

    /// The probability of the pixel by each table; `None` if its neighbours never occurred.
    fn probabilities(&self, place: Place) -> [Option<f64>; 4] {
        let contexts = self.contexts(place);
        let tables = [&self.alone, &self.left, &self.above, &self.pair];
        std::array::from_fn(|order| {
            let count = f64::from(tables[order][contexts[order] * self.classes + place.pixel]);
            let total = self.totals[order][contexts[order]] as f64;
            match order {
                0 => Some((count + 0.5) / (total + 0.5 * self.classes as f64)),
                _ => (total > 0.0).then(|| count / total),
            }
        })
    }

    /// The bucket of interpolation weights of a place.
    fn bucket(&self, place: Place) -> usize {
        let seen = self.totals[3][self.contexts(place)[3]];
        ((u64::BITS - seen.leading_zeros()) as usize).min(BUCKETS - 1)
    }
}

/// The weights of the three mixtures.
struct Mixtures {
    copy_left: [f64; 2],
    copy_above: [f64; 2],
    neighbours: [[f64; 4]; BUCKETS],
}

impl Default for Mixtures {
    fn default() -> Self {
        Self {
            copy_left: [0.5; 2],
            copy_above: [0.5; 2],
            neighbours: [[0.25; 4]; BUCKETS],
        }
    }
}

impl Mixtures {
    fn fit(&mut self, counts: &Counts, pictures: &[&[u8]]) {
        for _ in 0..ROUNDS {
            let (mut left, mut above) = ([0.0; 2], [0.0; 2]);
            let mut neighbours = [[0.0; 4]; BUCKETS];
            for place in pictures.iter().flat_map(|picture| counts.places(picture)) {
                let parts = counts.probabilities(place);
                share(
                    &copy(place, place.left, counts, &parts),
                    &self.copy_left,
                    &mut left,
                );
                share(
                    &copy(place, place.above, counts, &parts),
                    &self.copy_above,
                    &mut above,
                );
                let bucket = counts.bucket(place);
                share(&parts, &self.neighbours[bucket], &mut neighbours[bucket]);
            }
            normalise(&left, &mut self.copy_left);
            normalise(&above, &mut self.copy_above);
            for (sums, weights) in neighbours.iter().zip(&mut self.neighbours) {
                normalise(sums, weights);
            }
        }
    }

    fn measure(&self, counts: &Counts, pictures: &[&[u8]]) -> PixelBaselines {
        let mut bits = [0.0; 4];
        let mut pixels = 0.0;
        for place in pictures.iter().flat_map(|picture| counts.places(picture)) {
            let parts = counts.probabilities(place);
            pixels += 1.0;
            bits[0] -= mixed(&parts[..1], &[1.0]).log2();
            bits[1] -= mixed(&copy(place, place.left, counts, &parts), &self.copy_left).log2();
            bits[2] -= mixed(&copy(place, place.above, counts, &parts), &self.copy_above).log2();
            bits[3] -= mixed(&parts, &self.neighbours[counts.bucket(place)]).log2();
        }
        let [order_zero, copy_left, copy_above, neighbours] = bits.map(|bits| bits / pixels);
        PixelBaselines {
            order_zero,
            copy_left,
            copy_above,
            neighbours,
        }
    }
}

/// The probabilities of the pixel by frequency and by equality with its neighbour; `None` at the edge.
fn copy(
    place: Place,
    neighbour: usize,
    counts: &Counts,
    parts: &[Option<f64>; 4],
) -> [Option<f64>; 2] {
    let same = (neighbour < counts.classes).then(|| f64::from(u8::from(neighbour == place.pixel)));
    [parts[0], same]
}

/// Mixes the known parts with renormalised weights. The first part is always known; its weight of at least 1e-6 keeps the
/// NLL finite.
fn mixed(parts: &[Option<f64>], weights: &[f64]) -> f64 {
    const LEAST: f64 = 1e-6;
    let known = || {
        parts
            .iter()
            .zip(weights)
            .filter_map(|(part, weight)| part.map(|p| (p, *weight)))
    };
    let sum: f64 = known().map(|(_, weight)| weight).sum();
    let total: f64 = known().map(|(part, weight)| part * weight).sum();
    let first = parts[0].unwrap_or(0.0);
    let rest = if sum > 0.0 { total / sum } else { first };
    LEAST * first + (1.0 - LEAST) * rest
}

/// Expectation: adds the responsibilities of the parts for a pixel.
fn share<const N: usize>(parts: &[Option<f64>; N], weights: &[f64; N], sums: &mut [f64; N]) {
    let each: [f64; N] = std::array::from_fn(|i| parts[i].unwrap_or(0.0) * weights[i]);
    let total: f64 = each.iter().sum();
    if total > 0.0 {
        for (sum, part) in sums.iter_mut().zip(each) {
            *sum += part / total;
        }
    }
}

/// Maximisation; without data the weights stay.
fn normalise<const N: usize>(sums: &[f64; N], weights: &mut [f64; N]) {
    let total: f64 = sums.iter().sum();
    if total > 0.0 {
        *weights = sums.map(|sum| sum / total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random numbers below `n`.
    fn noise(seed: u32, n: u32) -> impl FnMut() -> u8 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((u64::from(state) * u64::from(n)) >> 32) as u8
        }
    }

    fn baselines(pictures: &[Vec<u8>], width: usize, classes: usize) -> PixelBaselines {
        let slices: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
        let (train, test) = slices.split_at(slices.len() * 4 / 5);
        pixel_baselines(train, test, width, classes)
    }

    #[test]
    fn noise_is_not_predictable() {
        let mut next = noise(1, 8);
        let pictures: Vec<Vec<u8>> = (0..200)
            .map(|_| (0..256).map(|_| next()).collect())
            .collect();
        let found = baselines(&pictures, 16, 8);
        for bits in [
            found.order_zero,
            found.copy_left,
            found.copy_above,
            found.neighbours,
        ] {
            assert!((2.99..3.03).contains(&bits), "{found:?}");
        }
    }

    #[test]
    fn each_neighbour_helps_where_it_is_informative() {
        let mut next = noise(2, 8);
        let rows: Vec<Vec<u8>> = (0..100)
            .map(|_| (0..16).flat_map(|_| [next(); 16]).collect())
            .collect();
        let found = baselines(&rows, 16, 8);
        assert!(found.copy_left < 0.8 && found.copy_above > 2.9, "{found:?}");
        assert!(found.neighbours <= found.copy_left + 0.01, "{found:?}");
        let columns: Vec<Vec<u8>> = rows
            .iter()
            .map(|row| (0..256).map(|i| row[i % 16 * 16 + i / 16]).collect())
            .collect();
        let turned = baselines(&columns, 16, 8);
        assert!(
            (turned.copy_above - found.copy_left).abs() < 1e-9,
            "{turned:?} {found:?}"
        );
        assert!((turned.copy_left - found.copy_above).abs() < 1e-9);
    }

    #[test]
    fn two_neighbours_predict_more_than_one() {
        let mut next = noise(3, 2);
        let picture = |next: &mut dyn FnMut() -> u8| {
            let mut pixels = vec![0_u8; 256];
            for i in 0..256 {
                pixels[i] = if i < 16 || i % 16 == 0 {
                    next()
                } else {
                    pixels[i - 1] ^ pixels[i - 16]
                };
            }
            pixels
        };
        let pictures: Vec<Vec<u8>> = (0..300).map(|_| picture(&mut next)).collect();
        let found = baselines(&pictures, 16, 2);
        assert!(
            found.copy_left > 0.95 && found.copy_above > 0.95,
            "{found:?}"
        );
        assert!(found.neighbours < 0.2, "{found:?}");
    }

    #[test]
    fn probabilities_sum_to_one() {
        let mut next = noise(4, 5);
        let pictures: Vec<Vec<u8>> = (0..30)
            .map(|_| (0..12).map(|_| next() / 2 * 2).collect())
            .collect();
        let slices: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
        let sum = |bits: fn(PixelBaselines) -> f64| -> f64 {
            let last = |pixel| [1, 3, 0, 0, 2, pixel];
            let whole = |pixel| bits(pixel_baselines(&slices, &[&last(pixel)], 3, 5)) * 6.0;
            let before = |pixel: u8| 2_f64.powf(-whole(pixel));
            (0..5).map(before).sum::<f64>()
        };
        let prefix = |bits: fn(PixelBaselines) -> f64| {
            2_f64.powf(-5.0 * bits(pixel_baselines(&slices, &[&[1, 3, 0, 0, 2]], 3, 5)))
        };
        for bits in [
            |found: PixelBaselines| found.order_zero,
            |found: PixelBaselines| found.copy_left,
            |found: PixelBaselines| found.copy_above,
            |found: PixelBaselines| found.neighbours,
        ] {
            assert!((sum(bits) / prefix(bits) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn unseen_colours_have_a_high_finite_nll() {
        let train = vec![vec![0_u8; 16]; 20];
        let slices: Vec<&[u8]> = train.iter().map(Vec::as_slice).collect();
        let found = pixel_baselines(&slices, &[&[7; 16]], 4, 8);
        for bits in [
            found.order_zero,
            found.copy_left,
            found.copy_above,
            found.neighbours,
        ] {
            assert!(bits > 3.0 && bits.is_finite(), "{found:?}");
        }
        assert!(pixel_baselines(&slices, &[], 4, 8).order_zero.is_nan());
    }
}
