/*!
One picture file of any common format and colour type, as 8-bit colours.

The first bytes decide the format, not the name; only TGA has no signature and is known by its extension. The size in
the header is checked before anything is allocated. A damaged or truncated file is refused, so that a network does not
learn from half a picture. Of an animation or a multi-page file, the first picture is read. 16-bit colours are rounded
to 8 bits, transparent pixels are blended with the background in sRGB values as browsers do, and the orientation tag
is applied.
*/

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::base::files::extension;
use crate::error::{Error, IoContext, Result};
use crate::image::{Color, Picture};

/// The longest side of a picture that is read.
const MAX_SIDE: u32 = 16_384;
/// The most pixels of a picture that is read.
const MAX_PIXELS: u64 = 1 << 26;
/// What decoding one picture may allocate, in bytes: eight a pixel, which is 16-bit RGBA.
const MAX_BYTES: u64 = MAX_PIXELS * 8;
/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 29;

/// The formats that are read, with their names and extensions.
const FORMATS: [(ImageFormat, &str, &[&str]); 7] = [
    (ImageFormat::Png, "PNG", &["png"]),
    (ImageFormat::Jpeg, "JPEG", &["jpg", "jpeg"]),
    (ImageFormat::Gif, "GIF", &["gif"]),
    (ImageFormat::WebP, "WebP", &["webp"]),
    (ImageFormat::Bmp, "BMP", &["bmp"]),
    (ImageFormat::Tiff, "TIFF", &["tif", "tiff"]),
    (ImageFormat::Tga, TGA, &["tga"]),
];
const TGA: &str = "TGA";

/// The formats in one phrase.
pub(super) const FORMAT_NAMES: &str = "PNG, JPEG, GIF, WebP, BMP, TIFF and TGA";

/// A decoded picture file.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) picture: Picture,
    /// Such as `PNG`.
    pub(super) format: &'static str,
    /// At least one pixel is transparent.
    pub(super) transparent: bool,
}

impl Picture {
    /// Reads a picture file (PNG, JPEG, GIF, WebP, BMP, TIFF or TGA); transparent pixels show the background.
    ///
    /// # Errors
    /// When the file cannot be read, has another format, is damaged or is too large.
    pub fn read(path: &Path, background: Color) -> Result<Self> {
        Ok(read(path, background)?.picture)
    }
}

/// Decodes the file at `path` over a background.
pub(super) fn read(path: &Path, background: Color) -> Result<Decoded> {
    let len = file_length(path)?;
    let mut bytes = Vec::with_capacity(len as usize);
    let file = File::open(path).reading(path)?;
    file.take(MAX_FILE).read_to_end(&mut bytes).reading(path)?;
    decode(&bytes, &extension(path), background).map_err(|reason| Error::input(path, reason))
}

/// Width and height of the file at `path`, read from its header.
pub(super) fn read_size(path: &Path) -> Result<(u32, u32)> {
    file_length(path)?;
    let file = BufReader::new(File::open(path).reading(path)?);
    let size = || -> std::result::Result<(u32, u32), String> {
        let (reader, _) = open(file, &extension(path))?;
        let mut decoder = reader.into_decoder().map_err(|error| reason(&error))?;
        let (width, height) = decoder.dimensions();
        check_size(width, height)?;
        // Exif orientations from 5 on exchange width and height.
        let rotated = decoder
            .orientation()
            .is_ok_and(|orientation| orientation.to_exif() >= 5);
        Ok(if rotated {
            (height, width)
        } else {
            (width, height)
        })
    };
    size().map_err(|reason| Error::input(path, reason))
}

/// True for a picture file, by its first bytes or, for TGA, by its extension.
pub(super) fn is_picture(start: &[u8], path: &Path) -> bool {
    format(image::guess_format(start).ok(), &extension(path)).is_some()
}

/// True for a file whose extension is that of a picture.
pub(super) fn has_picture_extension(path: &Path) -> bool {
    let extension = extension(path);
    let mut known = FORMATS.iter().flat_map(|(_, _, extensions)| *extensions);
    known.any(|known| *known == extension)
}

/// The format and its name, from the format that the first bytes suggest and the extension in lower case.
fn format(guessed: Option<ImageFormat>, extension: &str) -> Option<(ImageFormat, &'static str)> {
    let known = FORMATS
        .iter()
        .find(|(format, _, _)| Some(*format) == guessed);
    match known {
        Some((format, name, _)) => Some((*format, name)),
        None => (extension == "tga").then_some((ImageFormat::Tga, TGA)),
    }
}

