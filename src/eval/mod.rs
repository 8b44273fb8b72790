/*! Metrics of `eval`, the trivial baselines beside them, and plots. */

mod baselines;
mod feature_sets;
mod interpolations;
mod ngram;
mod pixel_baselines;
mod pixel_mixture;
mod plots;
mod text_likelihood;

pub use baselines::{LinearPrediction, order_zero};
pub use feature_sets::{SetComparison, compare_sets};
pub use interpolations::{Walk, WalkSummary, token_splice};
pub use ngram::Ngram;
pub use pixel_baselines::pixel_baselines;
pub use pixel_mixture::pixel_mixture;
pub use plots::{Line, draw_boxes, draw_lines};
pub use text_likelihood::TextLikelihood;
