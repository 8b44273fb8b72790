/*! Random streams as a function of a seed, a purpose and an index. */

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Stream `index` for this seed and purpose. Different purposes have independent streams.
pub fn rng_stream(seed: u64, purpose: [u8; 8], index: u64) -> ChaCha8Rng {
    keyed(&[seed.to_le_bytes(), purpose], index)
}

/// Stream `index` under a key of at most four words.
///
/// # Panics
/// If there are more than four words.
pub fn keyed(words: &[[u8; 8]], index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (place, word) in key.as_chunks_mut().0.iter_mut().zip(words) {
        *place = *word;
    }
    assert!(words.len() <= 4, "a key has four words");
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

/// Shuffles items (Fisher–Yates).
pub fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, (rng.next_u64() % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A small generator for the data of tests.

    /// A seeded linear congruential generator (Knuth's MMIX constants): weights for tests.
    pub(crate) struct Lcg(pub(crate) u64);

    impl Lcg {
        /// Uniform in [-1, 1).
        pub(crate) fn uniform(&mut self) -> f32 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        }

        /// `n` values, uniform in [-scale, scale).
        pub(crate) fn values(&mut self, n: usize, scale: f32) -> Vec<f32> {
            (0..n).map(|_| self.uniform() * scale).collect()
        }

        /// `n` tokens below `size`.
        pub(crate) fn tokens(&mut self, n: usize, size: usize) -> Vec<u32> {
            (0..n)
                .map(|_| ((self.uniform() + 1.0) * 0.5 * size as f32) as u32)
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_purpose_and_index_each_change_all_numbers() {
        let draw = |seed, purpose, index| -> Vec<u32> {
            let mut rng = rng_stream(seed, purpose, index);
            (0..50).map(|_| rng.next_u32()).collect()
        };
        let all = [
            draw(1, *b"weights ", 0),
            draw(2, *b"weights ", 0),
            draw(1, *b"dropout ", 0),
            draw(1, *b"weights ", 1),
        ];
        assert_eq!(all[0], draw(1, *b"weights ", 0));
        for (i, a) in all.iter().enumerate() {
            for b in &all[..i] {
                let same = a.iter().zip(b).filter(|(x, y)| x == y).count();
                assert!(same < 3, "{same} of 50 numbers are equal");
            }
        }
    }
}
