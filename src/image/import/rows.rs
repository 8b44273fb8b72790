/*!
Pictures as rows of colour indices, the format of Hung-yi Lee's course: each row of a text file is one picture, the
palette indices of its pixels in raster order, separated by spaces. `colormap.txt` beside it holds the palette.
*/

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::image::import::builder::Builder;
use crate::image::import::labels::Labels;
use crate::image::import::settings::ImportSettings;
use crate::image::import::stream;
use crate::image::{Palette, Size};

/// The longest row, in bytes: at least four for each pixel of the largest picture.
const MAX_ROW: u64 = 1 << 23;

/// True for the first bytes of a file of digits and separators.
pub(super) fn is_rows(start: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_digit() || b" \t\r\n,".contains(byte);
    start.iter().any(u8::is_ascii_digit) && start.iter().all(allowed)
}

/// Reads every picture of a file of rows.
pub(super) fn import(
    path: &Path,
    settings: &ImportSettings,
    labels: &Labels,
    progress: &(dyn Fn(usize, usize) + Sync),
    keep: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Builder> {
    let map = settings.colormap.clone().unwrap_or_else(|| beside(path));
    if !map.is_file() {
        return Err(Error::input(
            path,
            format!("its colour map {} does not exist", map.display()),
        )
        .with_hint(
            "put a colormap.txt of 'R G B' rows beside it, or name one with --colormap FILE",
        ));
    }
    let palette = Palette::read_colormap(&map)?;
    let mut source = stream::open(path)?;
    let mut line = String::new();
    let mut indices = Vec::new();
    let mut builder: Option<Builder> = None;
    let mut number = 0;
    let mut read = 0;
    while read_line(path, &mut source, &mut line, read)? {
        read += 1;
        if line.trim().is_empty() {
            continue;
        }
        parse(&line, &palette, &mut indices).map_err(|error| error.at(path, read, &map))?;
        let builder = match &mut builder {
            Some(builder) => builder,
            None => {
                let size = row_size(path, indices.len(), settings.size)?;
                builder.insert(Builder::indices(size, palette.clone(), path))
            }
        };
        let size = builder.size();
        if indices.len() != size.area() {
            return Err(Error::input(
                path,
                format!(
                    "row {read} has {} numbers, the first row has {}",
                    indices.len(),
                    size.area()
                ),
            )
            .with_hint("each row is one picture, and all pictures have the same size"));
        }
        builder.check_memory(builder.len() + 1, 1)?;
        let name = number.to_string();
        if keep(&name) {
            match labels.of_number(number) {
                Ok(labels) => {
                    builder.count("rows of indices", (size.width(), size.height()), false);
                    builder.push_indices(name, labels, &indices);
                }
                Err(error) => builder.skip(&name, &error),
            }
        }
        number += 1;
        // The total is known only at the end.
        progress(number, number);
    }
    labels.check_count(path, number)?;
    builder.ok_or_else(|| Error::input(path, "holds no pictures"))
}

fn beside(path: &Path) -> PathBuf {
    path.with_file_name("colormap.txt")
}

/// Reads row `read + 1` without allocating more than [`MAX_ROW`]; false at the end.
fn read_line(
    path: &Path,
    source: &mut dyn BufRead,
    line: &mut String,
    read: usize,
) -> Result<bool> {
    line.clear();
    let mut bytes = Vec::new();
    let limited = source.take(MAX_ROW).read_until(b'\n', &mut bytes);
    limited.map_err(|error| stream::failed(path, error, stream::NO_GZIP_END))?;
    if bytes.len() as u64 == MAX_ROW {
        return Err(Error::input(
            path,
            format!("row {} is too long for a picture", read + 1),
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => line.push_str(&text),
        Err(_) => return Err(Error::input(path, format!("row {} is not text", read + 1))),
    }
    Ok(!line.is_empty())
}

/// The size of a picture of this many pixels: the given one, or a square.
fn row_size(path: &Path, pixels: usize, given: Option<Size>) -> Result<Size> {
    if let Some(size) = given {
        if size.area() == pixels {
            return Ok(size);
        }
        return Err(Error::input(
            path,
            format!(
                "its rows have {pixels} numbers, but a picture of {size} has {}",
                size.area()
            ),
        )
        .with_hint("colour indices cannot be resized; choose a size with this many pixels"));
    }
    let side = pixels.isqrt();
    let square = u32::try_from(side).ok().filter(|_| side * side == pixels);
    let size = square.and_then(|side| Size::new(side, side).ok());
    size.ok_or_else(|| {
        Error::input(
            path,
            format!("its rows have {pixels} numbers, which is not a square number"),
        )
        .with_hint("give the size of its pictures with --size, such as --size 20x30")
    })
}

/// An error in a row.
struct RowError {
    /// From 1.
    column: usize,
    reason: String,
    /// The palette has no such colour.
    palette: bool,
}

impl RowError {
    fn at(self, path: &Path, row: usize, map: &Path) -> Error {
        let RowError {
            column,
            reason,
            palette,
        } = self;
        let hint = if palette {
            format!("the colours are the rows of {}", map.display())
        } else {
            "each row is one picture: colour indices separated by spaces".into()
        };
        Error::input(path, format!("row {row}, column {column}: {reason}")).with_hint(hint)
    }
}

fn parse(
    line: &str,
    palette: &Palette,
    indices: &mut Vec<u8>,
) -> std::result::Result<(), RowError> {
    indices.clear();
    let parts = line
        .split([' ', '\t', ',', '\r', '\n'])
        .filter(|part| !part.is_empty());
    for (place, part) in parts.enumerate() {
        let error = |reason, palette| RowError {
            column: place + 1,
            reason,
            palette,
        };
        let index: usize = part
            .parse()
            .map_err(|_| error(format!("'{part}' is not a colour index"), false))?;
        if index >= palette.len() {
            let last = palette.len() - 1;
            return Err(error(
                format!("there is no colour {index}; the colour map ends at {last}"),
                true,
            ));
        }
        indices.push(index as u8);
    }
    Ok(())
}
