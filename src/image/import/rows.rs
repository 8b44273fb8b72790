/*!
Pictures as rows of colour indices, the format of Hung-yi Lee's course: each row of a text file is one picture, its
pixels' colour numbers in raster order separated by spaces, with the colours in `colormap.txt` beside it.
*/

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::image::import::builder::Builder;
use crate::image::import::labels::Labels;
use crate::image::import::{ImportSettings, stream};
use crate::image::{Palette, Size};

/// The longest row, in bytes: four for each pixel of the largest picture, and some more.
const MAX_ROW: u64 = 1 << 23;

/// True for the beginning of a file that may be such rows: digits and what separates them.
pub(super) fn is_rows(start: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_digit() || b" \t\r\n,".contains(byte);
    start.iter().any(u8::is_ascii_digit) && start.iter().all(allowed)
}

/// Reads every picture of such a file.
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
            format!("its colour map {} is not there", map.display()),
        )
        .with_hint(
            "put colormap.txt, with one 'R G B' a row, beside it, or give --colormap FILE",
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
        parse(&line, &palette, &mut indices).map_err(|fault| fault.at(path, read, &map))?;
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
                    "row {read} has {} numbers, and the first row {}",
                    indices.len(),
                    size.area()
                ),
            )
            .with_hint("each row is one picture, and all have the same size"));
        }
        builder.expect(builder.len() + 1, 1)?;
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
        // How many there are shows at the end alone.
        progress(number, number);
    }
    labels.check_count(path, number)?;
    builder.ok_or_else(|| Error::input(path, "holds no pictures"))
}

fn beside(path: &Path) -> PathBuf {
    path.with_file_name("colormap.txt")
}

/// The next row, without allocating more than [`MAX_ROW`]; false at the end. `read` rows came before.
fn read_line(
    path: &Path,
    source: &mut dyn BufRead,
    line: &mut String,
    read: usize,
) -> Result<bool> {
    line.clear();
    let mut bytes = Vec::new();
    let limited = source.take(MAX_ROW).read_until(b'\n', &mut bytes);
    limited.map_err(|error| {
        stream::failed(path, error, || {
            "cut short: the end of its gzip data is missing".into()
        })
    })?;
    if bytes.len() as u64 == MAX_ROW {
        return Err(Error::input(
            path,
            format!("row {} is too long for a picture", read + 1),
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => line.push_str(&text),
        Err(_) => return Err(Error::input(path, format!("row {} is no text", read + 1))),
    }
    Ok(!line.is_empty())
}

/// The size of a picture of so many pixels: the given one, or a square.
fn row_size(path: &Path, pixels: usize, given: Option<Size>) -> Result<Size> {
    if let Some(size) = given {
        if size.area() == pixels {
            return Ok(size);
        }
        return Err(Error::input(
            path,
            format!("its rows have {pixels} numbers, which is no picture of {size}"),
        )
        .with_hint("colour indices cannot be resized; choose a size with as many pixels"));
    }
    let side = pixels.isqrt();
    let square = u32::try_from(side).ok().filter(|_| side * side == pixels);
    let size = square.and_then(|side| Size::new(side, side).ok());
    size.ok_or_else(|| {
        Error::input(
            path,
            format!("its rows have {pixels} numbers, which is no square"),
        )
        .with_hint("say the size of its pictures, as with --size 20x30")
    })
}

/// What is wrong with a row.
struct Fault {
    /// From 1.
    column: usize,
    reason: String,
    palette: bool,
}

impl Fault {
    fn at(self, path: &Path, row: usize, map: &Path) -> Error {
        let Fault {
            column,
            reason,
            palette,
        } = self;
        let hint = if palette {
            format!("the colours are those of {}", map.display())
        } else {
            "each row is one picture: colour numbers separated by spaces".into()
        };
        Error::input(path, format!("row {row}, column {column}: {reason}")).with_hint(hint)
    }
}

fn parse(line: &str, palette: &Palette, indices: &mut Vec<u8>) -> std::result::Result<(), Fault> {
    indices.clear();
    let parts = line
        .split([' ', '\t', ',', '\r', '\n'])
        .filter(|part| !part.is_empty());
    for (place, part) in parts.enumerate() {
        let fault = |reason, palette| Fault {
            column: place + 1,
            reason,
            palette,
        };
        let index: usize = part
            .parse()
            .map_err(|_| fault(format!("'{part}' is no colour number"), false))?;
        if index >= palette.len() {
            let last = palette.len() - 1;
            return Err(fault(
                format!("there is no colour {index}; the colour map ends at {last}"),
                true,
            ));
        }
        indices.push(index as u8);
    }
    Ok(())
}
