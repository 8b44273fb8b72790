/*! Frames as tokens: five slots a frame, each with its own range of one alphabet, and `stop` after the last frame. */

use std::ops::Range;

use crate::sequence::{Alphabet, Grammar, GrammarState, Token};

/// Classes of the gain.
pub(super) const GAINS: usize = 43;
/// Classes of the pitch; class 0 is none.
pub(super) const PITCHES: usize = 48;
/// Vectors of each of the two codebooks of envelopes.
pub(super) const CODES: usize = 256;
/// Levels of the excitation.
pub(super) const LEVELS: usize = 24;

/// Tokens a frame.
pub const SLOTS: usize = 5;
/// Classes of each slot, in the order of the tokens.
const SIZES: [usize; SLOTS] = [GAINS, PITCHES, CODES, CODES, LEVELS];
/// The first token of each slot, and behind them `stop`.
const FIRST: [Token; SLOTS + 1] = first();
const STOP: Token = FIRST[SLOTS];

/// One frame as classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Loudness in steps of 2.2 dB; class 0 is silence.
    pub gain: u8,
    /// Pitch on a logarithmic scale from low to high; 0 for none.
    pub pitch: u8,
    /// The vectors of the first and of the second codebook, whose sum is the envelope.
    pub envelope: [u8; 2],
    /// How far the prediction of the samples errs, in half octaves.
    pub excitation: u8,
}

impl Frame {
    /// A frame of silence.
    pub const SILENT: Self = Self {
        gain: 0,
        pitch: 0,
        envelope: [0, 0],
        excitation: 0,
    };

    /// The frame of the classes of its slots.
    pub(super) fn of([gain, pitch, first, second, excitation]: [u8; SLOTS]) -> Self {
        Self {
            gain,
            pitch,
            envelope: [first, second],
            excitation,
        }
    }

    /// The classes of its slots: the inverse of [`of`](Self::of).
    fn classes(self) -> [u8; SLOTS] {
        let [first, second] = self.envelope;
        [self.gain, self.pitch, first, second, self.excitation]
    }
}

/// All slots' classes and `stop`; the start symbol is only an input.
pub(super) fn alphabet() -> Alphabet {
    Alphabet {
        size: STOP as usize + 1,
        start: STOP + 1,
        stop: Some(STOP),
    }
}

/// Five tokens a frame, without `stop`.
pub(super) fn tokens(frames: &[Frame]) -> Vec<Token> {
    let of_frame = |frame: &Frame| {
        let classes = frame.classes();
        (0..SLOTS).map(move |slot| FIRST[slot] + Token::from(classes[slot]))
    };
    frames.iter().flat_map(of_frame).collect()
}

/// The inverse of [`tokens`]; `None` where a token is in the wrong slot. An incomplete last frame is dropped.
pub(super) fn frames(tokens: &[Token]) -> Option<Vec<Frame>> {
    let mut frames = Vec::with_capacity(tokens.len() / SLOTS);
    for tokens in tokens.chunks(SLOTS) {
        let mut classes = [0; SLOTS];
        for (slot, &token) in tokens.iter().enumerate() {
            if !range(slot).contains(&token) {
                return None;
            }
            classes[slot] = (token - FIRST[slot]) as u8;
        }
        if tokens.len() == SLOTS {
            frames.push(Frame::of(classes));
        }
    }
    Some(frames)
}

/// The tokens of a slot.
fn range(slot: usize) -> Range<Token> {
    FIRST[slot]..FIRST[slot + 1]
}

const fn first() -> [Token; SLOTS + 1] {
    let mut first = [0; SLOTS + 1];
    let mut slot = 0;
    while slot < SLOTS {
        first[slot + 1] = first[slot] + SIZES[slot] as Token;
        slot += 1;
    }
    first
}

/// The grammar of frame tokens: each slot's own range in turn, and `stop` only in place of a gain.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameGrammar;

impl Grammar for FrameGrammar {
    fn next(&self, GrammarState(state): GrammarState, token: Token) -> Option<GrammarState> {
        let slot = usize::from(state);
        if token == STOP {
            return (slot == 0).then_some(GrammarState(0));
        }
        let next = (slot + 1) % SLOTS;
        range(slot)
            .contains(&token)
            .then_some(GrammarState(next as u8))
    }

    fn tokens_to_end(&self, GrammarState(state): GrammarState) -> usize {
        (SLOTS - usize::from(state)) % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::testing::Lcg;

    fn random(count: usize) -> Vec<Frame> {
        let mut lcg = Lcg(7);
        (0..count)
            .map(|_| Frame::of(SIZES.map(|size| lcg.tokens(1, size)[0] as u8)))
            .collect()
    }

    #[test]
    fn tokens_and_frames_are_inverse() {
        for count in [0, 1, 500] {
            let written = random(count);
            let read = tokens(&written);
            assert_eq!(read.len(), SLOTS * count);
            assert_eq!(frames(&read), Some(written));
        }
    }

    #[test]
    fn an_incomplete_frame_is_dropped_and_a_wrong_slot_refused() {
        let written = random(4);
        let read = tokens(&written);
        for extra in 1..SLOTS {
            let part = &read[..2 * SLOTS + extra];
            assert_eq!(frames(part).unwrap(), written[..2]);
            assert_eq!(frames(&read[extra..]), None);
        }
        assert_eq!(frames(&[STOP]), None);
        assert_eq!(frames(&[alphabet().start]), None);
    }

    #[test]
    fn every_token_but_stop_and_start_has_one_slot() {
        assert_eq!(alphabet().size, 628);
        for token in 0..=alphabet().start {
            let slots = (0..SLOTS)
                .filter(|&slot| range(slot).contains(&token))
                .count();
            assert_eq!(slots, usize::from(token < STOP));
        }
    }

    #[test]
    fn the_grammar_allows_a_slot_its_range_and_stop_for_a_gain() {
        let mut state = GrammarState::default();
        for token in tokens(&random(3)) {
            let slot = usize::from(state.0);
            assert_eq!(FrameGrammar.tokens_to_end(state), (SLOTS - slot) % SLOTS);
            for other in 0..=alphabet().start {
                let right = range(slot).contains(&other) || (slot == 0 && other == STOP);
                assert_eq!(FrameGrammar.next(state, other).is_some(), right);
            }
            state = FrameGrammar.next(state, token).unwrap();
        }
        assert_eq!(FrameGrammar.tokens_to_end(state), 0);
    }
}
