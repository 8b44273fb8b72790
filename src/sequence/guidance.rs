/*! Guidance: drawing what tells the classes asked for from their rivals. */

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::sequence::sampler::{exponentiate, highest};
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
    level: InstructionSet,
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
            level: InstructionSet::detect(),
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
        for logits in self.predicted.chunks_mut(size) {
            softmax(self.level, logits);
        }
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

    /// A past under other classes says nothing of the new ones, and all rivals go on from the lane's.
    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        if self.asked[lane].as_deref() != condition {
            self.forget(lane);
            let voices = lane * self.voices..(lane + 1) * self.voices;
            let mut parents: Vec<usize> = (0..self.inner.lanes()).collect();
            parents[voices.clone()].fill(voices.start);
            self.inner.gather(&parents);
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
            logarithms(self.level, own, logits);
            let mut next = first + 1;
            for classes in &self.groups {
                let rivals = next..next + classes - 1;
                next = rivals.end;
                let voices: Vec<usize> = std::iter::once(first).chain(rivals).collect();
                let mut weights: Vec<f32> = voices.iter().map(|&v| self.evidence[v]).collect();
                softmax(self.level, &mut weights);
                self.marginal.fill(0.0);
                for (voice, weight) in voices.into_iter().zip(weights) {
                    let of_voice = &self.predicted[voice * size..][..size];
                    for (marginal, p) in self.marginal.iter_mut().zip(of_voice) {
                        *marginal += weight * p;
                    }
                }
                contrast(self.level, logits, own, &self.marginal, self.strength);
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
fn softmax(level: InstructionSet, logits: &mut [f32]) {
    let highest = highest(level, logits);
    exponentiate(level, logits, highest, 1.0);
    let total: f32 = logits.iter().sum();
    for p in logits {
        *p /= total;
    }
}

multiversion! {
    /// Adds `strength` times ln(p / marginal) to each logit.
    fn contrast(logits: &mut [f32], own: &[f32], marginal: &[f32], strength: f32) {
        for ((logit, p), marginal) in logits.iter_mut().zip(own).zip(marginal) {
            *logit += strength * (math::ln(*p) - math::ln(*marginal));
        }
    }
}

multiversion! {
    fn logarithms(p: &[f32], logits: &mut [f32]) {
        for (logit, p) in logits.iter_mut().zip(p) {
            *logit = math::ln(*p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::conformance::{Subject, check_all};

    const STRENGTH: f32 = 1.5;
    const SIZE: usize = 5;
    const GROUPS: [usize; 2] = [2, 3];
    const WIDTH: usize = 5;

    /// A network whose past depends on the condition under which it was read.
    fn influence(token: Token, class: usize) -> f32 {
        (token as f32 * 1.3 + class as f32 * 2.1).sin()
    }

    fn told(condition: &[f32], class: usize) -> f32 {
        let part = |(place, x): (usize, &f32)| x * (place as f32 * 2.9 + class as f32 * 0.7).cos();
        condition.iter().enumerate().map(part).sum()
    }

    #[derive(Clone)]
    struct Stub {
        past: Vec<[f32; SIZE]>,
        conditions: Vec<Vec<f32>>,
        logits: Vec<f32>,
    }

    impl Stub {
        fn new(lanes: usize) -> Self {
            Self {
                past: vec![[0.0; SIZE]; lanes],
                conditions: vec![vec![0.0; WIDTH]; lanes],
                logits: vec![0.0; lanes * SIZE],
            }
        }

        fn read(past: &mut [f32; SIZE], condition: &[f32], token: Token) -> [f32; SIZE] {
            std::array::from_fn(|class| {
                let new = influence(token, class) + told(condition, class + 3);
                past[class] = 0.7 * past[class] + new;
                past[class] + told(condition, class)
            })
        }
    }

    impl Stepper for Stub {
        fn alphabet(&self) -> Alphabet {
            ALPHABET
        }

        fn lanes(&self) -> usize {
            self.past.len()
        }

        fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
            self.past[lane] = [0.0; SIZE];
            self.recondition(lane, condition);
        }

        fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
            self.conditions[lane] = condition.unwrap_or(&[0.0; WIDTH]).to_vec();
        }

        fn step(&mut self, tokens: &[Token]) -> &[f32] {
            let lanes = self.past.iter_mut().zip(&self.conditions).zip(tokens);
            for (logits, ((past, condition), &token)) in self.logits.chunks_mut(SIZE).zip(lanes) {
                logits.copy_from_slice(&Self::read(past, condition, token));
            }
            &self.logits
        }

        fn gather(&mut self, parents: &[usize]) {
            let old = self.clone();
            for (lane, &parent) in parents.iter().enumerate() {
                self.past[lane] = old.past[parent];
                self.conditions[lane].clone_from(&old.conditions[parent]);
            }
        }
    }

    const ALPHABET: Alphabet = Alphabet {
        size: SIZE,
        start: SIZE as Token,
        stop: Some(4),
    };

    fn guided(lanes: usize, groups: &[usize], strength: f32) -> GuidedStepper {
        let inner = Stub::new(lanes * GuidedStepper::voices(groups));
        GuidedStepper::new(Box::new(inner), groups.to_vec(), strength)
    }

    fn probabilities(logits: &[f32]) -> Vec<f64> {
        let weights: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / total).collect()
    }

    /// The conditions of a group's rivals.
    fn rivals(condition: &[f32], group: usize) -> Vec<Vec<f32>> {
        let start = GROUPS[..group].iter().sum::<usize>();
        let places = start..start + GROUPS[group];
        let Some(asked) = places.clone().find(|&place| condition[place] != 0.0) else {
            return Vec::new();
        };
        let others = places.filter(|&place| place != asked);
        let rival = |place: usize| {
            let mut rival = condition.to_vec();
            rival.swap(asked, place);
            rival
        };
        others.map(rival).collect()
    }

    /// The guided logits in f64: `predict` gives the probabilities under a condition, `evidence` those of the past.
    fn definition(
        asked: &[f32],
        predict: &dyn Fn(&[f32]) -> Vec<f64>,
        evidence: &dyn Fn(&[f32]) -> f64,
    ) -> Vec<f32> {
        let own = predict(asked);
        let mut logits: Vec<f64> = own.iter().map(|p| p.ln()).collect();
        for group in 0..GROUPS.len() {
            let mut all = rivals(asked, group);
            all.push(asked.to_vec());
            let total: f64 = all.iter().map(|class| evidence(class)).sum();
            for (x, logit) in logits.iter_mut().enumerate() {
                let of_class = |class: &Vec<f32>| evidence(class) / total * predict(class)[x];
                let marginal: f64 = all.iter().map(of_class).sum();
                *logit += f64::from(STRENGTH) * (own[x] / marginal).ln();
            }
        }
        logits.into_iter().map(|logit| logit as f32).collect()
    }

    struct Guided;

    impl Subject for Guided {
        fn alphabet(&self) -> Alphabet {
            ALPHABET
        }

        fn condition(&self) -> usize {
            WIDTH
        }

        /// The definition, with the whole past anew at each position.
        fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>> {
            let predicted = |condition: &[f32], t: usize| {
                let mut past = [0.0; SIZE];
                let read = |&token: &Token| Stub::read(&mut past, condition, token);
                probabilities(&tokens[..=t].iter().map(read).last().expect("a token"))
            };
            let asked = condition.unwrap_or(&[0.0; WIDTH]);
            let at = |t: usize| {
                let evidence = |condition: &[f32]| -> f64 {
                    let read = (1..=t).filter(|&t| ALPHABET.contains(tokens[t]));
                    read.map(|t| predicted(condition, t - 1)[tokens[t] as usize])
                        .product()
                };
                definition(asked, &|condition| predicted(condition, t), &evidence)
            };
            (0..tokens.len()).map(at).collect()
        }

        fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
            Box::new(guided(lanes, &GROUPS, STRENGTH))
        }
    }

    #[test]
    fn a_guided_network_obeys_the_laws_of_steppers() {
        check_all(&Guided);
    }

    const FIRST: [f32; WIDTH] = [1.0, 0.0, 0.0, 1.0, 0.0];
    const SECOND: [f32; WIDTH] = [0.0, 1.0, 0.0, 0.0, 1.0];

    #[test]
    fn after_a_change_of_class_all_rivals_have_the_past_of_the_lane_and_none_is_likelier() {
        let tokens = [5, 1, 3, 0];
        let mut stepper = guided(2, &GROUPS, STRENGTH);
        stepper.reset(0, Some(&SECOND));
        stepper.reset(1, Some(&FIRST));
        let mut past = [0.0; SIZE];
        for token in tokens {
            stepper.step(&[2, token]);
            Stub::read(&mut past, &FIRST, token);
        }
        stepper.recondition(1, Some(&SECOND));
        let predict =
            |condition: &[f32]| probabilities(&Stub::read(&mut past.clone(), condition, 2));
        let expected = definition(&SECOND, &predict, &|_| 1.0);
        for (found, expected) in stepper.step(&[2, 2])[SIZE..].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn a_gathered_lane_knows_what_is_asked_of_it() {
        let run = |again: bool| {
            let mut stepper = guided(2, &GROUPS, STRENGTH);
            stepper.reset(0, Some(&FIRST));
            stepper.reset(1, Some(&SECOND));
            stepper.step(&[5, 5]);
            stepper.step(&[1, 3]);
            stepper.gather(&[1, 1]);
            if again {
                stepper.recondition(0, Some(&SECOND));
            }
            stepper.step(&[0, 0]).to_vec()
        };
        assert_eq!(run(false), run(true));
    }

    #[test]
    fn without_strength_or_rivals_probabilities_stay() {
        for (groups, strength) in [(&GROUPS[..], 0.0), (&[1, 1], 2.0), (&[], 2.0)] {
            let mut stepper = guided(1, groups, strength);
            stepper.reset(0, Some(&FIRST));
            let mut past = [0.0; SIZE];
            for token in [5, 1, 3, 0, 2] {
                let plain = probabilities(&Stub::read(&mut past, &FIRST, token));
                for (a, b) in probabilities(stepper.step(&[token])).into_iter().zip(plain) {
                    assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }
}
