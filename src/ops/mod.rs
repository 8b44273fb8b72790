/*!
The operations this program trains with.

Each is one public function on burn tensors. Where the tensors lie on the CPU it runs a hand-written kernel with its own
backward ([`kernels`]); on any other device it is composed of burn's operations. The composed form is also
the reference the kernels are tested against.
*/

#[cfg(test)]
mod agreement;
mod cross_entropy;
mod embedding;
pub(crate) mod fused;
pub mod kernels;
mod linear;
mod recurrent;
mod wavenet;

pub use cross_entropy::{IGNORED, cross_entropy, surprise_of_rows};
pub use embedding::embedding;
pub use linear::linear;
pub use recurrent::{Cell, GateInput, recurrent};
pub use wavenet::{ResidualStack, residual_stack};
