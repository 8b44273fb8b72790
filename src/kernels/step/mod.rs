/*!
One step of inference on the CPU, for several lanes (sequences) together: what the steppers of the networks are made of.

Every output of a matrix is one chain of fused multiply-adds over its inputs in index order, starting from the bias. So the
logits have the same bits at any vector width and for any number of lanes. Vectors run across outputs, and several lanes
share a pass over a panel of weights.
*/

pub(crate) mod blocks;
pub(crate) mod delay;
mod embedding;
pub(crate) mod int8;
pub(crate) mod matrix;

pub(crate) use embedding::{Embedding, sum_rows};
