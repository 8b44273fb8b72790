/*!
A picture as a sequence: one token for each pixel in raster order, the index of its colour in a palette.

Indices survive encoding and decoding exactly; colours that the palette lacks become the nearest ones.
*/

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::{Color, Fit, Indexed, Palette, Picture, Pictures, Size};
use crate::sequence::{Alphabet, Codec, SequenceDataset, Token};

/// The size and the palette of a model's pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelCodec {
    size: Size,
    palette: Palette,
}

impl PixelCodec {
    /// A codec for pictures of this size and palette.
    pub fn new(size: Size, palette: Palette) -> Self {
        Self { size, palette }
    }

    /// The size of all pictures.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The palette.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// Replaces each pixel with the index of the nearest colour.
    ///
    /// # Errors
    /// A usage error when the picture has another size.
    pub fn index(&self, picture: &Picture) -> Result<Indexed> {
        if !picture.has_size(self.size) {
            return Err(Error::usage(format!(
                "a picture of {}x{} pixels does not fit this model, whose pictures are {}",
                picture.width, picture.height, self.size
            )));
        }
        let mut indices = vec![0; self.size.area()];
        self.palette.nearest_all(&picture.pixels, &mut indices);
        Ok(Indexed {
            size: self.size,
            indices,
        })
    }

    /// Resizes a picture to the model's size and converts it to the palette, with a warning for each change.
    ///
    /// # Errors
    /// With `strict`, [`Error::Input`] for the file `path` instead of a warning.
    pub fn adapt(
        &self,
        picture: &Picture,
        path: &Path,
        fit: Fit,
        background: Color,
        strict: bool,
    ) -> Result<(Indexed, Vec<String>)> {
        let mut warnings = Vec::new();
        if !picture.has_size(self.size) {
            warnings.push(format!(
                "it is {}x{} pixels, resized to the model's {}",
                picture.width, picture.height, self.size
            ));
        }
        let fitted = picture.fitted(self.size, fit, background);
        let indexed = self.index(&fitted)?;
        let pairs = fitted.pixels.iter().zip(&indexed.indices);
        // Greys are rounded to black and white in training too.
        let binary = self.palette.colors() == Palette::binary().colors();
        let rounded = |[red, green, blue]: &Color| binary && red == green && green == blue;
        let foreign = pairs
            .filter(|(pixel, index)| self.palette.colors()[usize::from(**index)] != **pixel)
            .filter(|(pixel, _)| !rounded(pixel))
            .count();
        if foreign > 0 {
            warnings.push(format!(
                "{foreign} of its {} pixels have a colour that the model lacks, replaced by the nearest",
                self.size.area()
            ));
        }
        if strict && !warnings.is_empty() {
            return Err(Error::input(path, warnings.join("; "))
                .with_hint("omit --strict to use it with these changes"));
        }
        Ok((indexed, warnings))
    }

    /// The RGB picture of an indexed one.
    pub fn paint(&self, indexed: &Indexed) -> Picture {
        Picture {
            width: indexed.size.width(),
            height: indexed.size.height(),
            pixels: self.colors(&indexed.indices),
        }
    }

    /// The colours of indices; those beyond the palette take its last colour.
    pub fn colors(&self, indices: &[u8]) -> Vec<Color> {
        let colors = self.palette.colors();
        let last = colors.len() - 1;
        let color = |&index: &u8| colors[usize::from(index).min(last)];
        indices.iter().map(color).collect()
    }

    /// All pictures of a library as sequences.
    ///
    /// # Errors
    /// A usage error when they have another size.
    pub(crate) fn index_all(&self, pictures: &Pictures) -> Result<IndexedPictures> {
        let area = self.size.area();
        if pictures.size() != self.size {
            return Err(Error::usage(format!(
                "pictures of {} pixels do not fit this model, whose pictures are {}",
                pictures.size(),
                self.size
            )));
        }
        let mut indices = vec![0; area * pictures.len()];
        indices
            .par_chunks_exact_mut(area)
            .enumerate()
            .for_each(|(number, out)| pictures.index(number, &self.palette, out));
        Ok(IndexedPictures {
            size: self.size,
            indices,
        })
    }
}

impl Codec for PixelCodec {
    type Media = Indexed;

    /// One class for each colour. There is no stop symbol: the size determines where a picture ends.
    fn alphabet(&self) -> Alphabet {
        Alphabet {
            size: self.palette.len(),
            start: self.palette.len() as Token,
            stop: None,
        }
    }

    fn encode(&self, media: &Indexed) -> Result<Vec<Token>> {
        self.check_length(media.indices.len())?;
        let known = |&index: &u8| usize::from(index) < self.palette.len();
        match media.indices.iter().position(|index| !known(index)) {
            None => Ok(media
                .indices
                .iter()
                .map(|&index| Token::from(index))
                .collect()),
            Some(place) => Err(self.unknown(media.indices[place].into(), place)),
        }
    }

    fn decode(&self, tokens: &[Token]) -> Result<Indexed> {
        self.check_length(tokens.len())?;
        let known = |&token: &Token| (token as usize) < self.palette.len();
        match tokens.iter().position(|token| !known(token)) {
            None => Ok(Indexed {
                size: self.size,
                indices: tokens.iter().map(|&token| token as u8).collect(),
            }),
            Some(place) => Err(self.unknown(tokens[place], place)),
        }
    }
}

