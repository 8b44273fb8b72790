/*!
Convolutions of pictures and their transposes, forward and backward.

A picture is rows of pixels, and a pixel is its channels (NHWC). A convolution reads wide pictures and writes narrow ones; its
transpose goes the other way with the same weights, and each is the other's gradient of the input. The pixels that a block
of results is computed from are gathered, so that each is one product of matrices; a transpose of stride s is s² of them,
without zeros between the pixels.
*/

mod dense;
mod patches;
mod shape;
mod taps;

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::{Buffer, unwritten};
use crate::kernels::linear::add_columns;
use crate::kernels::matmul::{Packed, Start, View, add_outer, product};
use crate::kernels::parallel::{add_in_order, carve, each, part, parts};
use patches::Phase;
pub use shape::Shape;
use std::ops::Range;
use taps::{Taps, leaky};

/// Floats of the gathered pixels of a block: half of a usual second-level cache.
const BLOCK: usize = 1 << 16;

/// The gradients of an operation; one that was not asked for is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradients {
    /// As the input.
    pub input: Vec<f32>,
    /// `[kernel · kernel · wide channels, narrow channels]`.
    pub weight: Vec<f32>,
    /// One for each channel of the output.
    pub bias: Vec<f32>,
}

/// Writes `f(input) ∗ weight + bias` to `output`, where f is the leaky ReLU with this slope; 1 leaves the input as it is.
///
/// * `input`: wide pictures; `weight`: `[kernel · kernel · wide channels, narrow channels]`, rows by row, column and
///   channel; `bias`: `[narrow channels]`; `output`: narrow pictures.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn forward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    slope: f32,
    output: &mut [f32],
) {
    shape.check(input, output, weight);
    let level = InstructionSet::detect();
    let [wide, narrow] = shape.channels;
    if shape.is_dense() {
        let right = View::rows(weight, narrow);
        let sizes = [shape.pictures, wide, narrow];
        let active = active(level, input, slope);
        let input = active.as_deref().unwrap_or(input);
        dense::product(level, input, right, sizes, Some(bias), output);
        return;
    }
    let phases = [convolution(level, shape, weight)];
    write(
        level,
        shape.pictures,
        &phases,
        input,
        slope,
        Start::Row(bias),
        output,
    );
}

/// The gradients of all arguments of [`forward`], given that of the output; of the input and of the weight and bias only
/// where they are wanted.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn backward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    slope: f32,
    gradient: &[f32],
    [want_input, want_weight]: [bool; 2],
) -> Gradients {
    shape.check(input, gradient, weight);
    let level = InstructionSet::detect();
    let [wide, narrow] = shape.channels;
    let sizes = [shape.pictures, wide, narrow];
    let mut gradients = if want_weight {
        let sums = if shape.is_dense() {
            let active = active(level, input, slope);
            let input = active.as_deref().unwrap_or(input);
            dense::weight_gradient(level, input, gradient, sizes)
        } else {
            weight_gradient(level, shape, input, slope, gradient, 1.0, None)
        };
        let bias = column_sums(level, gradient, shape.channels[1]);
        Gradients {
            weight: sums,
            bias,
            ..Gradients::default()
        }
    } else {
        Gradients::default()
    };
    if want_input {
        let mut of_input = unwritten(input.len());
        if shape.is_dense() {
            let right = View::rows(weight, narrow).transposed();
            let sizes = [shape.pictures, narrow, wide];
            dense::product(level, gradient, right, sizes, None, &mut of_input);
        } else {
            write_transpose(level, shape, weight, gradient, 1.0, None, &mut of_input);
        }
        slope_of(input, slope, &mut of_input);
        gradients.input = of_input;
    }
    gradients
}

/// As [`forward`], transposed: from narrow pictures to wide ones, with the same weight and a bias of `[wide channels]`.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn transposed_forward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    slope: f32,
    output: &mut [f32],
) {
    shape.check(output, input, weight);
    let level = InstructionSet::detect();
    let [wide, narrow] = shape.channels;
    if shape.is_dense() {
        let right = View::rows(weight, narrow).transposed();
        let sizes = [shape.pictures, narrow, wide];
        let active = active(level, input, slope);
        let input = active.as_deref().unwrap_or(input);
        dense::product(level, input, right, sizes, Some(bias), output);
        return;
    }
    write_transpose(level, shape, weight, input, slope, Some(bias), output);
}

