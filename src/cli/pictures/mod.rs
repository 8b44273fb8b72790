/*! The verbs on pictures, and what they share. */

pub(super) mod complete;
mod eval;
mod generate;
mod score;
mod set;
pub(super) mod train;
mod verbs;

use std::io::Write;
use std::path::Path;

use crate::base::files::write_atomic;
use crate::error::{Error, IoContext, Result};
use crate::image::{Picture, Size};

/// At most so many are made side by side.
const LANES: usize = 64;

/// How much a pixel is enlarged so that a picture is comfortable to look at.
fn comfortable(width: u32, height: u32) -> u32 {
    (256 / width.max(height)).max(1)
}

/// The longest side of one enlarged picture.
const LONGEST: u32 = 8192;

/// Refuses to enlarge beyond what can be looked at.
fn check_scale(scale: Option<u32>, size: Size) -> Result<()> {
    let side = size.width().max(size.height());
    match scale {
        Some(scale) if scale * side > LONGEST => Err(Error::usage(format!(
            "--scale {scale} makes pictures of {size} pixels longer than {LONGEST}"
        ))
        .with_hint(format!("at most --scale {}", LONGEST / side))),
        _ => Ok(()),
    }
}

/// A GIF is called so, and nothing else is.
fn check_extension(path: &Path, gif: bool) -> Result<()> {
    let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    let named_gif = extension.as_deref() == Some("gif".as_ref());
    if gif && path == Path::new("-") {
        return Err(Error::usage("a GIF cannot go to standard output")
            .with_hint("give a file name, such as -o drawn.gif"));
    }
    if gif && !named_gif {
        return Err(
            Error::usage(format!("{} is no name for a GIF", path.display()))
                .with_hint("give -o a name that ends in .gif"),
        );
    }
    if named_gif && !gif {
        return Err(
            Error::usage(format!("{} would be a GIF", path.display())).with_hint(
                "add --gif to show a picture being drawn, or give a name that ends in .png",
            ),
        );
    }
    Ok(())
}

/// Writes a PNG to a file, or to standard output for `-`.
fn write_png(picture: &Picture, path: &Path) -> Result<()> {
    let bytes = picture.png()?;
    if path == Path::new("-") {
        return std::io::stdout()
            .write_all(&bytes)
            .writing(Path::new("standard output"));
    }
    write_atomic(path, &bytes)
}
