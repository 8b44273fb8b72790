/*! Colouring of grey pictures by models that `train gan --to color` made. */

use std::path::Path;

use burn::prelude::*;

use crate::app::OpenModel;
use crate::app::generate::{check_extension, write_png};
use crate::error::{Error, Result};
use crate::image::{Color, Picture, Size};
use crate::models::{Colorizer, Model, ModelSpec, color_of, grey_of_color};

impl OpenModel {
    /// Whether it colours grey pictures.
    pub fn colors_pictures(&self) -> bool {
        matches!(self.manifest.recipe.model, ModelSpec::Colorizer { .. })
    }

    /// Colours a picture, as [`color`](Self::color), and writes it as a PNG file, each pixel `scale` times enlarged.
    ///
    /// # Errors
    /// As there, and when the file cannot be written.
    pub fn color_file(&self, image: &Path, output: &Path, scale: Option<u32>) -> Result<()> {
        check_extension(output, false)?;
        write_png(&self.color(image)?.enlarged(scale.unwrap_or(1)), output)
    }

    /// A picture of any size in the colours that the model finds for its grey, which is kept. The model sees the whole picture
    /// in its own size.
    ///
    /// # Errors
    /// When it is no such model, its files are damaged, or the picture cannot be read.
    pub fn color(&self, image: &Path) -> Result<Picture> {
        let format = self.pictures()?;
        let Model::Colorizer(net) = self.load(&Device::flex())? else {
            let what = "it does not colour grey pictures";
            return Err(Error::model(self.folder.path(), what)
                .with_hint("such a model is trained by: ensuite train gan PATH --to color"));
        };
        let picture = Picture::read(image, format.background)?;
        Ok(color(&net, &picture, format.codec.size()))
    }
}

/// The picture in the colours of `net`, which knows pictures of `size`.
fn color(net: &Colorizer, picture: &Picture, size: Size) -> Picture {
    let seen = picture.stretched(size.width(), size.height());
    let chroma = net.chroma(&[seen.pixels]).remove(0);
    // Chroma as a picture, so that it is enlarged as pictures are.
    let byte = |x: f32| (127.5 + 127.5 * x).round() as u8;
    let pixels: Vec<Color> = chroma.iter().map(|c| [byte(c[0]), byte(c[1]), 0]).collect();
    let small = Picture {
        width: size.width(),
        height: size.height(),
        pixels,
    };
    let chroma = small.stretched(picture.width, picture.height);
    let pixels = picture.pixels.iter().zip(&chroma.pixels);
    let number = |byte: u8| f32::from(byte) / 127.5 - 1.0;
    let painted = pixels.map(|(&color, &[blue, red, _])| {
        color_of(grey_of_color(color), [number(blue), number(red)])
    });
    Picture {
        pixels: painted.collect(),
        ..*picture
    }
}
