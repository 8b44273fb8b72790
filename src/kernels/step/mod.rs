/*!
Fast inference on the CPU: one step of a network in plain arrays, without the training framework.

One file per network, each a [`Stepper`](crate::sequence::Stepper) built from row-major weights. Every output of
every matrix is one chain of fused multiply-adds over its inputs in index order, starting from the bias, so that
the logits have the same bits at any vector width and in any number of lanes; vectors run across outputs, and
several lanes pass over a weight panel together.
*/

pub(crate) mod blocks;
pub(crate) mod delay;
pub(crate) mod gru;
pub(crate) mod int8;
pub(crate) mod lstm;
pub(crate) mod matrix;
mod token_rows;
pub(crate) mod vector;

pub(crate) use token_rows::{Embedding, sum_rows};
