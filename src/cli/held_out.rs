/*! Which part of a corpus is held out, and why just that. */

use regex::Regex;
use sha2::{Digest, Sha256};

use crate::checkpoint::Split;
use crate::error::{Error, Result};

/// How what is held out is chosen, by name.
pub(super) enum HeldOut {
    /// Those whose name matches.
    Matching(Regex),
    /// One in ten, chosen by the hashes of their names: scattered, and the same on every machine.
    OneInTen,
    /// Those a resumed model names.
    Listed(Split),
}

impl HeldOut {
    pub(super) fn new(pattern: Option<&str>) -> Result<Self> {
        match pattern {
            None => Ok(Self::OneInTen),
            Some(text) => Regex::new(text).map(Self::Matching).map_err(|error| {
                Error::usage(format!("--validation is no regular expression: {error}"))
            }),
        }
    }

    /// True for each name that is held out.
    pub(super) fn choose(&self, names: &[&str]) -> Result<Vec<bool>> {
        let chosen: Vec<bool> = match self {
            Self::Matching(regex) => names.iter().map(|name| regex.is_match(name)).collect(),
            Self::OneInTen => lowest_tenth(names),
            Self::Listed(split) => {
                let listed: std::collections::HashSet<&str> =
                    split.validation.iter().map(String::as_str).collect();
                names.iter().map(|name| listed.contains(name)).collect()
            }
        };
        if !matches!(self, Self::Listed(_)) && chosen.iter().all(|&out| out) {
            return Err(Error::usage(
                "--validation holds out everything, so that nothing is left to learn from",
            )
            .with_hint(example(names)));
        }
        if matches!(self, Self::Matching(_)) && !chosen.contains(&true) {
            return Err(Error::usage("--validation matches nothing").with_hint(example(names)));
        }
        Ok(chosen)
    }

    /// The rule in words.
    pub(super) fn rule(&self) -> String {
        match self {
            Self::Matching(regex) => format!("names matching {regex}"),
            Self::OneInTen => "the tenth whose names have the lowest hashes".into(),
            Self::Listed(split) => split.rule.clone(),
        }
    }

    /// The numbers of those that train, then of those held out; and the record of it. `hash` is over all of the data.
    pub(super) fn split(&self, names: &[String], hash: &str) -> Result<(Vec<usize>, Split)> {
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

/// What it is matched against.
fn example(names: &[&str]) -> String {
    match names.first() {
        Some(name) => format!("it is matched against names such as {name}"),
        None => "it is matched against names".into(),
    }
}

/// The tenth with the lowest hashes; nothing of fewer than two.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("name {index}")).collect()
    }

    #[test]
    fn one_in_ten_is_held_out_and_listing_them_gives_the_same() {
        let names = names(95);
        let (order, split) = HeldOut::OneInTen.split(&names, "h").unwrap();
        assert_eq!((split.training, split.validation.len()), (85, 10));
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, (0..95).collect::<Vec<_>>());
        let again = HeldOut::Listed(split.clone()).split(&names, "h").unwrap();
        assert_eq!(again, (order, split));
    }

    #[test]
    fn holding_out_all_or_nothing_is_refused() {
        for pattern in ["name", "nothing like it", "("] {
            let split = HeldOut::new(Some(pattern)).and_then(|h| h.split(&names(5), "h"));
            assert!(split.unwrap_err().is_usage(), "{pattern}");
        }
        let (order, split) = HeldOut::new(Some("[34]$"))
            .unwrap()
            .split(&names(5), "h")
            .unwrap();
        assert_eq!((order, split.training), (vec![0, 1, 2, 3, 4], 3));
    }
}
