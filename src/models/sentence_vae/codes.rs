/*! Posteriors of many sentences, and the NLL of sentences given latent codes, in batches. */

use burn::prelude::*;

use crate::latent::Posteriors;
use crate::models::vae::Vae;
use crate::models::{Batch, SentenceVae, SequenceModel, input, values};
use crate::ops::nll_per_row;
use crate::sequence::Token;

/// The largest number of tokens in one batch of sentences, padding included.
const TOKENS_PER_BATCH: usize = 4096;

/// Groups sentences of similar length into batches: indices into `lengths`.
pub(crate) fn groups(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| lengths[index]);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match groups.last_mut() {
            Some(group) if (group.len() + 1) * lengths[index] <= TOKENS_PER_BATCH => {
                group.push(index);
            }
            _ => groups.push(vec![index]),
        }
    }
    groups
}

/// The posterior of each sentence (tokens with `stop`), in their order. `vae` is on a device without autodiff.
pub(crate) fn encode(vae: &SentenceVae, sentences: &[&[Token]]) -> Posteriors {
    let alphabet = vae.interface().alphabet;
    let dims = vae.latent();
    let mut means = vec![0.0; sentences.len() * dims];
    let mut log_variances = means.clone();
    let lengths: Vec<usize> = sentences.iter().map(|s| s.len()).collect();
    for group in groups(&lengths) {
        let rows: Vec<&[Token]> = group.iter().map(|&index| sentences[index]).collect();
        let batch = Batch::of(&rows, &vec![&[][..]; rows.len()], alphabet);
        let encoded = vae.encode(&batch.targets, [batch.rows, batch.time]);
        for (all, found) in [
            (&mut means, encoded.mean),
            (&mut log_variances, encoded.log_variance),
        ] {
            for (&index, row) in group.iter().zip(values(found).chunks(dims)) {
                all[index * dims..(index + 1) * dims].copy_from_slice(row);
            }
        }
    }
    let mut posteriors = Posteriors::new(dims);
    posteriors.extend(&means, &log_variances);
    posteriors
}

/// −ln p(sentence | code) in nats for each pair of a sentence (tokens with `stop`) and a latent code. `net` is on
/// `device`, without autodiff.
pub(crate) fn conditional_nll(
    net: &dyn SequenceModel,
    pairs: &[(&[Token], &[f32])],
    device: &Device,
) -> Vec<f64> {
    let alphabet = net.interface().alphabet;
    let mut nats = vec![0.0; pairs.len()];
    let lengths: Vec<usize> = pairs.iter().map(|(sentence, _)| sentence.len()).collect();
    for group in groups(&lengths) {
        let (rows, codes): (Vec<&[Token]>, Vec<&[f32]>) =
            group.iter().map(|&index| pairs[index]).unzip();
        let batch = Batch::of(&rows, &codes, alphabet);
        let logits = net.logits(input(net.interface(), &batch, device));
        let logits = logits.reshape([batch.rows * batch.time, alphabet.size]);
        let losses = nll_per_row(logits, &batch.targets);
        for (&index, losses) in group.iter().zip(losses.chunks(batch.time)) {
            nats[index] = losses.iter().copied().map(f64::from).sum();
        }
    }
    nats
}
