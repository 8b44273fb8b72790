/*! One step at a time: the contract between the core and every network. */

use crate::sequence::{Alphabet, Token};

/// A network in its making form: one token in, the logits of the next one out, in each lane.
///
/// A lane is one independent sequence. What a lane has seen since its last [`reset`](Stepper::reset) is its
/// past; nothing one lane does may change what another gives. A fresh stepper is reset in every lane,
/// without a condition.
pub trait Stepper: Send {
    /// The tokens it reads and predicts.
    fn alphabet(&self) -> Alphabet;

    /// How many sequences go side by side.
    fn lanes(&self) -> usize;

    /// Forgets the past of `lane` and sets its condition (`None`: all zeros).
    ///
    /// # Panics
    /// If the condition's length is not the network's.
    fn reset(&mut self, lane: usize, condition: Option<&[f32]>);

    /// Sets the condition of `lane` and keeps its past: live steering.
    ///
    /// # Panics
    /// If the condition's length is not the network's.
    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>);

    /// Feeds one token per lane, `[lanes]`, and gives the logits of the next, `[lanes, alphabet.size]`.
    ///
    /// # Panics
    /// If `tokens` is not one input token per lane.
    fn step(&mut self, tokens: &[Token]) -> &[f32];

    /// All at once: lane i continues from lane `parents[i]`, state and condition. What beam search needs.
    ///
    /// # Panics
    /// If `parents` is not one lane number per lane.
    fn gather(&mut self, parents: &[usize]);
}
