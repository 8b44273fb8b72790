/*! The laws of every CPU stepper, as tests. */

use crate::base::rng::testing::Lcg;
use crate::base::simd::InstructionSet;
use crate::sequence::{Alphabet, Clock, SideInputs, Stepper, Token};

/// How to build the stepper under test, and what it is fed.
pub(crate) struct Subject<'a> {
    pub stepper: &'a dyn Fn(usize, InstructionSet) -> Box<dyn Stepper>,
    /// Length of the condition vector, at least 1.
    pub condition: usize,
    /// More steps than the longest queue or lag.
    pub steps: usize,
}

type Bits = Vec<Vec<u32>>;

impl Subject<'_> {
    /// Checks every law.
    pub fn keeps_the_laws(&self) {
        self.lanes_and_instruction_sets_do_not_change_a_bit();
        self.reset_forgets_one_lane_and_keeps_the_others();
        self.recondition_changes_the_next_step_and_keeps_the_past();
        self.gather_regroups_past_and_condition();
        self.no_condition_is_a_condition_of_zeros();
    }

    fn build(&self, lanes: usize) -> Box<dyn Stepper> {
        (self.stepper)(lanes, InstructionSet::detect())
    }

    fn sequences(&self, n: usize, steps: usize) -> Vec<Vec<Token>> {
        let inputs = self.build(1).alphabet().inputs();
        let mut random = Lcg(6);
        (0..n).map(|_| random.tokens(steps, inputs)).collect()
    }

    fn conditions(&self, n: usize) -> Vec<Vec<f32>> {
        let mut random = Lcg(7);
        (0..n).map(|_| random.values(self.condition, 1.0)).collect()
    }

    /// The bits of the logits after every token, in one lane.
    fn alone(&self, tokens: &[Token], condition: Option<&[f32]>) -> Bits {
        let mut stepper = self.build(1);
        stepper.reset(0, condition);
        feed(&mut *stepper, tokens)
    }

    fn lanes_and_instruction_sets_do_not_change_a_bit(&self) {
        let sequences = self.sequences(16, 25);
        let conditions = self.conditions(16);
        let both = sequences.iter().zip(&conditions);
        let wanted: Vec<_> = both.map(|(s, c)| self.alone(s, Some(c))).collect();
        for instruction_set in InstructionSet::available() {
            for lanes in [1, 2, 3, 7, 16] {
                let mut stepper = (self.stepper)(lanes, instruction_set);
                (0..lanes).for_each(|lane| stepper.reset(lane, Some(&conditions[lane])));
                for t in 0..25 {
                    let tokens: Vec<_> = sequences[..lanes].iter().map(|s| s[t]).collect();
                    let wanted: Vec<_> =
                        wanted[..lanes].iter().flat_map(|w| w[t].clone()).collect();
                    let logits = bits(stepper.step(&tokens));
                    assert_eq!(
                        logits, wanted,
                        "{instruction_set:?}, {lanes} lanes, step {t}"
                    );
                }
            }
        }
    }

    fn reset_forgets_one_lane_and_keeps_the_others(&self) {
        let sequences = self.sequences(3, 2 * self.steps);
        let condition = &self.conditions(1)[0];
        let others = [
            self.alone(&sequences[0], None),
            self.alone(&sequences[2], None),
        ];
        for cut in [1, 13, self.steps] {
            let fresh = self.alone(&sequences[1][cut..], Some(condition));
            let mut stepper = self.build(3);
            let size = stepper.alphabet().size;
            for t in 0..2 * self.steps {
                if t == cut {
                    stepper.reset(1, Some(condition));
                }
                let logits =
                    bits(stepper.step(&[sequences[0][t], sequences[1][t], sequences[2][t]]));
                assert_eq!(logits[..size], others[0][t]);
                assert_eq!(logits[2 * size..], others[1][t]);
                if t >= cut {
                    assert_eq!(
                        logits[size..2 * size],
                        fresh[t - cut],
                        "cut {cut}, step {t}"
                    );
                }
            }
        }
    }

    fn recondition_changes_the_next_step_and_keeps_the_past(&self) {
        let tokens = &self.sequences(1, 40)[0];
        let conditions = self.conditions(2);
        let [a, b] = [Some(&*conditions[0]), Some(&*conditions[1])];
        let unchanged = self.alone(tokens, a);
        let mut stepper = self.build(1);
        stepper.reset(0, a);
        assert_eq!(feed(&mut *stepper, &tokens[..20]), unchanged[..20]);
        stepper.recondition(0, b);
        let changed = feed(&mut *stepper, &tokens[20..]);
        assert_ne!(
            changed[0], unchanged[20],
            "the new condition applies at once"
        );
        assert_ne!(
            changed[0],
            self.alone(&tokens[20..], b)[0],
            "the past is kept"
        );
        stepper.reset(0, a);
        feed(&mut *stepper, &tokens[..20]);
        stepper.recondition(0, b);
        stepper.recondition(0, a);
        let back = feed(&mut *stepper, &tokens[20..]);
        assert_eq!(
            back,
            unchanged[20..],
            "a condition that is set back before a step changes nothing"
        );
    }

    fn gather_regroups_past_and_condition(&self) {
        let sequences = self.sequences(4, self.steps);
        let conditions = self.conditions(3);
        let (tail, sequences) = sequences.split_last().expect("four sequences");
        for (parents, cut) in [([2, 0, 1], 21), ([1, 1, 0], 6), ([0, 1, 2], 3)] {
            let mut stepper = self.build(3);
            let size = stepper.alphabet().size;
            (0..3).for_each(|lane| stepper.reset(lane, Some(&conditions[lane])));
            for t in 0..cut {
                stepper.step(&[sequences[0][t], sequences[1][t], sequences[2][t]]);
            }
            stepper.gather(&parents);
            let wanted = parents.map(|p| {
                let tokens: Vec<_> = sequences[p][..cut].iter().chain(tail).copied().collect();
                self.alone(&tokens, Some(&conditions[p]))
            });
            for (t, &token) in tail.iter().enumerate() {
                let logits = bits(stepper.step(&[token; 3]));
                for (lane, wanted) in wanted.iter().enumerate() {
                    let logits = &logits[lane * size..][..size];
                    assert_eq!(
                        logits,
                        wanted[cut + t],
                        "{parents:?}, lane {lane}, step {t}"
                    );
                }
            }
        }
    }

    fn no_condition_is_a_condition_of_zeros(&self) {
        let tokens = &self.sequences(1, 20)[0];
        let none = self.alone(tokens, None);
        assert_eq!(none, self.alone(tokens, Some(&vec![0.0; self.condition])));
        assert_eq!(
            none,
            feed(&mut *self.build(1), tokens),
            "as of a new stepper"
        );
    }
}

