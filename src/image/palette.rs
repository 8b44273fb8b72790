/*!
The colours of a model.

Distances between colours are Euclidean in Oklab (Björn Ottosson, "A perceptual color space for image processing",
2020), where equal distances look equally large. A palette of greys compares 8-bit values instead, so that black and
white divide at one half. Colours are clustered with the k-means of the quantette crate: Wu's quantisation gives the
first means, MacQueen's online k-means refines them (Thompson, Celebi and Buck, "Fast color quantization using
MacQueen's k-means algorithm", 2020).
*/

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use quantette::color_space::srgb8_to_oklab;
use quantette::deps::palette::Srgb;
use quantette::kmeans::KmeansOptions;
use quantette::{PaletteSize, Pipeline};
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};
use crate::image::picture::{Color, Picture, grey, parse_color};

/// The most colours of a palette: an index is one byte.
const MAX_COLORS: usize = 256;

/// Side of a colour's square in [`Palette::draw`], in pixels.
const SWATCH: u32 = 24;
/// Squares in a row of [`Palette::draw`].
const SWATCHES: usize = 16;

/// From 1 to 256 colours, indexed from 0; serialised as a list of `#rrggbb`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Palette {
    colors: Vec<Color>,
    nearest: Nearest,
}

impl Palette {
    /// A palette of these colours, in this order.
    ///
    /// # Errors
    /// A usage error for no colours, or more than 256.
    pub fn new(colors: Vec<Color>) -> Result<Self> {
        check_count(colors.len())?;
        Ok(Self::from_checked(colors))
    }

    fn from_checked(colors: Vec<Color>) -> Self {
        let nearest = Nearest::new(&colors);
        Self { colors, nearest }
    }

    /// Clusters pixels into at most `k` colours, ordered from dark to light.
    ///
    /// Pixels of no more than `k` different colours keep them. The same pixels and seed give the same palette.
    ///
    /// # Errors
    /// A usage error when `k` is out of range, or without pixels.
    pub fn cluster(pixels: &[Color], k: usize, seed: u64) -> Result<Self> {
        check_count(k)?;
        let mut colors = match distinct(pixels, k) {
            Some(colors) => colors,
            None => clustered(pixels, k, seed)?,
        };
        let lightness = oklab(&colors);
        let mut order: Vec<usize> = (0..colors.len()).collect();
        order.sort_by(|&a, &b| {
            lightness[a][0]
                .total_cmp(&lightness[b][0])
                .then(colors[a].cmp(&colors[b]))
        });
        colors = order.into_iter().map(|index| colors[index]).collect();
        colors.dedup();
        Self::new(colors)
    }

    /// Evenly spaced greys from black to white; a single level is black.
    ///
    /// # Errors
    /// A usage error when `levels` is out of range.
    pub fn grey(levels: usize) -> Result<Self> {
        check_count(levels)?;
        let steps = (levels - 1).max(1);
        let level = |i: usize| [((i * 255 + steps / 2) / steps) as u8; 3];
        Self::new((0..levels).map(level).collect())
    }

    /// Black (0) and white (1).
    pub fn binary() -> Self {
        Self::from_checked(vec![[0; 3], [255; 3]])
    }

