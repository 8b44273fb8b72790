/*!
Metrics of interpolations between two sentences: exact ends, efficiency, evenness, and novelty. And a trivial interpolation
as a baseline.
*/

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use crate::text::TextUnit;

/// The lines of an interpolation and the two sentences that it should connect.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// The first sentence.
    pub from: String,
    /// The last sentence.
    pub to: String,
    /// All lines, including both ends.
    pub lines: Vec<String>,
}

impl Walk {
    /// True if the first line equals `from`.
    pub fn begins_exactly(&self) -> bool {
        self.lines.first() == Some(&self.from)
    }

    /// True if the last line equals `to`.
    pub fn ends_exactly(&self) -> bool {
        self.lines.last() == Some(&self.to)
    }

    /// The distance between the first and the last line, divided by the sum of distances between neighbours: 1 without
    /// needless edits, `None` if all lines are equal. Repeated lines and large jumps do not lower it; see
    /// [`distinct`](Self::distinct) and [`largest_jump`](Self::largest_jump).
    pub fn efficiency(&self, unit: TextUnit) -> Option<f64> {
        let edits: usize = self.neighbours().map(|(a, b)| unit.distance(a, b)).sum();
        let (first, last) = (self.lines.first()?, self.lines.last()?);
        (edits > 0).then(|| unit.distance(first, last) as f64 / edits as f64)
    }

    /// The number of different lines.
    pub fn distinct(&self) -> usize {
        self.lines.iter().collect::<HashSet<_>>().len()
    }

    /// The largest [`TextUnit::share`] between neighbours: 1 if two neighbours have nothing in common.
    pub fn largest_jump(&self, unit: TextUnit) -> f64 {
        self.neighbours()
            .map(|(a, b)| unit.share(a, b))
            .fold(0.0, f64::max)
    }

    /// The lines between the first and the last.
    pub fn interior(&self) -> &[String] {
        match &self.lines[..] {
            [_, interior @ .., _] => interior,
            _ => &[],
        }
    }

    fn neighbours(&self) -> impl Iterator<Item = (&String, &String)> {
        self.lines.iter().zip(self.lines.iter().skip(1))
    }
}

/// The means over many interpolations. NaN without data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WalkSummary {
    /// The number of interpolations.
    pub walks: usize,
    /// The fraction of first and last lines that are exact.
    pub exact_ends: f64,
    /// The fraction of interpolations with both ends exact.
    pub exact_walks: f64,
    /// Mean [`Walk::efficiency`] where it is defined.
    pub efficiency: f64,
    /// Mean [`Walk::distinct`] divided by the number of lines.
    pub distinct: f64,
    /// Mean [`Walk::largest_jump`].
    pub largest_jump: f64,
    /// The fraction of lines between the ends that are in the training set.
    pub copied: f64,
    /// Self-BLEU of the middle lines of all interpolations: high if they resemble each other.
    pub self_bleu: f64,
}

impl WalkSummary {
    /// Measures interpolations of a model that was trained on the lines `training`.
    pub fn new(walks: &[Walk], unit: TextUnit, training: &HashSet<&str>) -> Self {
        let ends = walks
            .iter()
            .flat_map(|w| [w.begins_exactly(), w.ends_exactly()]);
        let exact = |w: &Walk| w.begins_exactly() && w.ends_exactly();
        let interior = walks.iter().flat_map(Walk::interior);
        let middles: Vec<Vec<&str>> = walks
            .iter()
            .filter_map(|walk| walk.interior().get(walk.interior().len() / 2))
            .map(|line| unit.parts(line))
            .collect();
        Self {
            walks: walks.len(),
            exact_ends: share(ends),
            exact_walks: share(walks.iter().map(exact)),
            efficiency: mean(walks.iter().filter_map(|walk| walk.efficiency(unit))),
            distinct: mean(
                walks
                    .iter()
                    .map(|walk| walk.distinct() as f64 / walk.lines.len() as f64),
            ),
            largest_jump: mean(walks.iter().map(|walk| walk.largest_jump(unit))),
            copied: share(interior.map(|line| training.contains(line.as_str()))),
            self_bleu: self_bleu(&middles),
        }
    }
}

