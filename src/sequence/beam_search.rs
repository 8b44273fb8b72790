/*!
Beam search: the likeliest whole sequences, rather than a drawn one.

A group of lanes searches one sequence; several groups go side by side in one stepper, each with its own condition
and prompt. The core's only means is [`Stepper::gather`], so that any network of any medium can be searched.
*/

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::error::{Error, Result};
use crate::sequence::generator::check_prompt;
use crate::sequence::{Alphabet, Stepper, Token};

/// How widely is searched, and how long and short sequences are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamSettings {
    /// How many unfinished sequences are pursued at a time, and how many finished ones are kept at most.
    pub beams: usize,
    /// The most tokens a sequence may have, `stop` not counted: then it must end.
    pub max_length: usize,
    /// The exponent α of the length penalty `((5 + length) / 6)^α` by which the log probability is divided (Wu et al.
    /// 2016, "Google's neural machine translation system", eq. 14; the length counts `stop`). 0 compares plain log
    /// probabilities and so prefers short sequences; with 1, long ones are compared by about their mean.
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
    /// Refuses settings that mean nothing.
    ///
    /// # Errors
    /// A usage error naming the setting, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        if self.beams == 0 {
            return Err(Error::usage("a search with 0 beams finds nothing")
                .with_hint("beams is a whole number from 1 up; 5 is usual"));
        }
        if self.max_length == 0 {
            return Err(Error::usage("sequences of at most 0 tokens are empty")
                .with_hint("the greatest length is a whole number from 1 up"));
        }
        if !(self.length_penalty.is_finite() && self.length_penalty >= 0.0) {
            return Err(Error::usage(format!(
                "a length penalty of {} is not allowed",
                self.length_penalty
            ))
            .with_hint("it is a number from 0 (short sequences win) to about 1"));
        }
        Ok(())
    }

    /// What sequences of `length` tokens, `stop` included, are compared by.
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

/// One search among several: what the network is told before it begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// The network's condition, if it has one.
    pub condition: Option<&'a [f32]>,
    /// Read first, and neither scored nor given again.
    pub prompt: &'a [Token],
}

/// A whole sequence that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without the prompt and without `stop`.
    pub tokens: Vec<Token>,
    /// ln P(tokens, and `stop` where there is one | prompt, condition), in nats.
    pub log_probability: f64,
    /// ln P(prompt | condition), in nats; 0 without a prompt.
    pub prompt_log_probability: f64,
    /// The log probability over the length penalty: what hypotheses are ordered by.
    pub score: f64,
}

