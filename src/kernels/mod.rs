/*!
The CPU kernels for training and, in [`step`], for one step of inference: plain functions over slices with explicit
dimensions, without a tensor library.

* Rows are batch-major: row `b · time + t`.
* Training kernels run on rayon's current pool. The result is deterministic for a given number of threads: the work is
  divided into fixed parts, and sums over rows are added part by part in index order.
* A kernel panics if a slice is too short for the dimensions given.
*/

pub mod adamw;
pub mod buffer;
pub mod cross_entropy;
pub mod embedding;
pub(crate) mod gru;
pub mod linear;
pub(crate) mod lstm;
pub mod matmul;
pub mod parallel;
pub(crate) mod recurrent;
pub(crate) mod registers;
pub mod step;
#[cfg(test)]
mod testing;
pub mod wavenet;
