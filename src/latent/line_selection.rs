/*!
Selection of the line to show at each point of an interpolation.

A search finds several candidate lines at each point. The likeliest candidates alternate between paraphrases or repeat.
The selection minimises the cost of the whole path:

  Σ over points of −score + Σ over neighbours of edit · distance² / length of the longer line
  + Σ over points of repeat, if the previous line is equal, or of 2 · repeat, if an earlier line is.

The distance is Levenshtein's. Its square makes two small steps cheaper than a large one.

The cost of a line depends on all earlier lines, so that only an exhaustive search is exact. Instead a beam search keeps
the [`WIDTH`] best prefixes; then a local search changes single lines and pairs of neighbours while the cost decreases.
The result is exact for paths with at most [`WIDTH`] prefixes.
*/

use std::collections::HashMap;
use std::hash::Hash;

use crate::error::{Error, Result};

/// The costs of edits and repeats, in units of the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineSelectionSettings {
    /// The cost of neighbours without a common part, per part (word or token) of the longer line. With half of the parts
    /// in common the cost is a quarter.
    pub edit: f64,
    /// The cost of a line equal to the previous one; half of the cost of a line equal to an earlier one.
    pub repeat: f64,
}

impl Default for LineSelectionSettings {
    fn default() -> Self {
        Self {
            edit: 25.0,
            repeat: 10.0,
        }
    }
}

/// A candidate line at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<T> {
    /// The parts in which edits are counted: words or tokens.
    pub parts: Vec<T>,
    /// Its log probability, or one with a length penalty.
    pub score: f64,
}

/// The number of prefixes in the beam.
const WIDTH: usize = 256;

/// Selects the index of a line at each point so that the cost of the path is low. The first of equal lines wins.
///
/// # Errors
/// A usage error when a point has no candidates, or a score is NaN or infinite.
pub fn select_lines<T: Eq + Hash>(
    points: &[Vec<Choice<T>>],
    settings: &LineSelectionSettings,
) -> Result<Vec<usize>> {
    check(points)?;
    let costs = Costs::new(points, settings);
    let mut path = costs.beam_search();
    costs.improve(&mut path);
    Ok(path)
}

/// Precomputed costs.
struct Costs<'a, T> {
    points: &'a [Vec<Choice<T>>],
    settings: &'a LineSelectionSettings,
    /// The identity of each candidate: equal lines have equal numbers.
    lines: Vec<Vec<usize>>,
    different: usize,
    /// The edit cost from each candidate of a point to each of the next: `[point][from][to]`.
    edits: Vec<Vec<Vec<f64>>>,
}

/// A partial path.
#[derive(Clone)]
struct Prefix {
    path: Vec<usize>,
    lines: Vec<usize>,
    cost: f64,
}

