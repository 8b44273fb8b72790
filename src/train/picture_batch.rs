/*! A batch of pictures as numbers on a device. */

use std::ops::Range;

use burn::prelude::*;

use crate::error::Result;
use crate::models::Batch;
use crate::models::picture_numbers::{brightness, planes};
use crate::train::DataLoader;

/// The numbers of each token, and where batches are put.
pub(super) struct PictureNumbers {
    planes: usize,
    /// `[tokens, planes]`.
    brightness: Vec<f32>,
    device: Device,
}

/// Some pictures of a batch.
pub(super) struct PictureBatch {
    /// `[rows, height · width · planes]`, −1 for dark to 1 for bright.
    pub(super) pixels: Tensor<2>,
    /// `[rows, classes]`; `None` without classes.
    pub(super) classes: Option<Tensor<2>>,
    pub(super) rows: usize,
}

impl PictureBatch {
    /// The pictures of all these batches.
    ///
    /// # Panics
    /// Without a batch.
    pub(super) fn of_all(batches: Vec<Self>) -> Self {
        let rows = batches.iter().map(|batch| batch.rows).sum();
        let (pixels, classes): (_, Vec<_>) = batches
            .into_iter()
            .map(|batch| (batch.pixels, batch.classes))
            .unzip();
        let classes: Option<Vec<_>> = classes.into_iter().collect();
        Self {
            pixels: Tensor::cat(pixels, 0),
            classes: classes.map(|classes| Tensor::cat(classes, 0)),
            rows,
        }
    }

    /// The same on a device without autodiff.
    pub(super) fn plain(&self) -> Self {
        Self {
            pixels: self.pixels.clone().inner(),
            classes: self.classes.clone().map(Tensor::inner),
            rows: self.rows,
        }
    }
}

/// The pictures of a batch whose tokens have these colours: red, green and blue of each pixel, row by row.
pub(super) fn pictures(batch: &Batch, colors: &[[u8; 3]]) -> impl Iterator<Item = Vec<[u8; 3]>> {
    let color = |&token: &i32| colors[usize::try_from(token).unwrap_or(0)];
    let rows = batch.targets.chunks(batch.time);
    rows.map(move |targets| targets.iter().map(color).collect())
}

/// At most `most` held-out pictures, evenly spread, whose tokens have these colours.
pub(super) fn held_out_pictures(
    held_out: &DataLoader,
    colors: &[[u8; 3]],
    most: usize,
) -> Result<Vec<Vec<[u8; 3]>>> {
    let mut all = Vec::new();
    for batch in held_out.pass() {
        all.extend(pictures(&batch?, colors));
    }
    let every = all.len().div_ceil(most).max(1);
    Ok(all.into_iter().step_by(every).collect())
}

impl PictureNumbers {
    /// For tokens of these colours.
    pub(super) fn new(colors: &[[u8; 3]], device: Device) -> Self {
        let planes = planes(colors);
        Self {
            planes,
            brightness: brightness(colors, planes),
            device,
        }
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// The rows `rows` of a batch.
    pub(super) fn of(&self, batch: &Batch, rows: Range<usize>) -> PictureBatch {
        let count = rows.len();
        let targets = &batch.targets[rows.start * batch.time..rows.end * batch.time];
        let numbers = |&token: &i32| {
            let token = usize::try_from(token).unwrap_or(0);
            &self.brightness[token * self.planes..(token + 1) * self.planes]
        };
        let tensor = |values: Vec<f32>| {
            let width = values.len() / count;
            Tensor::from_data(TensorData::new(values, [count, width]), &self.device)
        };
        let classes = batch.condition.as_ref().map(|classes| {
            let width = classes.len() / batch.rows;
            tensor(classes[rows.start * width..rows.end * width].to_vec())
        });
        PictureBatch {
            pixels: tensor(targets.iter().flat_map(numbers).copied().collect()),
            classes,
            rows: count,
        }
    }
}
