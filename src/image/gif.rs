/*!
An animated GIF that draws a picture pixel by pixel, in the order in which a model generates it.

Each frame contains only the new pixels, in the palette of the picture, so that colours are exact and files small.
Pixels that are not drawn yet are grey.
*/

use std::borrow::Cow;
use std::path::Path;

use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};

use crate::base::files::write_output;
use crate::error::{Error, Result};
use crate::image::contact_sheet::UNKNOWN;
use crate::image::{Indexed, Palette};

/// The duration of the drawing, in hundredths of a second.
const DURATION: usize = 400;
/// How long the finished picture is shown, in hundredths of a second.
const HOLD: u16 = 200;
/// The shortest frame delay that viewers respect, in hundredths of a second.
const SHORTEST: usize = 2;
/// The longest side of the animation.
const MAX_SIDE: u32 = 8_192;

/// Writes the animation, each pixel a square of `scale` × `scale`. The first `given` pixels appear at once.
///
/// # Errors
/// A usage error when the animation is too large or `scale` is 0; an error when the file cannot be written.
pub(crate) fn write_gif(
    indexed: &Indexed,
    palette: &Palette,
    given: usize,
    scale: u32,
    path: &Path,
) -> Result<()> {
    let side = indexed.size.width().max(indexed.size.height());
    if scale == 0 || side.saturating_mul(scale) > MAX_SIDE {
        return Err(Error::usage(format!(
            "invalid scale {scale} for a GIF of {}",
            indexed.size
        ))
        .with_hint(format!("no side may exceed {MAX_SIDE} pixels")));
    }
    let bytes = encode(indexed, palette, given, scale).map_err(|error| Error::Write {
        path: path.into(),
        source: std::io::Error::other(error),
    })?;
    write_output(path, &bytes)
}

/// The time of one frame of a film, in hundredths of a second.
const FRAME: u16 = 12;

/// Writes frames one after another, each some pictures below each other, for ever back and forth.
///
/// # Errors
/// A usage error when there is none, the film is too large or `scale` is 0; an error when the file cannot be written.
pub(crate) fn write_film(
    frames: &[Vec<&Indexed>],
    palette: &Palette,
    scale: u32,
    path: &Path,
) -> Result<()> {
    let first = frames.first().and_then(|column| column.first());
    let Some(size) = first.map(|picture| picture.size) else {
        return Err(Error::usage("a film without pictures cannot be written"));
    };
    let (width, height) = (
        size.width().saturating_mul(scale),
        (size.height() * frames[0].len() as u32).saturating_mul(scale),
    );
    if scale == 0 || width.max(height) > MAX_SIDE {
        return Err(
            Error::usage(format!("a GIF of {width}x{height} pixels is not possible")).with_hint(
                format!("no side may exceed {MAX_SIDE} pixels: give a smaller --scale"),
            ),
        );
    }
    let write = || -> std::result::Result<Vec<u8>, EncodingError> {
        let mut bytes = Vec::new();
        let colors = palette.colors().as_flattened();
        let mut encoder = Encoder::new(&mut bytes, width as u16, height as u16, colors)?;
        encoder.set_repeat(Repeat::Infinite)?;
        let back = frames.len().saturating_sub(1).max(1);
        for column in frames.iter().chain(frames[1..back].iter().rev()) {
            let all: Vec<u8> = column
                .iter()
                .flat_map(|picture| picture.indices.iter().copied())
                .collect();
            let whole = Stroke {
                start: 0,
                end: all.len(),
            };
            let mut frame = whole.of(&all, size.width() as usize, scale);
            frame.delay = FRAME;
            encoder.write_frame(&frame)?;
        }
        drop(encoder);
        Ok(bytes)
    };
    let bytes = write().map_err(|error| Error::Write {
        path: path.into(),
        source: std::io::Error::other(error),
    })?;
    write_output(path, &bytes)
}

fn encode(
    indexed: &Indexed,
    palette: &Palette,
    given: usize,
    scale: u32,
) -> std::result::Result<Vec<u8>, EncodingError> {
    let (width, height) = (indexed.size.width() * scale, indexed.size.height() * scale);
    let mut bytes = Vec::new();
    let colors = palette.colors().as_flattened();
    let mut encoder = Encoder::new(&mut bytes, width as u16, height as u16, colors)?;
    encoder.set_repeat(Repeat::Infinite)?;
    encoder.write_frame(&Frame {
        delay: SHORTEST as u16,
        dispose: DisposalMethod::Keep,
        width: width as u16,
        height: height as u16,
        // A palette may be full: this frame has one of its own.
        palette: Some(UNKNOWN.to_vec()),
        buffer: Cow::Owned(vec![0; (width * height) as usize]),
        ..Frame::default()
    })?;
    let strokes = strokes(indexed.size.width() as usize, indexed.indices.len(), given);
    let moment = |number: usize| DURATION * number / strokes.len();
    for (number, stroke) in strokes.iter().enumerate() {
        let mut frame = stroke.of(&indexed.indices, indexed.size.width() as usize, scale);
        frame.delay = if number + 1 == strokes.len() {
            HOLD
        } else if stroke.end <= given {
            SHORTEST as u16
        } else {
            (moment(number + 1) - moment(number)).max(SHORTEST) as u16
        };
        encoder.write_frame(&frame)?;
    }
    drop(encoder);
    Ok(bytes)
}

/// Pixels that appear at once: a part of one row, or whole rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stroke {
    start: usize,
    end: usize,
}

