/*! The split of a dataset into training and validation items, by their names; items spread evenly over one. */

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, IoContext, Result};

/// The split of a dataset, as the model stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The rule in words.
    pub rule: String,
    /// The number of training sequences.
    pub training: usize,
    /// The held-out sequences, as paths relative to the corpus folder.
    pub validation: Vec<String>,
    /// SHA-256 over the names and tokens of the dataset.
    pub hash: String,
}

/// The rule that chooses held-out items by name.
pub enum SplitRule {
    /// Names that match.
    Matching(Regex),
    /// The names in a file, one a line.
    InFile(BTreeSet<String>),
    /// The tenth with the lowest hashes of their names: the same on every machine.
    OneInTen,
    /// The items listed in a resumed model.
    Listed(Split),
}

impl SplitRule {
    /// The rule of `--validation`: a pattern, or `file:PATH` for a file of names; without one, one in ten.
    ///
    /// # Errors
    /// A usage error when the pattern is not a regular expression; when the file cannot be read.
    pub fn new(pattern: Option<&str>) -> Result<Self> {
        if let Some(file) = pattern.and_then(|text| text.strip_prefix("file:")) {
            let text = std::fs::read_to_string(file).reading(Path::new(file))?;
            let names = text.lines().map(|line| line.trim().to_owned());
            return Ok(Self::InFile(names.collect()));
        }
        match pattern {
            None => Ok(Self::OneInTen),
            Some(text) => Regex::new(text).map(Self::Matching).map_err(|error| {
                Error::usage(format!("--validation is not a regular expression: {error}"))
            }),
        }
    }

    /// True for each held-out name.
    ///
    /// # Errors
    /// A usage error when the pattern matches all names or none.
    pub fn choose(&self, names: &[&str]) -> Result<Vec<bool>> {
        let chosen: Vec<bool> = match self {
            Self::Matching(regex) => names.iter().map(|name| regex.is_match(name)).collect(),
            Self::InFile(listed) => names.iter().map(|name| listed.contains(*name)).collect(),
            Self::OneInTen => lowest_tenth(names),
            Self::Listed(split) => {
                let listed: std::collections::HashSet<&str> =
                    split.validation.iter().map(String::as_str).collect();
                names.iter().map(|name| listed.contains(name)).collect()
            }
        };
        if !matches!(self, Self::Listed(_)) && chosen.iter().all(|&out| out) {
            return Err(Error::usage(
                "--validation holds out everything; no training data is left",
            )
            .with_hint(example(names)));
        }
        if matches!(self, Self::Matching(_) | Self::InFile(_)) && !chosen.contains(&true) {
            return Err(Error::usage("--validation matches nothing").with_hint(example(names)));
        }
        Ok(chosen)
    }

    /// The rule in words.
    pub fn rule(&self) -> String {
        match self {
            Self::Matching(regex) => format!("names matching {regex}"),
            Self::InFile(listed) => format!("the names in a list of {}", listed.len()),
            Self::OneInTen => "the tenth whose names have the lowest hashes".into(),
            Self::Listed(split) => split.rule.clone(),
        }
    }

    /// The indices of training items, followed by those of held-out items, and the split. `hash` covers the dataset.
    ///
    /// # Errors
    /// As for [`choose`](Self::choose).
    pub fn split(&self, names: &[String], hash: &str) -> Result<(Vec<usize>, Split)> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let chosen = self.choose(&names)?;
        let (mut order, out): (Vec<usize>, Vec<usize>) =
            (0..names.len()).partition(|&index| !chosen[index]);
        let training = order.len();
        order.extend(out);
        let split = Split {
            rule: self.rule(),
            training,
            validation: order[training..]
                .iter()
                .map(|&index| names[index].to_owned())
                .collect(),
            hash: hash.to_owned(),
        };
        Ok((order, split))
    }
}

/// A hint with an example of the names.
fn example(names: &[&str]) -> String {
    match names.first() {
        Some(name) => format!("it is matched against names such as {name}"),
        None => "it is matched against names".into(),
    }
}

/// Chooses the tenth with the lowest hashes; none of fewer than two.
fn lowest_tenth(names: &[&str]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&index| Sha256::digest(names[index].as_bytes()));
    let mut chosen = vec![false; names.len()];
    if names.len() > 1 {
        for &index in &order[..names.len().div_ceil(10)] {
            chosen[index] = true;
        }
    }
    chosen
}

/// `wanted` of the places from 0 to `all`, spread evenly and in order; places repeat where more are wanted than there are.
pub fn evenly(wanted: usize, all: usize) -> impl Iterator<Item = usize> {
    (0..wanted).map(move |index| index * all / wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("name {index}")).collect()
    }

    #[test]
    fn one_in_ten_is_held_out_and_a_listed_split_is_the_same() {
        let names = names(95);
        let (order, split) = SplitRule::OneInTen.split(&names, "h").unwrap();
        assert_eq!((split.training, split.validation.len()), (85, 10));
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, (0..95).collect::<Vec<_>>());
        let again = SplitRule::Listed(split.clone()).split(&names, "h").unwrap();
        assert_eq!(again, (order, split));
    }

    #[test]
    fn holding_out_all_or_nothing_is_refused() {
        for pattern in ["name", "nothing like it", "("] {
            let split = SplitRule::new(Some(pattern)).and_then(|h| h.split(&names(5), "h"));
            assert!(split.unwrap_err().is_usage(), "{pattern}");
        }
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        let file = format!("file:{}", list.display());
        assert!(!SplitRule::new(Some(&file)).err().unwrap().is_usage());
        std::fs::write(&list, "name 3\nname 4 \nname 77\n").unwrap();
        let listed = SplitRule::new(Some(&file)).unwrap();
        let (order, split) = listed.split(&names(5), "h").unwrap();
        assert_eq!((order, split.training), (vec![0, 1, 2, 3, 4], 3));
        std::fs::write(&list, "other\n").unwrap();
        let none = SplitRule::new(Some(&file)).unwrap();
        assert!(none.split(&names(5), "h").unwrap_err().is_usage());
        let (order, split) = SplitRule::new(Some("[34]$"))
            .unwrap()
            .split(&names(5), "h")
            .unwrap();
        assert_eq!((order, split.training), (vec![0, 1, 2, 3, 4], 3));
    }
}
