/*!
From narrow pictures to wide ones of few channels, such as grey ones.

A row of a product has all taps of a narrow pixel, which are added where they belong: the product's columns fill the registers,
which a few channels would not.
*/

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::Buffer;
use crate::kernels::convolution::shape::Shape;
use crate::kernels::matmul::{Packed, Start, View, product};

/// Wide pictures with fewer channels than a register are written this way.
const FEW: usize = 8;
/// Narrow pixels of one product.
const BLOCK: usize = 256;

/// The weights of a transpose with few wide channels.
pub(super) struct Taps {
    shape: Shape,
    /// `[narrow channels, kernel · kernel · wide channels]`.
    packed: Packed,
}

impl Taps {
    /// `None` where there are many wide channels.
    pub(super) fn of_transpose(
        level: InstructionSet,
        shape: Shape,
        weight: &[f32],
    ) -> Option<Self> {
        let [wide, narrow] = shape.channels;
        (wide < FEW && shape.kernel > 1).then(|| {
            let weight = View::rows(weight, narrow).transposed();
            Self {
                shape,
                packed: Packed::new(level, weight, narrow, shape.depth()),
            }
        })
    }

    /// Writes the wide pictures of some narrow ones: what was added to `bias`, or to zeros.
    pub(super) fn write(
        &self,
        level: InstructionSet,
        narrow: &[f32],
        slope: f32,
        bias: Option<&[f32]>,
        wide: &mut [f32],
    ) {
        let shape = self.shape;
        let ([of_wide, of_narrow], [planes, channels]) = (shape.floats(), shape.channels);
        match bias {
            Some(bias) => wide
                .chunks_exact_mut(planes)
                .for_each(|pixel| pixel.copy_from_slice(bias)),
            None => wide.fill(0.0),
        }
        let depth = shape.depth();
        let mut active = Buffer::any(if slope == 1.0 { 0 } else { BLOCK * channels });
        let mut results = Buffer::any(BLOCK * depth);
        let pixels = of_narrow / channels;
        for (index, narrow) in narrow.chunks(BLOCK * channels).enumerate() {
            let count = narrow.len() / channels;
            let left = if slope == 1.0 {
                narrow
            } else {
                leaky(level, narrow, slope, &mut active[..narrow.len()]);
                &active[..narrow.len()]
            };
            let results = &mut results[..count * depth];
            product(
                View::rows(left, channels),
                count,
                &self.packed,
                results,
                depth,
                Start::Zero,
            );
            for (row, taps) in results.chunks_exact(depth).enumerate() {
                let row = index * BLOCK + row;
                let (picture, pixel) = (row / pixels, row % pixels);
                self.add(pixel, taps, &mut wide[picture * of_wide..][..of_wide]);
            }
        }
    }

    /// Adds the taps of a narrow pixel to a wide picture.
    fn add(&self, pixel: usize, taps: &[f32], picture: &mut [f32]) {
        let shape = self.shape;
        let [height, width] = shape.sides;
        let [_, columns] = shape.narrow();
        let (k, planes) = (shape.kernel, shape.channels[0]);
        let [top, left] = [pixel / columns, pixel % columns].map(|place| place * shape.stride);
        // The columns of the kernel that are inside the picture.
        let first = shape.padding.saturating_sub(left).min(k);
        let last = (width + shape.padding).saturating_sub(left).min(k);
        if first >= last {
            return;
        }
        let x = left + first - shape.padding;
        let rows = taps.chunks_exact(k * planes).enumerate();
        for (place, taps) in rows {
            let Some(y) = (top + place)
                .checked_sub(shape.padding)
                .filter(|&y| y < height)
            else {
                continue;
            };
            let taps = &taps[first * planes..last * planes];
            let to = &mut picture[(y * width + x) * planes..][..taps.len()];
            for (to, tap) in to.iter_mut().zip(taps) {
                *to += tap;
            }
        }
    }
}

multiversion! {
    /// The leaky ReLU.
    pub(super) fn leaky(from: &[f32], slope: f32, to: &mut [f32]) {
        for (to, &x) in to.iter_mut().zip(from) {
            *to = if x > 0.0 { x } else { slope * x };
        }
    }
}
