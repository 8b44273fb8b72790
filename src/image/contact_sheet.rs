/*! Many pictures on one sheet: rows of cells, enlarged with hard edges. */

use std::path::Path;

use crate::error::{Error, Result};
use crate::image::{Color, Picture, Size};

/// The longest side of a sheet, in pixels.
const MAX_SIDE: u64 = 32_768;
/// Pixels between pictures.
const MARGIN: u32 = 4;
/// The most pixels of a sheet.
const MAX_PIXELS: u64 = 1 << 27;

/// One place on a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// The picture; `None` leaves the place empty.
    pub picture: Option<Picture>,
    /// The number of first pixels, in raster order, that were given; a frame surrounds them.
    pub given: usize,
}

impl From<Picture> for Cell {
    fn from(picture: Picture) -> Self {
        Self {
            picture: Some(picture),
            given: 0,
        }
    }
}

/// Rows of cells and how to draw them. Every cell is as large as the largest picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSheet {
    /// Rows from the top, each from the left; they may differ in length.
    pub rows: Vec<Vec<Cell>>,
    /// The side of the square that one pixel becomes.
    pub scale: u32,
    /// Pixels between and around cells, not enlarged.
    pub margin: u32,
    /// The colour between and behind the cells.
    pub background: Color,
    /// The colour of frames.
    pub frame: Color,
}

impl ContactSheet {
    /// The scale at which the longest side of a picture becomes about 128 pixels.
    pub fn comfortable(longest: u32) -> u32 {
        (128 / longest.max(1)).max(1)
    }

    /// A sheet on grey, at a [`comfortable`](Self::comfortable) scale.
    pub fn new(rows: Vec<Vec<Cell>>) -> Self {
        let longest = rows
            .iter()
            .flatten()
            .filter_map(|cell| cell.picture.as_ref())
            .map(|picture| picture.width.max(picture.height))
            .max();
        Self {
            rows,
            scale: Self::comfortable(longest.unwrap_or(1)),
            margin: MARGIN,
            background: [144; 3],
            frame: [255, 0, 128],
        }
    }

    /// Pictures in reading order in this many columns, by default in a sheet that is about square.
    pub fn grid(pictures: Vec<Picture>, columns: Option<usize>) -> Self {
        let columns = columns.unwrap_or_else(|| square_columns(&pictures)).max(1);
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (i, picture) in pictures.into_iter().enumerate() {
            if i % columns == 0 {
                rows.push(Vec::new());
            }
            if let Some(row) = rows.last_mut() {
                row.push(picture.into());
            }
        }
        Self::new(rows)
    }

    /// The pictures of a drawn [`grid`](Self::grid) without the margins between them, each pixel once; `None` where it is no
    /// grid of `columns` pictures of this size.
    pub(crate) fn tiles(sheet: &Picture, size: Size, columns: u32) -> Option<Picture> {
        let (width, height) = (size.width(), size.height());
        let scale = (sheet.width.checked_sub(MARGIN)? / columns).checked_sub(MARGIN)? / width;
        let [cell, row] = [width, height].map(|side| scale * side + MARGIN);
        if scale == 0 || columns * cell + MARGIN != sheet.width {
            return None;
        }
        let rows = sheet.height.checked_sub(MARGIN)? / row;
        let mut tiles = Picture::filled(columns * width, rows * height, [0; 3]);
        let place = |at: u32, side: u32, cell: u32| MARGIN + at / side * cell + at % side * scale;
        for (pixel, at) in tiles.pixels.iter_mut().zip(0..) {
            let (x, y) = (at % (columns * width), at / (columns * width));
            let from = place(y, height, row) * sheet.width + place(x, width, cell);
            *pixel = *sheet.pixels.get(from as usize)?;
        }
        Some(tiles)
    }

    /// One row for each picture: its given pixels, its continuations, and the original. The first `given` pixels are
    /// framed everywhere but in the original.
    pub fn completions(pictures: Vec<(Picture, Vec<Picture>)>, given: usize) -> Self {
        let rows = pictures.into_iter().map(|(truth, continuations)| {
            let framed = |picture| Cell {
                picture: Some(picture),
                given,
            };
            let mut shown = truth.clone();
            let hidden = shown.pixels.iter_mut().skip(given);
            hidden.for_each(|pixel| *pixel = UNKNOWN);
            let mut row = vec![framed(shown)];
            row.extend(continuations.into_iter().map(framed));
            row.push(truth.into());
            row
        });
        Self::new(rows.collect())
    }

