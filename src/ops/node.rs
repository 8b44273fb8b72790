/*!
Makes an operation with its own backward pass one node of burn's autodiff graph.
*/

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::{Autodiff, Backend, Flex};
use burn::prelude::*;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{self, Ops, OpsKind};

/// A float tensor of backend `B`.
pub(super) type Primitive<B> = <B as burn::backend::BackendTypes>::FloatTensorPrimitive;

/// A float tensor of `B` that autodiff tracks.
type Tracked<B> = <Autodiff<B> as burn::backend::BackendTypes>::FloatTensorPrimitive;

/// An operation on `N` float tensors of backend `B` with its own backward pass.
pub(super) trait NodeOp<B: Backend, const N: usize>: Send + Sync + Debug + 'static {
    /// What backward needs from forward.
    type Saved: Send + 'static;

    /// The output, and what backward needs if `train` is set.
    fn forward(
        &self,
        inputs: &[Primitive<B>; N],
        train: bool,
    ) -> (Primitive<B>, Option<Self::Saved>);

    /// The gradient of each input for which `wanted` is set, given the output's.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: Primitive<B>,
        wanted: [bool; N],
    ) -> [Option<Primitive<B>>; N];
}

/// A float tensor of any rank on backend `B`.
pub(super) enum Operand<B: Backend> {
    /// On an autodiff device.
    Tracked(Tracked<B>),
    /// On a plain device.
    Plain(Primitive<B>),
}

/// A backend on which these operations run.
pub(super) trait Home: Backend {
    /// The tensor for [`apply`], or `None` if it belongs to another backend.
    fn operand<const D: usize>(tensor: &Tensor<D>) -> Option<Operand<Self>>;

    /// The result of [`apply`] as a tensor.
    fn tensor<const D: usize>(operand: Operand<Self>) -> Tensor<D>;
}

macro_rules! home {
    ($backend:ty) => {
        impl Home for $backend {
            fn operand<const D: usize>(tensor: &Tensor<D>) -> Option<Operand<Self>> {
                let tensor = tensor.clone();
                if tensor.is_autodiff() {
                    let tracked = tensor.try_into_primitive::<Autodiff<Self>>();
                    tracked.ok().map(Operand::Tracked)
                } else {
                    let plain = tensor.try_into_primitive::<Self>();
                    plain.ok().map(Operand::Plain)
                }
            }

            fn tensor<const D: usize>(operand: Operand<Self>) -> Tensor<D> {
                match operand {
                    Operand::Tracked(tensor) => Tensor::from_primitive::<Autodiff<Self>>(tensor),
                    Operand::Plain(tensor) => Tensor::from_primitive::<Self>(tensor),
                }
            }
        }
    };
}

home!(Flex);
#[cfg(feature = "cuda")]
home!(burn::backend::Cuda);

/// Runs the operation, as a node of the graph if any input is tracked.
pub(super) fn apply<B: Backend, const N: usize, O: NodeOp<B, N>>(
    op: O,
    inputs: [Operand<B>; N],
) -> Operand<B> {
    if inputs
        .iter()
        .all(|input| matches!(input, Operand::Plain(_)))
    {
        let tensors = inputs.map(|input| match input {
            Operand::Plain(tensor) => tensor,
            Operand::Tracked(_) => unreachable!("all inputs are plain"),
        });
        return Operand::Plain(op.forward(&tensors, false).0);
    }
    let tracked = inputs.map(|input| match input {
        Operand::Tracked(tensor) => tensor,
        Operand::Plain(tensor) => Tracked::<B>::new(tensor),
    });
    let mut nodes = Vec::with_capacity(N);
    let tensors = tracked.map(|tensor| {
        let (primitive, node) = tensor.into_parts();
        nodes.push(node);
        primitive
    });
    let nodes = nodes.try_into().expect("one node per input");
    let op = Arc::new(op);
    let prepared = ops::Backward::prepare::<NoCheckpointing>(Node(op.clone()), nodes);
    Operand::Tracked(match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = op.forward(&tensors, true);
            let saved = saved.expect("forward saves when it trains");
            prepared.finish(State(Arc::new(Mutex::new(Some(saved)))), output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(op.forward(&tensors, false).0),
    })
}

struct Node<O>(Arc<O>);

impl<O: Debug> Debug for Node<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What forward saved. The only backward pass takes it, so that its memory can be reused.
struct State<S>(Arc<Mutex<Option<S>>>);

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Debug for State<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl<B: Backend, const N: usize, O: NodeOp<B, N>> ops::Backward<B, N> for Node<O> {
    type State = State<O::Saved>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let State(saved) = ops.state;
        let saved = saved.lock().unwrap_or_else(PoisonError::into_inner).take();
        let saved = saved.expect("a graph runs backward once");
        let gradients = self.0.backward(saved, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}
