/*!
Two edits of a picture of strokes, after Hung-yi Lee's lecture on variational autoencoders (2016): one stray pixel, which
everybody sees, and six pixels that lengthen a stroke, which nobody does. A model of pixels that are independent of each other
given a code tends to find the second six times as bad.

Ink is one colour, every other colour is paper.
*/

/// The pixels that lengthen a stroke.
const LONGER: usize = 6;
/// Pixels of the thinned stroke, from its end back, that give its direction and its width.
const BACK: usize = 5;
/// The thinned stroke has at least so many pixels.
const SHORTEST: usize = 4;
/// The added pixels are at most this far from the end of the thinned stroke.
const REACH: f64 = 10.0;

/// A picture with each of both edits, `[height, width]` in palette indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edits {
    /// The paper pixel that is farthest from all ink has become ink: the first one in raster order, of equally far ones.
    pub stray: Vec<u8>,
    /// Six paper pixels in front of a stroke's end have become ink.
    pub stroke: Vec<u8>,
}

impl Edits {
    /// Edits a picture of `width` pixels in a row. `None` where no stroke ends with room in front of it.
    ///
    /// Strokes are thinned to lines of one pixel (Zhang & Suen 1984, "A fast parallel algorithm for thinning digital
    /// patterns", with the correction of Lü & Wang 1986, which keeps slanted strokes of two pixels). Of their ends, the one with the longest line up to a junction is tried first. Its direction is that of the
    /// line's last pixels, its width that of the stroke along them. The six pixels are those nearest in this
    /// direction within this width, each touching the ones before; in front of them is no other ink.
    pub fn of(picture: &[u8], width: usize, ink: u8) -> Option<Self> {
        let plane = Plane {
            width,
            ink: picture.iter().map(|&color| color == ink).collect(),
        };
        let added = plane.lengthened()?;
        let with = |pixels: &[usize]| {
            let mut edited = picture.to_vec();
            for &pixel in pixels {
                edited[pixel] = ink;
            }
            edited
        };
        Some(Self {
            stray: with(&[plane.farthest_from_ink()?]),
            stroke: with(&added),
        })
    }
}

/// Which pixels are ink.
#[derive(Clone)]
struct Plane {
    width: usize,
    /// `[height, width]`.
    ink: Vec<bool>,
}

/// The eight neighbours clockwise from the one above, as steps right and down.
const NEIGHBOURS: [(isize, isize); 8] = [
    (0, -1),
    (1, -1),
    (1, 0),
    (1, 1),
    (0, 1),
    (-1, 1),
    (-1, 0),
    (-1, -1),
];

impl Plane {
    /// The pixel next to another one, where it is inside the picture.
    fn step(&self, pixel: usize, (right, down): (isize, isize)) -> Option<usize> {
        let x = (pixel % self.width).checked_add_signed(right)?;
        let y = (pixel / self.width).checked_add_signed(down)?;
        (x < self.width && y < self.ink.len() / self.width).then(|| y * self.width + x)
    }

    /// Whether each of the eight neighbours is ink, in the order of [`NEIGHBOURS`].
    fn around(&self, pixel: usize) -> [bool; 8] {
        NEIGHBOURS.map(|step| self.step(pixel, step).is_some_and(|near| self.ink[near]))
    }

    /// Ink that touches a pixel, pixels that share a side first.
    fn touching(&self, pixel: usize) -> impl Iterator<Item = usize> {
        let order = [0, 2, 4, 6, 1, 3, 5, 7];
        let near = order.map(|index| self.step(pixel, NEIGHBOURS[index]));
        near.into_iter().flatten().filter(|&near| self.ink[near])
    }

    /// Right and down from one pixel to another.
    fn between(&self, from: usize, to: usize) -> (f64, f64) {
        let along = |a: usize, b: usize| b as f64 - a as f64;
        (
            along(from % self.width, to % self.width),
            along(from / self.width, to / self.width),
        )
    }

    /// The distance from a pixel to the nearest one that is ink, or that is not; infinite where there is none.
    fn distance(&self, pixel: usize, ink: bool) -> f64 {
        let wanted = (0..self.ink.len()).filter(|&other| self.ink[other] == ink);
        let squares = wanted.map(|other| {
            let (x, y) = self.between(pixel, other);
            x * x + y * y
        });
        squares.fold(f64::INFINITY, f64::min).sqrt()
    }

