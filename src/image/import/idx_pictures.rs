/*! The pictures of an IDX file: `[count, height, width]`, or `[count, height, width, 3]` in colour. */

use std::io::{BufRead, Read};
use std::path::Path;

use crate::base::labels::Label;
use crate::error::{Error, Result};
use crate::image::import::builder::Builder;
use crate::image::import::labels::Labels;
use crate::image::import::settings::{ImportSettings, shared_size};
use crate::image::import::{idx, stream};
use crate::image::{Color, Picture};

/// The longest side of a picture in an IDX file.
const MAX_SIDE: u32 = 4_096;

/// The shape that the header gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    count: usize,
    height: u32,
    width: u32,
    /// Bytes a pixel: 1 or 3.
    channels: usize,
}

/// Reads every picture of an IDX file.
pub(super) fn import(
    path: &Path,
    settings: &ImportSettings,
    labels: &Labels,
    progress: &(dyn Fn(usize, usize) + Sync),
    keep: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Builder> {
    /// Pictures between two progress reports.
    const STRIDE: usize = 500;
    let mut source = stream::open(path)?;
    let shape = read_shape(path, &mut source)?;
    let size = match settings.size {
        Some(size) => size,
        None => shared_size(path, shape.width, shape.height)?,
    };
    let mut builder = Builder::colors(size, settings.grey, path);
    builder.check_memory(shape.count, shape.channels)?;
    labels.check_count(path, shape.count)?;
    let mut bytes = vec![0; shape.width as usize * shape.height as usize * shape.channels];
    for number in 0..shape.count {
        source.read_exact(&mut bytes).map_err(|error| {
            let place = format!(
                "it ends in picture {number} (from 0) of the {} that its header announces",
                shape.count
            );
            stream::failed(path, error, &place)
        })?;
        let name = number.to_string();
        if keep(&name) {
            match labels.of_number(number) {
                Ok(labels) => {
                    builder.count("IDX", (shape.width, shape.height), false);
                    push(&mut builder, name, labels, shape, &bytes, settings);
                }
                Err(error) => builder.skip(&name, &error),
            }
        }
        if (number + 1) % STRIDE == 0 || number + 1 == shape.count {
            progress(number + 1, shape.count);
        }
    }
    match source.fill_buf() {
        Ok([]) => Ok(builder),
        Ok(_) => Err(Error::input(
            path,
            format!(
                "it continues after the {} pictures that its header announces",
                shape.count
            ),
        )),
        Err(error) => Err(stream::failed(path, error, stream::NO_GZIP_END)),
    }
}

fn push(
    builder: &mut Builder,
    name: String,
    labels: Vec<Label>,
    shape: Shape,
    bytes: &[u8],
    settings: &ImportSettings,
) {
    let pixels: Vec<Color> = match shape.channels {
        1 => bytes.iter().map(|&grey| [grey; 3]).collect(),
        _ => bytes.as_chunks::<3>().0.to_vec(),
    };
    let picture = Picture {
        width: shape.width,
        height: shape.height,
        pixels,
    };
    let picture = match settings.size {
        Some(size) => picture.fitted(size, settings.fit, settings.background),
        None => picture,
    };
    builder.push_colors(name, labels, &picture.pixels);
}

fn read_shape(path: &Path, source: &mut dyn BufRead) -> Result<Shape> {
    let (count, height, width, channels) = match *idx::read_dimensions(path, source)?.as_slice() {
        [count, height, width] | [count, height, width, 1] => (count, height, width, 1),
        [count, height, width, 3] => (count, height, width, 3),
        [_] => {
            return Err(Error::input(path, "an IDX file of labels, not of pictures")
                .with_hint("give the file whose name contains images-idx3 instead"));
        }
        ref other => {
            let reason = format!(
                "an IDX file with dimensions {other:?}; pictures are [count, height, width]"
            );
            return Err(Error::input(path, reason));
        }
    };
    if count == 0 || height == 0 || width == 0 {
        let reason = format!("{count} pictures of {width}x{height} pixels: nothing to learn from");
        return Err(Error::input(path, reason));
    }
    if height > MAX_SIDE || width > MAX_SIDE {
        let reason = format!(
            "pictures of {width}x{height} pixels: too large, or not an IDX file of pictures"
        );
        return Err(Error::input(path, reason));
    }
    Ok(Shape {
        count: count as usize,
        height,
        width,
        channels,
    })
}
