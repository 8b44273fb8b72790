/*! What a model of black and white pictures thinks of two edits: one stray pixel, and six that lengthen a stroke. */

use std::fmt;

use burn::prelude::*;
use serde::Serialize;

use crate::error::Result;
use crate::image::{Edits, PictureDataset, PictureFormat};
use crate::models::{Batch, Model, nll_per_sequence};
use crate::sequence::{SequenceDataset, Token};

/// The most pictures that are edited, evenly spaced.
const EDITED: usize = 200;
/// Pictures that are measured together, each three times.
const TOGETHER: usize = 10;

/// By how much ln p of a picture falls with an edit, in nats; the mean over pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EditCosts {
    /// With one stray pixel, as far from the ink as possible.
    pub stray_pixel: f64,
    /// With six pixels that lengthen a stroke.
    pub longer_stroke: f64,
    /// The pictures that were edited.
    pub pictures: usize,
    /// The pictures that were looked at; the others have no stroke that ends with room in front of it.
    pub looked_at: usize,
    /// Whether p is that of the pixels given the code (the posterior mean) of the picture before the edit. One code for the
    /// picture and both edits leaves the decoder as the only difference, and takes no sampling.
    pub given_code: bool,
}

impl fmt::Display for EditCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "one stray pixel costs {:.2} nats, six that lengthen a stroke cost {:.2}: the mean over {} of {} pictures{}",
            self.stray_pixel,
            self.longer_stroke,
            self.pictures,
            self.looked_at,
            if self.given_code {
                ", given the code of the picture before the edit"
            } else {
                ""
            }
        )
    }
}

/// Edits some pictures of a set, each with its class vector. `None` where the model has more than two colours, or no picture
/// can be edited.
pub(super) fn edit_costs(
    model: &Model,
    form: &PictureFormat,
    set: &PictureDataset,
    conditions: &[Vec<f32>],
    device: &Device,
) -> Result<Option<EditCosts>> {
    if form.codec.palette().len() != 2 {
        return Ok(None);
    }
    let every = set.count().div_ceil(EDITED).max(1);
    let some: Vec<usize> = (0..set.count()).step_by(every).collect();
    let pictures = some.iter().map(|&index| set.indices(index));
    let pictures = pictures.collect::<Result<Vec<_>>>()?;
    // Ink is the rarer colour.
    let ones: usize = pictures
        .iter()
        .flatten()
        .map(|&color| usize::from(color))
        .sum();
    let ink = u8::from(2 * ones < pictures.len() * form.codec.size().area());
    let (mut triples, mut classes) = (Vec::new(), Vec::new());
    for (picture, &index) in pictures.iter().zip(&some) {
        if let Some(edits) = Edits::of(picture, set.width(), ink) {
            triples.push([picture, &edits.stray, &edits.stroke].map(|one| tokens(one)));
            classes.push(&conditions[index][..]);
        }
    }
    if triples.is_empty() {
        return Ok(None);
    }
    let net = model.require_sequence()?;
    let latent = model.latent();
    let (mut stray_pixel, mut longer_stroke) = (0.0, 0.0);
    for (triples, classes) in triples.chunks(TOGETHER).zip(classes.chunks(TOGETHER)) {
        let mut conditions: Vec<Vec<f32>> = classes.iter().map(|one| one.to_vec()).collect();
        if let Some(latent) = latent {
            let before: Vec<&[Token]> = triples.iter().map(|[before, ..]| &before[..]).collect();
            let posteriors = latent.encode(&before, classes);
            let codes = posteriors.means().chunks(latent.latent());
            let both = conditions.iter_mut().zip(codes);
            both.for_each(|(condition, code)| condition.extend(code));
        }
        let rows: Vec<&[Token]> = triples.iter().flatten().map(Vec::as_slice).collect();
        let conditions: Vec<&[f32]> = conditions.iter().flat_map(|one| [&one[..]; 3]).collect();
        let batch = Batch::of(&rows, &conditions, net.interface().alphabet);
        for nats in nll_per_sequence(net, &batch, device).chunks(3) {
            stray_pixel += nats[1] - nats[0];
            longer_stroke += nats[2] - nats[0];
        }
    }
    let count = triples.len() as f64;
    Ok(Some(EditCosts {
        stray_pixel: stray_pixel / count,
        longer_stroke: longer_stroke / count,
        pictures: triples.len(),
        looked_at: some.len(),
        given_code: latent.is_some(),
    }))
}

fn tokens(indices: &[u8]) -> Vec<Token> {
    indices.iter().map(|&index| Token::from(index)).collect()
}