fn file_length(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).reading(path)?;
    if !metadata.is_file() {
        return Err(Error::input(path, "not a file"));
    }
    match metadata.len() {
        0 => Err(Error::input(path, "empty (0 bytes)")),
        len if len > MAX_FILE => Err(Error::input(path, "too large for a picture file")),
        len => Ok(len),
    }
}

/// Decodes a file in memory, or gives the reason why that fails. A decoder that panics on damaged data must not end
/// the import of a folder.
fn decode(
    bytes: &[u8],
    extension: &str,
    background: Color,
) -> std::result::Result<Decoded, String> {
    catch_unwind(AssertUnwindSafe(|| {
        decode_unguarded(bytes, extension, background)
    }))
    .unwrap_or_else(|_| Err("damaged: its decoder failed".into()))
}

fn decode_unguarded(
    bytes: &[u8],
    extension: &str,
    background: Color,
) -> std::result::Result<Decoded, String> {
    let (reader, format) = open(Cursor::new(bytes), extension)?;
    let mut decoder = reader.into_decoder().map_err(|error| reason(&error))?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    if format == "JPEG" && !has_jpeg_end(bytes) {
        return Err("cut short: its end is missing".into());
    }
    let orientation = decoder.orientation();
    let mut whole = DynamicImage::from_decoder(decoder).map_err(|error| reason(&error))?;
    if let Ok(orientation) = orientation {
        whole.apply_orientation(orientation);
    }
    let (width, height) = (whole.width(), whole.height());
    let (pixels, transparent) = flatten(whole, background);
    Ok(Decoded {
        picture: Picture {
            width,
            height,
            pixels,
        },
        format,
        transparent,
    })
}

/// A reader with its limits set, and the name of the format.
fn open<R: BufRead + Seek>(
    source: R,
    extension: &str,
) -> std::result::Result<(ImageReader<R>, &'static str), String> {
    let mut reader = ImageReader::new(source)
        .with_guessed_format()
        .map_err(|error| format!("cannot be read: {error}"))?;
    let Some((format, name)) = format(reader.format(), extension) else {
        return Err(format!("its content is none of {FORMAT_NAMES}"));
    };
    reader.set_format(format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    Ok((reader, name))
}

fn check_size(width: u32, height: u32) -> std::result::Result<(), String> {
    if width == 0 || height == 0 {
        return Err(format!("{width}x{height}: a picture without pixels"));
    }
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!(
            "{width}x{height} pixels: too large (a side may have {MAX_SIDE} pixels, a picture {} million)",
            MAX_PIXELS / 1_000_000
        ));
    }
    Ok(())
}

/// True when an end marker follows the last scan of a JPEG; within a scan, markers cannot occur as data. The decoder
/// itself fills missing data with grey.
fn has_jpeg_end(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xFF, marker]);
    match (last(0xDA), last(0xD9)) {
        (Some(scan), Some(end)) => end > scan,
        _ => false,
    }
}

/// 8-bit colours over the background; true when a pixel is transparent.
fn flatten(whole: DynamicImage, background: Color) -> (Vec<Color>, bool) {
    if !whole.color().has_alpha() {
        let rgb = whole.into_rgb8();
        return (rgb.pixels().map(|pixel| pixel.0).collect(), false);
    }
    let rgba = whole.into_rgba8();
    let mut transparent = false;
    let blended = rgba.pixels().map(|pixel| {
        let [r, g, b, alpha] = pixel.0;
        transparent |= alpha < 255;
        let alpha = u32::from(alpha);
        let mix = |above: u8, below: u8| {
            let sum = u32::from(above) * alpha + u32::from(below) * (255 - alpha);
            ((sum + 127) / 255) as u8
        };
        [
            mix(r, background[0]),
            mix(g, background[1]),
            mix(b, background[2]),
        ]
    });
    let pixels = blended.collect();
    (pixels, transparent)
}

