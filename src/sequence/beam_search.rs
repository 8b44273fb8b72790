/*!
Beam search for the likeliest sequences.

A group of lanes searches one sequence. Several groups, each with its own condition and prompt, run side by side in one
stepper. The search needs only [`Stepper::gather`], so that it works for every network and medium.
*/

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::error::{Error, Result};
use crate::sequence::generator::check_prompt;
use crate::sequence::grammar::{Grammar, GrammarState, next_within};
use crate::sequence::sampler::highest;
use crate::sequence::{Alphabet, Stepper, Token};

/// The width of the search, and how sequences of different lengths compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamSettings {
    /// The number of unfinished sequences, and the largest number of finished ones.
    pub beams: usize,
    /// The largest number of tokens in a sequence, without `stop`.
    pub max_length: usize,
    /// The exponent α of the length penalty `((5 + length) / 6)^α`, which divides the log probability (Wu et al. 2016,
    /// "Google's neural machine translation system", eq. 14; the length includes `stop`). 0 compares log probabilities
    /// and prefers short sequences; 1 compares about the mean log probability per token.
    pub length_penalty: f32,
}

impl Default for BeamSettings {
    fn default() -> Self {
        Self {
            beams: 5,
            max_length: 128,
            length_penalty: 0.6,
        }
    }
}

impl BeamSettings {
    /// Checks that each setting is in its range.
    ///
    /// # Errors
    /// A usage error that names the setting, its value and the range.
    pub fn validate(&self) -> Result<()> {
        if self.beams == 0 {
            return Err(Error::usage("a beam search needs at least 1 beam")
                .with_hint("use a whole number from 1 up; 5 is usual"));
        }
        if self.max_length == 0 {
            return Err(Error::usage("the longest sequence has 0 tokens")
                .with_hint("use a length from 1 up"));
        }
        if !(self.length_penalty.is_finite() && self.length_penalty >= 0.0) {
            return Err(Error::usage(format!(
                "length penalty {} is out of range",
                self.length_penalty
            ))
            .with_hint("use a number from 0, which prefers short sequences, to about 1"));
        }
        Ok(())
    }

    /// The log probability over the length penalty; `length` includes `stop`.
    fn score(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / ((5.0 + length as f64) / 6.0).powf(f64::from(self.length_penalty))
    }

    fn hypothesis(&self, tokens: Vec<Token>, log_probability: f64, length: usize) -> Hypothesis {
        Hypothesis {
            tokens,
            log_probability,
            prompt_log_probability: 0.0,
            score: self.score(log_probability, length),
        }
    }
}

/// The condition and the prompt of one search.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// The network's condition, if it has one.
    pub condition: Option<&'a [f32]>,
    /// Fed first; neither scored nor part of a hypothesis.
    pub prompt: &'a [Token],
}

/// A finished sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The tokens without the prompt and without `stop`.
    pub tokens: Vec<Token>,
    /// ln P(tokens, `stop` | prompt, condition) in nats, without `stop` where the alphabet has none.
    pub log_probability: f64,
    /// ln P(prompt | condition) in nats; 0 without a prompt.
    pub prompt_log_probability: f64,
    /// The log probability over the length penalty. Hypotheses are ordered by it.
    pub score: f64,
}

