/*!
Gradient search for latent codes that decode to their sentences, with the weights fixed.

The mean of the posterior often decodes to a sentence with one word wrong. It is a good starting point: Adam on
−ln p(sentence | code) + λ ‖code‖² finds a code nearby that decodes to the sentence itself.
*/

use burn::prelude::*;

use crate::models::sentence_vae::codes::groups;
use crate::models::{
    Batch, SentenceVae, SequenceModel, Vae, device_of, input, nll_of_logits, values,
};
use crate::ops::nll_per_row;
use crate::sequence::Token;

/// Settings of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Refinement {
    /// The largest number of steps; 0 changes nothing.
    pub(crate) steps: usize,
    /// Adam's: about the largest change of a dimension in one step.
    pub(crate) learning_rate: f32,
    /// λ: keeps codes near the origin, because interpolations through codes far from it decode to nonsense.
    pub(crate) prior: f32,
    /// A search ends when the NLL of its sentence is below this, in nats. Below ln 2 no other sentence is likelier.
    pub(crate) enough: f64,
}

impl Default for Refinement {
    fn default() -> Self {
        Self {
            steps: 100,
            learning_rate: 0.05,
            prior: 0.01,
            enough: 0.5,
        }
    }
}

/// The search for one code.
struct Search {
    code: Vec<f32>,
    momentum: Vec<f32>,
    variance: Vec<f32>,
    /// The lowest NLL so far and its code.
    best: (f64, Vec<f32>),
}

/// Moves each of `codes` so that it decodes to its sentence (tokens with `stop`). `vae` is on a device without autodiff.
/// Except for rounding, a result does not depend on the other codes.
pub(crate) fn refine(
    vae: &SentenceVae,
    sentences: &[&[Token]],
    codes: &[Vec<f32>],
    settings: &Refinement,
) -> Vec<Vec<f32>> {
    assert_eq!(sentences.len(), codes.len(), "one code each");
    let lengths: Vec<usize> = sentences.iter().map(|s| s.len()).collect();
    let mut refined = codes.to_vec();
    if settings.steps == 0 {
        return refined;
    }
    for group in groups(&lengths) {
        let views: Vec<&[Token]> = group.iter().map(|&index| sentences[index]).collect();
        let from: Vec<Vec<f32>> = group.iter().map(|&index| codes[index].clone()).collect();
        for (&index, code) in group.iter().zip(refine_group(vae, &views, &from, settings)) {
            refined[index] = code;
        }
    }
    refined
}

fn refine_group(
    vae: &SentenceVae,
    sentences: &[&[Token]],
    codes: &[Vec<f32>],
    settings: &Refinement,
) -> Vec<Vec<f32>> {
    let alphabet = vae.interface().alphabet;
    let device = device_of(vae).autodiff();
    let net = vae.clone().train().no_grad();
    let mut searches: Vec<Search> = codes
        .iter()
        .map(|code| Search {
            code: code.clone(),
            momentum: vec![0.0; code.len()],
            variance: vec![0.0; code.len()],
            best: (f64::INFINITY, code.clone()),
        })
        .collect();
    let mut open: Vec<usize> = (0..codes.len()).collect();
    // One evaluation more than there are steps: the result of the last step counts too.
    for step in 0..=settings.steps {
        if open.is_empty() {
            break;
        }
        let rows: Vec<&[Token]> = open.iter().map(|&index| sentences[index]).collect();
        let now: Vec<&[f32]> = open
            .iter()
            .map(|&index| searches[index].code.as_slice())
            .collect();
        let batch = Batch::of(&rows, &now, alphabet);
        let mut read = input(vae.interface(), &batch, &device);
        let condition = (read.condition.take())
            .expect("a latent code has dimensions")
            .require_grad();
        read.condition = Some(condition.clone());
        let logits = net.logits(read);
        let [rows, time, classes] = logits.dims();
        let seen = logits.clone().inner().reshape([rows * time, classes]);
        let nats: Vec<f64> = nll_per_row(seen, &batch.targets)
            .chunks(time)
            .map(|row| row.iter().copied().map(f64::from).sum())
            .collect();
        for (&index, &nats) in open.iter().zip(&nats) {
            let search = &mut searches[index];
            if nats < search.best.0 {
                search.best = (nats, search.code.clone());
            }
        }
        if step == settings.steps {
            break;
        }
        let gradients = nll_of_logits(logits, &batch).backward();
        let gradient = condition
            .grad(&gradients)
            .expect("the loss depends on the codes");
        let dims = vae.latent();
        for (&index, gradient) in open.iter().zip(values(gradient).chunks(dims)) {
            searches[index].step(gradient, step + 1, settings);
        }
        open = open
            .iter()
            .zip(&nats)
            .filter(|(_, nats)| **nats >= settings.enough)
            .map(|(index, _)| *index)
            .collect();
    }
    searches.into_iter().map(|search| search.best.1).collect()
}

