/*!
Which line to show at each point of a walk.

A search finds several lines at each point. The likeliest of each, taken alone, jump to and fro between ways to say the
same, and stand still where the walk goes on. So one is chosen at each point for the sake of the whole: a way through the
points of little cost

  Σ over points of −score + Σ over neighbours of edit · distance² / length of the longer line
  + Σ over points of repeat, where the line before is the same, or twice as much, where an earlier one is.

The distance is Levenshtein's. Its square makes two small steps cheaper than a great one.

Since a line costs more once it was shown, no choice stands for itself, and the best of all ways can only be found by
trying all. Instead the [`WIDTH`] best beginnings are pursued from point to point; then single lines and pairs of
neighbours are changed as long as that costs less. Short walks, with no more beginnings than that, are exact.
*/

use std::collections::HashMap;
use std::hash::Hash;

use crate::error::{Error, Result};

/// What is weighed against likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineSelectionSettings {
    /// The cost of neighbours that have nothing in common, for each part (word or token) of the longer one, in units of the
    /// score. Where they share a half, it is a quarter of that.
    pub edit: f64,
    /// The cost of a line that is the same as its neighbour; half of the cost of going back to an earlier one.
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

impl LineSelectionSettings {
    /// Refuses settings that mean nothing.
    ///
    /// # Errors
    /// A usage error naming the setting, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [("an edit", self.edit), ("a repeated line", self.repeat)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(
                    Error::usage(format!("{name} cannot cost {value}")).with_hint(
                        "a cost is a number from 0 up; with 0 nothing but likelihood counts",
                    ),
                );
            }
        }
        Ok(())
    }
}

/// A line that may be shown at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<T> {
    /// What edits are counted in: words or tokens.
    pub parts: Vec<T>,
    /// How good it is by itself: a log probability, or one that makes up for length.
    pub score: f64,
}

/// So many beginnings of a way are pursued.
pub const WIDTH: usize = 256;

/// The number of the choice at each point, such that the whole costs little: what [`LineSelectionSettings`] asks for edits and repeats,
/// less the scores. Among equals it takes the choices that stand first.
///
/// # Errors
/// A usage error when a setting is not allowed, a point offers nothing, or a score is not finite.
pub fn select_lines<T: Eq + Hash>(
    points: &[Vec<Choice<T>>],
    settings: &LineSelectionSettings,
) -> Result<Vec<usize>> {
    settings.validate()?;
    check(points)?;
    let costs = Costs::new(points, settings);
    let mut path = costs.pursue();
    costs.improve(&mut path);
    Ok(path)
}

/// What a way costs, with everything looked up that can be.
struct Costs<'a, T> {
    points: &'a [Vec<Choice<T>>],
    settings: &'a LineSelectionSettings,
    /// The same number for the same line, wherever it is offered.
    lines: Vec<Vec<usize>>,
    different: usize,
    /// What the edits cost from each choice of a point to each of the next: `[point][from][to]`.
    edits: Vec<Vec<Vec<f64>>>,
}

/// The beginning of a way.
#[derive(Clone)]
struct Beginning {
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

    /// The best way that the best beginnings lead to.
    fn pursue(&self) -> Vec<usize> {
        let mut beginnings = vec![Beginning {
            path: Vec::new(),
            lines: Vec::new(),
            cost: 0.0,
        }];
        for (point, choices) in self.points.iter().enumerate() {
            let mut longer: Vec<(f64, usize, usize)> = Vec::new();
            for (number, beginning) in beginnings.iter().enumerate() {
                for (index, choice) in choices.iter().enumerate() {
                    let line = self.lines[point][index];
                    let mut cost = beginning.cost - choice.score;
                    if let Some(&last) = beginning.path.last() {
                        cost += self.edits[point - 1][last][index];
                        if beginning.lines.last() == Some(&line) {
                            cost += self.settings.repeat;
                        } else if beginning.lines.contains(&line) {
                            cost += 2.0 * self.settings.repeat;
                        }
                    }
                    longer.push((cost, number, index));
                }
            }
            longer.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
            longer.truncate(WIDTH);
            beginnings = longer
                .into_iter()
                .map(|(cost, number, index)| {
                    let mut beginning = beginnings[number].clone();
                    beginning.path.push(index);
                    beginning.lines.push(self.lines[point][index]);
                    beginning.cost = cost;
                    beginning
                })
                .collect();
        }
        beginnings.swap_remove(0).path
    }

