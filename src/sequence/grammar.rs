/*! Hard constraints on sequences: which tokens may follow, and where a sequence may end. */

use std::fmt::Debug;
use std::sync::Arc;

use crate::sequence::Token;

/// A state of a [`Grammar`]. The default is the state before the first token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GrammarState(pub u8);

/// A deterministic finite automaton over tokens, `stop` included.
///
/// From every state some token leads closer to the end: [`tokens_to_end`](Self::tokens_to_end) decreases, or stays 0.
pub trait Grammar: Debug + Send + Sync {
    /// The state after `token`; `None` if the token may not follow.
    fn next(&self, state: GrammarState, token: Token) -> Option<GrammarState>;

    /// The fewest tokens after which the sequence may end; 0 where it may end now.
    fn tokens_to_end(&self, state: GrammarState) -> usize;
}

/// The state after `token`, if `remaining` more tokens suffice to end the sequence.
pub(super) fn next_within(
    grammar: &dyn Grammar,
    state: GrammarState,
    token: Token,
    remaining: usize,
) -> Option<GrammarState> {
    // A prompt may leave more open than `remaining` tokens can close. Then every token has to lead closer to the end.
    let most = remaining.max(grammar.tokens_to_end(state).saturating_sub(1));
    let next = grammar.next(state, token)?;
    (grammar.tokens_to_end(next) <= most).then_some(next)
}

/// A grammar and the state of one sequence.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    grammar: Arc<dyn Grammar>,
    state: GrammarState,
}

impl Cursor {
    pub(super) fn new(grammar: Arc<dyn Grammar>) -> Self {
        Self {
            grammar,
            state: GrammarState::default(),
        }
    }

    pub(super) fn restart(&mut self) {
        self.state = GrammarState::default();
    }

    pub(super) fn allows(&self, token: Token, remaining: usize) -> bool {
        next_within(&*self.grammar, self.state, token, remaining).is_some()
    }

    /// Advances by `token`. A token that may not follow starts the grammar again.
    pub(super) fn push(&mut self, token: Token) {
        self.state = self.grammar.next(self.state, token).unwrap_or_default();
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Grammar, GrammarState};
    use crate::sequence::Token;

    /// A grammar of the toy alphabet: each 0 opens, each 1 closes, and `stop` (4) needs all closed. At most 3 are open.
    #[derive(Debug)]
    pub(crate) struct Brackets;

    impl Grammar for Brackets {
        fn next(&self, GrammarState(open): GrammarState, token: Token) -> Option<GrammarState> {
            match token {
                0 => (open < 3).then_some(GrammarState(open + 1)),
                1 => open.checked_sub(1).map(GrammarState),
                4 => (open == 0).then_some(GrammarState(0)),
                _ => Some(GrammarState(open)),
            }
        }

        fn tokens_to_end(&self, GrammarState(open): GrammarState) -> usize {
            open.into()
        }
    }

    impl Brackets {
        /// True for tokens without `stop` in which every bracket is closed.
        pub(crate) fn accepts(tokens: &[Token]) -> bool {
            let end = tokens
                .iter()
                .try_fold(GrammarState(0), |state, &token| Self.next(state, token));
            end == Some(GrammarState(0))
        }
    }
}