/// Searches each of `queries`, one per group of `beams` lanes at a time. Returns, for each query, at most `beams`
/// different hypotheses, the best first.
///
/// With a `stop`, every hypothesis ends with it, at the latest after `max_length` tokens. A search ends when it has
/// `beams` hypotheses and no unfinished sequence scores better than the worst of them: exact for a length penalty of 0,
/// else the usual heuristic. Without a `stop`, all sequences have `max_length` tokens. The better beam and then the
/// lower token wins a tie.
///
/// The result of a query does not depend on the others. Lanes are gathered at most once a step, only if one moves.
///
/// A grammar restricts the sequences; the probabilities are those of the network, not renormalised over the allowed
/// tokens.
///
/// # Errors
/// When a setting is out of range, a token of a prompt is not in the alphabet, or the logits are NaN.
///
/// # Panics
/// If the stepper has fewer lanes than `beams`.
pub fn beam_search(
    stepper: &mut dyn Stepper,
    queries: &[Query],
    settings: &BeamSettings,
    grammar: Option<&dyn Grammar>,
) -> Result<Vec<Vec<Hypothesis>>> {
    settings.validate()?;
    let alphabet = stepper.alphabet();
    for query in queries {
        check_prompt(alphabet, query.prompt)?;
    }
    let beams = settings.beams;
    assert!(stepper.lanes() >= beams, "fewer lanes than beams");
    let mut groups: Vec<Option<Search<'_>>> = (0..stepper.lanes() / beams).map(|_| None).collect();
    let mut inputs = vec![alphabet.start; stepper.lanes()];
    let mut parents: Vec<usize> = (0..stepper.lanes()).collect();
    let mut found = vec![Vec::new(); queries.len()];
    let mut waiting = 0..queries.len();
    loop {
        for (lanes, group) in (0..).step_by(beams).zip(&mut groups) {
            if group.is_none()
                && let Some(query) = waiting.next()
            {
                for lane in lanes..lanes + beams {
                    stepper.reset(lane, queries[query].condition);
                    inputs[lane] = alphabet.start;
                }
                *group = Some(Search::new(query, *settings, alphabet, grammar));
            }
        }
        if groups.iter().all(Option::is_none) {
            return Ok(found);
        }
        let logits = stepper.step(&inputs);
        for (index, group) in groups.iter_mut().enumerate() {
            let Some(search) = group else { continue };
            let lanes = index * beams..(index + 1) * beams;
            let inputs = &mut inputs[lanes.clone()];
            let logits = &logits[lanes.start * alphabet.size..lanes.end * alphabet.size];
            if search.read(queries[search.query].prompt, logits, inputs) {
                continue;
            }
            if !search.advance(logits, inputs, &mut parents[lanes.clone()], lanes.start) {
                found[search.query] = search.finish()?;
                *group = None;
                inputs.fill(alphabet.start);
            }
        }
        if parents
            .iter()
            .enumerate()
            .any(|(lane, &parent)| lane != parent)
        {
            stepper.gather(&parents);
            for (lane, parent) in parents.iter_mut().enumerate() {
                *parent = lane;
            }
        }
    }
}

/// The search of one group of lanes. Lane i of the group holds unfinished sequence i.
struct Search<'a> {
    query: usize,
    settings: BeamSettings,
    alphabet: Alphabet,
    grammar: Option<&'a dyn Grammar>,
    /// The number of prompt tokens fed.
    read: usize,
    prompt_log_probability: f64,
    /// Unfinished sequences of equal length, the likeliest first.
    live: Vec<Live>,
    /// Finished sequences, the best first, at most `beams`.
    kept: Vec<Hypothesis>,
    candidates: Candidates,
}

struct Live {
    tokens: Vec<Token>,
    log_probability: f64,
    state: GrammarState,
}

impl<'a> Search<'a> {
    fn new(
        query: usize,
        settings: BeamSettings,
        alphabet: Alphabet,
        grammar: Option<&'a dyn Grammar>,
    ) -> Self {
        Self {
            query,
            settings,
            alphabet,
            grammar,
            read: 0,
            prompt_log_probability: 0.0,
            // All lanes are equal at first: more than one sequence would give duplicates.
            live: vec![Live {
                tokens: Vec::new(),
                log_probability: 0.0,
                state: GrammarState::default(),
            }],
            kept: Vec::new(),
            // At most one candidate per lane is `stop`, so that at least `beams` others remain.
            candidates: Candidates::new(2 * settings.beams),
        }
    }

