/*!
Conformance tests of every sequence network.

| law | statement |
|---|---|
| causality | a token does not change earlier logits |
| step = logits | the stepper computes the logits of the training form |
| reset | a reset lane equals a fresh one, and other lanes do not change |
| recondition | the past stays, the condition changes |
| lanes | a lane does not depend on the other lanes or on their number |
| gather | lane i continues from its parent's state and condition |
| start, stop, padding | `start` is never drawn, `stop` ends a sequence, padding at the end changes nothing |
| seed | the same seed gives the same tokens for any number of lanes |
*/

use crate::sequence::{
    Alphabet, Generator, Item, Sampler, Sampling, Stepper, Token, generate_many,
};

/// The tolerance between step and logits, relative to the largest |logit|.
const TOLERANCE: f32 = 1e-4;
const LENGTH: usize = 40;

/// A network with its training form and its stepper.
pub(crate) trait Subject {
    fn alphabet(&self) -> Alphabet;
    /// The length of the condition vector; 0 without conditions.
    fn condition(&self) -> usize;
    /// The logits of the training form at every position of one sequence.
    fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>>;
    fn stepper(&self, lanes: usize) -> Box<dyn Stepper>;
}

/// Runs every law.
pub(crate) fn check_all(subject: &dyn Subject) {
    check_tokens(subject, true);
}

/// Runs every law on a network whose predictions depend on the position and the condition, and on no token.
pub(crate) fn check_all_without_tokens(subject: &dyn Subject) {
    check_tokens(subject, false);
}

fn check_tokens(subject: &dyn Subject, matter: bool) {
    causality(subject, matter);
    step_equals_logits(subject);
    reset_resets_one_lane(subject);
    recondition_keeps_the_past(subject);
    lanes_are_independent(subject);
    gather_permutes(subject);
    start_stop_and_padding(subject);
    same_seed_same_tokens(subject);
}

/// The inputs of a sequence: `start`, then tokens of the alphabet.
fn sequence(subject: &dyn Subject, salt: u32) -> Vec<Token> {
    let alphabet = subject.alphabet();
    let mut state = salt.wrapping_mul(2_654_435_761).wrapping_add(97);
    let mut tokens = vec![alphabet.start];
    while tokens.len() < LENGTH {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        tokens.push((state >> 10) % alphabet.size as u32);
    }
    tokens
}

fn condition(subject: &dyn Subject, salt: usize) -> Option<Vec<f32>> {
    (subject.condition() > 0).then(|| {
        (0..subject.condition())
            .map(|i| ((i * 7 + salt * 3) % 5) as f32 * 0.5 - 1.0)
            .collect()
    })
}

/// Feeds each lane its own tokens; returns the logits `[time][lane][class]`.
fn run(stepper: &mut dyn Stepper, lanes: &[&[Token]]) -> Vec<Vec<Vec<f32>>> {
    let size = stepper.alphabet().size;
    (0..lanes[0].len())
        .map(|t| {
            let inputs: Vec<Token> = lanes.iter().map(|tokens| tokens[t]).collect();
            stepper
                .step(&inputs)
                .chunks(size)
                .map(<[f32]>::to_vec)
                .collect()
        })
        .collect()
}

fn assert_close(a: &[f32], b: &[f32], what: &str) {
    let largest = a.iter().chain(b).fold(0.0_f32, |m, x| m.max(x.abs()));
    let apart = a
        .iter()
        .zip(b)
        .fold(0.0_f32, |m, (x, y)| m.max((x - y).abs()));
    assert!(
        a.len() == b.len() && apart <= TOLERANCE * largest,
        "{what}: {apart} apart, largest logit {largest}"
    );
}

fn causality(subject: &dyn Subject, tokens_matter: bool) {
    let tokens = sequence(subject, 1);
    let steering = condition(subject, 1);
    let before = subject.logits(&tokens, steering.as_deref());
    for changed in [1, LENGTH / 2, LENGTH - 1] {
        let mut other = tokens.clone();
        other[changed] = (other[changed] + 1) % subject.alphabet().size as u32;
        let after = subject.logits(&other, steering.as_deref());
        for t in 0..changed {
            assert_close(&before[t], &after[t], "causality");
        }
        if tokens_matter {
            assert_ne!(before[changed], after[changed], "a token has no effect");
        } else {
            assert_eq!(before, after, "a token has an effect");
        }
    }
}

