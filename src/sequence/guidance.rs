/*! Guidance: drawing what tells the classes asked for from their rivals. */

use crate::base::math;
use crate::sequence::{Alphabet, Stepper, Token};

/// A stepper whose logits are ln p(x|c) + w Σ (ln p(x|c) − ln Σ p(c'|past) p(x|c')), with strength w. The outer sum is over groups of
/// classes, the inner one over the classes c' of a group (Ho & Salimans 2022, "Classifier-free diffusion guidance", eq. 6).
///
/// The network's likelihood of the past under each class gives p(c'|past), so that no network without classes is needed. Guidance
/// fades where the past leaves no doubt of the class. The network reads the past once for each rival.
pub struct GuidedStepper {
    inner: Box<dyn Stepper>,
    /// Classes of each group.
    groups: Vec<usize>,
    strength: f32,
    /// Lanes of `inner` for each of ours: the condition asked for, then a rival for each other class of each group.
    voices: usize,
    /// The condition asked for in each lane.
    asked: Vec<Option<Vec<f32>>>,
    /// ln p(past|class) in each lane of `inner`, up to a constant.
    evidence: Vec<f32>,
    /// p(x|past, class), `[inner lanes, alphabet]`.
    predicted: Vec<f32>,
    /// p(x|past) whatever the class of one group, `[alphabet]`.
    marginal: Vec<f32>,
    inputs: Vec<Token>,
    logits: Vec<f32>,
}

impl GuidedStepper {
    /// How many lanes a network needs for each guided one.
    pub fn voices(groups: &[usize]) -> usize {
        1 + groups.iter().map(|classes| classes - 1).sum::<usize>()
    }

    /// Guides `inner`. Its condition begins with a one-hot part for each of `groups`, of so many classes.
    ///
    /// # Panics
    /// If `inner` does not have [`voices`](Self::voices) lanes for each guided one.
    pub fn new(inner: Box<dyn Stepper>, groups: Vec<usize>, strength: f32) -> Self {
        let voices = Self::voices(&groups);
        let all = inner.lanes();
        assert!(all.is_multiple_of(voices), "every lane has all its voices");
        let (lanes, size) = (all / voices, inner.alphabet().size);
        Self {
            groups,
            strength,
            voices,
            asked: vec![None; lanes],
            evidence: vec![0.0; all],
            predicted: vec![1.0; all * size],
            marginal: vec![0.0; size],
            inputs: Vec::with_capacity(all),
            logits: vec![0.0; lanes * size],
            inner,
        }
    }

    /// Forgets in a lane what its past says of the classes.
    fn forget(&mut self, lane: usize) {
        let size = self.inner.alphabet().size;
        let voices = self.voices;
        self.evidence[lane * voices..][..voices].fill(0.0);
        // What is certain is no evidence.
        self.predicted[lane * voices * size..][..voices * size].fill(1.0);
    }

    /// Calls `set(inner, voice, condition)` for each voice of a lane. Where no class of a group is asked for, there are no rivals: they
    /// are conditioned as the lane is.
    fn condition_voices(
        &mut self,
        lane: usize,
        condition: Option<&[f32]>,
        set: fn(&mut dyn Stepper, usize, Option<&[f32]>),
    ) {
        let mut voice = lane * self.voices;
        set(&mut *self.inner, voice, condition);
        let mut end = 0;
        for classes in &self.groups {
            let group = end..end + classes;
            end = group.end;
            let asked = condition.and_then(|c| group.clone().find(|&place| c[place] != 0.0));
            let others = group.clone().filter(|&place| Some(place) != asked);
            for place in others.take(classes - 1) {
                let mut rival = condition.map(<[f32]>::to_vec);
                if let (Some(rival), Some(asked)) = (&mut rival, asked) {
                    rival.swap(asked, place);
                }
                voice += 1;
                set(&mut *self.inner, voice, rival.as_deref());
            }
        }
        self.asked[lane] = condition.map(<[f32]>::to_vec);
    }

    /// Takes what the next tokens say of the classes, and what is predicted after them.
    fn read(&mut self, tokens: &[Token]) {
        let size = self.inner.alphabet().size;
        self.inputs.clear();
        for (lane, &token) in tokens.iter().enumerate() {
            let voices = lane * self.voices..(lane + 1) * self.voices;
            let evidence = &mut self.evidence[voices.clone()];
            for (evidence, predicted) in evidence
                .iter_mut()
                .zip(self.predicted[voices.start * size..].chunks(size))
            {
                let found = predicted.get(token as usize).unwrap_or(&1.0);
                *evidence += math::ln(*found);
            }
            let own = evidence[0];
            for evidence in evidence {
                *evidence -= own;
            }
            self.inputs.extend(voices.map(|_| token));
        }
        self.predicted
            .copy_from_slice(self.inner.step(&self.inputs));
        self.predicted.chunks_mut(size).for_each(softmax);
    }
}

impl Stepper for GuidedStepper {
    fn alphabet(&self) -> Alphabet {
        self.inner.alphabet()
    }

    fn lanes(&self) -> usize {
        self.asked.len()
    }

    fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.forget(lane);
        self.condition_voices(lane, condition, |inner, voice, c| inner.reset(voice, c));
    }

    /// A past under other classes says nothing of the new ones.
    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        if self.asked[lane].as_deref() != condition {
            self.forget(lane);
            let set =
                |inner: &mut dyn Stepper, voice, c: Option<&[f32]>| inner.recondition(voice, c);
            self.condition_voices(lane, condition, set);
        }
    }

    fn step(&mut self, tokens: &[Token]) -> &[f32] {
        self.read(tokens);
        let size = self.inner.alphabet().size;
        for (lane, logits) in self.logits.chunks_mut(size).enumerate() {
            let first = lane * self.voices;
            let own = &self.predicted[first * size..][..size];
            for (logit, p) in logits.iter_mut().zip(own) {
                *logit = math::ln(*p);
            }
            let mut next = first + 1;
            for classes in &self.groups {
                let rivals = next..next + classes - 1;
                next = rivals.end;
                let voices: Vec<usize> = std::iter::once(first).chain(rivals).collect();
                let mut weights: Vec<f32> = voices.iter().map(|&v| self.evidence[v]).collect();
                softmax(&mut weights);
                self.marginal.fill(0.0);
                for (voice, weight) in voices.into_iter().zip(weights) {
                    let of_voice = &self.predicted[voice * size..][..size];
                    for (marginal, p) in self.marginal.iter_mut().zip(of_voice) {
                        *marginal += weight * p;
                    }
                }
                for ((logit, p), marginal) in logits.iter_mut().zip(own).zip(&self.marginal) {
                    *logit += self.strength * (math::ln(*p) - math::ln(*marginal));
                }
            }
        }
        &self.logits
    }

    fn gather(&mut self, parents: &[usize]) {
        let (voices, size) = (self.voices, self.inner.alphabet().size);
        let of_parent = |&parent: &usize| parent * voices..(parent + 1) * voices;
        let all: Vec<usize> = parents.iter().flat_map(of_parent).collect();
        self.inner.gather(&all);
        self.asked = parents
            .iter()
            .map(|&lane| self.asked[lane].clone())
            .collect();
        self.evidence = all.iter().map(|&voice| self.evidence[voice]).collect();
        let of_voice = |&voice: &usize| &self.predicted[voice * size..][..size];
        self.predicted = all.iter().flat_map(of_voice).copied().collect();
    }
}

/// Turns logits into probabilities, all of them above 0.
fn softmax(logits: &mut [f32]) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for logit in &mut *logits {
        *logit = math::exp(*logit - highest);
        total += *logit;
    }
    for p in logits {
        *p /= total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::conformance::{Subject, check_all};
    use crate::sequence::toy::Toy;

    const STRENGTH: f32 = 1.5;

    /// The toy network, guided in a group of both numbers of its condition.
    struct Guided(Toy);

    impl Subject for Guided {
        fn alphabet(&self) -> Alphabet {
            Toy::alphabet()
        }

        fn condition(&self) -> usize {
            self.0.condition()
        }

        /// The definition, in f64 and with the whole past anew at each position.
        fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>> {
            let asked = condition.unwrap_or(&[0.0; 2]).to_vec();
            let rival = if asked[0] != 0.0 || asked[1] != 0.0 {
                vec![asked[1], asked[0]]
            } else {
                asked.clone()
            };
            let predicted = [asked, rival].map(|condition| {
                let logits = self.0.logits(tokens, Some(&condition));
                logits
                    .iter()
                    .map(|logits| probabilities(logits))
                    .collect::<Vec<_>>()
            });
            let guided = |t: usize| {
                let evidence = |voice: usize| -> f64 {
                    let read = (1..=t).filter(|&t| Toy::alphabet().contains(tokens[t]));
                    read.map(|t| predicted[voice][t - 1][tokens[t] as usize])
                        .product()
                };
                let evidence = [evidence(0), evidence(1)];
                let any = |x: usize| {
                    let both = evidence[0] * predicted[0][t][x] + evidence[1] * predicted[1][t][x];
                    both / (evidence[0] + evidence[1])
                };
                let own = &predicted[0][t];
                let logit = |x: usize| own[x].ln() + f64::from(STRENGTH) * (own[x] / any(x)).ln();
                (0..own.len()).map(|x| logit(x) as f32).collect()
            };
            (0..tokens.len()).map(guided).collect()
        }

        fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
            let inner = Box::new(self.0.stepper(2 * lanes));
            Box::new(GuidedStepper::new(inner, vec![2], STRENGTH))
        }
    }

    fn probabilities(logits: &[f32]) -> Vec<f64> {
        let weights: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / total).collect()
    }

    #[test]
    fn a_guided_network_obeys_the_laws_of_steppers() {
        check_all(&Guided(Toy::new()));
    }

    #[test]
    fn without_strength_or_rivals_probabilities_stay() {
        let toy = Toy::new();
        let tokens = [5, 1, 3, 0, 2];
        let plain = toy.logits(&tokens, Some(&[1.0, 0.0]));
        for (groups, strength) in [(vec![2], 0.0), (vec![1, 1], 2.0), (Vec::new(), 2.0)] {
            let lanes = GuidedStepper::voices(&groups);
            let mut guided = GuidedStepper::new(Box::new(toy.stepper(lanes)), groups, strength);
            guided.reset(0, Some(&[1.0, 0.0]));
            for (&token, plain) in tokens.iter().zip(&plain) {
                let found = probabilities(guided.step(&[token]));
                for (a, b) in found.into_iter().zip(probabilities(plain)) {
                    assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }
}