/// NaN without numbers.
fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = numbers.fold((0.0, 0.0), |(count, sum), x| (count + 1.0, sum + x));
    sum / count
}

fn share(answers: impl Iterator<Item = bool>) -> f64 {
    mean(answers.map(|yes| f64::from(u8::from(yes))))
}

/// The longest n-grams of BLEU.
const ORDER: usize = 4;
/// Replaces a count of 0 (Chen & Cherry 2014, "A systematic comparison of smoothing techniques for sentence-level
/// BLEU", smoothing 1).
const UNSEEN: f64 = 0.1;

/// Self-BLEU: the mean over lines of BLEU-4 with all other lines as references (Zhu et al. 2018, "Texygen"; Papineni et al.
/// 2002, §2), smoothed where no n-gram matches. 1 if every line occurs twice, 0 if no two lines share a part. Lines of
/// fewer than four parts have low values, since they have no 4-grams. NaN for fewer than two lines.
fn self_bleu<T: Eq + Hash>(lines: &[Vec<T>]) -> f64 {
    if lines.len() < 2 {
        return f64::NAN;
    }
    let references: Vec<References<T>> = (1..=ORDER).map(|n| References::new(lines, n)).collect();
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    for line in lines {
        *lengths.entry(line.len()).or_default() += 1;
    }
    let bleu = |(index, line): (usize, &Vec<T>)| {
        let mut log_precision = 0.0;
        for references in &references {
            let (matched, all) = references.matched(index, line);
            if references.n == 1 && matched == 0 {
                return 0.0;
            }
            let matched = if matched == 0 { UNSEEN } else { matched as f64 };
            log_precision += (matched / all.max(1) as f64).ln() / ORDER as f64;
        }
        log_precision.exp() * brevity(line.len(), &lengths)
    };
    mean(lines.iter().enumerate().map(bleu))
}

/// The largest count of each n-gram in one line, so that each line can have all others as references.
struct References<'a, T> {
    n: usize,
    /// For each n-gram: the largest count, its line, and the largest count in any other line.
    most: HashMap<&'a [T], (usize, usize, usize)>,
}

impl<'a, T: Eq + Hash> References<'a, T> {
    fn new(lines: &'a [Vec<T>], n: usize) -> Self {
        let mut most = HashMap::new();
        for (index, line) in lines.iter().enumerate() {
            for (gram, count) in counts(line, n) {
                let (first, whose, second) = most.entry(gram).or_insert((0, index, 0));
                if count > *first {
                    (*first, *whose, *second) = (count, index, *first);
                } else {
                    *second = count.max(*second);
                }
            }
        }
        Self { n, most }
    }

    /// The number of n-grams of line `index` that match another line, with clipped counts, and the number of all.
    fn matched(&self, index: usize, line: &[T]) -> (usize, usize) {
        let mut matched = 0;
        for (gram, count) in counts(line, self.n) {
            let (first, whose, second) = self.most[gram];
            matched += count.min(if whose == index { second } else { first });
        }
        (matched, (line.len() + 1).saturating_sub(self.n))
    }
}

