/*!
Which line to show at each point of a walk.

A search finds several lines at each point. The likeliest of each, taken alone, jump to and fro between ways to say the
same, and stand still where the walk goes on. So one is chosen at each point for the sake of the whole: of all ways
through the points, the one of least cost

  Σ over points of −score + Σ over neighbours of (edit · Levenshtein distance + repeat, where they are the same).

It is found exactly, by dynamic programming (Viterbi 1967). Between lines equally likely and with `repeat` below
`edit`, it never goes back to a line that it left: standing still costs less than going away and coming back. Yet a
line on a shortest way of edits costs nothing, so that it is taken rather than one that was there before.
*/

use crate::error::{Error, Result};

/// What is weighed against likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathSettings {
    /// The cost of each part (word or token) inserted, deleted or replaced between neighbours, in units of the score.
    pub edit: f64,
    /// The cost of a line that is the same as its neighbour. Above `edit`, walks go round in order not to repeat.
    pub repeat: f64,
}

impl Default for PathSettings {
    fn default() -> Self {
        Self {
            edit: 0.5,
            repeat: 0.25,
        }
    }
}

impl PathSettings {
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

impl<T> Choice<T> {
    /// A line that is set. Alone at its point, it is shown there whatever it costs: so ends are kept.
    pub fn given(parts: Vec<T>) -> Self {
        Self { parts, score: 0.0 }
    }
}

/// The number of the choice at each point, such that the cost of the whole (see the [module](self)) is least. Among
/// equals it takes the choices that stand first.
///
/// # Errors
/// A usage error when a setting is not allowed, a point offers nothing, or a score is not finite.
pub fn choose<T: PartialEq>(
    points: &[Vec<Choice<T>>],
    settings: &PathSettings,
) -> Result<Vec<usize>> {
    settings.validate()?;
    check(points)?;
    let Some(first) = points.first() else {
        return Ok(Vec::new());
    };
    // The least cost of a way to each choice of the latest point, and how each of these ways came.
    let mut costs: Vec<f64> = first.iter().map(|choice| -choice.score).collect();
    let mut parents = Vec::with_capacity(points.len());
    for pair in points.windows(2) {
        let (from, latest): (Vec<usize>, Vec<f64>) = pair[1]
            .iter()
            .map(|choice| {
                let ways = pair[0]
                    .iter()
                    .zip(&costs)
                    .map(|(before, cost)| cost + step(before, choice, settings));
                let (parent, cost) = cheapest(ways);
                (parent, cost - choice.score)
            })
            .unzip();
        parents.push(from);
        costs = latest;
    }
    let mut path = vec![cheapest(costs.into_iter()).0];
    for from in parents.iter().rev() {
        path.push(from[path[path.len() - 1]]);
    }
    path.reverse();
    Ok(path)
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

/// What it costs to go from one line to the next.
fn step<T: PartialEq>(from: &Choice<T>, to: &Choice<T>, settings: &PathSettings) -> f64 {
    match strsim::generic_levenshtein(&from.parts, &to.parts) {
        0 => settings.repeat,
        edits => settings.edit * edits as f64,
    }
}

/// The first of the least; there is one.
fn cheapest(costs: impl Iterator<Item = f64>) -> (usize, f64) {
    costs
        .enumerate()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .expect("every point has a choice")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Normals;

    type Points = Vec<Vec<Choice<u8>>>;

    const SETTINGS: [PathSettings; 5] = [
        settings(0.0, 0.0),
        settings(0.5, 0.25),
        settings(0.3, 2.0),
        settings(20.0, 1.0),
        settings(0.0, 1.0),
    ];

    const fn settings(edit: f64, repeat: f64) -> PathSettings {
        PathSettings { edit, repeat }
    }

    fn choice(parts: &str, score: f64) -> Choice<u8> {
        Choice {
            parts: parts.as_bytes().to_vec(),
            score,
        }
    }

    /// Random lines of at most four letters out of three, so that some are the same; scores spread by about two.
    fn random(item: u64, points: usize, most: usize) -> Points {
        let mut normals = Normals::new(8, item);
        let mut below = |n: usize| {
            let x = normals.next().unwrap();
            (x.abs() * 1e6) as usize % n
        };
        let mut points: Points = (0..points)
            .map(|_| {
                (0..=below(most))
                    .map(|_| Choice::given((0..below(5)).map(|_| b'a' + below(3) as u8).collect()))
                    .collect()
            })
            .collect();
        for choice in points.iter_mut().flatten() {
            choice.score = -10.0 + 2.0 * normals.next().unwrap();
        }
        points
    }

    /// The cost that the module promises to make least, from a distance of its own.
    fn cost(points: &Points, path: &[usize], settings: &PathSettings) -> f64 {
        let lines: Vec<&Choice<u8>> = points.iter().zip(path).map(|(p, &i)| &p[i]).collect();
        let moves: f64 = lines
            .windows(2)
            .map(|pair| match distance(&pair[0].parts, &pair[1].parts) {
                0 => settings.repeat,
                edits => settings.edit * edits as f64,
            })
            .sum();
        moves - lines.iter().map(|line| line.score).sum::<f64>()
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
    fn no_way_there_is_costs_less() {
        for item in 0..60 {
            let points = random(item, 1 + item as usize % 5, 4);
            for settings in &SETTINGS {
                let path = choose(&points, settings).unwrap();
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
                let path = choose(&points, settings).unwrap();
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
            let path = choose(&points, &settings(0.0, 0.0)).unwrap();
            for (choices, chosen) in points.iter().zip(path) {
                assert!(choices.iter().all(|c| c.score <= choices[chosen].score));
            }
        }
    }

    #[test]
    fn given_ends_stay_and_draw_the_middle_to_them() {
        let middle = || vec![choice("aaaa", -1.0), choice("bbbb", -1.1)];
        for end in ["aaaa", "bbbb"] {
            let given = || vec![Choice::given(end.as_bytes().to_vec())];
            let points = vec![given(), middle(), middle(), given()];
            let path = choose(&points, &PathSettings::default()).unwrap();
            let shown: Vec<_> = points.iter().zip(path).map(|(p, i)| &p[i].parts).collect();
            assert!(shown.iter().all(|parts| *parts == end.as_bytes()));
        }
    }

    #[test]
    fn a_line_on_the_way_is_taken_rather_than_one_shown_before() {
        let ends = |line| vec![choice(line, 0.0)];
        let between = vec![choice("aab", 0.0), choice("abb", 0.0), choice("aaa", 0.0)];
        let points = vec![ends("aaa"), between.clone(), between, ends("bbb")];
        assert_eq!(choose(&points, &settings(0.5, 0.25)).unwrap(), [0, 0, 1, 0]);
    }

    #[test]
    fn among_equally_likely_lines_it_never_goes_back() {
        for item in 0..40 {
            let mut offered = random(item, 1, 9).remove(0);
            for choice in &mut offered {
                choice.score = 0.0;
            }
            let ends = random(item + 1000, 2, 1);
            let mut points = vec![offered; 9];
            points[0].clone_from(&ends[0]);
            points[8].clone_from(&ends[1]);
            let path = choose(&points, &settings(1.0, 0.9)).unwrap();
            let mut shown: Vec<_> = points.iter().zip(path).map(|(p, i)| &p[i].parts).collect();
            shown.dedup();
            if ends[0][0].parts == ends[1][0].parts && shown.len() > 1 {
                shown.pop();
            }
            for (at, line) in shown.iter().enumerate() {
                assert!(!shown[..at].contains(line), "{shown:?}");
            }
        }
    }

    #[test]
    fn equals_go_by_their_order_and_nothing_gives_nothing() {
        let points = vec![vec![choice("a", -1.0); 3]; 4];
        assert_eq!(
            choose(&points, &PathSettings::default()).unwrap(),
            [0, 0, 0, 0]
        );
        let none: Points = Vec::new();
        assert!(choose(&none, &PathSettings::default()).unwrap().is_empty());
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let fine = vec![vec![choice("a", -1.0)]];
        for settings in [
            settings(-1.0, 0.0),
            settings(0.0, f64::NAN),
            settings(f64::INFINITY, 0.0),
        ] {
            let error = choose(&fine, &settings).unwrap_err();
            assert!(error.is_usage() && error.hint().is_some());
        }
        for points in [
            vec![vec![choice("a", -1.0)], vec![]],
            vec![vec![choice("a", f64::NAN)]],
            vec![vec![choice("a", f64::NEG_INFINITY)]],
        ] {
            let error = choose(&points, &PathSettings::default()).unwrap_err();
            assert!(error.is_usage());
        }
    }
}