fn feed(stepper: &mut dyn Stepper, tokens: &[Token]) -> Bits {
    tokens.iter().map(|&t| bits(stepper.step(&[t]))).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Asserts that `got` is within 1e-5 of the largest |logit| of `wanted`.
pub(crate) fn assert_close(got: &[f32], wanted: &[f64], what: &str) {
    assert_eq!(got.len(), wanted.len());
    let largest = wanted.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    for (got, wanted) in got.iter().zip(wanted) {
        let error = (f64::from(*got) - wanted).abs();
        assert!(error <= 1e-5 * largest, "{what}: {got} for {wanted}");
    }
}

/// `bias + x · matrix`, `[x.len(), bias.len()]`, in f64.
pub(crate) fn affine(x: &[f64], matrix: &[f32], bias: &[f32]) -> Vec<f64> {
    let mut sums: Vec<f64> = bias.iter().map(|&b| f64::from(b)).collect();
    for (x, row) in x.iter().zip(matrix.chunks_exact(bias.len())) {
        let terms = row.iter().map(|&w| x * f64::from(w));
        sums.iter_mut()
            .zip(terms)
            .for_each(|(sum, term)| *sum += term);
    }
    sums
}

/// Lags, and clocks as (every, states).
pub(crate) fn side_inputs(lags: &[usize], clocks: &[(usize, usize)]) -> SideInputs {
    let clocks = clocks
        .iter()
        .map(|&(every, states)| Clock { every, states });
    SideInputs {
        prediction: None,
        lags: lags.to_vec(),
        clocks: clocks.collect(),
    }
}

/// The rows of the embedding that step `t` sums, by their definition.
pub(crate) fn rows(
    side_inputs: &SideInputs,
    alphabet: Alphabet,
    tokens: &[Token],
    t: usize,
) -> Vec<usize> {
    let mut first = 0;
    let mut rows = Vec::new();
    for &lag in [0].iter().chain(&side_inputs.lags) {
        let token = if lag > t {
            alphabet.start
        } else {
            tokens[t - lag]
        };
        rows.push(first + token as usize);
        first += alphabet.inputs();
    }
    for clock in &side_inputs.clocks {
        rows.push(first + t / clock.every % clock.states);
        first += clock.states;
    }
    rows
}
