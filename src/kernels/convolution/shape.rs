/*! The sizes of a convolution. */

/// Sizes of a convolution, or of its transpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many pictures there are.
    pub pictures: usize,
    /// Height and width of the wide pictures.
    pub sides: [usize; 2],
    /// Channels of the wide and of the narrow pictures.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Pixels from one place of the kernel to the next.
    pub stride: usize,
    /// Pixels of zeros round the wide pictures.
    pub padding: usize,
}

impl Shape {
    /// Height and width of the narrow pictures.
    ///
    /// # Panics
    /// If the kernel is larger than a picture with its padding.
    pub fn narrow(self) -> [usize; 2] {
        self.sides.map(|side| {
            let room = (side + 2 * self.padding).checked_sub(self.kernel);
            room.expect("the kernel fits into the picture") / self.stride + 1
        })
    }

    /// Floats of a wide and of a narrow picture.
    pub fn floats(self) -> [usize; 2] {
        let ([a, b], [c, d]) = (self.sides, self.narrow());
        [a * b * self.channels[0], c * d * self.channels[1]]
    }

    /// Rows of the weight: the pixels under the kernel, each with its channels.
    pub fn depth(self) -> usize {
        self.kernel * self.kernel * self.channels[0]
    }

    /// Whether it is a dense layer: pictures of one pixel.
    pub(super) fn is_dense(self) -> bool {
        self.sides == [1, 1] && self.kernel == 1 && self.padding == 0
    }

    /// Multiply-adds of a picture.
    pub fn multiply_adds(&self) -> usize {
        let [rows, columns] = self.narrow();
        rows * columns * self.depth() * self.channels[1]
    }

    /// Panics if a slice does not have the size of its pictures or weights.
    pub(super) fn check(self, wide: &[f32], narrow: &[f32], weight: &[f32]) {
        let [of_wide, of_narrow] = self.floats();
        assert_eq!(wide.len(), self.pictures * of_wide, "wide pictures");
        assert_eq!(narrow.len(), self.pictures * of_narrow, "narrow pictures");
        assert_eq!(weight.len(), self.depth() * self.channels[1], "weight");
    }
}
