/*!
The shared autoregressive core: what comes next, given what came before.

It knows no network, no medium and no files. A [`Codec`] turns a medium into [`Token`]s, a [`Stepper`] gives the
logits of the next token, a [`Sampler`] chooses one, and a [`Generator`] goes round.
*/

mod codec;
mod generator;
mod guard;
mod likelihood;
mod live;
mod sampler;
mod search;
mod sequences;
mod stepper;
mod token;

#[cfg(test)]
pub(crate) mod laws;
#[cfg(test)]
pub(crate) mod toy;

pub use codec::Codec;
pub use generator::{Generator, Item, generate_many};
pub use guard::{Guard, Trouble};
pub use likelihood::{Likelihood, surprisal, surprisals};
pub use live::LiveGenerator;
pub use sampler::{Sampler, Sampling};
pub use search::{BeamSettings, Hypothesis, Query, beam_search};
pub use sequences::Sequences;
pub use stepper::Stepper;
pub use token::{Alphabet, Token};
