/*! How near a colorizer comes to the colours of pictures that it sees in grey. */

use std::fmt;

use serde::Serialize;

use crate::base::picture_features::FeatureSet;
use crate::image::Color;
use crate::models::Colorizer;
use crate::train::mean_difference;

/// Pictures that were coloured from their greys, beside the true ones.
#[derive(Debug, Clone, Serialize)]
pub struct ColorizerEvaluation {
    /// Pictures.
    pub pictures: usize,
    /// The coloured pictures.
    pub colored: ColorErrors,
    /// The grey pictures as they are.
    pub grey: ColorErrors,
}

/// How far some pictures are from the true ones.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ColorErrors {
    /// The mean absolute error of red, green and blue, of 255.
    pub absolute_error: f64,
    /// The Fréchet distance in the features of untrained convolutions.
    pub frechet: f64,
}

impl fmt::Display for ColorizerEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} pictures, seen in grey", self.pictures)?;
        write!(f, "{:<32} {:>10} {:>10}", "", "coloured", "left grey")?;
        let (ours, grey) = (self.colored, self.grey);
        for (name, ours, grey) in [
            (
                "mean absolute error of 255",
                ours.absolute_error,
                grey.absolute_error,
            ),
            ("Fréchet distance", ours.frechet, grey.frechet),
        ] {
            write!(f, "\n{name:<32} {ours:>10.2} {grey:>10.2}")?;
        }
        Ok(())
    }
}

/// Colours the greys of these pictures.
pub(super) fn evaluate(
    net: &Colorizer,
    real: &[Vec<Color>],
    sides: [usize; 2],
) -> ColorizerEvaluation {
    let features = FeatureSet::new(real, sides);
    let errors = |made: &[Vec<Color>]| ColorErrors {
        absolute_error: mean_difference(real, made),
        frechet: features.frechet(FeatureSet::new(made, sides).0.iter()),
    };
    let greys: Vec<_> = real.iter().map(|p| Colorizer::greys(p)).collect();
    ColorizerEvaluation {
        pictures: real.len(),
        colored: errors(&net.color(real)),
        grey: errors(&greys),
    }
}
