/*!
Operations as hand-written CPU kernels: a forward and a backward pass over plain slices, for tensors of burn's CPU backend
(Flex).
*/

use std::fmt::Debug;

use burn::backend::{Flex, TensorMetadata};
use burn::prelude::*;
use burn_flex::FlexTensor;

use crate::ops::node;
use crate::ops::node::{Home, NodeOp, Operand};

/// An operation on `N` float tensors with its own backward pass, over row-major slices.
pub(crate) trait FusedOp<const N: usize>: Send + Sync + Debug + 'static {
    /// What backward needs from forward.
    type Saved: Send + 'static;

    /// The shape of the output.
    fn shape(&self) -> Vec<usize>;

    /// The output, and what backward needs if `train` is set.
    fn forward(&self, inputs: [&[f32]; N], train: bool) -> (Vec<f32>, Option<Self::Saved>);

    /// The gradient of each input, given the output's. It may be empty for an input for which `wanted` is not set.
    fn backward(
        &self,
        inputs: [&[f32]; N],
        saved: Self::Saved,
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Vec<f32>; N];
}

/// The tensor for [`apply`].
///
/// # Panics
/// If it is not on the CPU.
pub(super) fn input<const D: usize>(tensor: &Tensor<D>) -> Operand<Flex> {
    Flex::operand(tensor).expect("all inputs are on the CPU")
}

/// Runs the operation, as a node of the graph if any input is tracked.
pub(super) fn apply<const N: usize, const D: usize, O: FusedOp<N>>(
    op: O,
    inputs: [Operand<Flex>; N],
) -> Tensor<D> {
    Flex::tensor(node::apply(Slices(op), inputs))
}

/// A [`FusedOp`] over tensors.
#[derive(Debug)]
struct Slices<O>(O);

fn slices<const N: usize>(tensors: &[FlexTensor; N]) -> [&[f32]; N] {
    tensors.each_ref().map(FlexTensor::storage::<f32>)
}

fn flex(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

impl<const N: usize, O: FusedOp<N>> NodeOp<Flex, N> for Slices<O> {
    /// What the kernel saved, and its inputs made contiguous.
    type Saved = (O::Saved, [FlexTensor; N]);

    fn forward(&self, inputs: &[FlexTensor; N], train: bool) -> (FlexTensor, Option<Self::Saved>) {
        let rows = inputs.each_ref().map(FlexTensor::to_contiguous);
        let (output, saved) = self.0.forward(slices(&rows), train);
        (
            flex(output, self.0.shape()),
            saved.map(|saved| (saved, rows)),
        )
    }

    fn backward(
        &self,
        (saved, rows): Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let gradient = gradient.to_contiguous();
        let gradients = self
            .0
            .backward(slices(&rows), saved, gradient.storage(), wanted);
        let mut rows = rows.iter().zip(wanted);
        gradients.map(|values| {
            let (input, wanted) = rows.next().expect("one gradient per input");
            wanted.then(|| flex(values, input.shape().to_vec()))
        })
    }
}