impl PixelCodec {
    fn check_length(&self, pixels: usize) -> Result<()> {
        if pixels == self.size.area() {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{pixels} pixels do not make a picture of {}, which has {}",
            self.size,
            self.size.area()
        )))
    }

    fn unknown(&self, index: Token, place: usize) -> Error {
        let width = self.size.width() as usize;
        Error::usage(format!(
            "the pixel in row {}, column {} has colour {index}; the palette ends at {}",
            place / width + 1,
            place % width + 1,
            self.palette.len() - 1
        ))
    }
}

/// Pictures of one size as sequences in memory, one byte a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexedPictures {
    size: Size,
    indices: Vec<u8>,
}

impl IndexedPictures {
    /// The indices of picture `index`, `[height, width]`.
    fn get(&self, index: usize) -> &[u8] {
        let area = self.size.area();
        &self.indices[index * area..(index + 1) * area]
    }
}

impl SequenceDataset for IndexedPictures {
    fn count(&self) -> usize {
        self.indices.len() / self.size.area()
    }

    fn length(&self, _: usize) -> usize {
        self.size.area()
    }

    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        for (token, &index) in out.iter_mut().zip(&self.get(index)[range]) {
            *token = Token::from(index);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(size: &str, colors: usize) -> PixelCodec {
        let color = |i: usize| [i as u8, (i * 7 % 256) as u8, 255 - i as u8];
        let palette = Palette::new((0..colors).map(color).collect()).unwrap();
        PixelCodec::new(size.parse().unwrap(), palette)
    }

    fn indexed(codec: &PixelCodec) -> Indexed {
        let index = |i: usize| (i * 31 % codec.palette().len()) as u8;
        Indexed {
            size: codec.size(),
            indices: (0..codec.size().area()).map(index).collect(),
        }
    }

    #[test]
    fn indices_come_back_exactly() {
        for (size, colors) in [("1", 1), ("3x7", 2), ("20", 167), ("32x16", 256)] {
            let codec = codec(size, colors);
            let picture = indexed(&codec);
            let tokens = codec.encode(&picture).unwrap();
            assert_eq!(tokens.len(), codec.size().area());
            assert!(tokens.iter().all(|&token| codec.alphabet().contains(token)));
            assert_eq!(codec.decode(&tokens).unwrap(), picture);
            assert_eq!(codec.index(&codec.paint(&picture)).unwrap(), picture);
        }
    }

    #[test]
    fn tokens_are_in_raster_order() {
        let codec = codec("3x2", 6);
        let picture = Indexed {
            size: codec.size(),
            indices: vec![0, 1, 2, 3, 4, 5],
        };
        assert_eq!(codec.encode(&picture).unwrap(), [0, 1, 2, 3, 4, 5]);
        let painted = codec.paint(&picture);
        assert_eq!(painted.pixels[3 + 1], codec.palette().colors()[4]);
    }

    #[test]
    fn the_start_symbol_is_not_a_colour() {
        let alphabet = codec("2", 5).alphabet();
        assert_eq!((alphabet.size, alphabet.start, alphabet.stop), (5, 5, None));
        assert!(codec("2", 5).decode(&[0, 1, 2, alphabet.start]).is_err());
    }

    #[test]
    fn invalid_pictures_are_refused_with_the_place() {
        let codec = codec("3x2", 4);
        let error = codec.decode(&[0, 0, 0, 0, 9, 0]).unwrap_err().to_string();
        assert!(
            error.contains("row 2, column 2") && error.contains('9'),
            "{error}"
        );
        let wrong = Indexed {
            size: codec.size(),
            indices: vec![0, 0, 4, 0, 0, 0],
        };
        let error = codec.encode(&wrong).unwrap_err().to_string();
        assert!(error.contains("row 1, column 3"), "{error}");
        assert!(codec.decode(&[0; 5]).is_err());
        assert!(
            codec
                .index(&Picture::filled(2, 3, [0; 3]))
                .unwrap_err()
                .is_usage()
        );
    }

    #[test]
    fn other_pictures_are_adapted_with_a_warning_or_refused() {
        let codec = codec("4", 8);
        let own = codec.paint(&indexed(&codec));
        let adapt = |picture: &Picture, strict| {
            codec.adapt(picture, Path::new("a.png"), Fit::Crop, [255; 3], strict)
        };
        let (same, warnings) = adapt(&own, true).unwrap();
        assert_eq!(same, indexed(&codec));
        assert!(warnings.is_empty());
        let (resized, warnings) = adapt(&own.enlarged(3), false).unwrap();
        assert_eq!(resized, indexed(&codec));
        assert!(
            matches!(warnings.as_slice(), [only] if only.contains("12x12") && only.contains("4x4"))
        );
        let mut tinted = own.clone();
        tinted.pixels[5] = [99, 99, 99];
        let (_, warnings) = adapt(&tinted, false).unwrap();
        assert!(matches!(warnings.as_slice(), [only] if only.starts_with("1 of its 16 pixels")));
        let error = adapt(&tinted, true).unwrap_err();
        assert!(
            error.to_string().starts_with("a.png: 1 of its 16"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("--strict"));
        let binary = PixelCodec::new(codec.size(), Palette::binary());
        for (color, fits) in [([99; 3], true), ([99, 99, 98], false)] {
            let picture = Picture::filled(4, 4, color);
            let adapted = binary.adapt(&picture, Path::new("a.png"), Fit::Crop, [255; 3], true);
            assert_eq!(adapted.is_ok(), fits);
        }
    }

    #[test]
    fn it_survives_being_saved() {
        let codec = codec("20x10", 3);
        let text = serde_json::to_string(&codec).unwrap();
        assert_eq!(serde_json::from_str::<PixelCodec>(&text).unwrap(), codec);
        assert!(text.contains(r#""size":"20x10""#), "{text}");
    }
}
