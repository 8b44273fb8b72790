/*! What a training step of a sequence model reads, and its loss. */

use burn::prelude::*;

use crate::models::SequenceModel;
use crate::ops::{IGNORED, cross_entropy};
use crate::sequence::{Alphabet, Token};

/// What a training step reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// How many sequences side by side.
    pub rows: usize,
    /// How many tokens each.
    pub time: usize,
    /// What the network reads, `[rows, time]`.
    pub tokens: Vec<Token>,
    /// What it is to foresee at each position, `[rows, time]`; [`IGNORED`] where it is not scored.
    pub targets: Vec<i32>,
    /// `[rows, condition]`; `None` for networks without a condition.
    pub condition: Option<Vec<f32>>,
}

impl Batch {
    /// Whole sequences, one a row, each with its `stop` and its condition (empty for none).
    ///
    /// # Panics
    /// If there are not as many conditions as sequences.
    pub fn of(sequences: &[&[Token]], conditions: &[&[f32]], alphabet: Alphabet) -> Self {
        assert_eq!(sequences.len(), conditions.len(), "one condition each");
        let time = sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        for sequence in sequences {
            let end = tokens.len() + time;
            if let Some((_, read)) = sequence.split_last() {
                tokens.push(alphabet.start);
                tokens.extend_from_slice(read);
            }
            tokens.resize(end, alphabet.start);
            targets.extend(sequence.iter().map(|&token| token as i32));
            targets.resize(end, IGNORED);
        }
        let condition = conditions.concat();
        Self {
            rows: sequences.len(),
            time,
            tokens,
            targets,
            condition: (!condition.is_empty()).then_some(condition),
        }
    }

    /// How many positions are scored.
    pub fn scored(&self) -> usize {
        self.targets.iter().filter(|&&target| target >= 0).count()
    }
}

/// The summed surprise of a batch's scored tokens in nats, `[1]`.
pub fn nll(net: &dyn SequenceModel, batch: &Batch, device: &Device) -> Tensor<1> {
    let (tokens, condition) = inputs(batch, device);
    nll_of_logits(net.logits(tokens, condition), batch)
}

pub(crate) fn nll_of_logits(logits: Tensor<3>, batch: &Batch) -> Tensor<1> {
    let [rows, time, classes] = logits.dims();
    cross_entropy(logits.reshape([rows * time, classes]), &batch.targets)
}

/// A batch's tokens `[rows, time]` and condition `[rows, condition]` as tensors.
pub(crate) fn inputs(batch: &Batch, device: &Device) -> (Tensor<2, Int>, Option<Tensor<2>>) {
    let tokens: Vec<i32> = batch.tokens.iter().map(|&token| token as i32).collect();
    let tokens = TensorData::new(tokens, [batch.rows, batch.time]);
    let condition = batch.condition.as_ref().map(|vectors| {
        let width = vectors.len() / batch.rows;
        let vectors = TensorData::new(vectors.clone(), [batch.rows, width]);
        Tensor::from_data(vectors, device)
    });
    (Tensor::from_data(tokens, device), condition)
}
