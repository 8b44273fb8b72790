/*! Words and characters: the units in which two lines are compared. */

/// The unit of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUnit {
    /// Runs of characters between white space.
    Words,
    /// Unicode scalar values, for scripts without spaces between words.
    Characters,
}

impl TextUnit {
    /// The number of insertions, deletions and replacements between two lines (Levenshtein 1966).
    pub fn distance(self, a: &str, b: &str) -> usize {
        match self {
            Self::Words => strsim::generic_levenshtein(&words(a), &words(b)),
            Self::Characters => strsim::levenshtein(a, b),
        }
    }

    /// The number of units in a line.
    pub fn length(self, line: &str) -> usize {
        match self {
            Self::Words => line.split_whitespace().count(),
            Self::Characters => line.chars().count(),
        }
    }

    /// The distance as a fraction of the longer line: 0 for equal lines, 1 for lines without a common unit.
    pub fn share(self, a: &str, b: &str) -> f64 {
        let longer = self.length(a).max(self.length(b)).max(1);
        self.distance(a, b) as f64 / longer as f64
    }

    /// The line made of these [`parts`](Self::parts).
    pub fn join(self, parts: &[&str]) -> String {
        match self {
            Self::Words => parts.join(" "),
            Self::Characters => parts.concat(),
        }
    }

    /// The units of a line.
    pub fn parts(self, line: &str) -> Vec<&str> {
        match self {
            Self::Words => words(line),
            Self::Characters => line.split_inclusive(|_: char| true).collect(),
        }
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: [TextUnit; 2] = [TextUnit::Words, TextUnit::Characters];

    const LINES: [&str; 6] = [
        "",
        "he is",
        "is he there",
        "he was there",
        "春曉不覺",
        "  he   is ",
    ];

    #[test]
    fn distances_are_a_metric() {
        for unit in UNITS {
            for a in LINES {
                assert_eq!(unit.distance(a, a), 0);
                assert_eq!(unit.distance(a, ""), unit.length(a));
                for b in LINES {
                    assert_eq!(unit.distance(a, b), unit.distance(b, a));
                    for c in LINES {
                        assert!(unit.distance(a, c) <= unit.distance(a, b) + unit.distance(b, c));
                    }
                }
            }
        }
    }

    #[test]
    fn distances_count_edits_of_their_unit() {
        assert_eq!(TextUnit::Words.distance("he is there", "she is"), 2);
        assert_eq!(TextUnit::Words.distance("he is", "  he   is "), 0);
        assert_eq!(TextUnit::Characters.distance("he is", "she was"), 3);
        assert_eq!(TextUnit::Characters.distance("春眠不覺曉", "春曉不覺"), 2);
        assert_eq!(TextUnit::Characters.parts("春é a"), ["春", "é", " ", "a"]);
    }
}
