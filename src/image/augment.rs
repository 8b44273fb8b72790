/*!
Distribution augmentation (Jun et al. 2020, "Distribution augmentation for generative modeling").

In each epoch, half of the training pictures are flipped, shifted or recoloured, and the condition tells the network how.
Without a transformation the condition is zero, and that is what evaluation and generation ask for: the network learns from
the changed pictures and draws none.
*/

use rand_core::Rng;

use crate::base::rng::keyed;
use crate::image::{Palette, Size};

/// The furthest shift, in pixels; less in pictures of fewer than eight.
const REACH: i32 = 2;

/// The orders of red, green and blue in recoloured pictures.
const CHANNELS: [[usize; 3]; 5] = [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Numbers of the condition: flipped; a number for each shift to the right and down but 0; one for each recolouring.
const COLUMNS: usize = 1 + 4 * REACH as usize + CHANNELS.len();

/// What is done to a picture. The default leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Transformation {
    /// Left and right change places.
    flip: bool,
    /// Pixels to the right and down.
    shift: [i32; 2],
    /// An index of [`CHANNELS`].
    recolor: Option<usize>,
}

/// Draws and applies the transformations of a dataset's pictures.
#[derive(Debug, Clone)]
pub(crate) struct Augmentation {
    size: Size,
    seed: u64,
    /// The new index of each colour, for each of [`CHANNELS`]; empty for greys, which have no other colours.
    recolored: Vec<Vec<u8>>,
}

impl Augmentation {
    /// The length of its part of a condition vector.
    pub(crate) const COLUMNS: usize = COLUMNS;

    /// Whether it is on by default: for fewer than 5,000 pictures in colour, which a network overfits within minutes.
    pub(crate) fn suits(pictures: usize, palette: &Palette) -> bool {
        pictures < 5000 && palette.has_colors()
    }

