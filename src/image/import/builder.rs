/*! Collects imported pictures one by one. */

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::base::files::{Skipped, SkippedSummary, hexadecimal};
use crate::base::labels::Label;
use crate::error::{Error, Result};
use crate::image::picture::grey;
use crate::image::{Color, Palette, Pictures, PixelFormat, Size, Summary};

/// The most memory that all pictures together may take, in bytes.
const MAX_BYTES: u64 = 1 << 32;

/// A growing library of pictures. Pixels take one byte as long as all pictures are grey.
pub(super) struct Builder {
    size: Size,
    format: PixelFormat,
    /// Colours become greys.
    only_grey: bool,
    source: PathBuf,
    names: Vec<String>,
    labels: Vec<Vec<Label>>,
    bytes: Vec<u8>,
    pub(super) skipped: Vec<Skipped>,
    /// Files with other extensions.
    pub(super) ignored: usize,
    formats: BTreeMap<&'static str, usize>,
    sizes: BTreeMap<(u32, u32), usize>,
    transparent: usize,
}

impl Builder {
    /// A library of grey or coloured pictures.
    pub(super) fn colors(size: Size, only_grey: bool, source: &Path) -> Self {
        Self::new(size, PixelFormat::Grey, only_grey, source)
    }

    /// A library of palette indices.
    pub(super) fn indices(size: Size, palette: Palette, source: &Path) -> Self {
        Self::new(size, PixelFormat::Indexed(palette), false, source)
    }

    fn new(size: Size, format: PixelFormat, only_grey: bool, source: &Path) -> Self {
        Self {
            size,
            format,
            only_grey,
            source: source.into(),
            names: Vec::new(),
            labels: Vec::new(),
            bytes: Vec::new(),
            skipped: Vec::new(),
            ignored: 0,
            formats: BTreeMap::new(),
            sizes: BTreeMap::new(),
            transparent: 0,
        }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Refuses more pictures than fit into memory, before they are read.
    pub(super) fn check_memory(&self, pictures: usize, channels: usize) -> Result<()> {
        let channels = if self.only_grey { 1 } else { channels };
        let bytes = (pictures as u64).saturating_mul((self.size.area() * channels) as u64);
        if bytes <= MAX_BYTES {
            return Ok(());
        }
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let reason = format!(
            "its {pictures} pictures of {} would take {:.1} GiB; the limit is {:.0} GiB",
            self.size,
            gib(bytes),
            gib(MAX_BYTES)
        );
        Err(Error::input(&self.source, reason).with_hint("use a smaller --size or fewer pictures"))
    }

    /// Counts the file format and the original size of the next picture.
    pub(super) fn count(&mut self, format: &'static str, size: (u32, u32), transparent: bool) {
        *self.formats.entry(format).or_default() += 1;
        *self.sizes.entry(size).or_default() += 1;
        self.transparent += usize::from(transparent);
    }

    pub(super) fn push_colors(&mut self, name: String, labels: Vec<Label>, pixels: &[Color]) {
        debug_assert_eq!(pixels.len(), self.size.area());
        let is_grey = |&[r, g, b]: &Color| r == g && g == b;
        if self.format == PixelFormat::Grey && !self.only_grey && !pixels.iter().all(is_grey) {
            self.format = PixelFormat::Rgb;
            self.bytes = self.bytes.iter().flat_map(|&value| [value; 3]).collect();
        }
        match self.format {
            PixelFormat::Grey => self.bytes.extend(pixels.iter().map(|&pixel| grey(pixel))),
            _ => self.bytes.extend_from_slice(pixels.as_flattened()),
        }
        self.names.push(name);
        self.labels.push(labels);
    }

    pub(super) fn push_indices(&mut self, name: String, labels: Vec<Label>, indices: &[u8]) {
        debug_assert_eq!(indices.len(), self.size.area());
        self.bytes.extend_from_slice(indices);
        self.names.push(name);
        self.labels.push(labels);
    }

    /// Records a picture that is not imported, and the reason.
    pub(super) fn skip(&mut self, name: &str, error: &Error) {
        // The path is recorded beside the reason.
        let reason = match error {
            Error::Input { reason, .. } => reason.clone(),
            Error::Read { source, .. } => format!("cannot be read: {source}"),
            other => other.to_string(),
        };
        self.skipped.push(Skipped {
            path: name.to_owned(),
            reason,
        });
    }

    pub(super) fn finish(mut self) -> Result<Pictures> {
        if self.names.is_empty() {
            return Err(nothing_usable(&self.source, &self.skipped));
        }
        self.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        self.bytes.shrink_to_fit();
        let summary = Summary {
            pictures: self.names.len(),
            size: self.size,
            format: self.format.clone(),
            formats: self.formats,
            sizes: self.sizes,
            transparent: self.transparent,
            ignored: self.ignored,
            skipped: SkippedSummary::new("picture", &self.skipped),
        };
        let mut pictures = Pictures {
            size: self.size,
            format: self.format,
            names: self.names,
            labels: self.labels,
            bytes: self.bytes,
            skipped: self.skipped,
            digest: String::new(),
            summary,
        };
        pictures.digest = digest(&pictures);
        Ok(pictures)
    }
}

fn nothing_usable(source: &Path, skipped: &[Skipped]) -> Error {
    match skipped {
        [] => Error::input(source, "holds no pictures"),
        [only] if source.is_file() => Error::input(source, only.reason.clone()),
        _ => {
            let first = skipped.iter().take(3);
            let first: Vec<_> = first.map(|s| format!("{}: {}", s.path, s.reason)).collect();
            let reason = format!(
                "none of its {} pictures can be used ({})",
                skipped.len(),
                first.join("; ")
            );
            Error::input(source, reason)
        }
    }
}

/// SHA-256 over the size, the palette, and the name and bytes of each picture.
fn digest(pictures: &Pictures) -> String {
    let mut hash = Sha256::new();
    hash.update(pictures.size.to_string());
    if let PixelFormat::Indexed(palette) = &pictures.format {
        hash.update(palette.colors().as_flattened());
    }
    for (index, name) in pictures.names.iter().enumerate() {
        let bytes = pictures.bytes(index);
        hash.update([0]);
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hexadecimal(&hash.finalize())
}
