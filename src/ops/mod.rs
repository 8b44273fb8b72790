/*!
The operations that networks train with: one public function on burn tensors each.

On the CPU an operation runs a hand-written kernel with its own backward pass (its fused form, over
[`kernels`](crate::kernels)). On a GPU it is composed of burn's operations (its composed form), with a backward pass of its
own where autodiff would be slow. The tests compare both forms with autodiff.
*/

#[cfg(test)]
mod agreement;
mod batch_norm;
mod composed;
mod convolution;
mod cross_entropy;
pub mod device;
mod embedding;
pub(crate) mod form;
pub(crate) mod fused;
mod late_scales;
mod leaky_relu;
mod linear;
mod node;
mod recurrence;
mod recurrent;
mod unrolled;
mod wavenet;
mod windows;

pub use batch_norm::{batch_norm, batch_statistics};
pub use convolution::{ConvolutionShape, convolution, transposed_convolution};
pub use cross_entropy::{IGNORED, cross_entropy, cross_entropy_of_sequences, nll_per_row};
pub use embedding::embedding;
pub use late_scales::LateScales;
pub use leaky_relu::leaky_relu_gradient;
pub use linear::linear;
pub use recurrence::{GateInput, Recurrence};
pub use recurrent::recurrent;
pub use unrolled::recurrent_step;
pub use wavenet::{ResidualStack, residual_stack};
pub use windows::add_windows;
