/*!
Pictures: import, encoding as sequences, export.

[`Pictures`] reads a folder of picture files, an IDX file or rows of colour indices as pictures of one size.
[`PixelCodec`] makes a picture a sequence of one token for each pixel in raster order (van den Oord et al., "Pixel
Recurrent Neural Networks", 2016, §2); the tokens are indices into a [`Palette`], as in Hung-yi Lee's course of 2016.
[`binarize`] makes grey pictures black and white, `augment` flips, shifts and recolours those to train on, and [`PictureDataset`] is what a model is trained on.
[`ContactSheet`] arranges pictures in rows, `gif` animates the drawing of one, and `heatmap` shows the NLL of
each pixel. [`Edits`] makes a picture's strokes longer, or adds a stray pixel; [`Strokes`] measures them.

Colours are 8-bit sRGB. Pixels are in rows from the top, each row from the left.
*/

mod augment;
pub mod binarize;
mod codec;
mod contact_sheet;
mod dataset;
mod edits;
mod format;
pub(crate) mod gif;
pub(crate) mod heatmap;
mod import;
pub mod judge;
mod palette;
mod picture;
mod pictures;
mod pixel_format;
mod resize;
mod size;
pub mod statistics;
mod strokes;
mod summary;

pub(crate) use augment::Augmentation;
pub(crate) use codec::IndexedPictures;
pub use codec::PixelCodec;
pub use contact_sheet::ContactSheet;
pub use dataset::{PictureDataset, fingerprint, label_source};
pub use edits::Edits;
pub use format::{Labelled, PictureFormat};
pub use import::{ImportSettings, LabelSource};
pub use palette::Palette;
pub use picture::{Color, Indexed, Picture, parse_color};
pub use pictures::Pictures;
pub use pixel_format::PixelFormat;
pub use resize::Fit;
pub use size::Size;
pub use strokes::Strokes;
pub use summary::Summary;
