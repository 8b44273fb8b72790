/*! `generate --nearest`: is a generated picture new, or a copy of one that is known? */

use std::path::Path;

use crate::app::Observer;
use crate::app::import::{import_pictures, picture_path};
use crate::error::Result;
use crate::image::judge::{Nearest, nearest};
use crate::image::{Indexed, Picture, PictureFormat, PixelCodec};

/// Pictures that generated ones are compared with, in the model's size and colours.
pub(super) struct Known<'a> {
    codec: &'a PixelCodec,
    /// Where each is.
    paths: Vec<String>,
    /// Palette indices of each. Grey pixels of a model of black and white are rounded, not drawn, so that the same picture is
    /// always the same.
    pictures: Vec<Vec<u8>>,
}

impl<'a> Known<'a> {
    /// Reads a folder or file of pictures as the model's training read its own, without their classes.
    pub(super) fn read(
        path: &Path,
        format: &'a PictureFormat,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let codec = &format.codec;
        let found = import_pictures(path, &format.import_settings(), observer)?;
        let area = codec.size().area();
        let pictures = (0..found.len()).map(|index| {
            let mut indices = vec![0; area];
            found.index(index, codec.palette(), &mut indices);
            indices
        });
        let paths = found.names().iter().map(|name| picture_path(path, name));
        Ok(Self {
            codec,
            paths: paths.collect(),
            pictures: pictures.collect(),
        })
    }

    /// Puts the nearest known picture on the right of each of `painted`, which shows `made`. Gives one line about each.
    pub(super) fn put_beside(&self, made: &[Indexed], painted: &mut [Picture]) -> Vec<String> {
        let views: Vec<&[u8]> = made.iter().map(|one| one.indices.as_slice()).collect();
        let found = nearest(self.codec.palette(), &views, &self.pictures).unwrap_or_default();
        for (picture, nearest) in painted.iter_mut().zip(&found) {
            *picture = picture.beside(&self.codec.paint(&Indexed {
                size: self.codec.size(),
                indices: self.pictures[nearest.index].clone(),
            }));
        }
        let lines = found.iter().enumerate();
        lines
            .map(|(index, nearest)| self.line(index + 1, views[index], nearest))
            .collect()
    }

    fn line(&self, number: usize, made: &[u8], nearest: &Nearest) -> String {
        let path = &self.paths[nearest.index];
        let pairs = made.iter().zip(&self.pictures[nearest.index]);
        let different = pairs.filter(|(a, b)| a != b).count();
        if nearest.distance == 0.0 {
            return format!("picture {number}: a copy of {path}");
        }
        format!(
            "picture {number}: distance {:.1} of 255 to {path}; {different} of {} pixels differ",
            nearest.distance,
            made.len()
        )
    }
}
