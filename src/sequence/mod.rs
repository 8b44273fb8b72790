/*!
The shared autoregressive core: what comes next, given what came before.

It knows no network, no medium and no files. A [`Codec`] turns a medium into [`Token`]s, a [`Stepper`] gives the
logits of the next token, a [`Sampler`] chooses one, and a [`Generator`] goes round.
*/

mod beam_search;
mod codec;
mod dataset;
mod degeneration;
mod generator;
mod likelihood;
mod live_generator;
mod sampler;
mod stepper;
mod token;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod toy;

pub use beam_search::{BeamSettings, Hypothesis, Query, beam_search};
pub use codec::Codec;
pub use dataset::SequenceDataset;
pub use degeneration::{Degeneration, Guard};
pub use generator::{Generator, Item, generate_many};
pub use likelihood::{Likelihood, nll_of_token, nll_per_token};
pub use live_generator::LiveGenerator;
pub use sampler::{Sampler, Sampling};
pub use stepper::Stepper;
pub use token::{Alphabet, Token};