/// The decoder's error in plain words.
fn reason(error: &ImageError) -> String {
    match error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError => "its header has an impossible size".into(),
            _ => "too large: decoding it would take more than 512 MiB".into(),
        },
        ImageError::Unsupported(what) => format!("uses a feature that is not supported ({what})"),
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "cut short: the file ends before its pixels do".into()
        }
        ImageError::IoError(error) => format!("cannot be read: {error}"),
        other => format!("damaged or cut short ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{
        ColorType, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba,
        RgbaImage,
    };

    const WHITE: Color = [255; 3];

    fn bytes(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn rgb(width: u32, height: u32) -> DynamicImage {
        let pixel = |x, y| Rgb([(x * 40) as u8, (y * 30) as u8, (x * y) as u8]);
        RgbImage::from_fn(width, height, pixel).into()
    }

    /// A PNG of 3×1 pixels in 4-bit palette colours, the last of which is transparent.
    fn palette_png() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 3, 1);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Four);
        encoder.set_palette(vec![10, 20, 30, 200, 100, 0, 1, 2, 3]);
        encoder.set_trns(vec![255, 255, 0]);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0x01, 0x20]).unwrap();
        writer.finish().unwrap();
        bytes
    }

    /// Decodes a file whose name does not tell its format.
    fn decode_bytes(bytes: &[u8], background: Color) -> std::result::Result<Decoded, String> {
        decode(bytes, "", background)
    }

    fn pixels(bytes: &[u8], background: Color) -> Vec<Color> {
        decode_bytes(bytes, background).unwrap().picture.pixels
    }

    /// Every format with an extension that goes with it.
    fn formats() -> impl Iterator<Item = (ImageFormat, &'static str)> {
        FORMATS
            .iter()
            .map(|(format, _, extensions)| (*format, extensions[0]))
    }

    #[test]
    fn every_colour_type_of_png_gives_its_colours() {
        let png = |image: DynamicImage| bytes(&image, ImageFormat::Png);
        let red: Color = [255, 0, 0];
        let cases: [(DynamicImage, Vec<Color>); 8] = [
            (
                GrayImage::from_fn(2, 1, |x, _| Luma([x as u8 * 9])).into(),
                vec![[0; 3], [9; 3]],
            ),
            (
                GrayAlphaImage::from_fn(2, 1, |x, _| LumaA([7, x as u8 * 255])).into(),
                vec![red, [7; 3]],
            ),
            (
                RgbImage::from_pixel(1, 1, Rgb([1, 2, 3])).into(),
                vec![[1, 2, 3]],
            ),
            (
                RgbaImage::from_fn(3, 1, |x, _| Rgba([0, 100, 200, [0, 255, 51][x as usize]]))
                    .into(),
                vec![red, [0, 100, 200], [204, 20, 40]],
            ),
            (
                DynamicImage::ImageLuma16(ImageBuffer::from_pixel(1, 1, Luma([0x8080_u16]))),
                vec![[0x80; 3]],
            ),
            (
                DynamicImage::ImageLumaA16(ImageBuffer::from_pixel(1, 1, LumaA([9, 0_u16]))),
                vec![red],
            ),
            (
                DynamicImage::ImageRgb16(ImageBuffer::from_pixel(
                    1,
                    1,
                    Rgb([0_u16, 0x1010, 65_535]),
                )),
                vec![[0, 0x10, 255]],
            ),
            (
                DynamicImage::ImageRgba16(ImageBuffer::from_pixel(
                    1,
                    1,
                    Rgba([0_u16, 0, 0, 65_535]),
                )),
                vec![[0; 3]],
            ),
        ];
        for (image, expected) in cases {
            let color = image.color();
            assert_eq!(pixels(&png(image), red), expected, "{color:?}");
        }
        assert_eq!(
            pixels(&palette_png(), red),
            [[10, 20, 30], [200, 100, 0], red]
        );
        assert!(decode_bytes(&palette_png(), red).unwrap().transparent);
    }

    #[test]
    fn every_format_gives_the_same_colours() {
        let image = rgb(5, 4);
        let truth = pixels(&bytes(&image, ImageFormat::Png), WHITE);
        for (format, extension) in formats().filter(|(format, _)| *format != ImageFormat::Jpeg) {
            let decoded = decode(&bytes(&image, format), extension, WHITE).unwrap();
            assert_eq!(decoded.picture.pixels, truth, "{format:?}");
        }
        let jpeg = bytes(
            &RgbImage::from_pixel(9, 9, Rgb([50, 100, 150])).into(),
            ImageFormat::Jpeg,
        );
        let decoded = decode_bytes(&jpeg, WHITE).unwrap();
        assert_eq!((decoded.format, decoded.transparent), ("JPEG", false));
        for pixel in decoded.picture.pixels {
            let off = pixel
                .iter()
                .zip([50, 100, 150])
                .map(|(a, b)| a.abs_diff(b))
                .max();
            assert!(off.unwrap() < 6, "{pixel:?}");
        }
    }

    #[test]
    fn only_tga_is_known_by_its_extension() {
        let tga = bytes(&rgb(5, 4), ImageFormat::Tga);
        assert_eq!(decode(&tga, "tga", WHITE).unwrap().format, "TGA");
        let reason = decode_bytes(&tga, WHITE).unwrap_err();
        assert!(reason.contains("none of PNG"), "{reason}");
        let png = bytes(&rgb(5, 4), ImageFormat::Png);
        assert_eq!(decode(&png, "tga", WHITE).unwrap().format, "PNG");
        assert!(decode(b"junk", "tga", WHITE).is_err());
    }

    #[test]
    fn truncated_files_are_refused() {
        let image = rgb(40, 30);
        for (format, extension) in formats() {
            let whole = bytes(&image, format);
            assert!(decode(&whole, extension, WHITE).is_ok());
            for len in [0, 3, 20, whole.len() / 2, whole.len() * 3 / 4] {
                let reason = decode(&whole[..len], extension, WHITE).unwrap_err();
                assert!(!reason.is_empty(), "{format:?} of {len} bytes");
            }
        }
    }

    #[test]
    fn damage_never_panics_nor_gives_another_number_of_pixels() {
        let mut state = 12_345_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize
        };
        let image = rgb(23, 17);
        let mut refused = 0;
        for (format, extension) in formats() {
            let whole = bytes(&image, format);
            for _ in 0..400 {
                let mut damaged = whole.clone();
                for _ in 0..=random() % 4 {
                    let at = random() % damaged.len();
                    damaged[at] = random() as u8;
                }
                damaged.truncate(damaged.len() - random() % 2 * (random() % damaged.len()));
                match decode(&damaged, extension, WHITE) {
                    Ok(decoded) => {
                        let Picture {
                            width,
                            height,
                            pixels,
                        } = decoded.picture;
                        assert_eq!(pixels.len(), (width * height) as usize);
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > 400, "{refused}");
    }

    /// A PNG that has the header for a picture of this size, and hardly anything else.
    fn huge_png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = png::Encoder::new(&mut bytes, width, height);
        let mut writer = encoder.write_header().unwrap();
        writer.write_chunk(png::chunk::IDAT, &[0; 8]).unwrap();
        drop(writer);
        bytes
    }

    #[test]
    fn huge_and_empty_pictures_are_refused_by_their_header() {
        let reason = decode_bytes(&huge_png(20_000, 20_000), WHITE).unwrap_err();
        assert!(
            reason.contains("20000x20000") && reason.contains("too large"),
            "{reason}"
        );
        assert!(decode_bytes(&huge_png(16_000, 16_000), WHITE).is_err());
        let mut empty = bytes(&rgb(1, 1), ImageFormat::Gif);
        empty[6..10].fill(0);
        let reason = decode_bytes(&empty, WHITE).unwrap_err();
        assert!(reason.contains("without pixels"), "{reason}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        fs::write(&path, huge_png(20_000, 20_000)).unwrap();
        for error in [
            read_size(&path).unwrap_err(),
            read(&path, WHITE).unwrap_err(),
        ] {
            assert!(error.to_string().contains("a.png: 20000x20000"), "{error}");
        }
    }

    #[test]
    fn the_size_is_read_from_the_header() {
        let folder = tempfile::tempdir().unwrap();
        for (format, extension) in formats() {
            let path = folder.path().join(format!("picture.{extension}"));
            fs::write(&path, bytes(&rgb(31, 7), format)).unwrap();
            assert_eq!(read_size(&path).unwrap(), (31, 7));
            assert!(is_picture(&fs::read(&path).unwrap(), &path));
            assert!(has_picture_extension(&path));
        }
        assert!(!is_picture(b"1 2 3 4", Path::new("rows.txt")));
        assert!(!has_picture_extension(Path::new("rows.txt")));
        assert_eq!(ColorType::Rgb8, rgb(1, 1).color());
    }
}
