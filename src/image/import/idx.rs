/*!
The IDX format of MNIST (LeCun, Cortes and Burges), plain or gzip-compressed: its header and its labels.

An IDX file holds two zeros, the type of its numbers (8: bytes), the number of dimensions, each dimension as a
big-endian 32-bit number, and the numbers. Labels have the shape `[count]`.
*/

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::image::import::stream;

/// The type of numbers that is read: unsigned bytes.
const BYTES: u8 = 8;

/// True for the first bytes of an IDX file.
pub(super) fn is_idx(start: &[u8]) -> bool {
    matches!(start, [0, 0, 8..=14, 1..=4, ..])
}

/// The dimensions of an IDX file of bytes.
pub(super) fn read_dimensions(path: &Path, source: &mut dyn BufRead) -> Result<Vec<u32>> {
    let failed = |error| stream::failed(path, error, "it ends in its header");
    let mut magic = [0; 4];
    source.read_exact(&mut magic).map_err(failed)?;
    if !is_idx(&magic) {
        return Err(Error::input(path, "not an IDX file"));
    }
    let [_, _, kind, count] = magic;
    if kind != BYTES {
        return Err(Error::input(
            path,
            format!("an IDX file of numbers of type {kind:#04x}; only bytes (type 0x08) are read"),
        ));
    }
    let mut all = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let mut dimension = [0; 4];
        source.read_exact(&mut dimension).map_err(failed)?;
        all.push(u32::from_be_bytes(dimension));
    }
    Ok(all)
}

/// Reads the labels of an IDX label file.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>> {
    let mut source = stream::open(path)?;
    let [count] = *read_dimensions(path, &mut source)?.as_slice() else {
        return Err(Error::input(
            path,
            "an IDX file, but not of labels: those have one dimension",
        ));
    };
    let mut labels = Vec::new();
    let limited = source.take(u64::from(count) + 1).read_to_end(&mut labels);
    limited.map_err(|error| stream::failed(path, error, stream::NO_GZIP_END))?;
    if labels.len() == count as usize {
        return Ok(labels);
    }
    let reason = if labels.len() < count as usize {
        format!(
            "cut short: it holds {} of the {count} labels that its header announces",
            labels.len()
        )
    } else {
        format!("it continues after the {count} labels that its header announces")
    };
    Err(Error::input(path, reason))
}

/// The label file that the usual naming puts beside a picture file: `train-labels-idx1-ubyte` beside
/// `train-images-idx3-ubyte`, each with or without `.gz`.
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