impl<'a, T: Eq + Hash> Costs<'a, T> {
    fn new(points: &'a [Vec<Choice<T>>], settings: &'a LineSelectionSettings) -> Self {
        let mut numbers: HashMap<&[T], usize> = HashMap::new();
        let lines = points
            .iter()
            .map(|choices| {
                let number = |choice: &'a Choice<T>| {
                    let next = numbers.len();
                    *numbers.entry(&choice.parts).or_insert(next)
                };
                choices.iter().map(number).collect()
            })
            .collect();
        let distance = |from: &Choice<T>, to: &Choice<T>| {
            let edits = strsim::generic_levenshtein(&from.parts, &to.parts) as f64;
            settings.edit * edits * edits / from.parts.len().max(to.parts.len()).max(1) as f64
        };
        let edits = points
            .windows(2)
            .map(|pair| {
                let row = |from| pair[1].iter().map(|to| distance(from, to)).collect();
                pair[0].iter().map(row).collect()
            })
            .collect();
        Self {
            points,
            settings,
            lines,
            different: numbers.len(),
            edits,
        }
    }

    /// The best path of the beam search.
    fn beam_search(&self) -> Vec<usize> {
        let mut prefixes = vec![Prefix {
            path: Vec::new(),
            lines: Vec::new(),
            cost: 0.0,
        }];
        for (point, choices) in self.points.iter().enumerate() {
            let mut longer: Vec<(f64, usize, usize)> = Vec::new();
            for (number, prefix) in prefixes.iter().enumerate() {
                for (index, choice) in choices.iter().enumerate() {
                    let line = self.lines[point][index];
                    let mut cost = prefix.cost - choice.score;
                    if let Some(&last) = prefix.path.last() {
                        cost += self.edits[point - 1][last][index];
                        if prefix.lines.last() == Some(&line) {
                            cost += self.settings.repeat;
                        } else if prefix.lines.contains(&line) {
                            cost += 2.0 * self.settings.repeat;
                        }
                    }
                    longer.push((cost, number, index));
                }
            }
            longer.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
            longer.truncate(WIDTH);
            prefixes = longer
                .into_iter()
                .map(|(cost, number, index)| {
                    let mut prefix = prefixes[number].clone();
                    prefix.path.push(index);
                    prefix.lines.push(self.lines[point][index]);
                    prefix.cost = cost;
                    prefix
                })
                .collect();
        }
        prefixes.swap_remove(0).path
    }

    /// Changes single lines and pairs of neighbours while the cost decreases.
    fn improve(&self, path: &mut [usize]) {
        // A smaller gain is rounding.
        const GAIN: f64 = 1e-9;
        let mut shown = vec![0; self.different];
        for (lines, &index) in self.lines.iter().zip(&*path) {
            shown[lines[index]] += 1;
        }
        let mut better = true;
        while better {
            better = false;
            for point in 0..path.len() {
                let next = (point + 1).min(path.len() - 1);
                for first in 0..self.points[point].len() {
                    for second in 0..self.points[next].len() {
                        let before = (path[point], path[next]);
                        let cost = self.near(path, point, next);
                        let first = if next == point { second } else { first };
                        let gone = self.change(path, &mut shown, (point, first), (next, second));
                        // One different line fewer means one repeat more.
                        let cost_now =
                            self.near(path, point, next) + 2.0 * self.settings.repeat * gone;
                        if cost_now < cost - GAIN {
                            better = true;
                        } else {
                            self.change(path, &mut shown, (point, before.0), (next, before.1));
                        }
                    }
                }
            }
        }
    }

    /// Changes the lines at two points; returns by how much the number of different lines decreases.
    fn change(
        &self,
        path: &mut [usize],
        shown: &mut [usize],
        first: (usize, usize),
        second: (usize, usize),
    ) -> f64 {
        let mut fewer = 0.0;
        for (point, index) in [first, second] {
            let (old, new) = (self.lines[point][path[point]], self.lines[point][index]);
            path[point] = index;
            shown[old] -= 1;
            fewer += f64::from(u8::from(shown[old] == 0));
            shown[new] += 1;
            fewer -= f64::from(u8::from(shown[new] == 1));
        }
        fewer
    }

    /// The part of the cost that depends only on the choices from `first` to `last`. The total cost of repeats is
    /// 2 · repeat · (points − different lines) − repeat · (equal neighbours); only the last term is included here.
    fn near(&self, path: &[usize], first: usize, last: usize) -> f64 {
        let scores = (first..=last).map(|at| -self.points[at][path[at]].score);
        let steps = (first.max(1)..=(last + 1).min(path.len() - 1)).map(|at| {
            let same = self.lines[at - 1][path[at - 1]] == self.lines[at][path[at]];
            let edits = self.edits[at - 1][path[at - 1]][path[at]];
            edits - self.settings.repeat * f64::from(u8::from(same))
        });
        scores.chain(steps).sum()
    }
}

