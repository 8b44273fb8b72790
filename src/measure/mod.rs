/*! What `eval` sets beside a network's likelihood: trivial baselines on the same tokens. And the picture of a run. */

mod baselines;
mod curve;
mod latent;
mod ngram;
mod pixel_baselines;
mod text;
mod walks;

pub use baselines::{LinearPrediction, order_zero};
pub use curve::{Line, Point, draw_curve, draw_lines};
pub use latent::{Information, Posteriors, importance_weighted_nll, nearest_code};
pub use ngram::Ngram;
pub use pixel_baselines::{PixelBaselines, pixel_baselines};
pub use text::TextLikelihood;
pub use walks::{Unit, Walk, WalkSummary, token_splice};