    fn farthest_from_ink(&self) -> Option<usize> {
        let paper = (0..self.ink.len()).filter(|&pixel| !self.ink[pixel]);
        let far = paper.map(|pixel| (self.distance(pixel, true), pixel));
        // Of equal ones, the last is the greatest: the order is reversed.
        far.rev()
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, pixel)| pixel)
    }

    /// Lines of one pixel in the middle of the strokes.
    fn thinned(&self) -> Self {
        let mut plane = self.clone();
        loop {
            let before = plane.ink.clone();
            for second in [false, true] {
                let removed: Vec<usize> = (0..plane.ink.len())
                    .filter(|&pixel| plane.ink[pixel] && is_removable(plane.around(pixel), second))
                    .collect();
                for pixel in removed {
                    plane.ink[pixel] = false;
                }
            }
            if plane.ink == before {
                return plane;
            }
        }
    }

    /// The lines of thinned strokes, each from an end to the pixel before a junction or to its other end; the longest first.
    fn lines(&self) -> Vec<Vec<usize>> {
        let is_end = |&pixel: &usize| {
            let around = self.around(pixel);
            let count = around.iter().filter(|&&ink| ink).count();
            self.ink[pixel] && runs(around) == 1 && count <= 2
        };
        let line = |end: usize| {
            let mut line = vec![end];
            while let Some(next) = self
                .touching(line[line.len() - 1])
                .find(|next| !line.contains(next))
            {
                if runs(self.around(next)) > 2 {
                    break;
                }
                line.push(next);
            }
            line
        };
        let ends = (0..self.ink.len()).filter(is_end);
        let mut lines: Vec<Vec<usize>> = ends.map(line).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
        lines
    }

    /// The pixels that lengthen a stroke, at its first end where there is room.
    fn lengthened(&self) -> Option<Vec<usize>> {
        let lines = self.thinned().lines();
        let mut lines = lines.iter().filter(|line| line.len() >= SHORTEST);
        lines.find_map(|line| self.beyond(line))
    }

    /// The pixels in front of the first pixel of a line.
    fn beyond(&self, line: &[usize]) -> Option<Vec<usize>> {
        let tail = &line[..line.len().min(BACK)];
        let (x, y) = self.between(tail[tail.len() - 1], line[0]);
        let length = x.hypot(y);
        let step = length / (tail.len() - 1) as f64;
        // How far a pixel is in front of the end, and how far aside.
        let place = |pixel: usize| {
            let (right, down) = self.between(line[0], pixel);
            let along = (right * x + down * y) / length;
            (along, (right * y - down * x) / length)
        };
        // The stroke along the tail: its width is its area by its length.
        let reach = tail.iter().map(|&pixel| self.distance(pixel, false));
        let reach = reach.fold(0.0, f64::max) + 0.5;
        let of_stroke = |&(along, aside): &(f64, f64)| {
            along < step / 2.0 && along > -length - step / 2.0 && aside.abs() <= reach
        };
        let ink = (0..self.ink.len()).filter(|&pixel| self.ink[pixel]);
        let asides: Vec<f64> = ink.map(place).filter(of_stroke).map(|(_, a)| a).collect();
        let half = 0.5 * asides.len() as f64 / (length + step);
        let middle = asides.iter().sum::<f64>() / asides.len() as f64;
        let mut near: Vec<(f64, f64, usize)> = (0..self.ink.len())
            .map(|pixel| (place(pixel).0, (place(pixel).1 - middle).abs(), pixel))
            .filter(|&(along, off, pixel)| {
                !self.ink[pixel] && along > 0.0 && along <= REACH && off <= half
            })
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut longer = self.clone();
        let mut added = Vec::new();
        for (_, _, pixel) in near {
            if added.len() < LONGER && longer.touching(pixel).next().is_some() {
                longer.ink[pixel] = true;
                added.push(pixel);
            }
        }
        // The last half of them is past the end, where any other ink is another stroke's.
        let ahead = |&pixel: &usize| {
            let mut old = self.touching(pixel);
            old.any(|old| place(old).0 > place(pixel).0)
        };
        let is_free = added.len() == LONGER && !added[LONGER / 2..].iter().any(ahead);
        is_free.then_some(added)
    }
}

/// How many runs of ink there are on the way around a pixel.
fn runs(around: [bool; 8]) -> usize {
    let begins = |&at: &usize| around[at] && !around[(at + 7) % 8];
    (0..8).filter(begins).count()
}