fn step_equals_logits(subject: &dyn Subject) {
    for salt in 0..3 {
        let tokens = sequence(subject, salt);
        let steering = condition(subject, salt as usize);
        let whole = subject.logits(&tokens, steering.as_deref());
        let mut stepper = subject.stepper(1);
        stepper.reset(0, steering.as_deref());
        let steps = run(&mut *stepper, &[&tokens]);
        for (t, logits) in whole.iter().enumerate() {
            assert_close(logits, &steps[t][0], &format!("step = logits at {t}"));
        }
    }
}

fn reset_resets_one_lane(subject: &dyn Subject) {
    let (a, b) = (sequence(subject, 4), sequence(subject, 5));
    let steering = condition(subject, 2);
    let mut stepper = subject.stepper(2);
    stepper.reset(0, steering.as_deref());
    stepper.reset(1, steering.as_deref());
    let fresh = run(&mut *stepper, &[&a, &b]);
    let half = LENGTH / 2;
    stepper.reset(0, steering.as_deref());
    stepper.reset(1, steering.as_deref());
    run(&mut *stepper, &[&b[..half], &b[..half]]);
    stepper.reset(0, steering.as_deref());
    let after = run(&mut *stepper, &[&a[..half], &b[half..]]);
    for t in 0..half {
        assert_eq!(
            after[t][0], fresh[t][0],
            "a reset lane differs from a fresh one"
        );
        assert_eq!(
            after[t][1],
            fresh[half + t][1],
            "resetting a lane changed another one"
        );
    }
}

fn recondition_keeps_the_past(subject: &dyn Subject) {
    let Some(first) = condition(subject, 1) else {
        return;
    };
    let second = condition(subject, 2).expect("it has a condition");
    let tokens = sequence(subject, 6);
    let half = LENGTH / 2;
    let mut stepper = subject.stepper(1);
    let tail = |stepper: &mut dyn Stepper, change: &dyn Fn(&mut dyn Stepper)| {
        stepper.reset(0, Some(&first));
        run(stepper, &[&tokens[..half]]);
        change(stepper);
        run(stepper, &[&tokens[half..]])
    };
    let untouched = tail(&mut *stepper, &|_| {});
    let same = tail(&mut *stepper, &|s| s.recondition(0, Some(&first)));
    let steered = tail(&mut *stepper, &|s| s.recondition(0, Some(&second)));
    let forgotten = tail(&mut *stepper, &|s| s.reset(0, Some(&second)));
    assert_eq!(untouched, same, "the same condition changed the logits");
    assert_ne!(
        untouched[0], steered[0],
        "another condition changed nothing"
    );
    assert_ne!(steered[0], forgotten[0], "reconditioning cleared the past");
    let zeros = vec![0.0; subject.condition()];
    let mut none = subject.stepper(1);
    none.reset(0, None);
    let none = run(&mut *none, &[&tokens]);
    stepper.reset(0, Some(&zeros));
    assert_eq!(
        none,
        run(&mut *stepper, &[&tokens]),
        "no condition differs from the zero condition"
    );
}

fn lanes_are_independent(subject: &dyn Subject) {
    let sequences: Vec<Vec<Token>> = (0..5).map(|salt| sequence(subject, 10 + salt)).collect();
    let mut together = subject.stepper(5);
    for lane in 0..5 {
        together.reset(lane, condition(subject, lane).as_deref());
    }
    let all = run(
        &mut *together,
        &sequences.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    );
    for (lane, tokens) in sequences.iter().enumerate() {
        let mut alone = subject.stepper(1);
        alone.reset(0, condition(subject, lane).as_deref());
        for (t, logits) in run(&mut *alone, &[tokens]).iter().enumerate() {
            assert_eq!(
                logits[0], all[t][lane],
                "lane {lane} differs from the same sequence alone at {t}"
            );
        }
    }
}