/// The gradients of all arguments of [`transposed_forward`], as [`backward`].
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn transposed_backward(
    shape: Shape,
    input: &[f32],
    weight: &[f32],
    slope: f32,
    gradient: &[f32],
    [want_input, want_weight]: [bool; 2],
) -> Gradients {
    shape.check(gradient, input, weight);
    let level = InstructionSet::detect();
    let mut of_input = if want_input {
        unwritten(input.len())
    } else {
        Vec::new()
    };
    let mut gradients = Gradients::default();
    let [wide, narrow] = shape.channels;
    let sizes = [shape.pictures, wide, narrow];
    if shape.is_dense() {
        if want_weight {
            let active = active(level, input, slope);
            let input = active.as_deref().unwrap_or(input);
            gradients.weight = dense::weight_gradient(level, gradient, input, sizes);
            gradients.bias = column_sums(level, gradient, wide);
        }
        if want_input {
            let right = View::rows(weight, narrow);
            dense::product(level, gradient, right, sizes, None, &mut of_input);
        }
    } else if want_weight {
        let also = want_input.then_some((weight, &mut of_input[..]));
        gradients.weight = weight_gradient(level, shape, gradient, 1.0, input, slope, also);
        gradients.bias = column_sums(level, gradient, shape.channels[0]);
    } else if want_input {
        let phases = [convolution(level, shape, weight)];
        write(
            level,
            shape.pictures,
            &phases,
            gradient,
            1.0,
            Start::Zero,
            &mut of_input,
        );
    }
    slope_of(input, slope, &mut of_input);
    gradients.input = of_input;
    gradients
}

/// Writes the wide pictures of narrow ones.
fn write_transpose(
    level: InstructionSet,
    shape: Shape,
    weight: &[f32],
    narrow: &[f32],
    slope: f32,
    bias: Option<&[f32]>,
    wide: &mut [f32],
) {
    let Some(taps) = Taps::of_transpose(level, shape, weight) else {
        let phases = Phase::of_transpose(level, shape, weight);
        let start = bias.map_or(Start::Zero, Start::Row);
        write(level, shape.pictures, &phases, narrow, slope, start, wide);
        return;
    };
    let [of_wide, of_narrow] = shape.floats();
    let shares = shares(shape.pictures);
    each(pieces(wide, &shares, of_wide), |index, wide| {
        let own = &shares[index];
        let narrow = &narrow[own.start * of_narrow..own.end * of_narrow];
        taps.write(level, narrow, slope, bias, wide);
    });
}

fn convolution(level: InstructionSet, shape: Shape, weight: &[f32]) -> (Phase, Packed) {
    let columns = shape.channels[1];
    let packed = Packed::new(level, View::rows(weight, columns), shape.depth(), columns);
    (Phase::of_convolution(shape), packed)
}

/// The input after the leaky ReLU; `None` where that leaves it as it is.
fn active(level: InstructionSet, input: &[f32], slope: f32) -> Option<Buffer> {
    (slope != 1.0).then(|| {
        let mut active = Buffer::any(input.len());
        leaky(level, input, slope, &mut active);
        active
    })
}

/// The pictures of each thread.
fn shares(pictures: usize) -> Vec<Range<usize>> {
    (0..parts())
        .map(|index| part(pictures, parts(), index))
        .collect()
}

/// The pieces of some pictures that belong to each thread.
fn pieces<'a>(
    pictures: &'a mut [f32],
    shares: &[Range<usize>],
    floats: usize,
) -> Vec<&'a mut [f32]> {
    carve(
        pictures,
        shares
            .iter()
            .map(|own| own.start * floats..own.end * floats),
    )
}

/// Rows of a block, whose gathered pixels fit into [`BLOCK`].
fn block(depth: usize) -> usize {
    (BLOCK / depth.max(1)).clamp(16, 1024)
}

/// Ranges of at most [`block`] rows, of nearly equal length.
fn blocks(rows: usize, depth: usize) -> impl Iterator<Item = Range<usize>> {
    let count = rows.div_ceil(block(depth));
    (0..count).map(move |index| part(rows, count, index))
}

/// Writes each phase of the output: what it gathers times its weights.
fn write(
    level: InstructionSet,
    pictures: usize,
    phases: &[(Phase, Packed)],
    input: &[f32],
    slope: f32,
    start: Start,
    output: &mut [f32],
) {
    if pictures == 0 {
        return;
    }
    let of_input = input.len() / pictures;
    let of_output = output.len() / pictures;
    let shares = shares(pictures);
    let outputs = pieces(output, &shares, of_output);
    each(outputs, |index, output| {
        let own = &shares[index];
        let input = &input[own.start * of_input..own.end * of_input];
        for (phase, weights) in phases {
            write_phase(
                level,
                own.len(),
                phase,
                weights,
                input,
                slope,
                start,
                output,
            );
        }
    });
}

