/*!
The CPU kernels for training and, in [`step`], for one step of inference: plain functions over slices with explicit
dimensions, without a tensor library.

* Rows are batch-major: row `b · time + t`.
* Training kernels run on rayon's current pool. The result is deterministic for a given number of threads: the work is
  divided into fixed parts, and sums over rows are added part by part in index order.
* A kernel panics if a slice is too short for the dimensions given.
*/

pub(crate) mod adamw;
pub(crate) mod batch_norm;
pub(crate) mod buffer;
pub(crate) mod convolution;
pub(crate) mod cross_entropy;
pub(crate) mod embedding;
pub(crate) mod gru;
pub(crate) mod linear;
pub(crate) mod lstm;
pub mod matmul;
pub(crate) mod muon;
pub(crate) mod parallel;
pub(crate) mod recurrent;
mod recurrent_cell;
pub(crate) mod registers;
pub(crate) mod step;
#[cfg(test)]
mod testing;
pub(crate) mod wavenet;
pub(crate) mod windows;

pub use recurrent_cell::RecurrentCell;
