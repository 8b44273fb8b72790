/*! The nearest training picture. */

use rayon::prelude::*;

use crate::image::{Color, Palette};

/// Squared distances between all colours of a palette.
pub(super) struct Distances {
    colors: usize,
    /// `[colors, colors]`, the mean over red, green and blue, in squared 8-bit steps.
    table: Vec<f32>,
}

impl Distances {
    pub(super) fn new(palette: &Palette) -> Self {
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

    /// The root mean square distance of each picture to the nearest of the others, in 8-bit steps; 0 for an equal one.
    /// Infinite without others.
    pub(super) fn nearest(&self, pictures: &[&[u8]], others: &[Vec<u8>]) -> Vec<f64> {
        let nearest = |picture: &&[u8]| {
            let mut best = f32::INFINITY;
            for other in others {
                best = best.min(self.squared(picture, other, best));
            }
            (f64::from(best) / picture.len().max(1) as f64).sqrt()
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
