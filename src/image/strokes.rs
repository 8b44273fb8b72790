/*! The hand in a picture of strokes: their slant, thickness and width. */

/// What is measured of a picture of strokes; `None` of one without ink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strokes {
    /// Columns to the right for each row upwards: the covariance of column and row over the variance of rows.
    pub slant: f64,
    /// Pixels across a stroke: twice the ink over the length of its edges.
    pub thickness: f64,
    /// The standard deviation of the ink's columns, without the slant.
    pub width: f64,
}

impl Strokes {
    /// Of the ink of each pixel, 0 to 1, in rows of `width`.
    pub fn of(ink: &[f64], width: usize) -> Option<Self> {
        let total: f64 = ink.iter().sum();
        let mean = |of: &dyn Fn(f64, f64) -> f64| {
            let weighted = ink.iter().enumerate().map(|(at, ink)| {
                let (x, y) = (at % width, at / width);
                ink * of(x as f64, -(y as f64))
            });
            weighted.sum::<f64>() / total
        };
        if total <= 0.0 {
            return None;
        }
        let (x0, y0) = (mean(&|x, _| x), mean(&|_, y| y));
        let rows = mean(&|_, y| (y - y0).powi(2));
        let slant = if rows > 0.0 {
            mean(&|x, y| (x - x0) * (y - y0)) / rows
        } else {
            0.0
        };
        let upright = mean(&|x, y| (x - x0 - slant * (y - y0)).powi(2));
        // Beyond the edges there is no ink.
        let at = |x: Option<usize>, y: Option<usize>| match (x, y) {
            (Some(x), Some(y)) if x < width => ink.get(y * width + x).copied().unwrap_or(0.0),
            _ => 0.0,
        };
        let height = ink.len() / width;
        let places = (0..=height).flat_map(|y| (0..=width).map(move |x| (x, y)));
        let edges: f64 = places
            .map(|(x, y)| {
                let here = at(Some(x), Some(y));
                let left = (here - at(x.checked_sub(1), Some(y))).abs();
                left + (here - at(Some(x), y.checked_sub(1))).abs()
            })
            .sum();
        Some(Self {
            slant,
            thickness: 2.0 * total / edges,
            width: upright.sqrt(),
        })
    }

    /// Slant, thickness and width.
    pub fn figures(self) -> [f64; 3] {
        [self.slant, self.thickness, self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stroke of 24 rows of `thick` pixels that moves `slant` columns to the right for each row upwards.
    fn stroke(thick: usize, slant: f64) -> Strokes {
        let mut ink = vec![0.0; 40 * 24];
        for y in 0..24 {
            let left = (20.0 + slant * (12.0 - y as f64)).round() as usize;
            ink[y * 40 + left..][..thick].fill(1.0);
        }
        Strokes::of(&ink, 40).unwrap()
    }

    #[test]
    fn slant_thickness_and_width_are_those_of_the_stroke() {
        let upright = stroke(2, 0.0);
        assert!(upright.slant.abs() < 1e-9 && (upright.width - 0.5).abs() < 1e-9);
        assert!((stroke(2, 0.5).slant - 0.5).abs() < 0.02);
        assert!((stroke(2, -0.4).slant + 0.4).abs() < 0.02);
        let thick = stroke(4, 0.0);
        assert!(
            thick.thickness > 1.6 * upright.thickness,
            "{thick:?} {upright:?}"
        );
        assert!(thick.width > 2.0 * upright.width);
        assert_eq!(Strokes::of(&[0.0; 6], 3), None);
        assert!(Strokes::of(&[1.0], 1).is_some());
    }
}