    /// Feeds the lanes the next token of the prompt; false after the last one.
    fn read(&mut self, prompt: &[Token], logits: &[f32], inputs: &mut [Token]) -> bool {
        let Some(&token) = prompt.get(self.read) else {
            return false;
        };
        // All lanes are equal here.
        let logits = &logits[..self.alphabet.size];
        self.prompt_log_probability += f64::from(logits[token as usize]) - log_sum_exp(logits);
        if let (Some(grammar), Some(live)) = (self.grammar, self.live.first_mut()) {
            live.state = grammar.next(live.state, token).unwrap_or_default();
        }
        inputs.fill(token);
        self.read += 1;
        true
    }

    /// Extends every sequence by one token and keeps the best. Writes the token of each lane to `inputs` and the lane it
    /// continues, counted from `first_lane`, to `parents`. Returns false when the search is over.
    fn advance(
        &mut self,
        logits: &[f32],
        inputs: &mut [Token],
        parents: &mut [usize],
        first_lane: usize,
    ) -> bool {
        let beams = self.settings.beams;
        let length = self.live.first().map_or(0, |live| live.tokens.len());
        let must_end = self
            .alphabet
            .stop
            .filter(|_| length == self.settings.max_length);
        self.candidates.clear();
        for (beam, (live, logits)) in self
            .live
            .iter()
            .zip(logits.chunks(self.alphabet.size))
            .enumerate()
        {
            let offset = live.log_probability - log_sum_exp(logits);
            let allowed = |token| {
                self.grammar.is_none_or(|grammar| {
                    let remaining = self.settings.max_length.saturating_sub(length + 1);
                    next_within(grammar, live.state, token, remaining).is_some()
                })
            };
            self.candidates
                .offer(beam, logits, offset, must_end, allowed);
        }
        let mut next = Vec::with_capacity(beams);
        for (rank, candidate) in self.candidates.best.iter().enumerate() {
            let parent = &self.live[candidate.beam];
            if self.alphabet.stop == Some(candidate.token) {
                // The beam would not have kept an end that is not among the best candidates.
                if rank < beams {
                    let ended = self.settings.hypothesis(
                        parent.tokens.clone(),
                        candidate.log_probability,
                        length + 1,
                    );
                    keep(&mut self.kept, beams, ended);
                }
            } else if next.len() < beams {
                let lane = next.len();
                inputs[lane] = candidate.token;
                parents[lane] = first_lane + candidate.beam;
                next.push(parent.longer(candidate, self.grammar));
            }
        }
        inputs[next.len()..].fill(self.alphabet.start);
        self.live = next;
        !self.is_over(length + 1)
    }

    fn is_over(&self, length: usize) -> bool {
        let Some(best) = self.live.first() else {
            return true;
        };
        if self.alphabet.stop.is_none() {
            return length == self.settings.max_length;
        }
        self.kept.len() == self.settings.beams
            && self.settings.score(best.log_probability, length)
                <= self.kept[self.kept.len() - 1].score
    }

    fn finish(&mut self) -> Result<Vec<Hypothesis>> {
        let mut kept = std::mem::take(&mut self.kept);
        if self.alphabet.stop.is_none() {
            // All have the same length: the order by probability is the order by score.
            let length = self.settings.max_length;
            kept.extend(self.live.drain(..).map(|live| {
                self.settings
                    .hypothesis(live.tokens, live.log_probability, length)
            }));
        }
        if kept.is_empty() {
            return Err(
                Error::usage("the model computes NaN or infinite logits")
                    .with_hint("its weights are damaged or its training diverged; retrain with a lower --learning-rate"),
            );
        }
        for hypothesis in &mut kept {
            hypothesis.prompt_log_probability = self.prompt_log_probability;
        }
        Ok(kept)
    }
}

impl Live {
    fn longer(&self, candidate: &Candidate, grammar: Option<&dyn Grammar>) -> Self {
        let mut tokens = Vec::with_capacity(self.tokens.len() + 1);
        tokens.extend_from_slice(&self.tokens);
        tokens.push(candidate.token);
        Self {
            tokens,
            log_probability: candidate.log_probability,
            state: grammar
                .and_then(|grammar| grammar.next(self.state, candidate.token))
                .unwrap_or_default(),
        }
    }
}