/// Searches each of `queries`, as many at a time as the stepper has groups of `beams` lanes. Gives, for each query, at
/// most `beams` different hypotheses, the best first.
///
/// Where sequences end with `stop`, every hypothesis does, and one of `max_length` tokens is made to. A search is over
/// when it has `beams` of them and no unfinished sequence has, so far, a better score than the worst of these: exact
/// for a length penalty of 0, else the usual heuristic. Without `stop`, sequences have `max_length` tokens. Among equals,
/// the one that came from the better beam goes first, and then the lower token.
///
/// What one query finds does not depend on the others. Lanes are gathered once a step, and only if any is moved.
///
/// # Errors
/// When the settings are not allowed, a token of a prompt is not of the alphabet, or the network gives no numbers.
///
/// # Panics
/// If the stepper has fewer lanes than `beams`.
pub fn beam_search(
    stepper: &mut dyn Stepper,
    queries: &[Query],
    settings: &BeamSettings,
) -> Result<Vec<Vec<Hypothesis>>> {
    settings.validate()?;
    let alphabet = stepper.alphabet();
    for query in queries {
        check_prompt(alphabet, query.prompt)?;
    }
    let beams = settings.beams;
    assert!(stepper.lanes() >= beams, "fewer lanes than beams");
    let mut groups: Vec<Option<Search>> = (0..stepper.lanes() / beams).map(|_| None).collect();
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
                *group = Some(Search::new(query, *settings, alphabet));
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

/// One group of lanes at work. Unfinished sequence number i is in its lane number i.
struct Search {
    query: usize,
    settings: BeamSettings,
    alphabet: Alphabet,
    /// How much of the prompt was read, and how likely that was.
    read: usize,
    prompt_log_probability: f64,
    /// Unfinished sequences, the likeliest first; all of the same length.
    live: Vec<Live>,
    /// Finished sequences, the best first, at most `beams`.
    kept: Vec<Hypothesis>,
    candidates: Candidates,
}

struct Live {
    tokens: Vec<Token>,
    log_probability: f64,
}

impl Search {
    fn new(query: usize, settings: BeamSettings, alphabet: Alphabet) -> Self {
        Self {
            query,
            settings,
            alphabet,
            read: 0,
            prompt_log_probability: 0.0,
            // One empty sequence: the lanes are all the same as yet, and would find everything several times.
            live: vec![Live {
                tokens: Vec::new(),
                log_probability: 0.0,
            }],
            kept: Vec::new(),
            // At most one candidate of each lane is `stop`: so many hold enough that go on.
            candidates: Candidates::new(2 * settings.beams),
        }
    }

    /// Gives the lanes the next token of the prompt; false when there is none left.
    fn read(&mut self, prompt: &[Token], logits: &[f32], inputs: &mut [Token]) -> bool {
        let Some(&token) = prompt.get(self.read) else {
            return false;
        };
        // The lanes are all the same as yet.
        let logits = &logits[..self.alphabet.size];
        self.prompt_log_probability += f64::from(logits[token as usize]) - log_sum_exp(logits);
        inputs.fill(token);
        self.read += 1;
        true
    }

    /// Makes every sequence one token longer and keeps the best; says from which lane (the first being `first_lane`)
    /// each goes on, and with which token. False when the search is over.
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
            self.candidates.offer(beam, logits, offset, must_end);
        }
        let mut next = Vec::with_capacity(beams);
        for (rank, candidate) in self.candidates.best.iter().enumerate() {
            let parent = &self.live[candidate.beam];
            if self.alphabet.stop == Some(candidate.token) {
                // An end that is not among the best candidates is no sequence the beam would have pursued.
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
                next.push(parent.longer(candidate));
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
            // All of one length, so that their order by probability is that by score.
            let length = self.settings.max_length;
            kept.extend(self.live.drain(..).map(|live| {
                self.settings
                    .hypothesis(live.tokens, live.log_probability, length)
            }));
        }
        if kept.is_empty() {
            return Err(
                Error::usage("the network gives no numbers: nothing can be searched")
                    .with_hint("its weights are damaged, or its training diverged"),
            );
        }
        for hypothesis in &mut kept {
            hypothesis.prompt_log_probability = self.prompt_log_probability;
        }
        Ok(kept)
    }
}

impl Live {
    fn longer(&self, candidate: &Candidate) -> Self {
        let mut tokens = Vec::with_capacity(self.tokens.len() + 1);
        tokens.extend_from_slice(&self.tokens);
        tokens.push(candidate.token);
        Self {
            tokens,
            log_probability: candidate.log_probability,
        }
    }
}

/// Puts a hypothesis in its place among the `most` best: behind its equals, which were found earlier.
fn keep(kept: &mut Vec<Hypothesis>, most: usize, hypothesis: Hypothesis) {
    let place = kept.partition_point(|other| other.score >= hypothesis.score);
    kept.insert(place, hypothesis);
    kept.truncate(most);
}

