/*! What the bytes of a library of pictures are. */

use crate::image::Palette;

/// What the bytes of a picture are.
#[derive(Debug, Clone, PartialEq)]
pub enum PixelFormat {
    /// One byte a pixel, from black to white.
    Grey,
    /// Three bytes a pixel: red, green, blue.
    Rgb,
    /// One byte a pixel: the index of a colour in the palette.
    Indexed(Palette),
}

impl PixelFormat {
    /// Bytes a pixel.
    pub fn channels(&self) -> usize {
        match self {
            Self::Grey | Self::Indexed(_) => 1,
            Self::Rgb => 3,
        }
    }
}