/// Inserts a hypothesis into the `most` best, behind earlier ones of equal score.
fn keep(kept: &mut Vec<Hypothesis>, most: usize, hypothesis: Hypothesis) {
    let place = kept.partition_point(|other| other.score >= hypothesis.score);
    kept.insert(place, hypothesis);
    kept.truncate(most);
}

/// A sequence extended by one token.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    beam: usize,
    token: Token,
    log_probability: f64,
}

/// The best candidates of one step, the likeliest first.
struct Candidates {
    best: Vec<Candidate>,
    most: usize,
}

impl Candidates {
    fn new(most: usize) -> Self {
        Self {
            best: Vec::with_capacity(most + 1),
            most,
        }
    }

    fn clear(&mut self) {
        self.best.clear();
    }

    /// Offers every allowed token, or `only` that one, after sequence `beam`. Its log probability is `offset` + logit.
    /// Beams and tokens come in ascending order, so that the earlier of equals stays in front.
    fn offer(
        &mut self,
        beam: usize,
        logits: &[f32],
        offset: f64,
        only: Option<Token>,
        allowed: impl Fn(Token) -> bool,
    ) {
        let candidate = |token: usize| Candidate {
            beam,
            token: token as Token,
            log_probability: offset + f64::from(logits[token]),
        };
        if let Some(token) = only {
            return self.insert(candidate(token as usize));
        }
        for (index, stretch) in logits.chunks(STRETCH).enumerate() {
            // The highest logit of most stretches is too low: they are skipped.
            if self.has_room_for(offset + f64::from(highest(InstructionSet::detect(), stretch))) {
                for place in 0..stretch.len() {
                    let candidate = candidate(index * STRETCH + place);
                    if self.has_room_for(candidate.log_probability) && allowed(candidate.token) {
                        self.insert(candidate);
                    }
                }
            }
        }
    }

    fn has_room_for(&self, log_probability: f64) -> bool {
        // False for NaN.
        log_probability > f64::NEG_INFINITY
            && (self.best.len() < self.most
                || log_probability > self.best[self.most - 1].log_probability)
    }

    fn insert(&mut self, candidate: Candidate) {
        if self.has_room_for(candidate.log_probability) {
            self.best.truncate(self.most - 1);
            let place = self
                .best
                .partition_point(|other| other.log_probability >= candidate.log_probability);
            self.best.insert(place, candidate);
        }
    }
}

/// The number of logits that are skipped together.
const STRETCH: usize = 256;
/// The number of parallel sums.
const BLOCK: usize = 16;

/// ln Σ exp(logits).
fn log_sum_exp(logits: &[f32]) -> f64 {
    let level = InstructionSet::detect();
    let highest = highest(level, logits);
    f64::from(highest) + sum_of_exp(level, logits, highest).ln()
}

