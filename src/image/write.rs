/*! Files that are either the old ones or complete: written aside, then renamed into place. */

use std::fs;
use std::io::Write;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::error::{Error, IoContext, Result};
use crate::image::Picture;

/// Replaces the file at `path` by one with these bytes.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path
        .file_name()
        .filter(|_| !path.is_dir())
        .ok_or_else(|| Error::input(path, "a folder; name a file to write"))?;
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(Error::input(path, "its folder does not exist")
            .with_hint(format!("create {} first", parent.display())));
    }
    let mut aside = std::ffi::OsString::from(".");
    aside.push(name);
    aside.push(format!(".{}.part", std::process::id()));
    let aside = path.with_file_name(aside);
    let written = fs::File::create(&aside)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // What is left of it is of no use, and the first error is the one to tell.
        let _ = fs::remove_file(&aside);
    }
    written.writing(path)
}

/// Writes a picture as PNG.
pub(super) fn write_png(picture: &Picture, path: &Path) -> Result<()> {
    replace(path, &png(picture).map_err(|error| failed(path, error))?)
}

/// What a PNG file of the picture holds. Rows of large equal squares repeat each other: deflate finds that by itself
/// once each row says how it differs from the one above.
pub(super) fn png(picture: &Picture) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Up)
        .write_image(
            picture.pixels.as_flattened(),
            picture.width,
            picture.height,
            ExtendedColorType::Rgb8,
        )?;
    Ok(bytes)
}

/// An encoder's refusal as an error of writing `path`.
pub(super) fn failed(
    path: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Write {
        path: path.into(),
        source: std::io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ü 1.png");
        let mut picture = Picture::filled(3, 2, [1, 2, 3]);
        for color in [[1, 2, 3], [200, 100, 0]] {
            picture.pixels[4] = color;
            picture.write_png(&path).unwrap();
            assert_eq!(Picture::read(&path, [0; 3]).unwrap(), picture);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn places_where_nothing_can_be_written_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let picture = Picture::filled(1, 1, [0; 3]);
        let error = picture.write_png(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a folder; name a file"), "{error}");
        let error = picture
            .write_png(&folder.path().join("none/a.png"))
            .unwrap_err();
        assert!(error.hint().unwrap().contains("create"), "{error}");
    }
}
