/*! What the codes of a conditional image VAE say: the hand, and not the class. */

use std::fmt;

use serde::Serialize;

use crate::app::drawing::{PixelSampling, decode};
use crate::app::picture_space::encode_some;
use crate::base::labels::Classes;
use crate::error::Result;
use crate::image::{PictureDataset, PictureFormat, Strokes};
use crate::latent::probe;
use crate::models::Model;
use crate::sequence::SequenceDataset;

/// The most pictures whose codes are decoded with another class.
const REWRITTEN: usize = 500;
/// The most codes that a class is read from.
const PROBED: usize = 4000;

/// What the codes of a conditional image VAE say.
#[derive(Debug, Clone, Serialize)]
pub struct HandMeasures {
    /// The correlation of the slant of given pictures with that of pictures of their codes and another class.
    pub slant: f64,
    /// The same of the thickness of strokes.
    pub thickness: f64,
    /// The same of the width.
    pub width: f64,
    /// The pictures whose codes were decoded with another class.
    pub rewritten: usize,
    /// The share of codes from which a linear probe reads the class.
    pub class_from_code: f64,
    /// The share of the most frequent class.
    pub chance: f64,
}

impl fmt::Display for HandMeasures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "codes of {} pictures decoded with another class: slant correlates {:.2}, thickness {:.2}, width {:.2}\na linear probe reads the class from {:.1} % of the codes, chance {:.1} %",
            self.rewritten,
            self.slant,
            self.thickness,
            self.width,
            100.0 * self.class_from_code,
            100.0 * self.chance
        )
    }
}

/// Measures the codes of a model's pictures; `None` without classes or latent codes.
pub(super) fn hand(
    model: &Model,
    form: &PictureFormat,
    set: &PictureDataset,
    conditions: &[Vec<f32>],
    classes: &Classes,
) -> Result<Option<HandMeasures>> {
    let (Some(latent), Some(group)) = (model.latent(), classes.groups().first()) else {
        return Ok(None);
    };
    let count = group.values.len();
    let class_of = |condition: &[f32]| condition[..count].iter().position(|&x| x > 0.5);
    let every = set.count().div_ceil(PROBED).max(1);
    let members: Vec<usize> = (0..set.count()).step_by(every).collect();
    let views: Vec<&[f32]> = members.iter().map(|&i| &conditions[i][..]).collect();
    let codes = encode_some(latent, set, &members, &views)?;
    let found = members
        .iter()
        .map(|&i| class_of(&conditions[i]).unwrap_or(0));
    let found: Vec<usize> = found.collect();
    let most = (0..count).map(|class| found.iter().filter(|&&found| found == class).count());
    let dims = latent.latent();
    let some = (0..members.len()).step_by(members.len().div_ceil(REWRITTEN).max(1));
    let some: Vec<usize> = some.collect();
    // The next class of the first group; other groups stay.
    let other = |&at: &usize| {
        let mut condition = conditions[members[at]].clone();
        condition[..count].rotate_right(1);
        condition.extend(&codes.means()[at * dims..][..dims]);
        condition
    };
    let how = PixelSampling::default();
    let made = decode(model, some.iter().map(other).collect(), how, form)?;
    let mut figures: [Vec<[f64; 2]>; 3] = Default::default();
    for (&at, made) in some.iter().zip(&made) {
        let strokes = |indices: &[u8]| Strokes::of(&ink(form, indices), set.width());
        let given = set.indices(members[at])?;
        if let (Some(given), Some(made)) = (strokes(&given), strokes(&made.indices)) {
            for (figure, pair) in given.figures().into_iter().zip(made.figures()).enumerate() {
                figures[figure].push([pair.0, pair.1]);
            }
        }
    }
    let [slant, thickness, width] = figures.map(|pairs| correlation(&pairs));
    Ok(Some(HandMeasures {
        slant,
        thickness,
        width,
        rewritten: some.len(),
        class_from_code: probe(codes.means(), dims, &found, count),
        chance: most.max().unwrap_or(0) as f64 / found.len().max(1) as f64,
    }))
}

/// How far the brightness of each pixel is from that of the first one, which is paper; 0 to 1.
fn ink(form: &PictureFormat, indices: &[u8]) -> Vec<f64> {
    let colors = form.codec.palette().colors();
    let brightness = |&index: &u8| {
        let color = colors[usize::from(index)];
        color.iter().map(|&part| f64::from(part)).sum::<f64>() / 765.0
    };
    let paper = indices.first().map_or(0.0, brightness);
    indices
        .iter()
        .map(|index| (brightness(index) - paper).abs())
        .collect()
}

/// Pearson's correlation; 0 where one side never changes.
fn correlation(pairs: &[[f64; 2]]) -> f64 {
    let count = pairs.len().max(1) as f64;
    let mean = [0, 1].map(|side| pairs.iter().map(|pair| pair[side]).sum::<f64>() / count);
    let product = |a: usize, b: usize| {
        let away = |pair: &[f64; 2]| (pair[a] - mean[a]) * (pair[b] - mean[b]);
        pairs.iter().map(away).sum::<f64>()
    };
    let scale = (product(0, 0) * product(1, 1)).sqrt();
    if scale > 0.0 {
        product(0, 1) / scale
    } else {
        0.0
    }
}
