/*! Generated pictures beside held-out ones, with the floor that training pictures reach, and a remark. */

use std::collections::HashSet;

use rayon::prelude::*;
use serde::Serialize;

use crate::base::frechet::equal_draws;
use crate::base::picture_features::{FEATURES, FeatureSet};
use crate::base::rng::{rng_stream, shuffle};
use crate::image::PixelCodec;
use crate::image::judge::nearest::nearest;

/// The most pixels whose features are computed: 4,096 pictures of 32 × 32.
const PIXELS: usize = 1 << 22;

/// What is measured of pictures.
pub struct PictureProfile {
    /// Palette indices of each.
    pictures: Vec<Vec<u8>>,
    /// Of some of them where they are many.
    features: FeatureSet,
}

/// What generated pictures are, beside held-out ones. A `_floor` compares training pictures, drawn in the number of the
/// generated ones, with the same held-out ones; it is missing where no training pictures are at hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PictureComparison {
    /// The Fréchet distance to held-out pictures, over 64 features of random convolutions, each in units of its standard
    /// deviation among held-out pictures.
    pub frechet: f64,
    /// The same of training pictures.
    pub frechet_floor: Option<f64>,
    /// The share of pictures that equal a training picture.
    pub copies: Option<f64>,
    /// The same of held-out pictures.
    pub copies_floor: Option<f64>,
    /// The mean distance to the nearest training picture: the root mean square over pixels and colours, of 255.
    pub nearest: Option<f64>,
    /// The same of held-out pictures.
    pub nearest_floor: Option<f64>,
}

impl PictureProfile {
    /// Of pictures in palette indices.
    pub fn new(codec: &PixelCodec, pictures: Vec<Vec<u8>>) -> Self {
        let most = (PIXELS / codec.size().area()).max(FEATURES);
        let mut measured: Vec<usize> = (0..pictures.len()).collect();
        if measured.len() > most {
            shuffle(&mut measured, &mut rng_stream(1, *b"pictures", 0));
            measured.truncate(most);
        }
        let paint = |picture: usize| codec.colors(&pictures[picture]);
        let painted: Vec<_> = measured.into_par_iter().map(paint).collect();
        let sides = [
            codec.size().width() as usize,
            codec.size().height() as usize,
        ];
        let features = FeatureSet::new(&painted, sides);
        Self { pictures, features }
    }

    /// The Fréchet distance of `made` to these held-out pictures, and that of as many training pictures.
    pub fn frechet(&self, made: &Self, training: &Self) -> (f64, Option<f64>) {
        let draws = equal_draws(&vec![1; training.features.0.len()], made.features.0.len());
        let floors: Vec<f64> = draws
            .iter()
            .map(|draw| {
                let drawn = draw.iter().map(|&index| &training.features.0[index]);
                self.features.frechet(drawn)
            })
            .collect();
        (
            self.features.frechet(made.features.0.iter()),
            (!floors.is_empty()).then(|| mean(&floors)),
        )
    }
}