impl Stroke {
    /// These of the pixels `[height, width]`.
    fn of(self, indices: &[u8], width: usize, scale: u32) -> Frame<'static> {
        let columns = (self.end - self.start).min(width);
        let scale = scale as usize;
        let rows = indices[self.start..self.end].chunks(columns);
        let buffer: Vec<u8> = rows
            .flat_map(|row| {
                let wide = row
                    .iter()
                    .flat_map(|&index| std::iter::repeat_n(index, scale));
                wide.collect::<Vec<_>>().repeat(scale)
            })
            .collect();
        Frame {
            dispose: DisposalMethod::Keep,
            left: (self.start % width * scale) as u16,
            top: (self.start / width * scale) as u16,
            width: (columns * scale) as u16,
            height: ((self.end - self.start) / columns * scale) as u16,
            buffer: Cow::Owned(buffer),
            ..Frame::default()
        }
    }
}

/// The picture in strokes: the given pixels in at most two, the others in enough strokes to last [`DURATION`].
fn strokes(width: usize, pixels: usize, given: usize) -> Vec<Stroke> {
    let most = DURATION / SHORTEST;
    let given = given.min(pixels);
    let whole_rows = given - given % width;
    let mut strokes = Vec::new();
    let mut push = |start, end| strokes.push(Stroke { start, end });
    if whole_rows > 0 {
        push(0, whole_rows);
    }
    if given > whole_rows {
        push(whole_rows, given);
    }
    let rows = (pixels - given).div_ceil(width);
    // A stroke ends with its row, unless one stroke a row is already too many.
    let strokes_a_row = most / rows.max(1);
    let mut start = given;
    while start < pixels {
        let row_end = (start / width + 1) * width;
        let end = if strokes_a_row > 0 {
            row_end.min(start + width.div_ceil(strokes_a_row))
        } else if !start.is_multiple_of(width) {
            row_end
        } else {
            start + rows.div_ceil(most) * width
        };
        push(start, end.min(pixels));
        start = end;
    }
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{PixelCodec, Size};
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;
    use std::io::Cursor;

    fn drawing(size: &str, colors: usize) -> (PixelCodec, Indexed) {
        let size: Size = size.parse().unwrap();
        let color = |i: usize| [i as u8, 255 - i as u8, (i * 3 % 256) as u8];
        let palette = Palette::new((0..colors).map(color).collect()).unwrap();
        let indices = (0..size.area()).map(|i| (i * 7 % colors) as u8).collect();
        (PixelCodec::new(size, palette), Indexed { size, indices })
    }

    #[test]
    fn strokes_cover_every_pixel_once_and_in_order() {
        for (width, height) in [
            (1, 1),
            (20, 20),
            (28, 28),
            (1, 500),
            (500, 1),
            (7, 300),
            (64, 64),
        ] {
            for given in [0, 1, width, width + 1, width * height / 2, width * height] {
                let pixels = width * height;
                let strokes = strokes(width, pixels, given);
                let mut next = 0;
                for stroke in &strokes {
                    assert_eq!(stroke.start, next);
                    assert!(stroke.end > stroke.start);
                    let one_row = stroke.start / width == (stroke.end - 1) / width;
                    let whole = stroke.start % width == 0 && stroke.end % width == 0;
                    assert!(one_row || whole, "{stroke:?} of {width}x{height}");
                    next = stroke.end;
                }
                assert_eq!(next, pixels);
                assert!(
                    strokes.len() <= DURATION / SHORTEST + 3,
                    "{}",
                    strokes.len()
                );
            }
        }
    }

    #[test]
    fn the_last_frame_is_the_exact_picture_and_the_first_is_empty() {
        for (size, colors, given) in [
            ("20", 167, 0),
            ("5x3", 2, 8),
            ("9x30", 256, 45),
            ("1", 1, 0),
        ] {
            let (codec, indexed) = drawing(size, colors);
            let bytes = encode(&indexed, codec.palette(), given, 3).unwrap();
            let frames = GifDecoder::new(Cursor::new(bytes)).unwrap().into_frames();
            let frames: Vec<_> = frames.map(|frame| frame.unwrap().into_buffer()).collect();
            assert!(frames[0].pixels().all(|pixel| pixel.0[..3] == UNKNOWN));
            let truth = codec.paint(&indexed).enlarged(3);
            let last = frames.last().unwrap();
            assert_eq!(last.dimensions(), (truth.width, truth.height));
            for (pixel, expected) in last.pixels().zip(&truth.pixels) {
                assert_eq!(pixel.0[..3], *expected);
            }
        }
    }

    #[test]
    fn the_animation_lasts_four_to_seven_seconds() {
        for (size, given) in [("20", 0), ("28", 392), ("100x3", 0), ("3x1000", 10)] {
            let (codec, indexed) = drawing(size, 20);
            let bytes = encode(&indexed, codec.palette(), given, 1).unwrap();
            let frames = GifDecoder::new(Cursor::new(bytes)).unwrap().into_frames();
            let milliseconds: u32 = frames
                .map(|frame| {
                    let (number, of) = frame.unwrap().delay().numer_denom_ms();
                    number / of
                })
                .sum();
            assert!(
                (4_000..=7_000).contains(&milliseconds),
                "{size}: {milliseconds}"
            );
        }
    }

    #[test]
    fn impossible_scales_are_usage_errors() {
        let folder = tempfile::tempdir().unwrap();
        let (codec, indexed) = drawing("20", 4);
        for scale in [0, 1_000, u32::MAX] {
            let path = folder.path().join("a.gif");
            let error = write_gif(&indexed, codec.palette(), 0, scale, &path).unwrap_err();
            assert!(error.is_usage());
        }
    }
}
