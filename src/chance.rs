/*! All chance comes from here: streams of numbers that are a function of a seed, a purpose and an index. */

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

/// Stream `index` of all that is drawn with `seed` for this purpose. Purposes share no numbers.
pub fn chance(seed: u64, purpose: &[u8; 8], index: u64) -> ChaCha8Rng {
    keyed(&[seed.to_le_bytes(), *purpose], index)
}

/// Stream `index` under a key of at most four words.
///
/// # Panics
/// If there are more.
pub fn keyed(words: &[[u8; 8]], index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (place, word) in key.as_chunks_mut().0.iter_mut().zip(words) {
        *place = *word;
    }
    assert!(words.len() <= 4, "a key has four words");
    let mut chance = ChaCha8Rng::from_seed(key);
    chance.set_stream(index);
    chance
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;

    #[test]
    fn seed_purpose_and_index_each_change_all_numbers_and_nothing_else_does() {
        let draw = |seed, purpose, index| -> Vec<u32> {
            let mut chance = chance(seed, purpose, index);
            (0..50).map(|_| chance.next_u32()).collect()
        };
        let all = [
            draw(1, b"weights ", 0),
            draw(2, b"weights ", 0),
            draw(1, b"dropout ", 0),
            draw(1, b"weights ", 1),
        ];
        assert_eq!(all[0], draw(1, b"weights ", 0));
        for (i, a) in all.iter().enumerate() {
            for b in &all[..i] {
                let same = a.iter().zip(b).filter(|(x, y)| x == y).count();
                assert!(same < 3, "{same} of 50 numbers are the same");
            }
        }
    }
}