    /// Reads a colour map, a text file whose row n holds red, green and blue of colour n, from 0 to 255, separated by
    /// spaces or commas.
    ///
    /// # Errors
    /// [`Error::Input`] naming the row that is invalid; [`Error::Read`] when the file cannot be read.
    pub(crate) fn read_colormap(path: &Path) -> Result<Self> {
        /// More than 256 rows of three numbers take.
        const MAX_BYTES: u64 = 1 << 16;
        if fs::metadata(path).reading(path)?.len() > MAX_BYTES {
            return Err(Error::input(path, "too large for a colour map")
                .with_hint("a colour map has one 'R G B' a row"));
        }
        let bytes = fs::read(path).reading(path)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Error::input(path, "not a colour map: it is not text"))?;
        let mut colors = Vec::new();
        for (row, line) in text.trim_end().lines().enumerate() {
            let color = read_color(line).map_err(|reason| {
                Error::input(path, format!("row {}: {reason}", row + 1)).with_hint(
                    "a colour map has one 'R G B' a row, each from 0 to 255; row n is colour n",
                )
            })?;
            colors.push(color);
        }
        match colors.len() {
            0 => Err(Error::input(path, "holds no colours")),
            n if n > MAX_COLORS => Err(Error::input(
                path,
                format!("holds {n} colours; a palette has no more than {MAX_COLORS}"),
            )),
            _ => Self::new(colors),
        }
    }

    /// The colours, by index.
    pub fn colors(&self) -> &[Color] {
        &self.colors
    }

    /// The number of colours.
    pub fn len(&self) -> usize {
        self.colors.len()
    }

    /// Whether any colour is no grey.
    pub fn has_colors(&self) -> bool {
        self.nearest.axes.is_some()
    }

    /// The index of the nearest colour; the lowest one of equally near colours.
    pub fn nearest(&self, color: Color) -> u8 {
        match &self.nearest.axes {
            Some(axes) => axes.nearest(oklab(&[color])[0]),
            None => self.nearest_grey(grey(color)),
        }
    }

    /// The index of the colour nearest to a grey.
    pub(crate) fn nearest_grey(&self, grey: u8) -> u8 {
        self.nearest.greys[usize::from(grey)]
    }

    /// Writes the index of the nearest colour for each pixel.
    ///
    /// # Panics
    /// If `out` does not have the length of `pixels`.
    pub fn nearest_all(&self, pixels: &[Color], out: &mut [u8]) {
        assert_eq!(pixels.len(), out.len());
        let Some(axes) = &self.nearest.axes else {
            for (index, &pixel) in out.iter_mut().zip(pixels) {
                *index = self.nearest_grey(grey(pixel));
            }
            return;
        };
        // Neighbours often are equal: the last result saves the search.
        let mut last = None;
        for ((index, &pixel), lab) in out.iter_mut().zip(pixels).zip(oklab(pixels)) {
            *index = match last {
                Some((color, index)) if color == pixel => index,
                _ => axes.nearest(lab),
            };
            last = Some((pixel, *index));
        }
    }

    /// A picture of the colours as squares, 16 in a row, on white.
    pub fn draw(&self) -> Picture {
        let columns = self.len().min(SWATCHES) as u32;
        let rows = self.len().div_ceil(SWATCHES) as u32;
        let mut picture = Picture::filled(columns, rows, [255; 3]);
        picture.pixels[..self.len()].copy_from_slice(&self.colors);
        picture.enlarged(SWATCH)
    }
}

impl PartialEq for Palette {
    fn eq(&self, other: &Self) -> bool {
        self.colors == other.colors
    }
}

impl From<Palette> for Vec<String> {
    fn from(palette: Palette) -> Self {
        let text = |[r, g, b]: &Color| format!("#{r:02x}{g:02x}{b:02x}");
        palette.colors.iter().map(text).collect()
    }
}

impl TryFrom<Vec<String>> for Palette {
    type Error = Error;

    fn try_from(texts: Vec<String>) -> Result<Self> {
        let colors: Result<Vec<_>> = texts.iter().map(|text| parse_color(text)).collect();
        Self::new(colors?)
    }
}

fn check_count(count: usize) -> Result<()> {
    if (1..=MAX_COLORS).contains(&count) {
        return Ok(());
    }
    Err(
        Error::usage(format!("a palette cannot have {count} colours"))
            .with_hint(format!("choose from 1 to {MAX_COLORS}")),
    )
}

/// Parses one row of a colour map.
fn read_color(line: &str) -> std::result::Result<Color, String> {
    let parts = line.split([' ', '\t', ',']).filter(|part| !part.is_empty());
    let mut color = [0; 3];
    let mut count = 0;
    for part in parts {
        let value = part
            .parse()
            .map_err(|_| format!("'{part}' is not a number from 0 to 255"))?;
        if let Some(place) = color.get_mut(count) {
            *place = value;
        }
        count += 1;
    }
    match count {
        3 => Ok(color),
        0 => Err("it is empty, which would shift the numbers of the colours after it".into()),
        n => Err(format!("it has {n} numbers instead of 3")),
    }
}

/// The distinct colours of the pixels, if there are no more than `max`.
fn distinct(pixels: &[Color], max: usize) -> Option<Vec<Color>> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for &pixel in pixels {
        if last != Some(pixel) && found.insert(pixel) && found.len() > max {
            return None;
        }
        last = Some(pixel);
    }
    Some(found.into_iter().collect())
}

/// k-means in Oklab.
fn clustered(pixels: &[Color], k: usize, seed: u64) -> Result<Vec<Color>> {
    /// Samples after which MacQueen's means hardly move.
    const SAMPLES: u32 = 1 << 20;
    let input: Vec<Srgb<u8>> = pixels.iter().map(|&[r, g, b]| Srgb::new(r, g, b)).collect();
    let size = PaletteSize::try_from_usize(k).expect("k was checked");
    let options = KmeansOptions::new()
        .sampling_factor(f32::INFINITY)
        .max_samples(SAMPLES)
        .seed(seed);
    let means = Pipeline::new()
        .palette_size(size)
        .quantize_method(options)
        .input_slice(input.as_slice())
        .map_err(|_| {
            Error::usage(format!(
                "{} pixels are too many for one palette",
                input.len()
            ))
        })?
        .output_srgb8_palette();
    Ok(means.iter().map(|c| [c.red, c.green, c.blue]).collect())
}

