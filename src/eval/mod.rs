/*! Metrics of `eval`, the trivial baselines beside them, and plots. */

mod baselines;
mod interpolations;
mod ngram;
mod pixel_baselines;
mod plots;
mod text_likelihood;

pub use crate::text::TextUnit as Unit;
pub use baselines::{LinearPrediction, order_zero};
pub use interpolations::{Walk, WalkSummary, token_splice};
pub use ngram::Ngram;
pub use pixel_baselines::{PixelBaselines, pixel_baselines};
pub use plots::{Line, Point, draw_curve, draw_lines};
pub use text_likelihood::TextLikelihood;
