/*!
The shared autoregressive core: what comes next, given what came before.

It knows no network, no medium and no files. A [`Codec`] turns a medium into [`Token`]s, a [`Stepper`] gives the
logits of the next token, a [`Sampler`] chooses one, and a [`Generator`] goes round.
*/

mod codec;
mod generator;
mod likelihood;
mod sampler;
mod sequences;
mod stepper;
mod token;

#[cfg(test)]
pub(crate) mod laws;
#[cfg(test)]
pub(crate) mod toy;

pub use codec::Codec;
pub use generator::{Generator, Item, generate_many};
pub use likelihood::{Likelihood, surprisal, surprisals};
pub use sampler::{Sampler, Sampling};
pub use sequences::Sequences;
pub use stepper::Stepper;
pub use token::{Alphabet, Token};
