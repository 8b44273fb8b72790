/*!
The shared autoregressive core. It depends on no network, no medium and no files.

A [`Codec`] turns a medium into [`Token`]s, a [`Stepper`] computes the logits of the next token, a [`Sampler`] chooses
it, and a [`Generator`] repeats this. A [`Grammar`] restricts which tokens may follow.
*/

mod beam_search;
mod codec;
mod conditions;
mod dataset;
#[cfg(feature = "play")]
mod degeneration;
mod generator;
mod grammar;
mod guidance;
mod likelihood;
mod live_generator;
mod prediction;
mod sampler;
mod side_inputs;
mod stepper;
mod token;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod toy;

pub use beam_search::{BeamSettings, Hypothesis, Query, beam_search};
pub use codec::Codec;
pub use conditions::{ConditionSource, ConditionStream, Conditions, HeldCondition};
pub use dataset::SequenceDataset;
#[cfg(feature = "play")]
pub use degeneration::{Degeneration, Guard};
#[cfg(test)]
pub use generator::Generator;
pub use generator::{Item, generate_many};
pub use grammar::{Grammar, GrammarState};
pub use guidance::GuidedStepper;
pub use likelihood::{Likelihood, nll_per_token};
pub use live_generator::LiveGenerator;
pub use prediction::{Forecast, Prediction, Predictor};
pub use sampler::{Sampler, Sampling};
pub use side_inputs::{Clock, SideInputs};
pub use stepper::Stepper;
pub use token::{Alphabet, Token};