/// A sequence made one token longer.
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

    /// Offers every token, or the `only` one allowed, after sequence `beam`; its log probability is `offset` + logit.
    /// Beams and tokens come in ascending order, so that of equals the earlier stays in front.
    fn offer(&mut self, beam: usize, logits: &[f32], offset: f64, only: Option<Token>) {
        let candidate = |token: usize| Candidate {
            beam,
            token: token as Token,
            log_probability: offset + f64::from(logits[token]),
        };
        if let Some(token) = only {
            return self.insert(candidate(token as usize));
        }
        for (index, stretch) in logits.chunks(STRETCH).enumerate() {
            // Most stretches hold nothing good enough: one look at their highest logit passes them over.
            if self.has_room_for(offset + f64::from(highest(InstructionSet::detect(), stretch))) {
                for place in 0..stretch.len() {
                    self.insert(candidate(index * STRETCH + place));
                }
            }
        }
    }

    fn has_room_for(&self, log_probability: f64) -> bool {
        // False, too, for what is no number.
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

/// How many logits are passed over together.
const STRETCH: usize = 256;
/// How many logits are worked on together.
const BLOCK: usize = 16;

/// ln Σ exp(logits).
fn log_sum_exp(logits: &[f32]) -> f64 {
    let level = InstructionSet::detect();
    let highest = highest(level, logits);
    f64::from(highest) + sum_of_exp(level, logits, highest).ln()
}

multiversion! {
    /// The highest of the logits that are numbers.
    fn highest(logits: &[f32]) -> f32 {
        let higher = |a: f32, b: f32| if b > a { b } else { a };
        let mut parts = [f32::NEG_INFINITY; BLOCK];
        let (blocks, rest) = logits.as_chunks::<BLOCK>();
        for block in blocks {
            for (part, &logit) in parts.iter_mut().zip(block) {
                *part = higher(*part, logit);
            }
        }
        parts.iter().chain(rest).copied().fold(f32::NEG_INFINITY, higher)
    }
}

multiversion! {
    /// Σ exp(logits − highest), in sixteen parts that are then added, whatever the width.
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
    use crate::sequence::nll_per_token;
    use crate::sequence::toy::Toy;

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

    /// −ln P(tokens, stop | prompt), by the way a sequence is measured.
    fn log_probability(query: Query, tokens: &[Token]) -> f64 {
        let whole: Vec<Token> = [query.prompt, tokens, &[STOP]].concat();
        let nats = nll_per_token(&mut Toy::new().stepper(1), query.condition, &whole);
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
    fn with_beams_enough_it_orders_all_sequences_there_are() {
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
                let sampler =
                    crate::sequence::Sampler::new(crate::sequence::Sampling::greedy(), 0, 0);
                let greedy: Vec<Token> = crate::sequence::Generator::new(
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
    fn hypotheses_are_distinct_sorted_and_as_likely_as_they_say() {
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
                let all = nll_per_token(&mut Toy::new().stepper(1), query.condition, query.prompt);
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
    fn a_query_finds_the_same_in_any_company() {
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
        // One group to five, some with lanes to spare.
        for lanes in [3, 4, 6, 11, 15, 40] {
            let mut stepper = Toy::new().stepper(lanes);
            let together = beam_search(&mut stepper, &queries, &settings).unwrap();
            assert_eq!(together, alone, "{lanes} lanes");
        }
    }

    #[test]
    fn more_beams_find_nothing_worse_here_and_greedy_is_not_the_best() {
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

    /// The same logits at each step, whatever came before.
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
    fn without_a_stop_sequences_have_the_greatest_length_and_ties_go_to_the_lower_token() {
        let mut stepper = Fixed::new(4, &[0.5; 40], None);
        let found = beam_search(&mut stepper, &[Query::default()], &settings(4, 3, 0.6)).unwrap();
        let tokens: Vec<_> = found[0].iter().map(|h| h.tokens.clone()).collect();
        assert_eq!(tokens, [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3]]);
        assert!((found[0][0].log_probability + 3.0 * 40_f64.ln()).abs() < 1e-5);
        assert_eq!(stepper.steps, 3);
        assert!(stepper.gathers <= stepper.steps);
    }

    #[test]
    fn it_stops_as_soon_as_nothing_better_can_come() {
        // Ending at once is far the likeliest; with two beams the second-best is one token and the end.
        let mut stepper = Fixed::new(2, &[0.0, 0.0, 9.0], Some(2));
        let found = beam_search(&mut stepper, &[Query::default()], &settings(2, 500, 0.0)).unwrap();
        let tokens: Vec<_> = found[0].iter().map(|h| h.tokens.clone()).collect();
        assert_eq!(tokens, [vec![], vec![0]]);
        assert!(stepper.steps <= 3, "{} steps", stepper.steps);
    }

    #[test]
    fn the_sum_has_the_same_bits_at_every_width_and_is_right() {
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
    fn what_means_nothing_is_refused() {
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