    /// For pictures of this size and palette.
    pub(crate) fn new(size: Size, palette: &Palette, seed: u64) -> Self {
        let recolored = |channels: &[usize; 3]| {
            let colors = palette.colors().iter();
            colors
                .map(|color| palette.nearest(channels.map(|channel| color[channel])))
                .collect()
        };
        Self {
            size,
            seed,
            recolored: if palette.has_colors() {
                CHANNELS.iter().map(recolored).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// The transformation of a picture: a function of the seed, the epoch and the picture. Half are none; the others have
    /// each non-empty set of flip, shift and recolouring alike.
    pub(crate) fn draw(&self, epoch: u64, picture: usize) -> Transformation {
        let words = [self.seed.to_le_bytes(), epoch.to_le_bytes(), *b"augment "];
        let mut rng = keyed(&words, picture as u64);
        let mut below = |count: usize| (rng.next_u64() % count as u64) as usize;
        if below(2) == 0 {
            return Transformation::default();
        }
        let reach = |side: u32| REACH.min(side as i32 / 4);
        let [across, down] = [reach(self.size.width()), reach(self.size.height())];
        let shifts = (2 * across + 1) * (2 * down + 1) - 1;
        loop {
            let set = below(8);
            let mut drawn = Transformation {
                flip: set & 1 > 0,
                ..Transformation::default()
            };
            if set & 2 > 0 && shifts > 0 {
                // All but (0, 0), which is in the middle.
                let shift = below(shifts as usize) as i32;
                let shift = shift + i32::from(shift >= shifts / 2);
                let wide = 2 * across + 1;
                drawn.shift = [shift % wide - across, shift / wide - down];
            }
            if set & 4 > 0 && !self.recolored.is_empty() {
                drawn.recolor = Some(below(self.recolored.len()));
            }
            if drawn != Transformation::default() {
                return drawn;
            }
        }
    }

    /// Transforms palette indices `[height, width]`. A shift fills with the background, the most frequent colour of the
    /// border.
    pub(crate) fn apply(&self, how: Transformation, indices: &mut [u8]) {
        let width = self.size.width() as usize;
        if how.flip {
            indices.chunks_mut(width).for_each(<[u8]>::reverse);
        }
        if how.shift != [0, 0] {
            let old = indices.to_vec();
            let background = background(&old, width);
            let height = old.len() / width;
            let [right, down] = how.shift.map(|pixels| pixels as isize);
            for (place, index) in indices.iter_mut().enumerate() {
                let x = (place % width).checked_add_signed(-right);
                let y = (place / width).checked_add_signed(-down);
                *index = match (x.filter(|x| *x < width), y.filter(|y| *y < height)) {
                    (Some(x), Some(y)) => old[y * width + x],
                    _ => background,
                };
            }
        }
        if let Some(table) = how.recolor.map(|channels| &self.recolored[channels]) {
            for index in indices {
                *index = table[usize::from(*index)];
            }
        }
    }
}

impl Transformation {
    /// Writes its part of a condition vector, which is zero for none.
    pub(crate) fn tell(self, condition: &mut [f32]) {
        condition.fill(0.0);
        let reach = REACH as usize;
        let (flip, rest) = condition.split_at_mut(1);
        let (shifts, recolored) = rest.split_at_mut(4 * reach);
        flip[0] = f32::from(u8::from(self.flip));
        for (shift, columns) in self.shift.iter().zip(shifts.chunks_mut(2 * reach)) {
            match shift + REACH {
                REACH => {}
                place if place < REACH => columns[place as usize] = 1.0,
                place => columns[place as usize - 1] = 1.0,
            }
        }
        if let Some(channels) = self.recolor {
            recolored[channels] = 1.0;
        }
    }
}

/// The most frequent colour of the border; the lowest index of equally frequent ones.
fn background(indices: &[u8], width: usize) -> u8 {
    let last = indices.len() / width - 1;
    let mut counts = [0_u32; 256];
    for (row, line) in indices.chunks(width).enumerate() {
        if row == 0 || row == last {
            for &index in line {
                counts[usize::from(index)] += 1;
            }
        } else {
            counts[usize::from(line[0])] += 1;
            counts[usize::from(line[width - 1])] += 1;
        }
    }
    let most = counts.iter().max();
    counts
        .iter()
        .position(|count| Some(count) == most)
        .unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn palette() -> Palette {
        let colors = [
            [255; 3],
            [0; 3],
            [250, 0, 0],
            [0, 250, 0],
            [0, 0, 250],
            [90; 3],
        ];
        Palette::new(colors.to_vec()).unwrap()
    }

    fn augmentation(palette: &Palette) -> Augmentation {
        Augmentation::new(Size::new(9, 8).unwrap(), palette, 3)
    }

    fn picture() -> Vec<u8> {
        (0..72).map(|place| (place * place % 6) as u8).collect()
    }

    fn applied(how: Transformation) -> Vec<u8> {
        let mut indices = picture();
        augmentation(&palette()).apply(how, &mut indices);
        indices
    }

    #[test]
    fn it_suits_few_pictures_in_colour() {
        let grey = Palette::new(vec![[0; 3], [90; 3]]).unwrap();
        assert!(Augmentation::suits(4999, &palette()));
        assert!(!Augmentation::suits(5000, &palette()));
        assert!(!Augmentation::suits(100, &grey));
    }

    #[test]
    fn a_transformation_is_a_function_of_seed_epoch_and_picture() {
        let all = |seed| -> Vec<Transformation> {
            let made = Augmentation::new(Size::new(9, 8).unwrap(), &palette(), seed);
            let places = (0..20).flat_map(|epoch| (0..20).map(move |index| (epoch, index)));
            places
                .map(|(epoch, index)| made.draw(epoch, index))
                .collect()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert_ne!(all(1)[..20], all(1)[20..40]);
    }

    #[test]
    fn half_are_none_and_every_shift_and_recolouring_occurs() {
        let made = augmentation(&palette());
        let drawn: Vec<_> = (0..4000).map(|index| made.draw(7, index)).collect();
        let none = drawn
            .iter()
            .filter(|how| **how == Transformation::default());
        assert!((1850..2150).contains(&none.count()));
        for shift in (-2..=2).flat_map(|x| (-2..=2).map(move |y| [x, y])) {
            assert!(drawn.iter().any(|how| how.shift == shift), "{shift:?}");
        }
        for channels in 0..5 {
            assert!(drawn.iter().any(|how| how.recolor == Some(channels)));
        }
    }

    #[test]
    fn none_leaves_the_picture_and_a_second_flip_undoes_the_first() {
        assert_eq!(applied(Transformation::default()), picture());
        let flip = Transformation {
            flip: true,
            ..Transformation::default()
        };
        let mut twice = applied(flip);
        assert_ne!(twice, picture());
        augmentation(&palette()).apply(flip, &mut twice);
        assert_eq!(twice, picture());
    }

    #[test]
    fn a_shift_moves_every_pixel_and_fills_with_the_background() {
        let shifted = applied(Transformation {
            shift: [2, -1],
            ..Transformation::default()
        });
        let background = background(&picture(), 9);
        for y in 0..8 {
            for x in 0..9 {
                let expected = match (x, y) {
                    (2.., ..7) => picture()[(y + 1) * 9 + x - 2],
                    _ => background,
                };
                assert_eq!(shifted[y * 9 + x], expected, "{x}, {y}");
            }
        }
        // Only the border counts.
        let mut framed = vec![4; 72];
        for x in 0..9 {
            (framed[x], framed[63 + x]) = (1, 1);
        }
        assert_eq!(super::background(&framed, 9), 1);
    }

    #[test]
    fn recolouring_exchanges_channels_and_keeps_greys() {
        for (channels, order) in CHANNELS.iter().enumerate() {
            let recolored = applied(Transformation {
                recolor: Some(channels),
                ..Transformation::default()
            });
            for (&old, new) in picture().iter().zip(recolored) {
                let [old, new] = [old, new].map(|index| palette().colors()[usize::from(index)]);
                assert_eq!(new, order.map(|channel| old[channel]));
            }
        }
        let greys = augmentation(&Palette::grey(6).unwrap());
        assert!((0..500).all(|index| greys.draw(0, index).recolor.is_none()));
    }

    #[test]
    fn tiny_pictures_are_flipped_and_recoloured_only() {
        let tiny = Augmentation::new(Size::new(1, 2).unwrap(), &palette(), 3);
        for index in 0..200 {
            let how = tiny.draw(0, index);
            assert_eq!(how.shift, [0, 0]);
            tiny.apply(how, &mut [1, 2]);
        }
    }

    #[test]
    fn the_condition_names_the_transformation_and_is_zero_for_none() {
        let told = |how: Transformation| {
            let mut condition = vec![9.0; Augmentation::COLUMNS];
            how.tell(&mut condition);
            condition
        };
        let none = Transformation::default();
        assert_eq!(told(none), [0.0; Augmentation::COLUMNS]);
        let made = augmentation(&palette());
        let mut drawn: Vec<_> = (0..400).map(|index| made.draw(1, index)).collect();
        drawn.push(none);
        for a in &drawn {
            for b in &drawn {
                assert_eq!(a == b, told(*a) == told(*b), "{a:?} and {b:?}");
            }
        }
    }
}
