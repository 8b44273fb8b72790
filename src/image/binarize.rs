/*!
Binarises grey pictures. Likelihoods of one way do not compare with those of another.

*Dynamic* (Salakhutdinov and Murray 2008): a pixel is white with a probability equal to its grey value, sampled again in each
epoch. *Fixed*, which the field also calls static (Larochelle and Murray 2011): sampled once in this way. A sample depends only on the
seed, the picture and, where it is dynamic, the epoch. *Threshold*: a pixel is white from one half on, as
[`Palette::binary`](crate::image::Palette::binary) does; such pictures are smoother and cost fewer nats than sampled ones.
*/

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::base::rng::keyed;
use crate::error::Result;
use crate::image::Pictures;
use crate::sequence::{SequenceDataset, Token};

/// How grey pixels become black or white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binarize {
    /// White from one half on.
    #[serde(alias = "static")]
    Threshold,
    /// White with a probability equal to the grey value, sampled once.
    Fixed,
    /// White with a probability equal to the grey value, sampled in each epoch.
    Dynamic,
}

/// The sampled pictures of one epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn<'a> {
    pictures: &'a Pictures,
    seed: u64,
    epoch: u64,
}

impl<'a> Drawn<'a> {
    /// Binarises `pictures` for this epoch; colours count as greys of the same lightness.
    pub(crate) fn new(pictures: &'a Pictures, seed: u64, epoch: u64) -> Self {
        Self {
            pictures,
            seed,
            epoch,
        }
    }

    /// The random stream of a picture, one number for each pixel, positioned at `pixel`.
    fn rng_stream(&self, index: usize, pixel: usize) -> ChaCha8Rng {
        let key = [
            self.seed.to_le_bytes(),
            self.epoch.to_le_bytes(),
            *b"binarize",
        ];
        let mut rng = keyed(&key, index as u64);
        rng.set_word_pos(pixel as u128);
        rng
    }
}

/// True with probability grey / 255 over uniform `random`: never for black, always for white.
fn is_white(grey: u8, random: u32) -> bool {
    u64::from(random) * 255 < u64::from(grey) << 32
}

impl SequenceDataset for Drawn<'_> {
    fn count(&self) -> usize {
        self.pictures.len()
    }

    fn length(&self, _: usize) -> usize {
        self.pictures.size().area()
    }

    /// Reads black (0) or white (1) for each pixel.
    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let mut rng = self.rng_stream(index, range.start);
        let mut greys = vec![0; range.len()];
        self.pictures.greys(index, range, &mut greys);
        for (token, grey) in out.iter_mut().zip(greys) {
            *token = Token::from(is_white(grey, rng.next_u32()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: usize = 32 * 32;

    /// Two pictures of 32×32: greys that rise by one each pixel, and a constant grey.
    fn pictures() -> Pictures {
        let rising: Vec<u8> = (0..AREA).map(|i| (i % 256) as u8).collect();
        Pictures::from_greys("32".parse().unwrap(), &[rising, vec![102; AREA]])
    }

    fn drawn(seed: u64, epoch: u64, index: usize) -> Vec<Token> {
        let mut out = vec![9; AREA];
        let pictures = pictures();
        let epoch = Drawn::new(&pictures, seed, epoch);
        epoch.read(index, 0..AREA, &mut out).unwrap();
        out
    }

    #[test]
    fn black_and_white_stay_and_between_them_the_share_is_right() {
        let mut whites = vec![0_u32; 256];
        let epochs = 300;
        for epoch in 0..epochs {
            for (i, white) in drawn(7, epoch, 0).into_iter().enumerate() {
                whites[i % 256] += white;
            }
        }
        let draws = epochs as f64 * 4.0;
        assert_eq!(whites[0], 0);
        assert_eq!(f64::from(whites[255]), draws);
        for (grey, &count) in whites.iter().enumerate() {
            let p = grey as f64 / 255.0;
            let spread = (draws * p * (1.0 - p)).sqrt();
            let off = (f64::from(count) - draws * p).abs();
            assert!(off <= 5.0 * spread, "{grey}: {count} of {draws}");
        }
    }

    #[test]
    fn a_draw_depends_on_seed_epoch_and_picture_alone() {
        assert_eq!(drawn(1, 2, 1), drawn(1, 2, 1));
        let all = [
            drawn(1, 2, 1),
            drawn(2, 2, 1),
            drawn(1, 3, 1),
            drawn(1, 2, 0),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn parts_are_what_the_whole_is() {
        let pictures = pictures();
        let epoch = Drawn::new(&pictures, 3, 4);
        let mut whole = vec![0; AREA];
        epoch.read(1, 0..AREA, &mut whole).unwrap();
        for (from, to) in [(0, 5), (17, 400), (AREA - 1, AREA), (8, 8)] {
            let mut part = vec![0; to - from];
            epoch.read(1, from..to, &mut part).unwrap();
            assert_eq!(part, whole[from..to]);
        }
        assert_eq!((epoch.count(), epoch.length(0)), (2, AREA));
    }
}
