/*! What `eval` sets beside a network's likelihood: trivial baselines on the same tokens. And the picture of a run. */

mod baselines;
mod curve;

pub use baselines::{LinearPrediction, order_zero};
pub use curve::{Point, draw_curve};
