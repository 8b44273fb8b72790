/*!
Pictures in and out.

[`Pictures`] reads a folder of picture files, an IDX file or rows of colour indices as pictures of one size;
[`Palette`] gives their colours class numbers and [`PixelCodec`] makes a picture a sequence: its pixels in raster
order, one token each (van den Oord et al., "Pixel Recurrent Neural Networks", 2016, §2), the classes being colours
of a palette as in Hung-yi Lee's course of 2016. [`binarize`] makes grey pictures black and white. On the way out
[`ContactSheet`] lays pictures out in rows, [`mod@gif`] shows one being drawn and [`heatmap`] how surprising each pixel is.

Colours are 8-bit sRGB; pixels are rows from the top, each from the left.
*/

pub mod binarize;
mod codec;
mod contact_sheet;
mod dataset;
mod format;
pub mod gif;
pub mod heatmap;
mod import;
mod palette;
mod picture;
pub mod resize;
mod size;
pub mod statistics;

pub use codec::{IndexedPictures, PixelCodec};
pub use contact_sheet::{Cell, ContactSheet};
pub use dataset::{PictureDataset, fingerprint, label_source};
pub use format::{Labelled, PictureFormat};
pub use import::{ImportSettings, LabelSource, Pictures, PixelFormat, Summary};
pub use palette::{MAX_COLORS, Palette};
pub use picture::{Color, Indexed, Picture, parse_color};
pub use resize::Fit;
pub use size::Size;
