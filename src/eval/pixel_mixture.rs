/*!
A baseline for whole pictures: a mixture of categoricals, one for each pixel and part, fitted by expectation maximisation (for
black and white a mixture of Bernoullis; Bishop 2006, §9.3.3). A part is a blurred picture; within a part, pixels are
independent.
*/

use rayon::prelude::*;

use crate::latent::em::{self, Family, Limits, log_sum_exp};

/// The most pictures that are used, evenly spaced.
const PICTURES: usize = 10_000;
/// The most pixels of all these pictures.
const PIXELS: usize = 1 << 24;
/// The numbers of parts that are tried, if there are ten pictures for each part.
const SIZES: [usize; 4] = [1, 10, 50, 200];
/// The most probabilities of all parts.
const PROBABILITIES: usize = 1 << 22;
/// When EM ends.
const LIMITS: Limits = Limits {
    rounds: 25,
    least_gain: 0.05,
};
/// Each colour of a part counts this much more than it occurs there, shared out by the frequencies of all pictures: a Dirichlet
/// prior (Krichevsky and Trofimov 1981).
const PRIOR: f64 = 0.5;
/// Pictures with a smaller responsibility are left out of a part.
const NEGLIGIBLE: f64 = 1e-12;
/// The seed of the first parts.
const SEED: u64 = 1;

/// What a mixture of categoricals reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelMixture {
    /// −ln p of a test picture in nats, the mean.
    pub nats: f64,
    /// The parts of the mixture.
    pub parts: usize,
    /// The pictures it was fitted to.
    pub fitted: usize,
}

/// Fits mixtures to pictures of `train`, chooses the number of parts by every tenth of them, which is left out of the fit, and
/// measures the pictures `test`. A picture is its pixels, of colours `0..colors`. `None` without a picture in either set.
///
/// # Panics
/// If a pixel has no such colour.
pub fn pixel_mixture(train: &[&[u8]], test: &[&[u8]], colors: usize) -> Option<PixelMixture> {
    let pixels = train.first()?.len();
    let most = (PIXELS / pixels.max(1)).clamp(1, PICTURES);
    let every = train.len().div_ceil(most);
    let some = || train.iter().step_by(every).copied().enumerate();
    let of_fit = |(number, _): &(usize, &[u8])| number % 10 != 9;
    let fitted: Vec<&[u8]> = some().filter(of_fit).map(|(_, picture)| picture).collect();
    let held_out: Vec<&[u8]> = some().skip(9).step_by(10).map(|(_, one)| one).collect();
    let family = PixelFamily::new(fitted, colors);
    let sizes = SIZES.into_iter().filter(|&size| {
        size == 1
            || (size * 10 <= family.items() && size * family.frequencies.len() <= PROBABILITIES)
    });
    let mixtures = sizes.map(|size| em::fit(&family, size, LIMITS, SEED));
    let best = em::best(mixtures, |mixture| {
        family.log_likelihood(mixture, &held_out)
    });
    (!test.is_empty()).then(|| PixelMixture {
        nats: -family.log_likelihood(&best, test) / test.len() as f64,
        parts: best.len(),
        fitted: family.items(),
    })
}

/// The probability of each colour at each pixel, `[pixels, colors]`.
type Probabilities = Vec<f64>;

/// Pictures as EM fits categoricals to them.
struct PixelFamily<'a> {
    pictures: Vec<&'a [u8]>,
    colors: usize,
    /// Of all pictures, none of them 0.
    frequencies: Probabilities,
    /// The commonest colour of each pixel.
    common: Vec<u8>,
    /// For each picture, the places in `frequencies` of its pixels that do not have the commonest colour.
    uncommon: Vec<Vec<u32>>,
}

impl<'a> PixelFamily<'a> {
    fn new(pictures: Vec<&'a [u8]>, colors: usize) -> Self {
        let pixels = pictures[0].len();
        let mut counts = vec![0.0_f64; pixels * colors];
        let mut totals = vec![0.5_f64; colors];
        for picture in &pictures {
            for (pixel, &color) in picture.iter().enumerate() {
                assert!(usize::from(color) < colors, "no colour {color}");
                counts[pixel * colors + usize::from(color)] += 1.0;
                totals[usize::from(color)] += 1.0;
            }
        }
        let common = counts
            .chunks_exact(colors)
            .map(|counts| {
                let most = (0..colors)
                    .rev()
                    .max_by(|&a, &b| counts[a].total_cmp(&counts[b]));
                most.unwrap_or(0) as u8
            })
            .collect();
        // The frequencies at a pixel count one more picture, which has the frequencies of all pixels.
        let all: f64 = totals.iter().sum();
        let divisor = pictures.len() as f64 + 1.0;
        for counts in counts.chunks_exact_mut(colors) {
            for (count, total) in counts.iter_mut().zip(&totals) {
                *count = (*count + total / all) / divisor;
            }
        }
        let mut family = Self {
            pictures,
            colors,
            frequencies: counts,
            common,
            uncommon: Vec::new(),
        };
        family.uncommon = family.pictures.iter().map(|p| family.places(p)).collect();
        family
    }