    /// Changes single choices and pairs of neighbours as long as the whole costs less by it.
    fn improve(&self, path: &mut [usize]) {
        // A gain below this is rounding.
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
                        // A line that is no longer shown makes one repeat more.
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

    /// Shows other lines at two points; gives how many different lines fewer there are then.
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

    /// The part of the cost that hangs on the choices from `first` to `last` alone. All repeats cost twice `repeat` for each
    /// point beyond the number of different lines, less `repeat` for each pair of equal neighbours: only these are here.
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
                "nothing was found at point {point} of the walk"
            )));
        }
        if let Some(choice) = choices.iter().find(|choice| !choice.score.is_finite()) {
            return Err(Error::usage(format!(
                "a line at point {point} of the walk has the score {}",
                choice.score
            ))
            .with_hint("the network's weights are damaged, or its training diverged"));
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

    /// Random lines of at most four letters out of three, so that some are the same; scores spread by about two.
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

    /// The cost that the module promises to make least, from a distance of its own.
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

    /// Levenshtein's distance as it is defined.
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

    /// Every way through the points.
    fn all_paths(points: &Points) -> Vec<Vec<usize>> {
        points.iter().fold(vec![vec![]], |paths, choices| {
            paths
                .iter()
                .flat_map(|path| (0..choices.len()).map(move |i| [&path[..], &[i]].concat()))
                .collect()
        })
    }

    #[test]
    fn of_short_walks_no_way_there_is_costs_less() {
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
    fn on_long_walks_no_change_of_one_or_two_neighbours_costs_less() {
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
    fn where_moves_cost_nothing_each_point_shows_its_best() {
        for item in 0..20 {
            let points = random(item, 11, 6);
            let path = select_lines(&points, &settings(0.0, 0.0)).unwrap();
            for (choices, chosen) in points.iter().zip(path) {
                assert!(choices.iter().all(|c| c.score <= choices[chosen].score));
            }
        }
    }

    #[test]
    fn given_ends_draw_the_middle_to_them() {
        for (end, other) in [("aaaa", "bbbb"), ("bbbb", "aaaa")] {
            let given = |line: &str| vec![given_line(line.as_bytes().to_vec())];
            let middle = || vec![choice(end, -1.1), choice(other, -1.0)];
            let path =
                select_lines(&[given(end), middle(), given(end)], &settings(0.5, 0.25)).unwrap();
            assert_eq!(path, [0, 0, 0]);
        }
    }

    #[test]
    fn a_dear_repeat_makes_room_for_less_likely_lines() {
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
    fn a_line_on_the_way_is_taken_rather_than_one_shown_before() {
        let ends = |line| vec![choice(line, 0.0)];
        let between = vec![choice("aab", 0.0), choice("abb", 0.0), choice("aaa", 0.0)];
        let points = vec![ends("aaa"), between.clone(), between, ends("bbb")];
        assert_eq!(
            select_lines(&points, &settings(0.5, 0.25)).unwrap(),
            [0, 0, 1, 0]
        );
    }

    #[test]
    fn one_great_step_costs_more_than_small_ones() {
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
    fn equals_go_by_their_order_and_nothing_gives_nothing() {
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
    fn what_means_nothing_is_refused() {
        let fine = vec![vec![choice("a", -1.0)]];
        for settings in [
            settings(-1.0, 0.0),
            settings(0.0, f64::NAN),
            settings(f64::INFINITY, 0.0),
        ] {
            let error = select_lines(&fine, &settings).unwrap_err();
            assert!(error.is_usage() && error.hint().is_some());
        }
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
