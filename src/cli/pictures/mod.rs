/*! The verbs on pictures, and what they share. */

pub(super) mod complete;
mod eval;
mod generate;
mod score;
mod set;
pub(super) mod train;
mod verbs;

/// At most so many are made side by side.
const LANES: usize = 64;

/// How much a pixel is enlarged so that a picture is comfortable to look at.
fn comfortable(width: u32, height: u32) -> u32 {
    (256 / width.max(height)).max(1)
}
