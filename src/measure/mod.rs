/*! What `eval` sets beside a network's likelihood: trivial baselines on the same tokens. And the picture of a run. */

mod baselines;
mod curve;
mod ngram;
mod pixel_baselines;
mod text;

pub use baselines::{LinearPrediction, order_zero};
pub use curve::{Line, Point, draw_curve, draw_lines};
pub use ngram::Ngram;
pub use pixel_baselines::{PixelBaselines, pixel_baselines};
pub use text::TextLikelihood;