impl Search {
    /// Adam (Kingma & Ba 2015, algorithm 1).
    fn step(&mut self, gradient: &[f32], step: usize, settings: &Refinement) {
        const BETAS: [f32; 2] = [0.9, 0.99];
        let correction = BETAS.map(|beta| 1.0 - beta.powi(step as i32));
        for (i, code) in self.code.iter_mut().enumerate() {
            let gradient = gradient[i] + 2.0 * settings.prior * *code;
            let [m, v] = [&mut self.momentum[i], &mut self.variance[i]];
            *m = BETAS[0] * *m + (1.0 - BETAS[0]) * gradient;
            *v = BETAS[1] * *v + (1.0 - BETAS[1]) * gradient * gradient;
            let (m, v) = (*m / correction[0], *v / correction[1]);
            *code -= settings.learning_rate * m / (v.sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::sentence_vae::{conditional_nll, encode};
    use crate::models::testing::{ALPHABET, scrambled};
    use crate::models::{Interface, RecurrentCell, SentenceVaeConfig};
    use crate::sequence::SideInputs;

    fn vae() -> SentenceVae {
        let config = SentenceVaeConfig {
            unit: RecurrentCell::Lstm,
            embedding: 5,
            hidden: 16,
            encoder: 7,
            latent: 6,
            dropout: 0.0,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: SideInputs::default(),
            condition: 0,
        };
        scrambled(SentenceVae::new(config, interface, 1, &Device::flex()).unwrap())
    }

    const SENTENCES: [&[Token]; 3] = [&[4, 2, 7, 1, 10], &[3, 10], &[9, 9, 9, 10]];

    #[test]
    fn refined_codes_decode_better_and_do_not_depend_on_each_other() {
        let vae = vae();
        let posteriors = encode(&vae, &SENTENCES);
        let codes: Vec<Vec<f32>> = posteriors.means().chunks(6).map(<[f32]>::to_vec).collect();
        let nats = |codes: &[Vec<f32>]| {
            let pairs: Vec<_> = SENTENCES
                .iter()
                .zip(codes)
                .map(|(s, c)| (*s, c.as_slice()))
                .collect();
            conditional_nll(&vae, &pairs, &Device::flex())
        };
        let settings = Refinement {
            steps: 40,
            ..Refinement::default()
        };
        let refined = refine(&vae, &SENTENCES, &codes, &settings);
        for (before, after) in nats(&codes).iter().zip(nats(&refined)) {
            assert!(after < before - 0.5, "{after} after {before}");
        }
        for index in 0..3 {
            let alone = refine(
                &vae,
                &SENTENCES[index..=index],
                &codes[index..=index],
                &settings,
            );
            let close = alone[0]
                .iter()
                .zip(&refined[index])
                .all(|(a, b)| (a - b).abs() < 1e-2);
            assert!(close, "{alone:?} beside {:?}", refined[index]);
        }
        let none = Refinement {
            steps: 0,
            ..settings
        };
        assert_eq!(refine(&vae, &SENTENCES, &codes, &none), codes);
    }
}