multiversion! {
    /// Σ exp(logits − highest) in `BLOCK` partial sums at every SIMD width.
    fn sum_of_exp(logits: &[f32], highest: f32) -> f64 {
        let mut parts = [0.0_f32; BLOCK];
        let (blocks, rest) = logits.as_chunks::<BLOCK>();
        for block in blocks {
            for (part, &logit) in parts.iter_mut().zip(block) {
                *part += math::exp(logit - highest);
            }
        }
        for (part, &logit) in parts.iter_mut().zip(rest) {
            *part += math::exp(logit - highest);
        }
        parts.iter().map(|&part| f64::from(part)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A search without a grammar.
    fn beam_search(
        stepper: &mut dyn Stepper,
        queries: &[Query],
        settings: &BeamSettings,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        super::beam_search(stepper, queries, settings, None)
    }
    use crate::sequence::grammar::testing::Brackets;
    use crate::sequence::toy::Toy;
    use crate::sequence::{Conditions, Generator, Sampler, Sampling, nll_per_token};

    const STOP: Token = 4;
    const CONDITIONS: [[f32; 2]; 3] = [[0.0, 0.0], [1.0, -0.5], [-2.0, 1.5]];

    fn settings(beams: usize, max_length: usize, length_penalty: f32) -> BeamSettings {
        BeamSettings {
            beams,
            max_length,
            length_penalty,
        }
    }

    fn search(query: Query, settings: &BeamSettings) -> Vec<Hypothesis> {
        let mut stepper = Toy::new().stepper(settings.beams);
        beam_search(&mut stepper, &[query], settings)
            .unwrap()
            .remove(0)
    }

    fn conditions<'a>(query: &Query<'a>) -> Conditions<'a> {
        Conditions::whole(query.condition.unwrap_or_default())
    }

    /// ln P(tokens, stop | prompt) by `nll_per_token`.
    fn log_probability(query: Query, tokens: &[Token]) -> f64 {
        let whole: Vec<Token> = [query.prompt, tokens, &[STOP]].concat();
        let nats = nll_per_token(&mut Toy::new().stepper(1), conditions(&query), &whole);
        -nats[query.prompt.len()..].iter().sum::<f64>()
    }

    /// All sequences of the tokens 0 to 3 with at most `longest` tokens.
    fn all_sequences(longest: usize) -> Vec<Vec<Token>> {
        let mut all = vec![vec![]];
        let mut from = 0;
        for _ in 0..longest {
            let end = all.len();
            for parent in from..end {
                for token in 0..STOP {
                    let mut longer = all[parent].clone();
                    longer.push(token);
                    all.push(longer);
                }
            }
            from = end;
        }
        all
    }

    #[test]
    fn with_enough_beams_it_orders_all_sequences() {
        for condition in &CONDITIONS {
            for penalty in [0.0, 0.6, 1.0] {
                let query = Query {
                    condition: Some(condition),
                    prompt: &[2],
                };
                let settings = settings(400, 4, penalty);
                let mut expected: Vec<(f64, Vec<Token>)> = all_sequences(4)
                    .into_iter()
                    .map(|tokens| {
                        let length = tokens.len() + 1;
                        let score = settings.score(log_probability(query, &tokens), length);
                        (score, tokens)
                    })
                    .collect();
                expected.sort_by(|a, b| b.0.total_cmp(&a.0));
                let found = search(query, &settings);
                assert_eq!(found.len(), 1 + 4 + 16 + 64 + 256);
                for (hypothesis, (score, tokens)) in found.iter().zip(&expected) {
                    assert_eq!(&hypothesis.tokens, tokens);
                    assert!((hypothesis.score - score).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn one_beam_is_greedy() {
        for condition in &CONDITIONS {
            for length_penalty in [0.0, 1.0] {
                let query = Query {
                    condition: Some(condition),
                    prompt: &[1, 3],
                };
                let found = search(query, &settings(1, 12, length_penalty));
                let sampler = Sampler::new(Sampling::greedy(), 0, 0);
                let greedy: Vec<Token> = Generator::new(
                    Box::new(Toy::new().stepper(1)),
                    sampler.unwrap(),
                    query.condition,
                    query.prompt,
                )
                .unwrap()
                .take(12)
                .collect();
                assert_eq!(found.len(), 1);
                assert_eq!(found[0].tokens, greedy);
            }
        }
    }

    #[test]
    fn hypotheses_are_distinct_and_sorted_and_their_log_probability_is_right() {
        for condition in &CONDITIONS {
            let query = Query {
                condition: Some(condition),
                prompt: &[0, 1],
            };
            let settings = settings(7, 9, 0.6);
            let found = search(query, &settings);
            assert_eq!(found.len(), 7);
            for (rank, hypothesis) in found.iter().enumerate() {
                let expected = log_probability(query, &hypothesis.tokens);
                assert!((hypothesis.log_probability - expected).abs() < 1e-4);
                let all =
                    nll_per_token(&mut Toy::new().stepper(1), conditions(&query), query.prompt);
                let said = hypothesis.prompt_log_probability + all.iter().sum::<f64>();
                assert!(
                    said.abs() < 1e-4,
                    "{said} between two ways to read the prompt"
                );
                assert!(hypothesis.tokens.len() <= 9 && !hypothesis.tokens.contains(&STOP));
                assert!(rank == 0 || found[rank - 1].score >= hypothesis.score);
                let twins = found
                    .iter()
                    .filter(|other| other.tokens == hypothesis.tokens);
                assert_eq!(twins.count(), 1);
            }
        }
    }

    #[test]
    fn the_result_of_a_query_does_not_depend_on_the_others() {
        let prompts: [&[Token]; 5] = [&[], &[1, 2, 3, 0, 1], &[3], &[0, 0], &[2]];
        let queries: Vec<Query> = prompts
            .iter()
            .zip(CONDITIONS.iter().cycle())
            .map(|(prompt, condition)| Query {
                condition: Some(condition),
                prompt,
            })
            .collect();
        let settings = settings(3, 8, 0.6);
        let alone: Vec<_> = queries
            .iter()
            .map(|&query| search(query, &settings))
            .collect();
        assert_ne!(alone[0], alone[2]);
        // One to five groups, some with spare lanes.
        for lanes in [3, 4, 6, 11, 15, 40] {
            let mut stepper = Toy::new().stepper(lanes);
            let together = beam_search(&mut stepper, &queries, &settings).unwrap();
            assert_eq!(together, alone, "{lanes} lanes");
        }
    }

    #[test]
    fn more_beams_find_nothing_worse_and_greedy_is_not_the_best() {
        let best = |beams| {
            let query = Query {
                condition: Some(&CONDITIONS[1]),
                prompt: &[],
            };
            search(query, &settings(beams, 6, 0.0))[0].log_probability
        };
        assert!(best(5) > best(1));
        assert!((best(5) - best(1000)).abs() < 1e-9);
    }

    #[test]
    fn with_enough_beams_it_orders_all_sequences_of_a_grammar() {
        for condition in &CONDITIONS {
            let query = Query {
                condition: Some(condition),
                prompt: &[0, 2],
            };
            let settings = settings(400, 4, 0.0);
            let mut expected: Vec<(f64, Vec<Token>)> = all_sequences(4)
                .into_iter()
                .filter(|tokens| Brackets::accepts(&[query.prompt, tokens].concat()))
                .map(|tokens| (log_probability(query, &tokens), tokens))
                .collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut stepper = Toy::new().stepper(settings.beams);
            let found = super::beam_search(&mut stepper, &[query], &settings, Some(&Brackets))
                .unwrap()
                .remove(0);
            let tokens: Vec<_> = found.iter().map(|h| h.tokens.clone()).collect();
            let order: Vec<_> = expected.into_iter().map(|(_, tokens)| tokens).collect();
            assert_eq!(tokens, order);
        }
    }

    #[test]
    fn sequences_of_a_grammar_end_with_few_beams_and_no_room_too() {
        for beams in 1..4 {
            for longest in 1..6 {
                for prompt in [&[][..], &[0], &[0, 0, 0, 1]] {
                    let query = Query {
                        condition: Some(&CONDITIONS[1]),
                        prompt,
                    };
                    let mut stepper = Toy::new().stepper(beams);
                    let found = super::beam_search(
                        &mut stepper,
                        &[query],
                        &settings(beams, longest, 0.6),
                        Some(&Brackets),
                    )
                    .unwrap();
                    for hypothesis in &found[0] {
                        let whole = [prompt, &hypothesis.tokens].concat();
                        // Only a prompt that leaves more open than the length can close stays open.
                        assert!(Brackets::accepts(&whole) || longest < 2 && prompt.len() == 4);
                    }
                }
            }
        }
    }

    /// The same logits at each step.
    struct Fixed {
        alphabet: Alphabet,
        row: Vec<f32>,
        logits: Vec<f32>,
        steps: usize,
        gathers: usize,
    }

    impl Fixed {
        fn new(lanes: usize, row: &[f32], stop: Option<Token>) -> Self {
            Self {
                alphabet: Alphabet {
                    size: row.len(),
                    start: 0,
                    stop,
                },
                row: row.to_vec(),
                logits: row.repeat(lanes),
                steps: 0,
                gathers: 0,
            }
        }
    }

    impl Stepper for Fixed {
        fn alphabet(&self) -> Alphabet {
            self.alphabet
        }

        fn lanes(&self) -> usize {
            self.logits.len() / self.row.len()
        }

        fn reset(&mut self, _: usize, _: Option<&[f32]>) {}

        fn recondition(&mut self, _: usize, _: Option<&[f32]>) {}

        fn step(&mut self, tokens: &[Token]) -> &[f32] {
            assert_eq!(tokens.len(), self.lanes());
            self.steps += 1;
            &self.logits
        }

        fn gather(&mut self, parents: &[usize]) {
            assert_eq!(parents.len(), self.lanes());
            self.gathers += 1;
        }
    }

    #[test]
    fn without_stop_sequences_have_the_greatest_length_and_the_lower_token_wins_a_tie() {
        let mut stepper = Fixed::new(4, &[0.5; 40], None);
        let found = beam_search(&mut stepper, &[Query::default()], &settings(4, 3, 0.6)).unwrap();
        let tokens: Vec<_> = found[0].iter().map(|h| h.tokens.clone()).collect();
        assert_eq!(tokens, [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3]]);
        assert!((found[0][0].log_probability + 3.0 * 40_f64.ln()).abs() < 1e-5);
        assert_eq!(stepper.steps, 3);
        assert!(stepper.gathers <= stepper.steps);
    }

    #[test]
    fn it_stops_when_nothing_better_can_come() {
        // Ending at once is the likeliest; with two beams the second is one token and the end.
        let mut stepper = Fixed::new(2, &[0.0, 0.0, 9.0], Some(2));
        let found = beam_search(&mut stepper, &[Query::default()], &settings(2, 500, 0.0)).unwrap();
        let tokens: Vec<_> = found[0].iter().map(|h| h.tokens.clone()).collect();
        assert_eq!(tokens, [vec![], vec![0]]);
        assert!(stepper.steps <= 3, "{} steps", stepper.steps);
    }

    #[test]
    fn the_sum_is_right_and_has_the_same_bits_at_every_width() {
        for size in [1, 15, 16, 33, 1000] {
            let logits: Vec<f32> = (0..size)
                .map(|i| ((i * 37) % 101) as f32 * 0.2 - 9.0)
                .collect();
            let highest = highest(InstructionSet::Scalar, &logits);
            let exact: f64 = logits.iter().map(|&l| f64::from(l - highest).exp()).sum();
            let scalar = sum_of_exp(InstructionSet::Scalar, &logits, highest);
            assert!((scalar / exact - 1.0).abs() < 1e-6);
            assert_eq!(Some(&highest), logits.iter().max_by(|a, b| a.total_cmp(b)));
            for level in InstructionSet::available() {
                assert_eq!(super::highest(level, &logits), highest);
                assert_eq!(sum_of_exp(level, &logits, highest), scalar);
            }
        }
    }

    #[test]
    fn bad_settings_prompts_and_logits_are_refused() {
        for settings in [
            settings(0, 5, 0.0),
            settings(2, 0, 0.0),
            settings(2, 5, -1.0),
            settings(2, 5, f32::NAN),
        ] {
            let error = settings.validate().unwrap_err();
            assert!(error.is_usage() && error.hint().is_some());
        }
        let query = Query {
            condition: None,
            prompt: &[9],
        };
        let mut stepper = Toy::new().stepper(2);
        assert!(beam_search(&mut stepper, &[query], &settings(2, 5, 0.0)).is_err());
        let mut broken = Fixed::new(2, &[f32::NAN; 5], Some(4));
        assert!(beam_search(&mut broken, &[Query::default()], &settings(2, 5, 0.0)).is_err());
    }
}
