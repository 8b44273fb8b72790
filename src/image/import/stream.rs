/*! Reads a file from start to end, through gzip where its first bytes say so. */

use std::fs::File;
use std::io::{BufRead, BufReader, Error as IoError, ErrorKind};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, IoContext, Result};

/// The ending of a gzip stream without its last bytes.
pub(super) const NO_GZIP_END: &str = "the end of its gzip data is missing";

/// Opens a file, decompressing gzip.
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

/// The next bytes of a file that was just opened, without consuming them; empty at its end.
pub(super) fn peek<'a>(path: &Path, file: &'a mut dyn BufRead) -> Result<&'a [u8]> {
    file.fill_buf()
        .map_err(|error| failed(path, error, "it ends in its gzip header"))
}

/// A read error of `path`; `cut_short` says where a truncated file ends.
pub(super) fn failed(path: &Path, error: IoError, cut_short: &str) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => Error::input(path, format!("cut short: {cut_short}")),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            Error::input(path, format!("damaged ({error})"))
        }
        _ => Error::Read {
            path: path.into(),
            source: error,
        },
    }
}
