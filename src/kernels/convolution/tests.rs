use super::*;
use crate::kernels::testing::{close, noise};

/// Odd and even sides, kernels, strides and paddings; a kernel smaller than its stride; one channel and many; dense
/// layers.
const SHAPES: [Shape; 9] = [
    shape(2, [7, 5], [3, 4], 3, 1, 1),
    shape(3, [8, 8], [1, 17], 4, 2, 1),
    shape(1, [7, 9], [5, 1], 4, 2, 1),
    shape(2, [6, 7], [2, 3], 5, 3, 2),
    shape(1, [5, 5], [2, 2], 1, 2, 0),
    shape(5, [28, 28], [8, 32], 4, 2, 1),
    shape(2, [4, 4], [64, 33], 4, 1, 0),
    shape(70, [1, 1], [130, 41], 1, 1, 0),
    shape(3, [1, 1], [3, 150], 1, 1, 0),
];

const fn shape(
    pictures: usize,
    sides: [usize; 2],
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Shape {
    Shape {
        pictures,
        sides,
        channels,
        kernel,
        stride,
        padding,
    }
}

/// Calls `at(wide index, narrow index, weight index)` for every product of a convolution.
fn products(shape: Shape, mut at: impl FnMut(usize, usize, usize)) {
    let ([height, width], [rows, columns]) = (shape.sides, shape.narrow());
    let [wide, narrow] = shape.channels;
    for picture in 0..shape.pictures {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            for (ky, kx) in (0..shape.kernel).flat_map(|y| (0..shape.kernel).map(move |x| (y, x))) {
                let (y, x) = (i * shape.stride + ky, j * shape.stride + kx);
                let inside = y
                    .checked_sub(shape.padding)
                    .zip(x.checked_sub(shape.padding));
                let Some((y, x)) = inside.filter(|&(y, x)| y < height && x < width) else {
                    continue;
                };
                for (c, o) in (0..wide).flat_map(|c| (0..narrow).map(move |o| (c, o))) {
                    at(
                        ((picture * height + y) * width + x) * wide + c,
                        ((picture * rows + i) * columns + j) * narrow + o,
                        ((ky * shape.kernel + kx) * wide + c) * narrow + o,
                    );
                }
            }
        }
    }
}

fn active(x: f32, slope: f32) -> f64 {
    f64::from(if x > 0.0 { x } else { slope * x })
}

fn derivative(x: f32, slope: f32) -> f64 {
    if x > 0.0 { 1.0 } else { f64::from(slope) }
}

fn sums(gradient: &[f32], channels: usize) -> Vec<f64> {
    let mut sums = vec![0.0; channels];
    for (index, &g) in gradient.iter().enumerate() {
        sums[index % channels] += f64::from(g);
    }
    sums
}

#[test]
fn convolutions_and_their_gradients_are_those_of_the_definition() {
    for shape in SHAPES {
        let [of_wide, of_narrow] = shape.floats().map(|floats| floats * shape.pictures);
        let (wide, narrow) = (noise(1, of_wide), noise(2, of_narrow));
        let weight = noise(3, shape.depth() * shape.channels[1]);
        for slope in [1.0, 0.2, 0.0] {
            let bias = noise(4, shape.channels[1]);
            let mut expected: Vec<f64> = (0..of_narrow)
                .map(|i| f64::from(bias[i % bias.len()]))
                .collect();
            let mut of_input = vec![0.0; of_wide];
            let mut of_weight = vec![0.0; weight.len()];
            products(shape, |x, y, w| {
                expected[y] += active(wide[x], slope) * f64::from(weight[w]);
                of_input[x] +=
                    f64::from(narrow[y]) * f64::from(weight[w]) * derivative(wide[x], slope);
                of_weight[w] += active(wide[x], slope) * f64::from(narrow[y]);
            });
            let mut output = vec![0.0; of_narrow];
            forward(shape, &wide, &weight, &bias, slope, &mut output);
            close(&output, &expected, 1e-5, "convolution");
            let found = backward(shape, &wide, &weight, slope, &narrow, [true, true]);
            close(&found.input, &of_input, 1e-5, "input");
            close(&found.weight, &of_weight, 1e-5, "weight");
            close(&found.bias, &sums(&narrow, shape.channels[1]), 1e-5, "bias");
            let some = backward(shape, &wide, &weight, slope, &narrow, [true, false]);
            assert_eq!(
                some,
                Gradients {
                    input: found.input,
                    ..Gradients::default()
                }
            );
        }
    }
}

#[test]
fn transposed_convolutions_and_their_gradients_are_those_of_the_definition() {
    for shape in SHAPES {
        let [of_wide, of_narrow] = shape.floats().map(|floats| floats * shape.pictures);
        let (wide, narrow) = (noise(1, of_wide), noise(2, of_narrow));
        let weight = noise(3, shape.depth() * shape.channels[1]);
        for slope in [1.0, 0.2, 0.0] {
            let bias = noise(4, shape.channels[0]);
            let mut expected: Vec<f64> = (0..of_wide)
                .map(|i| f64::from(bias[i % bias.len()]))
                .collect();
            let mut of_input = vec![0.0; of_narrow];
            let mut of_weight = vec![0.0; weight.len()];
            products(shape, |x, y, w| {
                expected[x] += active(narrow[y], slope) * f64::from(weight[w]);
                of_input[y] +=
                    f64::from(wide[x]) * f64::from(weight[w]) * derivative(narrow[y], slope);
                of_weight[w] += active(narrow[y], slope) * f64::from(wide[x]);
            });
            let mut output = vec![0.0; of_wide];
            transposed_forward(shape, &narrow, &weight, &bias, slope, &mut output);
            close(&output, &expected, 1e-5, "transposed");
            let found = transposed_backward(shape, &narrow, &weight, slope, &wide, [true, true]);
            close(&found.input, &of_input, 1e-5, "input");
            close(&found.weight, &of_weight, 1e-5, "weight");
            close(&found.bias, &sums(&wide, shape.channels[0]), 1e-5, "bias");
            let some = transposed_backward(shape, &narrow, &weight, slope, &wide, [true, false]);
            assert_eq!(
                some,
                Gradients {
                    input: found.input,
                    ..Gradients::default()
                }
            );
        }
    }
}

#[test]
fn each_picture_is_computed_as_if_it_were_alone() {
    let all = SHAPES[5];
    let one = Shape { pictures: 1, ..all };
    let [of_wide, of_narrow] = one.floats();
    let wide = noise(1, all.pictures * of_wide);
    let (weight, bias) = (
        noise(3, all.depth() * all.channels[1]),
        noise(4, all.channels[1]),
    );
    let mut together = vec![0.0; all.pictures * of_narrow];
    forward(all, &wide, &weight, &bias, 0.2, &mut together);
    for (together, wide) in together.chunks(of_narrow).zip(wide.chunks(of_wide)) {
        let mut alone = vec![0.0; of_narrow];
        forward(one, wide, &weight, &bias, 0.2, &mut alone);
        assert_eq!(alone, together);
    }
}