/// Lightness, green-red and blue-yellow of each colour.
fn oklab(colors: &[Color]) -> Vec<[f32; 3]> {
    let colors: Vec<_> = colors.iter().map(|&[r, g, b]| Srgb::new(r, g, b)).collect();
    srgb8_to_oklab(&colors)
        .into_iter()
        .map(|lab| [lab.l, lab.a, lab.b])
        .collect()
}

/// Precomputed tables for the search for the nearest colour.
#[derive(Debug, Clone)]
struct Nearest {
    /// The index of the colour nearest to each of the 256 greys.
    greys: Vec<u8>,
    /// The colours in Oklab; `None` for a palette of greys, which compares lightness only.
    axes: Option<Axes>,
}

impl Nearest {
    fn new(colors: &[Color]) -> Self {
        if colors.iter().any(|&[r, g, b]| r != g || g != b) {
            let axes = Axes::new(colors);
            let all: Vec<Color> = (0..=255).map(|value| [value; 3]).collect();
            return Self {
                greys: oklab(&all)
                    .into_iter()
                    .map(|lab| axes.nearest(lab))
                    .collect(),
                axes: Some(axes),
            };
        }
        let nearest = |value: u8| {
            let distances = colors.iter().map(|color| color[0].abs_diff(value));
            let first = distances.enumerate().min_by_key(|&(_, distance)| distance);
            first.map_or(0, |(index, _)| index as u8)
        };
        Self {
            greys: (0..=255).map(nearest).collect(),
            axes: None,
        }
    }
}

/// The colours of a palette in Oklab, one vector for each axis so that the compiler vectorises the search. Padded to
/// whole blocks with points at infinity.
#[derive(Debug, Clone)]
struct Axes([Vec<f32>; 3]);

const BLOCK: usize = 16;

impl Axes {
    fn new(colors: &[Color]) -> Self {
        let mut points = oklab(colors);
        points.resize(points.len().next_multiple_of(BLOCK), [f32::INFINITY; 3]);
        Self([0, 1, 2].map(|axis| points.iter().map(|point| point[axis]).collect()))
    }