    /// The places of the pixels that do not have the commonest colour.
    fn places(&self, picture: &[u8]) -> Vec<u32> {
        let pixels = picture.iter().zip(&self.common).enumerate();
        pixels
            .filter(|(_, (color, common))| color != common)
            .map(|(pixel, (&color, _))| (pixel * self.colors + usize::from(color)) as u32)
            .collect()
    }

    /// ln p of pictures by their uncommon places, under each part, `[pictures, parts]`.
    fn log_probabilities(&self, pictures: &[Vec<u32>], parts: &[&Probabilities]) -> Vec<f64> {
        let size = parts.len();
        // ln p of a picture whose pixels all have the commonest colour, and what each other colour adds, `[places, parts]`.
        let mut plain = vec![0.0; size];
        let mut added = vec![0.0; self.frequencies.len() * size];
        for (index, part) in parts.iter().enumerate() {
            for (pixel, &common) in self.common.iter().enumerate() {
                let own = pixel * self.colors;
                let usual = part[own + usize::from(common)].ln();
                plain[index] += usual;
                for place in own..own + self.colors {
                    added[place * size + index] = part[place].ln() - usual;
                }
            }
        }
        let mut found = vec![0.0; pictures.len() * size];
        let each = found.par_chunks_exact_mut(size).zip(pictures);
        each.for_each(|(sums, places)| {
            sums.copy_from_slice(&plain);
            for &place in places {
                let row = &added[place as usize * size..][..size];
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        });
        found
    }

    /// Σ ln p of pictures under a mixture, in nats.
    fn log_likelihood(&self, mixture: &[(f64, Probabilities)], pictures: &[&[u8]]) -> f64 {
        let places: Vec<Vec<u32>> = pictures.iter().map(|p| self.places(p)).collect();
        let parts: Vec<&Probabilities> = mixture.iter().map(|(_, part)| part).collect();
        let mut found = self.log_probabilities(&places, &parts);
        let rows = found.chunks_exact_mut(mixture.len());
        rows.map(|row| {
            let both = row.iter_mut().zip(mixture);
            both.for_each(|(x, (weight, _))| *x += weight.ln());
            log_sum_exp(row)
        })
        .sum()
    }
}

impl Family for PixelFamily<'_> {
    type Part = Probabilities;

    fn items(&self) -> usize {
        self.pictures.len()
    }

    /// The pixels that differ.
    fn squared_distance(&self, a: usize, b: usize) -> f64 {
        /// So few are counted in a byte, many at once.
        const PIXELS: usize = 255;
        let chunks = self.pictures[a]
            .chunks(PIXELS)
            .zip(self.pictures[b].chunks(PIXELS));
        let different = |(a, b): (&[u8], &[u8])| {
            let pixels = a.iter().zip(b);
            u32::from(pixels.map(|(a, b)| u8::from(a != b)).sum::<u8>())
        };
        f64::from(chunks.map(different).sum::<u32>())
    }

    fn around(&self, item: usize) -> Probabilities {
        let mut weights = vec![0.0; self.items()];
        weights[item] = 1.0;
        self.fitted(&weights)
    }

    fn fitted(&self, weights: &[f64]) -> Probabilities {
        let mut part = vec![0.0; self.frequencies.len()];
        let mut total = 0.0;
        for (places, &weight) in self.uncommon.iter().zip(weights) {
            if weight > NEGLIGIBLE {
                total += weight;
                for &place in places {
                    part[place as usize] += weight;
                }
            }
        }
        let frequencies = self.frequencies.chunks_exact(self.colors);
        let prior = PRIOR * self.colors as f64;
        for ((part, frequencies), &common) in part
            .chunks_exact_mut(self.colors)
            .zip(frequencies)
            .zip(&self.common)
        {
            let uncommon: f64 = part.iter().sum();
            part[usize::from(common)] = (total - uncommon).max(0.0);
            for (part, frequency) in part.iter_mut().zip(frequencies) {
                *part = (*part + prior * frequency) / (total + prior);
            }
        }
        part
    }

