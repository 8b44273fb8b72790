/*!
How well one can foresee the pixels of indexed pictures without a network: from how often each colour occurs, from the
pixel on the left or above, and from both.

Everything is learnt from one set of pictures and measured on another. Pixels come in raster order; a neighbour beyond
the edge counts as a colour of its own.
*/

/// Bits a pixel on held-out pictures. Not numbers where there are none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelBaselines {
    /// Each colour by how often it occurs, with half a count for each colour (Krichevsky and Trofimov 1981).
    pub order_zero: f64,
    /// The colour on the left once more with one probability, and otherwise any, as in `order_zero`.
    pub copy_left: f64,
    /// The same with the colour above.
    pub copy_above: f64,
    /// How often each colour occurs beside its two neighbours, interpolated with how often beside each of them, and
    /// with `order_zero`.
    pub neighbours: f64,
}

/// Weights are fitted on no more than so many pictures.
const FITTED: usize = 1_000;
/// Rounds of expectation maximisation; the likelihood hardly changes any more after far fewer.
const ROUNDS: usize = 40;
/// Interpolation weights depend on how often a pair of neighbours was seen: never, once, twice to three times, …
const BUCKETS: usize = 16;

/// Learns from the pictures `train` and measures on `test`: each picture a slice of rows of `width` pixels, of the
/// colours `0..classes`.
///
/// The weights of all mixtures are fitted by expectation maximisation on every tenth training picture, while the
/// counts are those of the other nine; then counts are taken from all of them. Of fewer than ten pictures nothing is
/// fitted, and all parts of a mixture weigh the same.
///
/// # Panics
/// If a pixel is of no such colour, or the width is 0.
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

/// How often colours occur, by themselves and beside others.
struct Counts {
    width: usize,
    classes: usize,
    /// `[classes]`
    alone: Vec<u32>,
    /// `[classes + 1, classes]`: beside each left neighbour; the last is the edge.
    left: Vec<u32>,
    /// `[classes + 1, classes]`
    above: Vec<u32>,
    /// `[classes + 1, classes + 1, classes]`: left, above.
    pair: Vec<u32>,
    /// Sums of the last axis of each.
    totals: [Vec<u64>; 4],
}

/// A pixel and what is known before it.
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

    /// The pixels of a picture in raster order; the edge counts as colour number `classes`.
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

    /// Where a place is found in each table.
    fn contexts(&self, Place { left, above, .. }: Place) -> [usize; 4] {
        [0, left, above, left * (self.classes + 1) + above]
    }

    /// How probable the pixel is by each table; `None` where its neighbours were never seen.
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

    /// Which interpolation weights a place uses.
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

/// The pixel by its frequency, and by being the same as its neighbour; beyond the edge there is nothing to copy.
fn copy(
    place: Place,
    neighbour: usize,
    counts: &Counts,
    parts: &[Option<f64>; 4],
) -> [Option<f64>; 2] {
    let same = (neighbour < counts.classes).then(|| f64::from(u8::from(neighbour == place.pixel)));
    [parts[0], same]
}

/// Mixes what is known; the weights of what is not fall to the rest. The first part always is known: it gets a
/// millionth at least, so that no pixel costs infinitely much.
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

/// Expectation: whose a pixel is, in parts that sum to one.
fn share<const N: usize>(parts: &[Option<f64>; N], weights: &[f64; N], sums: &mut [f64; N]) {
    let each: [f64; N] = std::array::from_fn(|i| parts[i].unwrap_or(0.0) * weights[i]);
    let total: f64 = each.iter().sum();
    if total > 0.0 {
        for (sum, part) in sums.iter_mut().zip(each) {
            *sum += part / total;
        }
    }
}

/// Maximisation; where nothing was seen the weights stay.
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
    fn nothing_helps_with_noise() {
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
    fn each_neighbour_helps_where_it_says_something() {
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
    fn two_neighbours_see_what_one_does_not() {
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
    fn colours_never_seen_cost_much_but_not_infinitely() {
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
