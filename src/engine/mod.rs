/*!
Fast inference on the CPU: one step of a network in plain arrays, without the training framework.

One file per network, each a [`Stepper`](crate::sequence::Stepper) built from row-major weights. Every output of
every matrix is one chain of fused multiply-adds over its inputs in index order, starting from the bias, so that
the logits have the same bits at any vector width and in any number of lanes; vectors run across outputs, and
several lanes pass over a weight panel together.
*/

mod blocks;
mod calibration;
mod delay;
mod embedding;
mod gru;
mod int8;
#[cfg(test)]
mod laws;
mod lstm;
mod matrix;
mod recurrent;
mod vector;
mod wavenet;
mod wavenet_int8;
mod weights;

pub use calibration::Calibration;
pub use embedding::Embedding;
pub use recurrent::{Cell, RecurrentEngine, RecurrentLayer, RecurrentWeights};
pub use wavenet::{WaveNetEngine, WaveNetWeights};
pub use wavenet_int8::WaveNetInt8Engine;
