/*!
Colours as grey and chroma (ITU-R BT.709, §3). The grey of a picture is kept when it is coloured, so that its chroma is all that a
network has to find.
*/

use burn::prelude::*;

/// The weights of red, green and blue in grey.
const GREY: [f32; 3] = [0.2126, 0.7152, 0.0722];
/// Red, green and blue of each number of chroma: blue less grey and red less grey, each from −1 to 1.
const CHROMA: [[f32; 3]; 2] = [[0.0, -0.187_324, 1.8556], [1.5748, -0.468_124, 0.0]];

/// The grey of pictures `[rows, pixels · 3]`: `[rows, pixels]`.
pub(crate) fn grey_of(pictures: &Tensor<2>) -> Tensor<2> {
    let [rows, numbers] = pictures.dims();
    let weights = TensorData::new(GREY.to_vec(), [3, 1]);
    let weights = Tensor::<2>::from_data(weights, &pictures.device());
    let pixels = pictures.clone().reshape([rows * numbers / 3, 3]);
    pixels.matmul(weights).reshape([rows, numbers / 3])
}

/// Pictures `[rows, pixels · 3]` of greys `[rows, pixels]` and chroma `[rows, pixels · 2]`.
pub(crate) fn coloured(greys: Tensor<2>, chroma: Tensor<2>) -> Tensor<2> {
    let [rows, pixels] = greys.dims();
    let matrix = TensorData::new(CHROMA.concat(), [2, 3]);
    let matrix = Tensor::<2>::from_data(matrix, &greys.device());
    let added = chroma.reshape([rows * pixels, 2]).matmul(matrix);
    let colours = greys.reshape([rows * pixels, 1]) + added;
    colours.reshape([rows, pixels * 3])
}

/// The grey of a colour, from 0 to 255.
pub fn grey_of_color(color: [u8; 3]) -> f32 {
    (0..3).map(|i| GREY[i] * f32::from(color[i])).sum()
}

/// The colour of a grey from 0 to 255 and its chroma. Where no colour has this chroma, it is the one of as much of it as there is.
pub fn color_of(grey: f32, chroma: [f32; 2]) -> [u8; 3] {
    let added = [0, 1, 2].map(|i| 127.5 * (chroma[0] * CHROMA[0][i] + chroma[1] * CHROMA[1][i]));
    let room = |added: f32| match added {
        added if added > 0.0 => (255.0 - grey) / added,
        added if added < 0.0 => -grey / added,
        _ => 1.0,
    };
    let share = added.map(room).into_iter().fold(1.0, f32::min);
    added.map(|added| (grey + share * added).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::values;

    /// The chroma of a colour, by its definition.
    fn chroma([r, g, b]: [u8; 3]) -> [f32; 2] {
        let grey = grey_of_color([r, g, b]);
        [
            (f32::from(b) - grey) / 1.8556,
            (f32::from(r) - grey) / 1.5748,
        ]
        .map(|x| x / 127.5)
    }

    #[test]
    fn grey_and_chroma_give_the_colour_back() {
        for color in [
            [0, 0, 0],
            [255, 255, 255],
            [255, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
            [12, 200, 77],
        ] {
            assert_eq!(color_of(grey_of_color(color), chroma(color)), color);
            assert!(chroma(color).iter().all(|x| x.abs() <= 1.001), "{color:?}");
        }
    }

    #[test]
    fn tensors_and_numbers_agree() {
        let colors = [[12_u8, 200, 77], [255, 0, 3]];
        let device = Device::flex();
        let tensor = |values: Vec<f32>| {
            let width = values.len();
            Tensor::<2>::from_data(TensorData::new(values, [1, width]), &device)
        };
        let small = |x: f32| x / 127.5 - 1.0;
        let pictures = tensor(
            colors
                .as_flattened()
                .iter()
                .map(|&x| small(f32::from(x)))
                .collect(),
        );
        let greys = grey_of(&pictures);
        for (found, color) in values(greys.clone()).iter().zip(colors) {
            assert!((found - small(grey_of_color(color))).abs() < 1e-5);
        }
        let chroma = tensor(colors.map(chroma).concat());
        let back = values(coloured(greys, chroma));
        for (found, right) in back.iter().zip(values(pictures)) {
            assert!((found - right).abs() < 1e-4, "{found} {right}");
        }
    }
}
