/*! A file to be read from its start to its end, unpacked where it is gzip. */

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, IoContext, Result};

/// Opens a file, through gzip where its first bytes say so.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let file = File::open(path).reading(path)?;
    if !file.metadata().reading(path)?.is_file() {
        return Err(Error::input(path, "not a file"));
    }
    let mut file = BufReader::new(file);
    if file.fill_buf().reading(path)?.starts_with(&[0x1F, 0x8B]) {
        return Ok(Box::new(BufReader::with_capacity(
            1 << 16,
            MultiGzDecoder::new(file),
        )));
    }
    Ok(Box::new(file))
}

/// The system's refusal, or what it means for a file whose end came too early.
pub(super) fn failed(
    path: &Path,
    error: std::io::Error,
    cut_short: impl FnOnce() -> String,
) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::input(path, cut_short()),
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => {
            Error::input(path, format!("damaged ({error})"))
        }
        _ => Error::Read {
            path: path.into(),
            source: error,
        },
    }
}
