/*!
The operations this program trains with.

Each is one public function on burn tensors. Where the tensors lie on the CPU it runs a hand-written kernel with its own
backward ([`kernels`]); on a card it is composed of burn's operations, with a backward of its own where autodiff's would
be slow. Both are tested against autodiff's.
*/

#[cfg(test)]
mod agreement;
mod composed;
mod cross_entropy;
pub mod device;
mod embedding;
pub(crate) mod fused;
mod linear;
mod node;
mod recurrent;
mod unrolled;
mod wavenet;

pub use cross_entropy::{IGNORED, cross_entropy, nll_per_row};
pub use embedding::embedding;
pub use linear::linear;
pub use recurrent::{GateInput, Recurrence, recurrent};
pub use unrolled::recurrent_step;
pub use wavenet::{ResidualStack, residual_stack};
