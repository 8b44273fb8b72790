/*!
Training: batches, tasks, optimizer, the loop.

The [`Trainer`] runs a [`Task`]; nothing here knows a file. A medium's sequences come in as
[`crate::sequence::SequenceDataset`], and what is to be shown and saved goes out through a [`TrainingObserver`]. Only the
recipes and the tasks on whole pictures know what a medium is.
*/

mod adamw_gpu;
mod adversarial;
mod all_reduce;
mod augment;
mod classification;
mod colorization;
mod data_parallel;
mod elbo;
mod energy;
mod learner;
mod likelihood;
mod loader;
mod muon;
mod optimizer;
mod optimizer_state;
mod picture_batch;
mod prefetch;
mod recipe;
mod schedule;
mod state_dict;
mod task;
mod trainer;

pub use adversarial::{AdversarialTask, loss_of_discriminator, loss_of_generator};
pub use classification::ClassificationTask;
pub use colorization::{ColorizationTask, mean_difference};
pub use data_parallel::data_parallel;
pub use elbo::ElboTask;
pub(crate) use elbo::{measure_elbo, mutual_information};
pub use energy::EnergyTask;
pub use likelihood::{LikelihoodTask, likelihood, mean_nll};
pub use loader::{DataLoader, WindowConfig};
pub use optimizer::AdamW;
pub use optimizer_state::OptimizerSettings;
pub(crate) use optimizer_state::OptimizerState;
pub use prefetch::BatchSource;
pub use recipe::{BatchSettings, Recipe};
pub use state_dict::{StateDict, StateTensor};
pub use task::{BoxedTask, Direction, Losses, Metric, Metrics, StepContext, Task};
pub use trainer::{
    Budget, Report, StepReport, StopReason, SystemClock, TrainState, Trainer, TrainerSettings,
    TrainingObserver,
};