    /// Refuses a sheet that cannot be drawn.
    ///
    /// # Errors
    /// A usage error when the sheet is too large or empty.
    pub fn check(&self) -> Result<()> {
        let (width, height) = self.extent();
        check_extent(width, height)?;
        let (cell_width, cell_height) = self.cell();
        if cell_width == 0 || cell_height == 0 || self.scale == 0 {
            return Err(Error::usage("a sheet without pictures cannot be drawn"));
        }
        Ok(())
    }

    /// Width and height of the largest picture.
    fn cell(&self) -> (u32, u32) {
        let cells = self.rows.iter().flatten();
        let pictures = cells.filter_map(|cell| cell.picture.as_ref());
        pictures.fold((0, 0), |(width, height), picture| {
            (width.max(picture.width), height.max(picture.height))
        })
    }

    /// The first pixel of cell number `cell` in a direction in which pictures are `pixels` long.
    fn place(&self, cell: usize, pixels: u32) -> u64 {
        let step = u64::from(pixels) * u64::from(self.scale) + u64::from(self.margin);
        (cell as u64).saturating_mul(step) + u64::from(self.margin)
    }

    /// Width and height of the whole sheet.
    fn extent(&self) -> (u64, u64) {
        let (cell_width, cell_height) = self.cell();
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        (
            self.place(columns, cell_width),
            self.place(self.rows.len(), cell_height),
        )
    }

    /// Draws the sheet.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn draw(&self) -> Result<Picture> {
        self.check()?;
        let (width, height) = self.extent();
        let (cell_width, cell_height) = self.cell();
        let mut sheet = Picture::filled(width as u32, height as u32, self.background);
        for (row, cells) in self.rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                let left = self.place(column, cell_width) as u32;
                let top = self.place(row, cell_height) as u32;
                self.draw_cell(cell, left, top, &mut sheet);
            }
        }
        Ok(sheet)
    }

    /// Writes the sheet as PNG.
    ///
    /// # Errors
    /// As [`draw`](Self::draw), and when the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        self.draw()?.write_png(path)
    }

    fn draw_cell(&self, cell: &Cell, left: u32, top: u32, sheet: &mut Picture) {
        let Some(picture) = &cell.picture else {
            return;
        };
        sheet.paste(&picture.enlarged(self.scale), left, top);
        if cell.given > 0 {
            self.draw_frame(picture, cell.given, left, top, sheet);
        }
    }

    /// Draws a line of one pixel around the given part, outside it, so that it covers no given pixel.
    fn draw_frame(
        &self,
        picture: &Picture,
        given: usize,
        left: u32,
        top: u32,
        sheet: &mut Picture,
    ) {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let is_given = |x: i64, y: i64| {
            let inside = (0..width as i64).contains(&x) && (0..height as i64).contains(&y);
            inside && (y as usize) * width + (x as usize) < given
        };
        let scale = i64::from(self.scale);
        for y in -1..=height as i64 * scale {
            for x in -1..=width as i64 * scale {
                let at = |x: i64, y: i64| is_given(x.div_euclid(scale), y.div_euclid(scale));
                let near = (-1..=1).any(|dy| (-1..=1).any(|dx| at(x + dx, y + dy)));
                let (sheet_x, sheet_y) = (i64::from(left) + x, i64::from(top) + y);
                if near && !at(x, y) && sheet_x >= 0 && sheet_y >= 0 {
                    let dot = Picture::filled(1, 1, self.frame);
                    sheet.paste(&dot, sheet_x as u32, sheet_y as u32);
                }
            }
        }
    }
}

/// The colour of pixels that are not generated yet.
pub(crate) const UNKNOWN: Color = [200; 3];

/// The number of columns that makes the sheet about square.
fn square_columns(pictures: &[Picture]) -> usize {
    let shape = pictures.first().map_or(1.0, |picture| {
        f64::from(picture.height.max(1)) / f64::from(picture.width.max(1))
    });
    (pictures.len() as f64 * shape).sqrt().ceil() as usize
}

