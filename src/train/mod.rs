/*!
Training: batches, objective, optimizer, the loop.

Nothing here knows a medium. A medium's sequences come in as [`crate::sequence::Sequences`], and go out through a [`Reporter`].
*/

mod ahead;
mod batches;
mod codes;
mod elbo;
mod fit;
mod flat;
mod objective;
mod optimizer;
mod refine;
mod schedule;
mod together;

pub use batches::{Batch, Batches, Cut, shuffle};
pub use codes::{encode, surprises};
pub use elbo::{Elbo, ElboSettings};
pub use fit::{End, FitSettings, Length, Report, Reporter, Standing, Stepped, Training, fit};
pub use objective::{MaximumLikelihood, Moment, Objective, Validation, likelihood, surprise};
pub use optimizer::{AdamW, OptimizerSettings, OptimizerState};
pub use refine::{Refinement, refine};
