/*! The nearest training picture. */

use rayon::prelude::*;

use crate::image::{Color, Palette};

/// The nearest of many pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// Which one; the first of equally near ones.
    pub index: usize,
    /// The root mean square distance over pixels and colours, in 8-bit steps; 0 for an equal one.
    pub distance: f64,
}

/// The nearest of `others` to each of `pictures`, all in palette indices; `None` without others.
pub fn nearest(palette: &Palette, pictures: &[&[u8]], others: &[Vec<u8>]) -> Option<Vec<Nearest>> {
    let distances = Distances::new(palette);
    (!others.is_empty()).then(|| distances.nearest(pictures, others))
}

/// Squared distances between all colours of a palette.
struct Distances {
    colors: usize,
    /// `[colors, colors]`, the mean over red, green and blue, in squared 8-bit steps.
    table: Vec<f32>,
}

impl Distances {
    fn new(palette: &Palette) -> Self {
        let colors = palette.colors();
        let squared = |a: &Color, b: &Color| {
            let channels = a.iter().zip(b);
            let sum: i32 = channels
                .map(|(&a, &b)| (i32::from(a) - i32::from(b)).pow(2))
                .sum();
            sum as f32 / 3.0
        };
        let table = colors
            .iter()
            .flat_map(|a| colors.iter().map(move |b| squared(a, b)))
            .collect();
        Self {
            colors: colors.len(),
            table,
        }
    }

    fn nearest(&self, pictures: &[&[u8]], others: &[Vec<u8>]) -> Vec<Nearest> {
        let nearest = |picture: &&[u8]| {
            let (mut index, mut best) = (0, f32::INFINITY);
            for (number, other) in others.iter().enumerate() {
                let squared = self.squared(picture, other, best);
                if squared < best {
                    (index, best) = (number, squared);
                }
            }
            Nearest {
                index,
                distance: (f64::from(best) / picture.len().max(1) as f64).sqrt(),
            }
        };
        pictures.par_iter().map(nearest).collect()
    }

    /// The sum of squares over the pixels; it may stop where it exceeds `most`.
    fn squared(&self, a: &[u8], b: &[u8], most: f32) -> f32 {
        /// Pixels between two checks.
        const PIXELS: usize = 64;
        let mut sum = 0.0;
        for (a, b) in a.chunks(PIXELS).zip(b.chunks(PIXELS)) {
            let row = |a: u8| usize::from(a) * self.colors;
            let pairs = a.iter().zip(b);
            sum += pairs
                .map(|(&a, &b)| self.table[row(a) + usize::from(b)])
                .sum::<f32>();
            if sum > most {
                break;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_nearest_pictures_is_found_with_its_distance() {
        let palette = Palette::grey(256).unwrap();
        let others = [vec![0; 100], vec![9; 100], vec![5; 100], vec![5; 100]];
        let mut near = vec![5; 100];
        near[70] = 15;
        let found = nearest(&palette, &[&near, &[9; 100], &[200; 100]], &others).unwrap();
        assert_eq!(found.iter().map(|n| n.index).collect::<Vec<_>>(), [2, 1, 1]);
        // One of a hundred pixels is 10 steps away.
        assert!((found[0].distance - 1.0).abs() < 1e-6, "{found:?}");
        assert_eq!(found[1].distance, 0.0);
        assert!((found[2].distance - 191.0).abs() < 1e-3, "{found:?}");
        assert_eq!(nearest(&palette, &[&near], &[]), None);
    }
}
