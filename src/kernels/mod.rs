/*!
The CPU kernels behind the training operations: plain functions over slices, with explicit dimensions, that know no tensor
library.

* Rows are batch-major: row `b · time + t`.
* Everything runs on rayon's current pool and is deterministic for a given number of threads: work is cut into fixed
  parts, and sums over rows are added part by part in index order.
* A slice too short for the dimensions given is a programming error and panics.
*/

pub mod adamw;
pub mod buffer;
pub mod cross_entropy;
pub mod embedding;
pub mod gru;
pub mod linear;
pub mod lstm;
pub mod matmul;
pub mod parallel;
mod recurrent;
mod recurrent_cell;
pub mod step;
#[cfg(test)]
mod testing;
pub mod wavenet;

pub use recurrent_cell::RecurrentCell;