fn check<T>(points: &[Vec<Choice<T>>]) -> Result<()> {
    for (point, choices) in points.iter().enumerate() {
        if choices.is_empty() {
            return Err(Error::usage(format!(
                "no line was found at point {point} of the interpolation"
            )));
        }
        if let Some(choice) = choices.iter().find(|choice| !choice.score.is_finite()) {
            return Err(Error::usage(format!(
                "a line at point {point} of the interpolation has the score {}",
                choice.score
            ))
            .with_hint("the weights are damaged or the training diverged; retrain with a lower --learning-rate"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Normals;

    type Points = Vec<Vec<Choice<u8>>>;

    const SETTINGS: [LineSelectionSettings; 5] = [
        settings(0.0, 0.0),
        settings(0.5, 0.25),
        settings(0.3, 2.0),
        settings(20.0, 1.0),
        settings(0.0, 1.0),
    ];

    const fn settings(edit: f64, repeat: f64) -> LineSelectionSettings {
        LineSelectionSettings { edit, repeat }
    }

    fn choice(parts: &str, score: f64) -> Choice<u8> {
        Choice {
            parts: parts.as_bytes().to_vec(),
            score,
        }
    }

    /// Random lines of up to four letters a to c, so that some are equal; the scores have a standard deviation of 2.
    fn random(item: u64, points: usize, most: usize) -> Points {
        let mut normals = Normals::new(*b"testing ", 8, item);
        let mut below = |n: usize| {
            let x = normals.next().unwrap();
            (x.abs() * 1e6) as usize % n
        };
        let mut points: Points = (0..points)
            .map(|_| {
                (0..=below(most))
                    .map(|_| given_line((0..below(5)).map(|_| b'a' + below(3) as u8).collect()))
                    .collect()
            })
            .collect();
        for choice in points.iter_mut().flatten() {
            choice.score = -10.0 + 2.0 * normals.next().unwrap();
        }
        points
    }

    /// The cost in the module documentation, with a separate implementation of the distance.
    fn cost(points: &Points, path: &[usize], settings: &LineSelectionSettings) -> f64 {
        let lines: Vec<&Choice<u8>> = points.iter().zip(path).map(|(p, &i)| &p[i]).collect();
        let moves: f64 = (1..lines.len())
            .map(|at| {
                let (before, line) = (lines[at - 1], lines[at]);
                let shown = |other: &&Choice<u8>| other.parts == line.parts;
                let again = match (before.parts == line.parts, lines[..at].iter().any(shown)) {
                    (true, _) => settings.repeat,
                    (false, true) => 2.0 * settings.repeat,
                    (false, false) => 0.0,
                };
                let edits = distance(&before.parts, &line.parts) as f64;
                let longer = before.parts.len().max(line.parts.len()).max(1) as f64;
                again + settings.edit * edits * edits / longer
            })
            .sum();
        moves - lines.iter().map(|line| line.score).sum::<f64>()
    }

    fn given_line(parts: Vec<u8>) -> Choice<u8> {
        Choice { parts, score: 0.0 }
    }

    /// Levenshtein distance by its definition.
    fn distance(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a @ ..], [y, b @ ..]) if x == y => distance(a, b),
            ([_, after_a @ ..], [_, after_b @ ..]) => {
                1 + distance(after_a, after_b)
                    .min(distance(a, after_b))
                    .min(distance(after_a, b))
            }
        }
    }

    /// All paths.
    fn all_paths(points: &Points) -> Vec<Vec<usize>> {
        points.iter().fold(vec![vec![]], |paths, choices| {
            paths
                .iter()
                .flat_map(|path| (0..choices.len()).map(move |i| [&path[..], &[i]].concat()))
                .collect()
        })
    }

    #[test]
    fn short_paths_are_optimal() {
        for item in 0..60 {
            let points = random(item, 1 + item as usize % 4, 4);
            for settings in &SETTINGS {
                let path = select_lines(&points, settings).unwrap();
                let found = cost(&points, &path, settings);
                let least = all_paths(&points)
                    .iter()
                    .map(|path| cost(&points, path, settings))
                    .fold(f64::INFINITY, f64::min);
                assert!((found - least).abs() < 1e-9, "{found} is not {least}");
            }
        }
    }

    #[test]
    fn on_long_paths_no_change_of_one_or_two_neighbours_costs_less() {
        for item in 0..6 {
            let points = random(item, 25, 8);
            for settings in &SETTINGS {
                let path = select_lines(&points, settings).unwrap();
                let found = cost(&points, &path, settings);
                for at in 0..24 {
                    for (i, j) in (0..points[at].len())
                        .flat_map(|i| (0..points[at + 1].len()).map(move |j| (i, j)))
                    {
                        let mut other = path.clone();
                        (other[at], other[at + 1]) = (i, j);
                        assert!(cost(&points, &other, settings) > found - 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn without_costs_each_point_shows_its_best_line() {
        for item in 0..20 {
            let points = random(item, 11, 6);
            let path = select_lines(&points, &settings(0.0, 0.0)).unwrap();
            for (choices, chosen) in points.iter().zip(path) {
                assert!(choices.iter().all(|c| c.score <= choices[chosen].score));
            }
        }
    }

    #[test]
    fn given_ends_attract_the_middle() {
        for (end, other) in [("aaaa", "bbbb"), ("bbbb", "aaaa")] {
            let given = |line: &str| vec![given_line(line.as_bytes().to_vec())];
            let middle = || vec![choice(end, -1.1), choice(other, -1.0)];
            let path =
                select_lines(&[given(end), middle(), given(end)], &settings(0.5, 0.25)).unwrap();
            assert_eq!(path, [0, 0, 0]);
        }
    }

    #[test]
    fn a_high_repeat_cost_selects_less_likely_lines() {
        let middle = || vec![choice("ab", -1.0), choice("ac", -2.0), choice("ad", -3.0)];
        let points = vec![
            vec![choice("ab", 0.0)],
            middle(),
            middle(),
            vec![choice("ae", 0.0)],
        ];
        let shown = |repeat| select_lines(&points, &settings(0.1, repeat)).unwrap();
        assert_eq!(shown(0.0), [0, 0, 0, 0]);
        let mut all = shown(5.0);
        all.sort_unstable();
        assert_eq!(all, [0, 0, 1, 2]);
    }

    #[test]
    fn a_new_intermediate_line_beats_a_repeated_one() {
        let ends = |line| vec![choice(line, 0.0)];
        let between = vec![choice("aab", 0.0), choice("abb", 0.0), choice("aaa", 0.0)];
        let points = vec![ends("aaa"), between.clone(), between, ends("bbb")];
        assert_eq!(
            select_lines(&points, &settings(0.5, 0.25)).unwrap(),
            [0, 0, 1, 0]
        );
    }

    #[test]
    fn one_large_step_costs_more_than_small_ones() {
        let between = vec![
            choice("aaaa", 0.0),
            choice("aabb", -1.0),
            choice("bbbb", 0.0),
        ];
        let ends = |line| vec![choice(line, 0.0)];
        let points = vec![ends("aaaa"), between, ends("bbbb")];
        assert_eq!(
            select_lines(&points, &settings(1.0, 0.0)).unwrap(),
            [0, 1, 0]
        );
        assert_ne!(
            select_lines(&points, &settings(0.1, 0.0)).unwrap(),
            [0, 1, 0]
        );
    }

    #[test]
    fn the_first_of_equals_wins_and_no_points_give_no_lines() {
        let points = vec![vec![choice("a", -1.0); 3]; 4];
        assert_eq!(
            select_lines(&points, &LineSelectionSettings::default()).unwrap(),
            [0, 0, 0, 0]
        );
        let none: Points = Vec::new();
        assert!(
            select_lines(&none, &LineSelectionSettings::default())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn bad_candidates_are_refused() {
        for points in [
            vec![vec![choice("a", -1.0)], vec![]],
            vec![vec![choice("a", f64::NAN)]],
            vec![vec![choice("a", f64::NEG_INFINITY)]],
        ] {
            let error = select_lines(&points, &LineSelectionSettings::default()).unwrap_err();
            assert!(error.is_usage());
        }
    }
}