fn gather_permutes(subject: &dyn Subject) {
    let sequences: Vec<Vec<Token>> = (0..3).map(|salt| sequence(subject, 20 + salt)).collect();
    let lanes = |range: std::ops::Range<usize>, order: [usize; 3]| -> Vec<Vec<Token>> {
        order
            .iter()
            .map(|&lane| sequences[lane][range.clone()].to_vec())
            .collect()
    };
    let half = LENGTH / 2;
    let mut stepper = subject.stepper(3);
    let prepare = |stepper: &mut dyn Stepper| {
        for lane in 0..3 {
            stepper.reset(lane, condition(subject, lane).as_deref());
        }
        let first = lanes(0..half, [0, 1, 2]);
        run(
            stepper,
            &first.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        );
    };
    prepare(&mut *stepper);
    let straight = lanes(half..LENGTH, [0, 1, 2]);
    let straight = run(
        &mut *stepper,
        &straight.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    );
    for parents in [[2, 0, 1], [1, 1, 0], [0, 1, 2]] {
        prepare(&mut *stepper);
        stepper.gather(&parents);
        let tail = lanes(half..LENGTH, parents);
        let tail = run(
            &mut *stepper,
            &tail.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        );
        for t in 0..half {
            for (lane, &parent) in parents.iter().enumerate() {
                assert_eq!(
                    tail[t][lane], straight[t][parent],
                    "gather {parents:?} lane {lane} at {t}"
                );
            }
        }
    }
}

fn start_stop_and_padding(subject: &dyn Subject) {
    let alphabet = subject.alphabet();
    let tokens = sequence(subject, 30);
    let mut padded = tokens.clone();
    padded.extend([alphabet.start; 7]);
    let (short, long) = (subject.logits(&tokens, None), subject.logits(&padded, None));
    for t in 0..LENGTH {
        assert_close(&short[t], &long[t], "padding at the end changed a sequence");
    }
    let mut stepper = subject.stepper(1);
    let mut items = [item(3, 0, None)];
    let mut made = Vec::new();
    generate_many(&mut *stepper, &mut items, 500, &mut |_, token| {
        made.push(token);
        Ok(())
    })
    .expect("generates");
    assert!(
        made.iter().all(|&token| alphabet.contains(token)),
        "an input-only token was drawn"
    );
    assert!(
        made.iter().all(|&token| alphabet.stop != Some(token)),
        "stop was returned"
    );
    if alphabet.stop.is_none() {
        assert_eq!(made.len(), 500, "a sequence ended without stop");
    }
}

fn item(seed: u64, number: u64, condition: Option<Vec<f32>>) -> Item {
    Item {
        stream: None,
        sampler: Sampler::new(Sampling::default(), seed, number).expect("default settings"),
        condition,
        prompt: Vec::new(),
    }
}

fn same_seed_same_tokens(subject: &dyn Subject) {
    let make = |seed, lanes| {
        let mut items: Vec<Item> = (0..6)
            .map(|i| item(seed, i, condition(subject, i as usize)))
            .collect();
        let mut made = vec![Vec::new(); items.len()];
        generate_many(
            &mut *subject.stepper(lanes),
            &mut items,
            LENGTH,
            &mut |item, token| {
                made[item].push(token);
                Ok(())
            },
        )
        .expect("generates");
        made
    };
    let reference = make(9, 1);
    for lanes in [1, 2, 4, 6, 9] {
        assert_eq!(
            make(9, lanes),
            reference,
            "tokens depend on the number of lanes ({lanes})"
        );
    }
    assert_ne!(make(10, 1), reference, "another seed gave the same tokens");
}

/// A [`Generator`] gives the tokens of [`generate_many`].
pub(crate) fn generator_equals_generate_many(
    make: &dyn Fn() -> Box<dyn Stepper>,
    prompt: &[Token],
) {
    let sampler = || Sampler::new(Sampling::default(), 3, 0).expect("default settings");
    let mut items = [Item {
        stream: None,
        sampler: sampler(),
        condition: None,
        prompt: prompt.to_vec(),
    }];
    let mut many = Vec::new();
    generate_many(&mut *make(), &mut items, 50, &mut |_, token| {
        many.push(token);
        Ok(())
    })
    .expect("generates");
    let one: Vec<Token> = Generator::new(make(), sampler(), None, prompt)
        .expect("generates")
        .take(50)
        .collect();
    assert_eq!(one, many);
}
