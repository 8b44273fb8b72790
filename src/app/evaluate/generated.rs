/*! What a model generates with the classes of real items, to be compared with them. */

use std::collections::BTreeMap;

use crate::app::{
    CodeOptions, Event, FrameSampling, GenerateOptions, Generated, Observer, OpenModel,
    SamplingOptions,
};
use crate::base::labels::Label;
use crate::base::split::evenly;
use crate::error::Result;
use crate::ops::device::DeviceChoice;

/// Items that are generated at once.
const BATCH: u64 = 64;
/// The seed of the first batch; the next ones follow.
pub(super) const SEED: u64 = 1;

/// What to generate.
pub(super) struct Wanted<'a> {
    /// How many items.
    pub(super) number: u64,
    /// The labels of real items. Generated items take those of evenly spaced ones, so that both have the same mix of
    /// classes.
    pub(super) labels: &'a [&'a [Label]],
    /// The length of sounds.
    pub(super) seconds: Option<f64>,
    /// Where to compute.
    pub(super) device: &'a DeviceChoice,
    /// How items are drawn.
    pub(super) sampling: SamplingOptions,
    /// How noise and latent codes are drawn.
    pub(super) codes: CodeOptions,
    /// How the frames of sounds are drawn.
    pub(super) frames: FrameSampling,
}

/// Generates as `generate` does, in batches of one class each, which stands before the batch.
pub(super) fn generate(
    model: &OpenModel,
    wanted: &Wanted<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<(Vec<Label>, Generated)>> {
    let mut made = Vec::new();
    let mut done = 0;
    for (classes, mut left) in numbers(wanted) {
        while left > 0 {
            observer.event(Event::Progress {
                activity: "generating:",
                done,
                total: wanted.number as usize,
                unit: "items",
            });
            let number = left.min(BATCH);
            let batch = model.generate(&GenerateOptions {
                number,
                classes: classes.to_vec(),
                seed: Some(SEED + made.len() as u64),
                device: wanted.device.clone(),
                seconds: wanted.seconds,
                sampling: wanted.sampling,
                codes: wanted.codes,
                frames: wanted.frames,
                ..GenerateOptions::default()
            })?;
            made.push((classes.to_vec(), batch));
            left -= number;
            done += number as usize;
        }
    }
    observer.event(Event::ProgressDone);
    Ok(made)
}

/// How many items of each combination of classes.
fn numbers<'a>(wanted: &Wanted<'a>) -> BTreeMap<&'a [Label], u64> {
    let mut numbers = BTreeMap::new();
    for at in evenly(wanted.number as usize, wanted.labels.len()) {
        *numbers.entry(wanted.labels[at]).or_default() += 1;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_items_have_the_mix_of_classes_of_real_ones() {
        let labels: Vec<Vec<Label>> = ["a", "a", "a", "b"]
            .map(|class| vec![("class".to_owned(), class.to_owned())])
            .to_vec();
        let labels: Vec<&[Label]> = labels.iter().map(Vec::as_slice).collect();
        let wanted = |number| Wanted {
            number,
            labels: &labels,
            seconds: None,
            device: &DeviceChoice::Cpu,
            sampling: SamplingOptions::default(),
            codes: CodeOptions::default(),
            frames: FrameSampling::default(),
        };
        let found: Vec<u64> = numbers(&wanted(100)).into_values().collect();
        assert_eq!(found, [75, 25]);
        let found: Vec<u64> = numbers(&wanted(2)).into_values().collect();
        assert_eq!(found, [2]);
    }
}
