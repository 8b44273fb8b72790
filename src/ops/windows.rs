/*! Windows of a table, added to the rows of a matrix. */

use burn::prelude::*;

use crate::kernels::buffer::unwritten;
use crate::kernels::windows as kernel;
use crate::ops::composed;
use crate::ops::composed::ComposedOp;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;

/// Adds to column c of row i the table's element (level, C − 1 + c − class), with C columns: what the table says of a class
/// by its distance from another one.
///
/// * `rows`: `[rows, C]`.
/// * `table`: `[levels, 2C − 1]`.
/// * `places`: the level and the class of each row.
pub fn add_windows(rows: Tensor<2>, table: Tensor<2>, places: &[(usize, usize)]) -> Tensor<2> {
    let [_, width] = table.dims();
    let classes = width.div_ceil(2);
    if has_kernels(&rows.device()) {
        let start = |&(level, class): &(usize, usize)| (level * width + classes - 1 - class) as u32;
        let starts = places.iter().map(start).collect();
        let inputs = [fused::input(&rows), fused::input(&table)];
        return fused::apply(Windows { classes, starts }, inputs);
    }
    let place = |&(level, class): &(usize, usize)| (level * classes + class) as i32;
    let places: Vec<i32> = places.iter().map(place).collect();
    let places = Tensor::from_data(
        TensorData::new(places.clone(), [places.len()]),
        &rows.device(),
    );
    composed::apply(ComposedWindows { places }, [rows, table])
}

#[derive(Debug)]
struct Windows {
    classes: usize,
    /// The first element of each row's window in the flattened table.
    starts: Vec<u32>,
}

impl FusedOp<2> for Windows {
    type Saved = ();

    fn shape(&self) -> Vec<usize> {
        vec![self.starts.len(), self.classes]
    }

    fn forward(&self, [rows, table]: [&[f32]; 2], _train: bool) -> (Vec<f32>, Option<()>) {
        let mut out = unwritten(rows.len());
        kernel::forward(rows, table, &self.starts, self.classes, &mut out);
        (out, Some(()))
    }

    fn backward(
        &self,
        [_, table]: [&[f32]; 2],
        (): (),
        gradient: &[f32],
        _wanted: [bool; 2],
    ) -> [Vec<f32>; 2] {
        let mut of_table = vec![0.0; table.len()];
        kernel::backward(gradient, &self.starts, self.classes, &mut of_table);
        [gradient.to_vec(), of_table]
    }
}

/// The composed form.
#[derive(Debug)]
struct ComposedWindows {
    /// level · C + class, for each row.
    places: Tensor<1, Int>,
}

impl ComposedOp<2> for ComposedWindows {
    /// The number of levels.
    type Saved = usize;

    fn forward(&self, [rows, table]: [Tensor<2>; 2], _train: bool) -> (Tensor<2>, Option<usize>) {
        let ([count, classes], [levels, width]) = (rows.dims(), table.dims());
        let places = self.places.clone().inner();
        let device = rows.device();
        let class = places.clone() % classes as i32;
        let level = (places - class.clone()) / classes as i32;
        let starts = level * width as i32 + (class.neg() + (classes as i32 - 1));
        let columns = Tensor::<1, Int>::arange(0..classes as i64, &device).reshape([1, classes]);
        let elements = starts.reshape([count, 1]) + columns;
        let chosen = table
            .reshape([levels * width])
            .select(0, elements.reshape([count * classes]));
        (rows + chosen.reshape([count, classes]), Some(levels))
    }

    fn backward(
        &self,
        levels: usize,
        gradient: Tensor<2>,
        _wanted: [bool; 2],
    ) -> [Option<Tensor<2>>; 2] {
        let ([rows, classes], device) = (gradient.dims(), gradient.device());
        // The sum of the rows of each place, by a product with the one-hot matrix.
        let all = Tensor::<1, Int>::arange(0..(levels * classes) as i64, &device);
        let places = self.places.clone().inner().reshape([1, rows]);
        let one_hot = places.equal(all.reshape([levels * classes, 1])).float();
        let summed = one_hot
            .matmul(gradient.clone())
            .reshape([levels, classes, classes]);
        // The row of class p belongs C − 1 − p elements further right: flipped, each row is shifted one more than the last.
        let flipped = summed.flip([1]);
        let padded = Tensor::cat(
            vec![flipped, Tensor::zeros([levels, classes, classes], &device)],
            2,
        );
        let width = 2 * classes - 1;
        let shifted = padded
            .reshape([levels, 2 * classes * classes])
            .narrow(1, 0, classes * width)
            .reshape([levels, classes, width]);
        [
            Some(gradient),
            Some(shifted.sum_dim(1).reshape([levels, width])),
        ]
    }
}