fn counts<T: Eq + Hash>(line: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for gram in line.windows(n) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

/// The brevity penalty of BLEU against the nearest other length, the shorter of two equally near.
fn brevity(length: usize, lengths: &BTreeMap<usize, usize>) -> f64 {
    let others = lengths
        .iter()
        .filter(|&(&other, &lines)| other != length || lines > 1);
    let nearest = others
        .map(|(&other, _)| other)
        .min_by_key(|other| other.abs_diff(length));
    match nearest {
        Some(nearest) if nearest > length => (1.0 - nearest as f64 / length.max(1) as f64).exp(),
        _ => 1.0,
    }
}

/// The baseline without a model: each of `points` lines is a prefix of `b` and a suffix of `a`, from all of `a` to all of
/// `b`.
///
/// # Panics
/// For fewer than two points.
pub fn token_splice<T: Clone>(a: &[T], b: &[T], points: usize) -> Vec<Vec<T>> {
    assert!(points >= 2, "an interpolation has two ends");
    let last = points - 1;
    let part = |length: usize, index: usize| (length * index + last / 2) / last;
    (0..points)
        .map(|index| [&b[..part(b.len(), index)], &a[part(a.len(), index)..]].concat())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(lines: &[&str]) -> Walk {
        Walk {
            from: lines[0].to_owned(),
            to: lines[lines.len() - 1].to_owned(),
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    fn lines(lines: &[&'static str]) -> Vec<Vec<&'static str>> {
        lines
            .iter()
            .map(|line| TextUnit::Words.parts(line))
            .collect()
    }

    #[test]
    fn a_direct_path_is_efficient_and_a_detour_is_not() {
        let straight = walk(&["a b c", "x b c", "x y c", "x y z"]);
        assert_eq!(straight.efficiency(TextUnit::Words), Some(1.0));
        assert_eq!(straight.distinct(), 4);
        assert!((straight.largest_jump(TextUnit::Words) - 1.0 / 3.0).abs() < 1e-12);
        let detour = walk(&["a b c", "x b c", "a b c", "x y z"]);
        assert_eq!(detour.efficiency(TextUnit::Words), Some(3.0 / 5.0));
        assert_eq!(
            (detour.distinct(), detour.largest_jump(TextUnit::Words)),
            (3, 1.0)
        );
    }

    #[test]
    fn distinct_shows_repeats_and_largest_jump_shows_jumps() {
        let still = walk(&["a b", "a b", "a b", "x y z"]);
        assert_eq!(still.efficiency(TextUnit::Words), Some(1.0));
        assert_eq!(
            (still.distinct(), still.largest_jump(TextUnit::Words)),
            (2, 1.0)
        );
        let nowhere = walk(&["a", "a"]);
        assert_eq!(nowhere.efficiency(TextUnit::Words), None);
        assert_eq!(nowhere.largest_jump(TextUnit::Words), 0.0);
        assert_eq!(
            walk(&["a", "b", "a"]).efficiency(TextUnit::Words),
            Some(0.0)
        );
    }

    #[test]
    fn efficiency_is_at_most_one() {
        let lines = [
            "",
            "he is",
            "is he there",
            "he was there",
            "春曉不覺",
            "  he   is ",
        ];
        for index in 0..lines.len().pow(3) {
            let [a, b, c] = [index / 36, index / 6 % 6, index % 6].map(|i| lines[i]);
            for unit in [TextUnit::Words, TextUnit::Characters] {
                let walk = walk(&[a, b, c]);
                assert!(
                    walk.efficiency(unit)
                        .is_none_or(|e| (0.0..=1.0).contains(&e))
                );
                assert!((0.0..=1.0).contains(&walk.largest_jump(unit)));
            }
        }
    }

    #[test]
    fn ends_are_compared_exactly() {
        let mut one = walk(&["he is", "he was", "she was"]);
        assert!(one.begins_exactly() && one.ends_exactly());
        one.to.push(' ');
        assert!(one.begins_exactly() && !one.ends_exactly());
        one.lines.clear();
        assert!(!one.begins_exactly() && one.interior().is_empty());
    }

    #[test]
    fn a_summary_has_the_means() {
        let mut walks = vec![
            walk(&["a b c", "x b c", "x y c", "x y z"]),
            walk(&["a b", "a b", "p q", "x y"]),
        ];
        walks[1].from = "something else".to_owned();
        let training = HashSet::from(["x y c", "p q", "a b c", "x y z"]);
        let summary = WalkSummary::new(&walks, TextUnit::Words, &training);
        assert_eq!(summary.walks, 2);
        assert_eq!((summary.exact_ends, summary.exact_walks), (0.75, 0.5));
        assert_eq!(summary.efficiency, f64::midpoint(1.0, 0.5));
        assert_eq!(summary.distinct, f64::midpoint(1.0, 0.75));
        assert!((summary.largest_jump - f64::midpoint(1.0 / 3.0, 1.0)).abs() < 1e-12);
        assert_eq!(summary.copied, 0.5);
        assert_eq!(summary.self_bleu, 0.0);
        let none = WalkSummary::new(&[], TextUnit::Words, &training);
        assert!(none.walks == 0 && none.efficiency.is_nan() && none.copied.is_nan());
    }

    #[test]
    fn self_bleu_is_between_zero_and_one() {
        let twins = lines(&["a b c d e", "a b c d e", "p q r s", "p q r s"]);
        assert!((self_bleu(&twins) - 1.0).abs() < 1e-12);
        assert_eq!(self_bleu(&lines(&["a b c d", "e f g h", "i j k l"])), 0.0);
        let alike = self_bleu(&lines(&["a b c d e", "a b c d f", "a b c d g"]));
        let less = self_bleu(&lines(&["a b c d e", "a b x d f", "a y c d g"]));
        assert!(0.0 < less && less < alike && alike < 1.0);
        assert!(self_bleu(&lines(&["a b c d"])).is_nan());
    }

    #[test]
    fn self_bleu_equals_the_value_computed_by_hand() {
        // Of the first line, 4 of 5, 3 of 4, 2 of 3 and 1 of 2 n-grams match, without a brevity penalty. Of the second, all
        // match, and its brevity penalty is exp(1 − 5/4).
        let first: f64 = (0.8_f64 * 0.75 * (2.0 / 3.0) * 0.5).powf(0.25);
        let second = (1.0_f64 - 5.0 / 4.0).exp();
        let found = self_bleu(&lines(&["a b c d e", "a b c d"]));
        assert!((found - f64::midpoint(first, second)).abs() < 1e-12);
        // Longer n-grams do not match and count 0.1 each. The count of "a" is clipped to that of the other line.
        let first = (2.0 / 4.0 * (0.1 / 3.0) * (0.1 / 2.0) * 0.1_f64).powf(0.25);
        let found = self_bleu(&lines(&["a a a b", "b x a y"]));
        assert!((found - first).abs() < 1e-12);
    }

    #[test]
    fn references_equal_a_comparison_with_all_other_lines() {
        let some = lines(&[
            "a b a b a b",
            "a b c a",
            "a b a c a b a",
            "c c a b",
            "b a",
            "a b a b c d",
        ]);
        for n in 1..=ORDER {
            let references = References::new(&some, n);
            for (index, line) in some.iter().enumerate() {
                let expected: usize = counts(line, n)
                    .iter()
                    .map(|(gram, count)| {
                        let others = some.iter().enumerate().filter(|(i, _)| *i != index);
                        let most = others
                            .map(|(_, other)| other.windows(n).filter(|w| w == gram).count())
                            .max();
                        *count.min(&most.unwrap())
                    })
                    .sum();
                assert_eq!(references.matched(index, line).0, expected);
            }
        }
    }

    #[test]
    fn a_splice_keeps_the_ends_and_takes_even_steps() {
        for (a, b) in [
            ("a b c d e", "p q r"),
            ("", "x y"),
            ("a", ""),
            ("a b", "a b"),
        ] {
            let (a, b) = (TextUnit::Words.parts(a), TextUnit::Words.parts(b));
            for points in [2, 3, 11] {
                let spliced = token_splice(&a, &b, points);
                assert_eq!(spliced.len(), points);
                assert_eq!((&spliced[0], &spliced[points - 1]), (&a, &b));
                let most = a.len().max(b.len());
                for pair in spliced.windows(2) {
                    let edits = strsim::generic_levenshtein(&pair[0], &pair[1]);
                    assert!(edits <= 2 * most.div_ceil(points - 1));
                }
            }
        }
        let middle = &token_splice(&["a", "b", "c", "d"], &["p", "q", "r", "s"], 3)[1];
        assert_eq!(middle, &["p", "q", "c", "d"]);
    }
}
