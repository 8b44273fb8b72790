/*! Seeds, classes and items: what generating and completing share. */

use rand_core::Rng;

use crate::app::OpenModel;
use crate::base::labels::{Classes, Label, describe};
use crate::base::rng::rng_stream;
use crate::error::{Error, Result};
use crate::sequence::{Item, Sampler, Sampling, Token};

/// A new seed, short enough to type.
pub fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos() as u64);
    (now ^ u64::from(std::process::id()) << 20) % 1_000_000
}

/// The labels of item `item`: the given ones, the others drawn from the seed.
pub(crate) fn labels_of_item(
    classes: &Classes,
    given: &[Label],
    seed: u64,
    item: u64,
) -> Vec<Label> {
    let mut rng = rng_stream(seed, *b"classes ", item);
    classes.complete(given, |count| (rng.next_u64() % count as u64) as usize)
}

/// `number` items to generate from one seed, and the labels of each in words.
pub(crate) fn items(
    model: &OpenModel,
    number: u64,
    given: &[Label],
    sampling: Sampling,
    seed: u64,
    prompt: &[Token],
) -> Result<(Vec<Item>, Vec<String>)> {
    let classes = &model.manifest.classes;
    (0..number)
        .map(|item| {
            let labels = labels_of_item(classes, given, seed, item);
            let made = Item {
                sampler: Sampler::new(sampling, seed, item)?,
                condition: model.manifest.condition(&labels)?,
                prompt: prompt.to_vec(),
            };
            Ok((made, describe(&labels)))
        })
        .collect::<Result<Vec<_>>>()
        .map(|all| all.into_iter().unzip())
}

/// Refuses lengths of sound that are not possible.
pub(crate) fn check_seconds(seconds: f64) -> Result<()> {
    if seconds.is_finite() && seconds > 0.0 && seconds <= 1e6 {
        return Ok(());
    }
    Err(Error::usage(format!("--seconds {seconds} is not possible"))
        .with_hint("a length is above 0 and at most 1000000 seconds"))
}
