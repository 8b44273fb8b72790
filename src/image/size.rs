/*! Width and height of a model's pictures. */

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest side of a model's pictures.
const MAX_SIDE: u32 = 1024;

/// Width and height in pixels, each from 1 to 1024; written `20x20`, parsed from `20` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// A size that a model can have.
    ///
    /// # Errors
    /// A usage error when a side is 0 or above 1024 pixels.
    pub fn new(width: u32, height: u32) -> Result<Self> {
        let allowed = 1..=MAX_SIDE;
        if allowed.contains(&width) && allowed.contains(&height) {
            return Ok(Self { width, height });
        }
        Err(
            Error::usage(format!("invalid size {width}x{height}")).with_hint(format!(
                "each side has from 1 to {MAX_SIDE} pixels, such as --size 32x32"
            )),
        )
    }

    /// Pixels in a row.
    pub fn width(self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(self) -> u32 {
        self.height
    }

    /// The number of pixels.
    pub fn area(self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sides = text.split_once(['x', 'X', '×']).unwrap_or((text, text));
        match (sides.0.trim().parse(), sides.1.trim().parse()) {
            (Ok(width), Ok(height)) => Self::new(width, height),
            _ => Err(Error::usage(format!("invalid size '{text}'"))
                .with_hint("use WIDTHxHEIGHT, such as 20x20, or one number for both")),
        }
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl TryFrom<String> for Size {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, width, height) in [("20", 20, 20), ("7x1024", 7, 1024), ("3×4", 3, 4)] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.width(), size.height()), (width, height));
            assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
            assert_eq!(size.area(), (width * height) as usize);
        }
    }

    #[test]
    fn impossible_sizes_are_usage_errors() {
        for text in [
            "0",
            "0x5",
            "5x0",
            "1025",
            "20000x20000",
            "",
            "x",
            "a",
            "3x",
            "-3",
            "1x2x3",
        ] {
            assert!(text.parse::<Size>().unwrap_err().is_usage(), "{text}");
        }
    }
}
