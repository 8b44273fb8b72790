/*! Lines of limited length from a plain or gzip file. */

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, IoContext, Result};

/// The longest sentence that is read, in bytes of UTF-8: about 2,500 English words. A line of a `.jsonl` file, which has
/// other fields too, may be 64 times as long.
pub const MAX_SENTENCE: usize = 16 * 1024;

/// Reads a file line by line.
pub(super) struct Lines<'a> {
    path: &'a Path,
    reader: Box<dyn BufRead>,
    /// The number of the last line, from 1.
    pub(super) number: u64,
    line: Vec<u8>,
    limit: usize,
}

/// One line, without its end.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// The line exceeds the limit.
    TooLong,
}

impl<'a> Lines<'a> {
    /// Opens a file with lines of at most `limit` bytes.
    pub(super) fn open(path: &'a Path, limit: usize) -> Result<Self> {
        const GZIP: [u8; 2] = [0x1f, 0x8b];
        const UTF_16: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).reading(path)?);
        // The first bytes decide the format, whatever the name.
        let head = file.fill_buf().reading(path)?;
        let mut reader: Box<dyn BufRead> = if head.starts_with(&GZIP) {
            let decoder = MultiGzDecoder::new(file);
            Box::new(BufReader::with_capacity(1 << 16, decoder))
        } else {
            Box::new(file)
        };
        let head = reader.fill_buf().map_err(|error| failed(path, error))?;
        if UTF_16.iter().any(|mark| head.starts_with(mark)) {
            return Err(Error::input(path, "UTF-16; text must be UTF-8")
                .with_hint("convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"));
        }
        if head.starts_with("\u{feff}".as_bytes()) {
            reader.consume(3);
        }
        Ok(Self {
            path,
            reader,
            number: 0,
            line: Vec::new(),
            limit,
        })
    }

    /// The next line without its `\n` or `\r\n`; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        self.line.clear();
        // One byte above the limit and the line break.
        let most = self.limit as u64 + 2;
        let path = self.path;
        let read = (&mut self.reader)
            .take(most)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| failed(path, error))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        } else if read as u64 == most {
            skip_line(&mut self.reader).map_err(|error| failed(path, error))?;
        }
        Ok(Some(match self.line.len() {
            length if length > self.limit => Line::TooLong,
            _ => Line::Whole(&self.line),
        }))
    }
}

/// Skips the rest of a line.
fn skip_line(reader: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        let over = end.is_some() || buffer.is_empty();
        reader.consume(used);
        if over {
            return Ok(());
        }
    }
}

/// An error of the decompressor names the file as damaged; other errors are those of the system.
fn failed(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Error::input(path, "its compressed data is damaged")
        }
        io::ErrorKind::UnexpectedEof => Error::input(path, "its compressed data is truncated"),
        _ => Error::Read {
            path: path.into(),
            source: error,
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    pub(in crate::text) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The lines of a file with these bytes; none for a line that is too long.
    fn lines(bytes: &[u8], limit: usize) -> Result<Vec<Option<String>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        fs::write(&path, bytes).unwrap();
        let mut lines = Lines::open(&path, limit)?;
        let mut all = Vec::new();
        while let Some(line) = lines.next()? {
            all.push(match line {
                Line::Whole(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
                Line::TooLong => None,
            });
            assert_eq!(lines.number, all.len() as u64);
        }
        Ok(all)
    }

    fn whole(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn line_breaks_and_a_byte_order_mark_are_not_text() {
        let text = "\u{feff}a\r\n\r\nb\rc\n\u{feff}d\r";
        let expected = whole(&["a", "", "b\rc", "\u{feff}d\r"]);
        assert_eq!(lines(text.as_bytes(), 9).unwrap(), expected);
        assert_eq!(lines(b"a\n", 9).unwrap(), whole(&["a"]));
        assert_eq!(lines(b"", 9).unwrap(), []);
    }

    #[test]
    fn gzip_is_recognised_by_its_content() {
        let parts = [gzip(b"one\ntwo"), gzip(b"\nthree\n")].concat();
        assert_eq!(lines(&parts, 9).unwrap(), whole(&["one", "two", "three"]));
        let error = lines(&parts[..parts.len() - 9], 9).unwrap_err().to_string();
        assert!(error.contains("truncated"), "{error}");
        let mut damaged = parts.clone();
        damaged[12] ^= 0x55;
        assert!(lines(&damaged, 9).is_err());
    }

    #[test]
    fn a_line_may_reach_the_limit_and_not_exceed_it() {
        for length in [0, 4, 5, 6, 7, 8, 70_000, 200_000] {
            let line = "x".repeat(length);
            let expected = (length <= 5).then(|| line.clone());
            for end in ["\n", "\r\n"] {
                let all = lines(format!("a\n{line}{end}b").as_bytes(), 5).unwrap();
                assert_eq!(all[1], expected, "{length} {end:?}");
                assert_eq!(all[2].as_deref(), Some("b"));
            }
            if length > 0 {
                let all = lines(format!("a\n{line}").as_bytes(), 5).unwrap();
                assert_eq!(all[1..], [expected]);
            }
        }
    }

    #[test]
    fn utf_16_is_named() {
        let error = lines(b"\xff\xfea\0", 9).unwrap_err();
        assert!(error.to_string().contains("UTF-16") && error.hint().is_some());
    }
}
