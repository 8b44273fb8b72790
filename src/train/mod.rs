/*!
Training: batches, objective, optimizer, the loop.

Nothing here knows a medium. A medium's sequences come in as [`crate::sequence::Sequences`], and go out through a [`Reporter`].
*/

mod batches;
mod fit;
mod objective;
mod optimizer;
mod schedule;

pub use batches::{Batch, Batches, Cut};
pub use fit::{End, FitSettings, Length, Report, Reporter, Standing, Stepped, Training, fit};
pub use objective::{MaximumLikelihood, Objective, likelihood, surprise};
pub use optimizer::{AdamW, OptimizerSettings};