fn check_extent(width: u64, height: u64) -> Result<()> {
    if width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS {
        return Ok(());
    }
    Err(
        Error::usage(format!("a sheet of {width}x{height} pixels is too large"))
            .with_hint("show fewer pictures at a time, or enlarge them less"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(value: u8) -> Picture {
        Picture {
            width: 3,
            height: 2,
            pixels: (0..6).map(|i| [value, i, 0]).collect(),
        }
    }

    fn pixel(sheet: &Picture, x: u32, y: u32) -> Color {
        sheet.pixels[(y * sheet.width + x) as usize]
    }

    #[test]
    fn tiles_are_the_pictures_of_a_sheet() {
        let size = Size::new(3, 2).unwrap();
        let sheet = ContactSheet::grid((0..4).map(picture).collect(), Some(2));
        let drawn = sheet.draw().unwrap();
        let tiles = ContactSheet::tiles(&drawn, size, 2).unwrap();
        assert_eq!((tiles.width, tiles.height), (6, 4));
        let row = |y: u32| (0..6).map(|x| pixel(&tiles, x, y)).collect::<Vec<_>>();
        let second = |value: u8| (3..6).map(move |i| [value, i, 0]);
        assert_eq!(row(3), second(2).chain(second(3)).collect::<Vec<_>>());
        assert_eq!(ContactSheet::tiles(&drawn, size, 3), None);
        assert_eq!(ContactSheet::tiles(&picture(0), size, 1), None);
    }

    #[test]
    fn every_pixel_becomes_a_square_in_its_place() {
        let mut sheet = ContactSheet::grid((0..5).map(picture).collect(), Some(2));
        (sheet.scale, sheet.margin) = (4, 3);
        let drawn = sheet.draw().unwrap();
        assert_eq!((drawn.width, drawn.height), (3 + 2 * 15, 3 + 3 * 11));
        for (number, (column, row)) in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)].iter().enumerate() {
            for (i, &color) in picture(number as u8).pixels.iter().enumerate() {
                for inner in [0, 3] {
                    let x = 3 + column * 15 + (i as u32 % 3) * 4 + inner;
                    let y = 3 + row * 11 + (i as u32 / 3) * 4 + inner;
                    assert_eq!(pixel(&drawn, x, y), color);
                }
            }
        }
        assert_eq!(pixel(&drawn, 2, 2), sheet.background);
        assert_eq!(pixel(&drawn, 20, 28), sheet.background);
    }

    #[test]
    fn completions_hide_the_rest_and_frame_what_was_given() {
        let mut sheet =
            ContactSheet::completions(vec![(picture(9), vec![picture(1), picture(2)])], 4);
        (sheet.scale, sheet.margin) = (5, 2);
        assert_eq!(sheet.rows[0].len(), 4);
        let first = sheet.rows[0][0].picture.clone().unwrap();
        assert_eq!(first.pixels[..4], picture(9).pixels[..4]);
        assert_eq!(first.pixels[4..], [UNKNOWN; 2]);
        let drawn = sheet.draw().unwrap();
        let framed = |x, y| pixel(&drawn, x, y) == sheet.frame;
        // Above, left of and right of the first row; below its second and third pixel; right of the fourth.
        assert!(framed(5, 1) && framed(1, 4) && framed(17, 4));
        assert!(framed(8, 7) && framed(16, 7) && framed(7, 9) && framed(4, 12));
        assert!(!framed(4, 7) && !framed(12, 9));
        // No given pixel is covered, and the truth has no frame.
        assert_eq!(pixel(&drawn, 6, 11), [9, 3, 0]);
        let truth = 2 + 3 * 17;
        assert!((0..drawn.height).all(|y| (truth..drawn.width).all(|x| !framed(x, y))));
    }

    #[test]
    fn sheets_are_about_square_and_bounded() {
        let sheet = ContactSheet::grid((0..64).map(picture).collect(), None);
        assert_eq!(sheet.rows[0].len(), 7);
        assert!(ContactSheet::new(Vec::new()).draw().unwrap_err().is_usage());
        let mut large = ContactSheet::grid(vec![picture(0)], None);
        large.scale = 1_000_000;
        assert!(large.draw().unwrap_err().is_usage());
    }

    #[test]
    fn a_whole_given_picture_and_uneven_rows_are_drawn() {
        let rows = vec![
            vec![picture(1).into(), Cell::default(), picture(2).into()],
            vec![Cell {
                picture: Some(picture(3)),
                given: 6,
            }],
        ];
        let mut sheet = ContactSheet::new(rows);
        sheet.margin = 0;
        sheet.draw().unwrap();
    }
}
