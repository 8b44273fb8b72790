/*! A minimal network with a past, a condition and lanes, for tests. */

use crate::sequence::conformance::Subject;
use crate::sequence::{Alphabet, Stepper, Token};

const SIZE: usize = 5;
const STATE: usize = 3;
const CONDITION: usize = 2;
/// The fraction of the past that remains after one step.
const MEMORY: f32 = 0.7;

/// The logits are linear in tanh of an exponentially fading sum of token embeddings, plus the condition. The alphabet has
/// an input-only `start`; token 4 is `stop`.
#[derive(Clone)]
pub(crate) struct Toy {
    embedding: [[f32; STATE]; SIZE + 1],
    conditioning: [[f32; STATE]; CONDITION],
    output: [[f32; SIZE]; STATE],
}

impl Toy {
    pub(crate) fn new() -> Self {
        let mut state = 12_345_u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        Self {
            embedding: std::array::from_fn(|_| std::array::from_fn(|_| number())),
            conditioning: std::array::from_fn(|_| std::array::from_fn(|_| number())),
            output: std::array::from_fn(|_| std::array::from_fn(|_| 2.0 * number())),
        }
    }

    pub(crate) fn alphabet() -> Alphabet {
        Alphabet {
            size: SIZE,
            start: SIZE as Token,
            stop: Some(4),
        }
    }

    pub(crate) fn stepper(&self, lanes: usize) -> ToyStepper {
        ToyStepper {
            toy: self.clone(),
            lanes: vec![Lane::default(); lanes],
            logits: vec![0.0; lanes * SIZE],
        }
    }

    fn output(&self, past: &[f32; STATE], condition: &[f32]) -> [f32; SIZE] {
        std::array::from_fn(|class| {
            (0..STATE)
                .map(|k| {
                    let steered: f32 = (0..CONDITION)
                        .map(|c| condition[c] * self.conditioning[c][k])
                        .sum();
                    (past[k] + steered).tanh() * self.output[k][class]
                })
                .sum()
        })
    }
}

impl Subject for Toy {
    fn alphabet(&self) -> Alphabet {
        Toy::alphabet()
    }

    fn condition(&self) -> usize {
        CONDITION
    }

    /// The closed form Σ MEMORY^(t−i) · embedding(token i), which shares no code with `step`.
    fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>> {
        let condition = condition.unwrap_or(&[0.0; CONDITION]);
        (0..tokens.len())
            .map(|t| {
                let past = std::array::from_fn(|k| {
                    (0..=t)
                        .map(|i| {
                            MEMORY.powi((t - i) as i32) * self.embedding[tokens[i] as usize][k]
                        })
                        .sum()
                });
                self.output(&past, condition).to_vec()
            })
            .collect()
    }

    fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
        Box::new(Toy::stepper(self, lanes))
    }
}

#[derive(Clone, Default)]
struct Lane {
    past: [f32; STATE],
    condition: [f32; CONDITION],
}

pub(crate) struct ToyStepper {
    toy: Toy,
    lanes: Vec<Lane>,
    logits: Vec<f32>,
}

impl Stepper for ToyStepper {
    fn alphabet(&self) -> Alphabet {
        Toy::alphabet()
    }

    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.lanes[lane].past = [0.0; STATE];
        self.recondition(lane, condition);
    }

    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.lanes[lane]
            .condition
            .copy_from_slice(condition.unwrap_or(&[0.0; CONDITION]));
    }

    fn step(&mut self, tokens: &[Token]) -> &[f32] {
        assert_eq!(tokens.len(), self.lanes.len());
        for ((lane, &token), logits) in self
            .lanes
            .iter_mut()
            .zip(tokens)
            .zip(self.logits.chunks_mut(SIZE))
        {
            for (past, new) in lane.past.iter_mut().zip(self.toy.embedding[token as usize]) {
                *past = MEMORY * *past + new;
            }
            logits.copy_from_slice(&self.toy.output(&lane.past, &lane.condition));
        }
        &self.logits
    }

    fn gather(&mut self, parents: &[usize]) {
        assert_eq!(parents.len(), self.lanes.len());
        self.lanes = parents
            .iter()
            .map(|&parent| self.lanes[parent].clone())
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::conformance;

    #[test]
    fn the_toy_passes_every_law() {
        conformance::check_all(&Toy::new());
    }

    #[test]
    fn one_generator_equals_one_of_many() {
        conformance::generator_equals_generate_many(&|| Box::new(Toy::new().stepper(1)), &[]);
        conformance::generator_equals_generate_many(
            &|| Box::new(Toy::new().stepper(1)),
            &[1, 3, 0],
        );
    }

    /// Each deliberate fault must break a law.
    #[test]
    fn the_laws_catch_faulty_networks() {
        for fault in [
            Fault::LooksAhead,
            Fault::ForgetsReset,
            Fault::ResetsAll,
            Fault::ReconditionForgets,
            Fault::GatherKeepsCondition,
            Fault::LeaksBetweenLanes,
        ] {
            let faulty = Faulty {
                toy: Toy::new(),
                fault,
            };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                conformance::check_all(&faulty);
            }));
            assert!(outcome.is_err(), "{fault:?} breaks no law");
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fault {
        LooksAhead,
        ForgetsReset,
        ResetsAll,
        ReconditionForgets,
        GatherKeepsCondition,
        LeaksBetweenLanes,
    }

    struct Faulty {
        toy: Toy,
        fault: Fault,
    }

    struct FaultyStepper {
        inner: ToyStepper,
        fault: Fault,
    }

    impl Subject for Faulty {
        fn alphabet(&self) -> Alphabet {
            Toy::alphabet()
        }

        fn condition(&self) -> usize {
            CONDITION
        }

        fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>> {
            let mut logits = Subject::logits(&self.toy, tokens, condition);
            if self.fault == Fault::LooksAhead {
                for t in 1..tokens.len() {
                    logits[t - 1][0] += tokens[t] as f32;
                }
            }
            logits
        }

        fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
            Box::new(FaultyStepper {
                inner: self.toy.stepper(lanes),
                fault: self.fault,
            })
        }
    }

    impl Stepper for FaultyStepper {
        fn alphabet(&self) -> Alphabet {
            self.inner.alphabet()
        }

        fn lanes(&self) -> usize {
            self.inner.lanes()
        }

        fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
            match self.fault {
                Fault::ForgetsReset => self.inner.recondition(lane, condition),
                Fault::ResetsAll => (0..self.lanes()).for_each(|l| self.inner.reset(l, condition)),
                _ => self.inner.reset(lane, condition),
            }
        }

        fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
            match self.fault {
                Fault::ReconditionForgets => self.inner.reset(lane, condition),
                _ => self.inner.recondition(lane, condition),
            }
        }

        fn step(&mut self, tokens: &[Token]) -> &[f32] {
            if self.fault == Fault::LeaksBetweenLanes && tokens.len() > 1 {
                self.inner.lanes[0].past[0] += 0.1 * tokens[1] as f32;
            }
            self.inner.step(tokens)
        }

        fn gather(&mut self, parents: &[usize]) {
            let conditions: Vec<_> = self.inner.lanes.iter().map(|l| l.condition).collect();
            self.inner.gather(parents);
            if self.fault == Fault::GatherKeepsCondition {
                for (lane, condition) in self.inner.lanes.iter_mut().zip(conditions) {
                    lane.condition = condition;
                }
            }
        }
    }
}
