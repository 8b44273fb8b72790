/*! A batch of sequences, and its loss. */

use burn::prelude::*;
use rayon::prelude::*;

use crate::models::{Interface, SequenceInput, SequenceModel};
use crate::ops::{IGNORED, cross_entropy, cross_entropy_of_sequences, nll_per_row};
use crate::sequence::{Alphabet, Forecast, Token};

/// Token sequences of one training step.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Sequences in the batch.
    pub rows: usize,
    /// Tokens of each sequence, padding included.
    pub time: usize,
    /// The tokens read, `[rows, time]`.
    pub tokens: Vec<Token>,
    /// The token to predict at each position, `[rows, time]`; `IGNORED` where it is not scored.
    pub targets: Vec<i32>,
    /// The position of each row's first token in its sequence, `[rows]`; empty if every row starts a sequence.
    pub offsets: Vec<usize>,
    /// `[rows, hops, condition]`, each held for `time / hops` positions; `None` for a model without a condition.
    pub condition: Option<Vec<f32>>,
}

impl Batch {
    /// Whole sequences, one a row, each with its `stop` and its condition (empty for none), padded to the longest.
    ///
    /// # Panics
    /// If the number of conditions differs from the number of sequences.
    pub fn of(sequences: &[&[Token]], conditions: &[&[f32]], alphabet: Alphabet) -> Self {
        assert_eq!(
            sequences.len(),
            conditions.len(),
            "one condition per sequence"
        );
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
            offsets: Vec::new(),
            condition: (!condition.is_empty()).then_some(condition),
        }
    }

    /// The batch for a network whose condition is added later.
    pub(crate) fn without_condition(&self) -> Self {
        Self {
            condition: None,
            ..self.clone()
        }
    }

    /// All rows, this many times in turn.
    pub(crate) fn repeated(&self, times: usize) -> Self {
        Self {
            rows: self.rows * times,
            time: self.time,
            tokens: self.tokens.repeat(times),
            targets: self.targets.repeat(times),
            offsets: self.offsets.repeat(times),
            condition: self.condition.as_ref().map(|all| all.repeat(times)),
        }
    }

    /// Scored positions.
    pub fn scored(&self) -> usize {
        self.targets.iter().filter(|&&target| target >= 0).count()
    }
}

/// The NLL of the scored tokens in nats, summed, `[1]`.
pub fn nll(net: &dyn SequenceModel, batch: &Batch, device: &Device) -> Tensor<1> {
    nll_of_logits(net.logits(input(net.interface(), batch, device)), batch)
}

pub(crate) fn nll_of_logits(logits: Tensor<3>, batch: &Batch) -> Tensor<1> {
    let [rows, time, classes] = logits.dims();
    cross_entropy(logits.reshape([rows * time, classes]), &batch.targets)
}

/// [`nll_of_logits`] of each sequence, `[rows]`.
pub(crate) fn nll_of_each(logits: Tensor<3>, batch: &Batch) -> Tensor<1> {
    let [rows, time, classes] = logits.dims();
    let logits = logits.reshape([rows * time, classes]);
    cross_entropy_of_sequences(logits, &batch.targets, rows)
}

/// The NLL of the scored tokens of each sequence in nats, `[rows]`, without a gradient.
pub(crate) fn nll_per_sequence(
    net: &dyn SequenceModel,
    batch: &Batch,
    device: &Device,
) -> Vec<f64> {
    let logits = net.logits(input(net.interface(), batch, device));
    let [rows, time, classes] = logits.dims();
    let losses = nll_per_row(logits.reshape([rows * time, classes]), &batch.targets);
    let each = losses.chunks(time);
    each.map(|row| row.iter().copied().map(f64::from).sum())
        .collect()
}

/// What the prediction of a model says at each position of a batch, `[rows · time]`; empty without a prediction.
pub(crate) fn forecasts(interface: &Interface, batch: &Batch) -> Vec<Forecast> {
    let (Some(prediction), width) = (&interface.side_inputs.prediction, interface.condition) else {
        return Vec::new();
    };
    let zeros = vec![0.0; width];
    let conditions = batch.condition.as_deref();
    let of_row = |row: usize| {
        let (values, hop) = match conditions {
            Some(all) => {
                let of_row = all.len() / batch.rows;
                (&all[row * of_row..][..of_row], batch.time * width / of_row)
            }
            None => (&zeros[..], batch.time),
        };
        let tokens = &batch.tokens[row * batch.time..][..batch.time];
        prediction.forecasts(tokens, values, width, hop.max(1))
    };
    (0..batch.rows)
        .into_par_iter()
        .flat_map_iter(of_row)
        .collect()
}

/// A batch as tensors.
pub(crate) fn input(interface: &Interface, batch: &Batch, device: &Device) -> SequenceInput {
    let tokens: Vec<i32> = batch.tokens.iter().map(|&token| token as i32).collect();
    let tokens = TensorData::new(tokens, [batch.rows, batch.time]);
    let condition = batch.condition.as_ref().map(|vectors| {
        let width = interface.condition;
        let vectors = TensorData::new(vectors.clone(), [vectors.len() / width, width]);
        Tensor::from_data(vectors, device)
    });
    SequenceInput {
        tokens: Tensor::from_data(tokens, device),
        offsets: batch.offsets.clone(),
        condition,
        forecasts: forecasts(interface, batch),
    }
}
