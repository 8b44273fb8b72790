/*!
Operations composed of burn's tensor operations, with a backward pass of their own. They run on a GPU where burn's autodiff
alone would be slow.
*/

use std::fmt::Debug;

use burn::backend::Flex;
use burn::prelude::*;

use crate::ops::node;
use crate::ops::node::{Home, NodeOp, Operand, Primitive};

/// An operation on `N` matrices with its own backward pass. No tensor is tracked by autodiff.
pub(super) trait ComposedOp<const N: usize>: Send + Sync + Debug + 'static {
    /// What backward needs from forward.
    type Saved: Send + 'static;

    /// The output, and what backward needs if `train` is set.
    fn forward(&self, inputs: [Tensor<2>; N], train: bool) -> (Tensor<2>, Option<Self::Saved>);

    /// The gradient of each input for which `wanted` is set, given the output's.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: Tensor<2>,
        wanted: [bool; N],
    ) -> [Option<Tensor<2>>; N];
}

/// Runs the operation, as a node of the graph if any input is tracked.
///
/// # Panics
/// If some inputs are on the CPU and others on a GPU.
pub(super) fn apply<const N: usize, O: ComposedOp<N>>(op: O, inputs: [Tensor<2>; N]) -> Tensor<2> {
    #[cfg(feature = "cuda")]
    if let Some(operands) = operands::<burn::backend::Cuda, N>(&inputs) {
        return Home::tensor(node::apply(Composed(op), operands));
    }
    let operands = operands::<Flex, N>(&inputs).expect("all inputs are on one device");
    Flex::tensor(node::apply(Composed(op), operands))
}

fn operands<B: Home, const N: usize>(inputs: &[Tensor<2>; N]) -> Option<[Operand<B>; N]> {
    let operands: Option<Vec<_>> = inputs.iter().map(B::operand).collect();
    operands?.try_into().ok()
}

/// A [`ComposedOp`] over a backend's tensors.
#[derive(Debug)]
struct Composed<O>(O);

fn plain<B: Home>(primitive: Primitive<B>) -> Tensor<2> {
    B::tensor(Operand::Plain(primitive))
}

fn primitive<B: Home>(tensor: &Tensor<2>) -> Primitive<B> {
    match B::operand(tensor) {
        Some(Operand::Plain(primitive)) => primitive,
        _ => unreachable!("results of untracked tensors are untracked and on their device"),
    }
}

impl<B: Home, const N: usize, O: ComposedOp<N>> NodeOp<B, N> for Composed<O> {
    type Saved = O::Saved;

    fn forward(&self, inputs: &[Primitive<B>; N], train: bool) -> (Primitive<B>, Option<O::Saved>) {
        let inputs = inputs.each_ref().map(|input| plain::<B>(input.clone()));
        let (output, saved) = self.0.forward(inputs, train);
        (primitive::<B>(&output), saved)
    }

    fn backward(
        &self,
        saved: O::Saved,
        gradient: Primitive<B>,
        wanted: [bool; N],
    ) -> [Option<Primitive<B>>; N] {
        let gradients = self.0.backward(saved, plain::<B>(gradient), wanted);
        gradients.map(|gradient| Some(primitive::<B>(&gradient?)))
    }
}
