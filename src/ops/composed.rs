/*!
Operations composed of burn's own tensor operations, with a backward of our own: what runs on a card, where burn's
autodiff alone would take too long.
*/

use std::fmt::Debug;

use burn::backend::Flex;
use burn::prelude::*;

use crate::ops::node;
use crate::ops::node::{Home, NodeOp, Operand, Primitive};

/// An operation on `N` matrices with its own backward. All tensors are plain ones.
pub(super) trait ComposedOp<const N: usize>: Send + Sync + Debug + 'static {
    /// What forward leaves for backward.
    type Saved: Send + 'static;

    /// The output, and what backward needs where `train` is set.
    fn forward(&self, inputs: [Tensor<2>; N], train: bool) -> (Tensor<2>, Option<Self::Saved>);

    /// The gradient of each input that wants one, given the output's.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: Tensor<2>,
        wanted: [bool; N],
    ) -> [Option<Tensor<2>>; N];
}

/// Runs the operation, as a node of the graph where any input is tracked.
///
/// # Panics
/// If the inputs do not all lie on the CPU or all on a card.
pub(super) fn apply<const N: usize, O: ComposedOp<N>>(op: O, inputs: [Tensor<2>; N]) -> Tensor<2> {
    #[cfg(feature = "cuda")]
    if let Some(operands) = operands::<burn::backend::Cuda, N>(&inputs) {
        return Home::tensor(node::apply(Composed(op), operands));
    }
    let operands = operands::<Flex, N>(&inputs).expect("tensors on one known device");
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
        _ => unreachable!("what is made of plain tensors is plain, and where they are"),
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