#[allow(clippy::too_many_arguments)]
fn write_phase(
    level: InstructionSet,
    pictures: usize,
    phase: &Phase,
    weights: &Packed,
    input: &[f32],
    slope: f32,
    start: Start,
    output: &mut [f32],
) {
    let (depth, stride, channels) = (phase.depth(), phase.stride(), weights.columns());
    let mut patches = Buffer::any(block(depth) * stride);
    let mut results = Buffer::any(if phase.step == 1 {
        0
    } else {
        block(depth) * channels
    });
    let of_picture = output.len().checked_div(pictures).unwrap_or(0);
    for rows in blocks(pictures * phase.pixels(), depth) {
        let count = rows.len();
        phase.gather(
            level,
            input,
            rows.clone(),
            slope,
            &mut patches[..count * stride],
        );
        let left = View::rows(&patches, stride);
        if phase.step == 1 {
            let output = &mut output[rows.start * channels..rows.end * channels];
            product(left, count, weights, output, channels, start);
            continue;
        }
        let results = &mut results[..count * channels];
        product(left, count, weights, results, channels, start);
        phase.scatter(rows, results, channels, of_picture, output);
    }
}

/// The gradient of the weight: patches of the wide pictures times the narrow ones, each after its leaky ReLU. Writes the
/// convolution of the wide pictures with a weight, where one is given, from the same patches.
fn weight_gradient(
    level: InstructionSet,
    shape: Shape,
    wide: &[f32],
    wide_slope: f32,
    narrow: &[f32],
    narrow_slope: f32,
    also: Option<(&[f32], &mut [f32])>,
) -> Vec<f32> {
    let (depth, columns) = (shape.depth(), shape.channels[1]);
    let phase = Phase::of_convolution(shape);
    let [of_wide, of_narrow] = shape.floats();
    let shares = shares(shape.pictures);
    let mut sums: Vec<Buffer> = shares
        .iter()
        .map(|_| Buffer::zeros(depth * columns))
        .collect();
    let (packed, outputs) = match also {
        None => (None, shares.iter().map(|_| None).collect()),
        Some((weight, output)) => {
            let packed = Packed::new(level, View::rows(weight, columns), depth, columns);
            let outputs = pieces(output, &shares, of_narrow);
            (
                Some(packed),
                outputs.into_iter().map(Some).collect::<Vec<_>>(),
            )
        }
    };
    each(
        sums.iter_mut().zip(outputs).collect(),
        |index, (sum, mut output): (&mut Buffer, Option<&mut [f32]>)| {
            let own = &shares[index];
            let wide = &wide[own.start * of_wide..own.end * of_wide];
            let narrow = &narrow[own.start * of_narrow..own.end * of_narrow];
            let stride = phase.stride();
            let mut patches = Buffer::any(block(depth) * stride);
            let mut active = Buffer::any(if narrow_slope == 1.0 {
                0
            } else {
                block(depth) * columns
            });
            for rows in blocks(own.len() * phase.pixels(), depth) {
                let count = rows.len();
                let range = rows.start * columns..rows.end * columns;
                phase.gather(
                    level,
                    wide,
                    rows,
                    wide_slope,
                    &mut patches[..count * stride],
                );
                let left = View::rows(&patches, stride);
                if let (Some(packed), Some(output)) = (&packed, &mut output) {
                    product(
                        left,
                        count,
                        packed,
                        &mut output[range.clone()],
                        columns,
                        Start::Zero,
                    );
                }
                let narrow = &narrow[range];
                let right = if narrow_slope == 1.0 {
                    narrow
                } else {
                    leaky(level, narrow, narrow_slope, &mut active[..narrow.len()]);
                    &active[..narrow.len()]
                };
                add_outer(
                    level,
                    left,
                    View::rows(right, columns),
                    count,
                    depth,
                    columns,
                    sum,
                    columns,
                );
            }
        },
    );
    let mut total = vec![0.0; depth * columns];
    add_in_order(
        &mut total,
        &sums.iter().map(|sum| &**sum).collect::<Vec<_>>(),
    );
    total
}

/// The sum of each channel.
fn column_sums(level: InstructionSet, rows: &[f32], channels: usize) -> Vec<f32> {
    let count = rows.len() / channels.max(1);
    let shares: Vec<Range<usize>> = shares(count);
    let mut sums = vec![vec![0.0; channels]; shares.len()];
    each(sums.iter_mut().collect(), |index, sums: &mut Vec<f32>| {
        let own = &shares[index];
        add_columns(level, &rows[own.start * channels..own.end * channels], sums);
    });
    let mut total = vec![0.0; channels];
    add_in_order(
        &mut total,
        &sums.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    );
    total
}

/// Multiplies a gradient by the slope of the leaky ReLU at the input.
pub fn slope_of(input: &[f32], slope: f32, gradient: &mut [f32]) {
    if slope == 1.0 || gradient.is_empty() {
        return;
    }
    let level = InstructionSet::detect();
    let shares = shares(input.len());
    let gradients = pieces(gradient, &shares, 1);
    each(gradients, |index, gradient| {
        scale(level, &input[shares[index].clone()], slope, gradient);
    });
}

multiversion! {
    fn scale(input: &[f32], slope: f32, gradient: &mut [f32]) {
        for (g, &x) in gradient.iter_mut().zip(input) {
            *g = if x > 0.0 { *g } else { slope * *g };
        }
    }
}

#[cfg(test)]
mod tests;
