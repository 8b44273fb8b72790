/*!
IDX files, plain or packed with gzip: the format of MNIST (LeCun, Cortes and Burges).

Two zeros, the kind of the numbers (8: bytes), how many dimensions, each dimension as a big-endian 32-bit number, then
the numbers. Pictures are `[count, height, width]`, and in colour `[count, height, width, 3]`; labels are `[count]`.
*/

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::image::import::builder::Builder;
use crate::image::import::labels::Labels;
use crate::image::import::{ImportSettings, stream};
use crate::image::{Color, Picture, Size};

/// The kind of numbers that is read: unsigned bytes.
const BYTES: u8 = 8;
/// Pictures beyond this are no IDX file of pictures.
const MAX_SIDE: u32 = 4_096;

/// True for the first bytes of an IDX file.
pub(super) fn is_idx(start: &[u8]) -> bool {
    matches!(start, [0, 0, 8..=14, 1..=4, ..])
}

/// What the header says.
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
    /// Progress is told each time so many pictures are read.
    const STRIDE: usize = 500;
    let mut source = stream::open(path)?;
    let shape = picture_shape(path, &mut source)?;
    let size = match settings.size {
        Some(size) => size,
        None => Size::new(shape.width, shape.height).map_err(|_| {
            let (width, height) = (shape.width, shape.height);
            Error::input(
                path,
                format!("its pictures of {width}x{height} pixels are too large for a model"),
            )
            .with_hint("bring them to a smaller size, as with --size 32x32")
        })?,
    };
    let mut builder = Builder::colors(size, settings.grey, path);
    builder.expect(shape.count, shape.channels)?;
    labels.check_count(path, shape.count)?;
    let mut bytes = vec![0; shape.width as usize * shape.height as usize * shape.channels];
    for number in 0..shape.count {
        source.read_exact(&mut bytes).map_err(|error| {
            stream::failed(path, error, || {
                format!("cut short: it ends in picture {number} (from 0) of the {} that its header promises", shape.count)
            })
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
                "it goes on behind the {} pictures that its header promises",
                shape.count
            ),
        )),
        Err(error) => Err(stream::failed(path, error, || {
            "cut short: the end of its gzip data is missing".into()
        })),
    }
}

fn push(
    builder: &mut Builder,
    name: String,
    labels: Vec<crate::base::labels::Label>,
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

/// The dimensions of an IDX file of bytes.
fn dimensions(path: &Path, source: &mut dyn BufRead) -> Result<Vec<u32>> {
    let cut = |error| stream::failed(path, error, || "cut short: it ends in its header".into());
    let mut magic = [0; 4];
    source.read_exact(&mut magic).map_err(cut)?;
    if !is_idx(&magic) {
        return Err(Error::input(
            path,
            "no IDX file: it does not begin like one",
        ));
    }
    let [_, _, kind, count] = magic;
    if kind != BYTES {
        return Err(Error::input(
            path,
            format!("an IDX file of other numbers (kind {kind:#04x}); bytes (kind 0x08) are read"),
        ));
    }
    let mut all = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let mut dimension = [0; 4];
        source.read_exact(&mut dimension).map_err(cut)?;
        all.push(u32::from_be_bytes(dimension));
    }
    Ok(all)
}

fn picture_shape(path: &Path, source: &mut dyn BufRead) -> Result<Shape> {
    let (count, height, width, channels) = match *dimensions(path, source)?.as_slice() {
        [count, height, width] | [count, height, width, 1] => (count, height, width, 1),
        [count, height, width, 3] => (count, height, width, 3),
        [_] => {
            return Err(Error::input(path, "an IDX file of labels, not of pictures")
                .with_hint("give the file named images-idx3 instead"));
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
        let reason =
            format!("pictures of {width}x{height} pixels: too large, or no IDX file of pictures");
        return Err(Error::input(path, reason));
    }
    Ok(Shape {
        count: count as usize,
        height,
        width,
        channels,
    })
}

/// Reads the labels of an IDX label file.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>> {
    let mut source = stream::open(path)?;
    let [count] = *dimensions(path, &mut source)?.as_slice() else {
        return Err(Error::input(
            path,
            "an IDX file, but not of labels: those have one dimension",
        ));
    };
    let mut labels = Vec::new();
    let limited = source.take(u64::from(count) + 1).read_to_end(&mut labels);
    limited.map_err(|error| {
        stream::failed(path, error, || {
            "cut short: the end of its gzip data is missing".into()
        })
    })?;
    if labels.len() == count as usize {
        return Ok(labels);
    }
    let reason = if labels.len() < count as usize {
        format!(
            "cut short: it holds {} of the {count} labels that its header promises",
            labels.len()
        )
    } else {
        format!("it goes on behind the {count} labels that its header promises")
    };
    Err(Error::input(path, reason))
}

/// The label file beside a picture file, by the usual naming: `train-images-idx3-ubyte.gz` beside
/// `train-labels-idx1-ubyte.gz`, either of them packed or not.
pub(super) fn labels_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    if !name.contains("images") {
        return None;
    }
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let plain = labels.trim_end_matches(".gz");
    [labels.clone(), plain.to_owned(), format!("{plain}.gz")]
        .into_iter()
        .map(|name| path.with_file_name(name))
        .find(|path| path.is_file())
}
