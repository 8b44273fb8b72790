/*!
Training: batches, objective, optimizer, the loop.

Nothing here knows a medium. A medium's sequences come in as [`crate::sequence::SequenceDataset`], and go out through a [`Reporter`].
*/

mod adamw_gpu;
mod data_parallel;
mod elbo;
mod likelihood;
mod loader;
mod optimizer;
mod prefetch;
mod recipe;
mod schedule;
mod trainer;

pub use elbo::{Elbo, ElboSettings};
pub use likelihood::{MaximumLikelihood, Objective, StepContext, Validation, likelihood};
pub use loader::{DataLoader, WindowConfig};
pub use optimizer::{AdamW, OptimizerSettings, OptimizerState};
pub use recipe::{BatchSettings, PRESETS, Recipe};
pub use trainer::{
    Budget, Report, Reporter, StepReport, StopReason, TrainState, TrainerSettings, Training, fit,
};