    fn nearest(&self, [l, a, b]: [f32; 3]) -> u8 {
        let mut distances = [f32::INFINITY; MAX_COLORS];
        let [ls, r#as, bs] = &self.0;
        for (((distance, pl), pa), pb) in distances.iter_mut().zip(ls).zip(r#as).zip(bs) {
            let (dl, da, db) = (pl - l, pa - a, pb - b);
            *distance = dl * dl + da * da + db * db;
        }
        let distances = &distances[..ls.len()];
        let mut least = [f32::INFINITY; BLOCK];
        for block in distances.chunks_exact(BLOCK) {
            for (least, &distance) in least.iter_mut().zip(block) {
                *least = least.min(distance);
            }
        }
        let least = least.into_iter().fold(f32::INFINITY, f32::min);
        distances.iter().position(|&d| d == least).unwrap_or(0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` different colours, spread over the cube.
    fn colors(n: usize) -> Vec<Color> {
        let color = |i: usize| {
            [
                (i * 37 % 256) as u8,
                (i * 91 % 256) as u8,
                (i * 151 % 256) as u8,
            ]
        };
        (0..n).map(color).collect()
    }

    #[test]
    fn every_colour_of_a_palette_is_nearest_to_itself() {
        for n in [1, 2, 15, 16, 17, 167, 256] {
            let palette = Palette::new(colors(n)).unwrap();
            let mut indices = vec![0; n];
            palette.nearest_all(&colors(n), &mut indices);
            for (index, &color) in colors(n).iter().enumerate() {
                assert_eq!(usize::from(palette.nearest(color)), index);
                assert_eq!(usize::from(indices[index]), index);
            }
            let greys = Palette::grey(n).unwrap();
            assert!((0..n).all(|i| usize::from(greys.nearest(greys.colors()[i])) == i));
        }
    }

    #[test]
    fn the_search_finds_the_least_distance() {
        let palette = Palette::new(colors(131)).unwrap();
        let known = oklab(palette.colors());
        let distance = |a: [f32; 3], b: [f32; 3]| -> f32 {
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
        };
        for i in 0..2_000_u32 {
            let [r, g, b, _] = i.wrapping_mul(2_654_435_761).to_be_bytes();
            let lab = oklab(&[[r, g, b]])[0];
            let found = distance(lab, known[usize::from(palette.nearest([r, g, b]))]);
            assert!(
                known
                    .iter()
                    .all(|&other| found <= distance(lab, other) + 1e-6)
            );
        }
    }

    #[test]
    fn black_and_white_divide_at_one_half() {
        let palette = Palette::binary();
        assert!((0..=127).all(|v| palette.nearest([v; 3]) == 0));
        assert!((128..=255).all(|v| palette.nearest([v; 3]) == 1));
        assert_eq!(palette, Palette::grey(2).unwrap());
    }

    #[test]
    fn few_colours_are_kept_exactly_from_dark_to_light() {
        let mut pixels = colors(40).repeat(3);
        pixels.reverse();
        let palette = Palette::cluster(&pixels, 40, 1).unwrap();
        assert_eq!(palette.len(), 40);
        let lightness: Vec<f32> = oklab(palette.colors()).iter().map(|lab| lab[0]).collect();
        assert!(lightness.is_sorted());
        let (mut kept, mut given) = (palette.colors().to_vec(), colors(40));
        kept.sort_unstable();
        given.sort_unstable();
        assert_eq!(kept, given);
    }

    #[test]
    fn clusters_are_found_and_reproducible() {
        let pixels: Vec<Color> = (0..6_000_u32)
            .map(|i| {
                let noise = (i.wrapping_mul(2_654_435_761) >> 29) as u8;
                let centre = [[200, 30, 40], [20, 180, 60], [40, 60, 220]][i as usize % 3];
                centre.map(|value| value + noise)
            })
            .collect();
        let palette = Palette::cluster(&pixels, 3, 5).unwrap();
        assert_eq!(palette, Palette::cluster(&pixels, 3, 5).unwrap());
        for centre in [[204, 34, 44], [24, 184, 64], [44, 64, 224]] {
            let near = palette.colors()[usize::from(palette.nearest(centre))];
            assert!(
                near.iter().zip(centre).all(|(a, b)| a.abs_diff(b) < 8),
                "{near:?}"
            );
        }
        let error = |k| -> f64 {
            let palette = Palette::cluster(&pixels, k, 5).unwrap();
            let lab = oklab(&pixels);
            let near: Vec<Color> = pixels
                .iter()
                .map(|&pixel| palette.colors()[usize::from(palette.nearest(pixel))])
                .collect();
            let pairs = lab.iter().zip(oklab(&near));
            pairs
                .map(|(a, b)| f64::from(a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>()))
                .sum()
        };
        let errors = [1, 2, 3, 12].map(error);
        assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
    }

    #[test]
    fn palettes_survive_being_saved() {
        let palette = Palette::new(vec![[255, 0, 1], [0, 16, 255]]).unwrap();
        let text = serde_json::to_string(&palette).unwrap();
        assert_eq!(text, r##"["#ff0001","#0010ff"]"##);
        assert_eq!(serde_json::from_str::<Palette>(&text).unwrap(), palette);
        for broken in ["[]", r#"["red"]"#, r##"["#ff00"]"##] {
            assert!(serde_json::from_str::<Palette>(broken).is_err());
        }
    }

    #[test]
    fn colour_maps_are_read_and_errors_name_the_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("colormap.txt");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Palette::read_colormap(&path)
        };
        let expected = [[255, 255, 255], [53, 0, 7]];
        for text in ["255 255 255\n53 0 7", "255,255,255\r\n53, 0, 7\r\n\n"] {
            assert_eq!(read(text).unwrap().colors(), expected);
        }
        for (text, reason) in [
            ("", "holds no colours"),
            ("1 2 3\n\n4 5 6", "row 2: it is empty"),
            ("1 2 3\n4 5", "row 2: it has 2 numbers"),
            ("1 2 3 4", "row 1: it has 4 numbers"),
            ("1 2 256", "row 1: '256' is not a number from 0 to 255"),
            (&"1 2 3\n".repeat(257), "holds 257 colours"),
            (&" ".repeat(70_000), "too large"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains("colormap.txt"),
                "{error}"
            );
        }
        fs::write(&path, [0xFF, 0xFE]).unwrap();
        assert!(Palette::read_colormap(&path).is_err());
    }

    #[test]
    fn swatches_show_every_colour() {
        for n in [1, 16, 17, 256] {
            let palette = Palette::new(colors(n)).unwrap();
            let picture = palette.draw();
            for (i, color) in palette.colors().iter().enumerate() {
                let at = |place: usize| (place as u32) * SWATCH + SWATCH / 2;
                let pixel = at(i / SWATCHES) * picture.width + at(i % SWATCHES);
                assert_eq!(picture.pixels[pixel as usize], *color);
            }
        }
    }

    #[test]
    fn impossible_numbers_of_colours_are_usage_errors() {
        assert!(Palette::cluster(&colors(3), 0, 0).unwrap_err().is_usage());
        assert!(Palette::cluster(&colors(3), 257, 0).unwrap_err().is_usage());
        assert!(Palette::cluster(&[], 4, 0).unwrap_err().is_usage());
        assert!(Palette::grey(0).unwrap_err().is_usage());
    }
}