/// Whether a step of thinning removes a pixel: the first one from the lower right, the second one from the upper left.
fn is_removable(around: [bool; 8], second: bool) -> bool {
    let [north, _, east, _, south, _, west, _] = around;
    let count = around.iter().filter(|&&ink| ink).count();
    let open = if second {
        !north || !west || !east && !south
    } else {
        !east || !south || !north && !west
    };
    (3..=6).contains(&count) && runs(around) == 1 && open
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drawing: `#` is ink, 1.
    fn drawn(rows: &[&str]) -> (Vec<u8>, usize) {
        let pixels = rows.iter().flat_map(|row| row.bytes());
        let pixels = pixels.map(|byte| u8::from(byte == b'#')).collect();
        (pixels, rows[0].len())
    }

    /// Checks the drawing that each edit makes; `+` is what is added.
    fn check(rows: &[&str], edit: impl Fn(Edits) -> Vec<u8>) {
        let whole: Vec<String> = rows.iter().map(|row| row.replace('+', "#")).collect();
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        let (expected, width) = drawn(&whole);
        let (before, _) = drawn(rows);
        let found = edit(Edits::of(&before, width, 1).expect("an end"));
        let shown: Vec<String> = found
            .chunks(width)
            .map(|row| {
                row.iter()
                    .map(|&p| if p == 1 { '#' } else { '.' })
                    .collect()
            })
            .collect();
        assert_eq!(found, expected, "{}", shown.join("\n"));
    }

    #[test]
    fn a_thin_stroke_becomes_six_pixels_longer_where_there_is_room() {
        check(
            &[
                "................",
                "..#######++++++.",
                "................",
                "................",
            ],
            |edits| edits.stroke,
        );
        check(
            &[
                "............",
                "++..........",
                ".++.........",
                "..++........",
                "...##.......",
                "....##......",
                ".....##.....",
                "......##....",
                ".......##...",
                "............",
            ],
            |edits| edits.stroke,
        );
    }

    #[test]
    fn a_thick_stroke_keeps_its_width() {
        check(
            &[
                "............",
                ".########++.",
                ".########++.",
                ".########++.",
                "............",
            ],
            |edits| edits.stroke,
        );
    }

    #[test]
    fn the_longest_branch_that_does_not_run_into_other_ink_is_lengthened() {
        check(
            &[
                "......................",
                "#.....................",
                "#......########++++++.",
                "#.........#...........",
                "..........#...........",
                "..........#...........",
                "......................",
            ],
            |edits| edits.stroke,
        );
    }

    #[test]
    fn the_stray_pixel_is_the_farthest_from_all_ink() {
        check(
            &[
                ".#..........",
                ".#..........",
                ".#..........",
                ".#..........",
                "............",
                "............",
                "............",
                "............",
                "............",
                "............",
                "...........+",
            ],
            |edits| edits.stray,
        );
    }

    #[test]
    fn exactly_one_and_six_pixels_become_ink() {
        let (before, width) = drawn(&[
            "..................",
            "..####............",
            ".##..##...........",
            ".....##...........",
            "....##............",
            "...##.............",
            "..##..............",
            "..#######.........",
            "..................",
            "..................",
            "..................",
        ]);
        let edits = Edits::of(&before, width, 1).unwrap();
        for (edited, count) in [(&edits.stray, 1), (&edits.stroke, 6)] {
            let changed = before.iter().zip(edited).filter(|(a, b)| a != b);
            let changed: Vec<_> = changed.collect();
            assert_eq!(changed.len(), count);
            assert!(changed.iter().all(|&(&a, &b)| (a, b) == (0, 1)));
        }
        // Black on white is white on black.
        let inverted: Vec<u8> = before.iter().map(|&p| 1 - p).collect();
        let other = Edits::of(&inverted, width, 0).unwrap();
        assert!(other.stroke.iter().zip(&edits.stroke).all(|(a, b)| a != b));
        assert!(other.stray.iter().zip(&edits.stray).all(|(a, b)| a != b));
    }

    #[test]
    fn without_an_end_with_room_there_is_no_edit() {
        for rows in [
            // A ring, nothing, everything, a dot, a stroke from edge to edge.
            vec!["......", ".####.", ".#..#.", ".####.", "......"],
            vec!["....", "....", "...."],
            vec!["####", "####", "####"],
            vec!["........", "...#....", "........"],
            vec!["........", "########", "........"],
        ] {
            let (picture, width) = drawn(&rows);
            assert_eq!(Edits::of(&picture, width, 1), None, "{rows:?}");
        }
    }
}
