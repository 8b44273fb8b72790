/*!
The bridge between burn's autodiff and our own CPU kernels: an operation given as a forward and a backward over plain
slices becomes one node of the graph. Used where the tensors lie on burn's CPU backend (Flex); elsewhere every
operation is composed of burn's own.
*/

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::prelude::*;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

type Tracked = <Autodiff<Flex> as burn::backend::BackendTypes>::FloatTensorPrimitive;

/// An operation on `N` float tensors with its own backward, over row-major slices.
pub(crate) trait FusedOp<const N: usize>: Send + Sync + Debug + 'static {
    /// What forward leaves for backward.
    type Saved: Send + 'static;

    /// The shape of the output.
    fn shape(&self) -> Vec<usize>;

    /// The output, and what backward needs where `train` is set.
    fn forward(&self, inputs: [&[f32]; N], train: bool) -> (Vec<f32>, Option<Self::Saved>);

    /// The gradient of each input, given the output's; an input that wants none may be given an empty one.
    fn backward(
        &self,
        inputs: [&[f32]; N],
        saved: Self::Saved,
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Vec<f32>; N];
}

/// A float tensor of any rank, ready for [`apply`].
pub(crate) enum Input {
    /// On an autodiff device.
    Tracked(Tracked),
    /// On a plain device.
    Plain(FlexTensor),
}

#[cfg(test)]
thread_local! {
    /// Makes every operation of this thread take its composed form.
    pub(crate) static COMPOSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The tensor for [`apply`], or `None` where it does not lie on the CPU.
pub(crate) fn input<const D: usize>(tensor: &Tensor<D>) -> Option<Input> {
    #[cfg(test)]
    if COMPOSED.get() {
        return None;
    }
    if tensor.is_autodiff() {
        let tracked = tensor.clone().try_into_primitive::<Autodiff<Flex>>();
        tracked.ok().map(Input::Tracked)
    } else {
        let plain = tensor.clone().try_into_primitive::<Flex>();
        plain.ok().map(Input::Plain)
    }
}

/// Runs the operation, as a node of the graph where any input is tracked.
pub(crate) fn apply<const N: usize, const D: usize, O: FusedOp<N>>(
    op: O,
    inputs: [Input; N],
) -> Tensor<D> {
    if inputs.iter().all(|input| matches!(input, Input::Plain(_))) {
        let tensors = inputs.map(|input| match input {
            Input::Plain(tensor) => tensor.to_contiguous(),
            Input::Tracked(_) => unreachable!("all inputs are plain"),
        });
        let (output, _) = op.forward(slices(&tensors), false);
        return Tensor::from_primitive::<Flex>(flex(output, op.shape()));
    }
    let tracked = inputs.map(|input| match input {
        Input::Tracked(tensor) => tensor,
        Input::Plain(tensor) => Tracked::new(tensor),
    });
    let mut nodes = Vec::with_capacity(N);
    let tensors = tracked.map(|tensor| {
        let (primitive, node) = tensor.into_parts();
        nodes.push(node);
        primitive.to_contiguous()
    });
    let nodes = nodes.try_into().expect("one node an input");
    let op = Arc::new(op);
    let output = match Node(op.clone())
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = op.forward(slices(&tensors), true);
            let output = flex(output, op.shape());
            let saved = saved.expect("forward saves when it trains");
            prepared.finish(
                State {
                    tensors,
                    saved: Arc::new(Mutex::new(Some(saved))),
                },
                output,
            )
        }
        OpsKind::UnTracked(prepared) => {
            let (output, _) = op.forward(slices(&tensors), false);
            prepared.finish(flex(output, op.shape()))
        }
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

fn slices<const N: usize>(tensors: &[FlexTensor; N]) -> [&[f32]; N] {
    tensors.each_ref().map(FlexTensor::storage::<f32>)
}

fn flex(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

struct Node<O>(Arc<O>);

impl<O> Debug for Node<O>
where
    O: Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

struct State<S, const N: usize> {
    tensors: [FlexTensor; N],
    /// Taken by the one backward pass there is, so that its memory can be reused.
    saved: Arc<Mutex<Option<S>>>,
}

impl<S, const N: usize> Clone for State<S, N> {
    fn clone(&self) -> Self {
        Self {
            tensors: self.tensors.clone(),
            saved: self.saved.clone(),
        }
    }
}

impl<S, const N: usize> Debug for State<S, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl<const N: usize, O: FusedOp<N>> Backward<Flex, N> for Node<O> {
    type State = State<O::Saved, N>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let State { tensors, saved } = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let saved = saved.lock().unwrap_or_else(PoisonError::into_inner).take();
        let saved = saved.expect("a graph is walked back once");
        let gradients = self
            .0
            .backward(slices(&tensors), saved, gradient.storage(), wanted);
        for ((parent, tensor), values) in ops.parents.into_iter().zip(&tensors).zip(gradients) {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, flex(values, tensor.shape().to_vec()));
            }
        }
    }
}
