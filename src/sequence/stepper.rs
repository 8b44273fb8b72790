/*! The contract between the core and every network: one token at a time. */

use crate::sequence::{Alphabet, Token};

/// Autoregressive inference: in each lane, one token in, the logits of the next token out.
///
/// A lane is one independent sequence: its logits do not depend on other lanes. The tokens since its last
/// [`reset`](Stepper::reset) are its past. A new stepper is reset in every lane, without a condition.
pub trait Stepper: Send {
    /// The tokens that it reads and predicts.
    fn alphabet(&self) -> Alphabet;

    /// The number of parallel sequences.
    fn lanes(&self) -> usize;

    /// Clears the past of `lane` and sets its condition (`None`: all zeros).
    ///
    /// # Panics
    /// If the condition has another length than the network expects.
    fn reset(&mut self, lane: usize, condition: Option<&[f32]>);

    /// Sets the condition of `lane` and keeps its past.
    ///
    /// # Panics
    /// If the condition has another length than the network expects.
    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>);

    /// Feeds one token per lane, `[lanes]`, and returns the logits of the next, `[lanes, alphabet.size]`.
    ///
    /// # Panics
    /// If `tokens` is not one input token per lane.
    fn step(&mut self, tokens: &[Token]) -> &[f32];

    /// Copies state and condition of lane `parents[i]` to lane i, for all lanes at once, as beam search needs.
    ///
    /// # Panics
    /// If `parents` is not one lane number per lane.
    fn gather(&mut self, parents: &[usize]);
}