    fn log_densities(&self, parts: &[Probabilities]) -> Vec<f64> {
        let parts: Vec<&Probabilities> = parts.iter().collect();
        self.log_probabilities(&self.uncommon, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;

    /// Pictures of 12 pixels in four colours: one of three patterns, each pixel of a random colour one time in ten.
    fn patterns(seed: u64, count: usize) -> Vec<Vec<u8>> {
        let mut random = Lcg(seed);
        (0..count)
            .map(|_| {
                let pattern = random.tokens(1, 3)[0];
                let pixel = |pixel: u32| {
                    let [chance, color] = random.tokens(2, 40)[..] else {
                        panic!("two tokens");
                    };
                    let own = if chance < 4 {
                        color
                    } else {
                        pixel / 3 + pattern
                    };
                    (own % 4) as u8
                };
                (0..12).map(pixel).collect()
            })
            .collect()
    }

    fn views(pictures: &[Vec<u8>]) -> Vec<&[u8]> {
        pictures.iter().map(Vec::as_slice).collect()
    }

    /// −ln p under the distribution that [`patterns`] draws from.
    fn truth(picture: &[u8]) -> f64 {
        let of_pattern = |pattern: usize| -> f64 {
            let right = |pixel: usize| usize::from(picture[pixel]) == (pixel / 3 + pattern) % 4;
            let each = (0..12).map(|pixel| if right(pixel) { 0.925 } else { 0.025 });
            each.map(f64::ln).sum::<f64>() - 3_f64.ln()
        };
        -log_sum_exp(&[of_pattern(0), of_pattern(1), of_pattern(2)])
    }

    #[test]
    fn patterns_are_found_and_it_comes_near_the_entropy() {
        let (train, test) = (patterns(1, 3000), patterns(2, 1000));
        let found = pixel_mixture(&views(&train), &views(&test), 4).unwrap();
        let entropy = test.iter().map(|p| truth(p)).sum::<f64>() / 1000.0;
        assert!(found.nats > entropy - 0.05, "{found:?}, {entropy}");
        assert!(found.nats < entropy + 0.5, "{found:?}, {entropy}");
        assert_eq!((found.parts, found.fitted), (10, 2700));
        // One part knows each pixel's frequencies and no more.
        let one = PixelFamily::new(views(&train), 4);
        let single = em::fit(&one, 1, LIMITS, SEED);
        let nats = -one.log_likelihood(&single, &views(&test)) / 1000.0;
        assert!(nats > found.nats + 5.0, "{nats}");
    }

    #[test]
    fn its_probabilities_sum_to_one_over_all_pictures() {
        let train: Vec<Vec<u8>> = patterns(3, 100).iter().map(|p| p[..4].to_vec()).collect();
        let family = PixelFamily::new(views(&train), 4);
        let mixture = em::fit(&family, 5, LIMITS, SEED);
        let all: Vec<Vec<u8>> = (0..256_u32)
            .map(|number| {
                (0..4)
                    .map(|pixel| (number >> (2 * pixel) & 3) as u8)
                    .collect()
            })
            .collect();
        let probability = |picture: &Vec<u8>| family.log_likelihood(&mixture, &[picture]).exp();
        let sum: f64 = all.iter().map(probability).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn each_round_explains_more_and_threads_change_no_bit() {
        let train = patterns(4, 400);
        let family = PixelFamily::new(views(&train), 4);
        let after = |rounds| {
            let limits = Limits { rounds, ..LIMITS };
            family.log_likelihood(&em::fit(&family, 3, limits, SEED), &views(&train))
        };
        assert!(after(2) > after(1) && after(6) >= after(2) - 1e-6);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| after(6)), after(6));
    }

    #[test]
    fn few_equal_and_unseen_pictures_do_no_harm() {
        let black = vec![vec![0_u8; 9]; 30];
        for train in [&black[..1], &black[..]] {
            let found = pixel_mixture(&views(train), &[&[0; 9], &[1; 9]], 2).unwrap();
            assert!(found.nats.is_finite() && found.nats > 0.0, "{found:?}");
        }
        let unseen = pixel_mixture(&views(&black), &[&[1; 9]], 2).unwrap().nats;
        let seen = pixel_mixture(&views(&black), &[&[0; 9]], 2).unwrap().nats;
        assert!(unseen > seen + 9.0, "{unseen} {seen}");
        assert_eq!(pixel_mixture(&[], &[&[0; 9]], 2), None);
        assert_eq!(pixel_mixture(&views(&black), &[], 2), None);
    }
}