/// Compares generated pictures with held-out ones, and training pictures with the same.
pub fn compare(
    codec: &PixelCodec,
    made: &PictureProfile,
    held_out: &PictureProfile,
    training: &PictureProfile,
) -> PictureComparison {
    let (frechet, frechet_floor) = held_out.frechet(made, training);
    let known = !training.pictures.is_empty();
    let learned: HashSet<&[u8]> = training.pictures.iter().map(Vec::as_slice).collect();
    let copies = |pictures: &[Vec<u8>]| {
        let copies = pictures.iter().filter(|p| learned.contains(p.as_slice()));
        known.then(|| copies.count() as f64 / pictures.len().max(1) as f64)
    };
    let nearest = |pictures: &[&[u8]]| {
        let found = nearest(codec.palette(), pictures, &training.pictures)?;
        let distances: Vec<f64> = found.iter().map(|nearest| nearest.distance).collect();
        (!pictures.is_empty()).then(|| mean(&distances))
    };
    let ours: Vec<&[u8]> = made.pictures.iter().map(Vec::as_slice).collect();
    // About as many held-out pictures as were made are enough.
    let step = held_out
        .pictures
        .len()
        .div_ceil(ours.len().max(FEATURES))
        .max(1);
    let some = held_out.pictures.iter().step_by(step).map(Vec::as_slice);
    PictureComparison {
        frechet,
        frechet_floor,
        copies: copies(&made.pictures),
        copies_floor: copies(&held_out.pictures),
        nearest: nearest(&ours),
        nearest_floor: nearest(&some.collect::<Vec<_>>()),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

impl PictureComparison {
    /// One sentence: what is wrong, the figures that show it, and what to do.
    pub fn remark(&self) -> String {
        if self.frechet_floor.is_none() {
            return "without training pictures there is no floor to compare with: give them with --trained-on".into();
        }
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let (copies, usual) = (self.copies.unwrap_or(0.0), self.copies_floor.unwrap_or(0.0));
        if copies > 0.05 + 2.0 * usual {
            return format!(
                "copies: {} of the pictures equal a training picture, {} of the held-out ones do: add pictures, or stop training earlier",
                percent(copies),
                percent(usual)
            );
        }
        if let Some(floor) = self.frechet_floor
            && self.frechet > 1.5 * floor
        {
            return format!(
                "unlike the dataset: Fréchet distance {:.1}, floor {floor:.1}: train longer or add pictures",
                self.frechet
            );
        }
        if let (Some(nearest), Some(usual)) = (self.nearest, self.nearest_floor) {
            let said = format!(
                "the nearest training picture is {nearest:.1} of 255 away on average, {usual:.1} from held-out pictures"
            );
            if nearest < 0.5 * usual {
                return format!("close to copies: {said}: add pictures, or stop training earlier");
            }
            if nearest > 1.3 * usual + 1.0 {
                return format!("unlike the dataset: {said}: train longer or add pictures");
            }
        }
        "close to the dataset in all figures: look at a sheet".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;
    use crate::image::Palette;

    fn codec() -> PixelCodec {
        PixelCodec::new("16".parse().unwrap(), Palette::grey(4).unwrap())
    }

    /// Rectangles of random places and greys on white.
    fn rectangles(seed: u64, count: usize) -> Vec<Vec<u8>> {
        let mut random = Lcg(seed);
        (0..count)
            .map(|_| {
                let place = random.tokens(4, 8);
                let grey = random.tokens(1, 3)[0] as u8;
                let inside = |at: u32, from: u32, len: u32| (from..from + 2 + len).contains(&at);
                (0..256)
                    .map(|at| {
                        let inside = inside(at % 16, place[0], place[1])
                            && inside(at / 16, place[2], place[3]);
                        if inside { grey } else { 3 }
                    })
                    .collect()
            })
            .collect()
    }

    fn compared(made: Vec<Vec<u8>>) -> PictureComparison {
        let profile = |pictures| PictureProfile::new(&codec(), pictures);
        compare(
            &codec(),
            &profile(made),
            &profile(rectangles(2, 100)),
            &profile(rectangles(1, 400)),
        )
    }

    #[test]
    fn noise_copies_and_new_pictures_get_different_remarks() {
        let mut random = Lcg(9);
        let mut noise = || random.tokens(256, 4).iter().map(|&t| t as u8).collect();
        let noise: Vec<Vec<u8>> = (0..64).map(|_| noise()).collect();
        for (made, expected) in [
            (noise, "unlike the dataset"),
            (vec![vec![3; 256]; 64], "unlike the dataset"),
            (rectangles(1, 64), "copies: 100 %"),
            (rectangles(3, 64), "close to the dataset"),
        ] {
            let found = compared(made);
            let remark = found.remark();
            assert!(
                remark.starts_with(expected),
                "{expected}: {remark}, {found:?}"
            );
        }
    }

    #[test]
    fn any_sets_have_finite_figures() {
        let profile = |pictures| PictureProfile::new(&codec(), pictures);
        let sets = [vec![], vec![vec![0; 256]], rectangles(1, 3)];
        for made in &sets {
            for held_out in &sets {
                for training in &sets {
                    let [made, held_out, training] =
                        [made, held_out, training].map(|set| profile(set.clone()));
                    let found = compare(&codec(), &made, &held_out, &training);
                    let figures = [
                        Some(found.frechet),
                        found.frechet_floor,
                        found.copies,
                        found.copies_floor,
                        found.nearest,
                        found.nearest_floor,
                    ];
                    assert!(
                        figures.into_iter().flatten().all(f64::is_finite),
                        "{found:?}"
                    );
                    assert!(!found.remark().is_empty());
                }
            }
        }
    }
}
