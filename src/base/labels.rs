/*!
Class labels from file names or folders, as a condition vector.

The vector concatenates one one-hot part for each group (digit, speaker), in the order of the groups.
*/

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A label: the name of its group and its value, as in `digit=7`.
pub type Label = (String, String);

/// The rule for the labels of a file; stored as text: `none`, `folders`, `pattern REGEX` or `names GROUP=NAME,NAME`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum LabelRule {
    /// No labels.
    None,
    /// The first folder of the relative path is the value of the group `class`.
    Folders,
    /// Each named group of the pattern is a group of labels.
    Pattern(Regex),
    /// Labels are numbers from 0, and these are the name of their group and of each.
    Names(String, Vec<String>),
}

/// The group of labels that come without a group name.
pub const GROUP: &str = "class";

impl LabelRule {
    /// A pattern with named groups, matched against the path relative to the corpus folder.
    ///
    /// # Errors
    /// When it is not a regular expression or has no named group.
    pub fn pattern(text: &str) -> Result<Self> {
        const EXAMPLE: &str = "for files named DIGIT_SPEAKER_INDEX.wav: --label-pattern '(?<digit>[0-9])_(?<speaker>[a-z]+)_'";
        let regex = Regex::new(text).map_err(|error| {
            Error::usage(format!(
                "--label-pattern is not a regular expression: {error}"
            ))
            .with_hint(EXAMPLE)
        })?;
        if regex.capture_names().flatten().next().is_none() {
            return Err(Error::usage("--label-pattern has no named group").with_hint(EXAMPLE));
        }
        Ok(Self::Pattern(regex))
    }

    /// Names for the labels 0, 1 and so on: `GROUP=NAME,NAME…`.
    ///
    /// # Errors
    /// When the group or a name is missing, or a name occurs twice.
    pub fn names(text: &str) -> Result<Self> {
        let fault = |what: &str| {
            Error::usage(format!("--label-names {text}: {what}"))
                .with_hint("give the group and a name for each number from 0: --label-names item=shirt,coat,bag")
        };
        let (group, names) = text.split_once('=').ok_or_else(|| fault("it has no '='"))?;
        let names: Vec<String> = names.split(',').map(|name| name.trim().into()).collect();
        if group.trim().is_empty() || names.iter().any(String::is_empty) {
            return Err(fault("a name is missing"));
        }
        if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(fault(&format!("'{}' occurs twice", names[at])));
        }
        Ok(Self::Names(group.trim().into(), names))
    }

    /// The label of this number in a list of numbers.
    ///
    /// # Errors
    /// The reason why it has no label.
    pub fn numbered(&self, number: u8) -> std::result::Result<Label, String> {
        match self {
            Self::Names(group, names) => match names.get(usize::from(number)) {
                Some(name) => Ok((group.clone(), name.clone())),
                None => Err(format!(
                    "holds the label {number}, and the last name of --label-names is that of the label {}",
                    names.len() - 1
                )),
            },
            _ => Ok((GROUP.into(), number.to_string())),
        }
    }

    /// True if files have labels.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The labels of the file at this relative path, with `/` between folders.
    ///
    /// # Errors
    /// The reason why the path has no labels.
    pub fn labels(&self, path: &str) -> std::result::Result<Vec<Label>, String> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Names(..) => Err("--label-names is for the numbers of an IDX label file".into()),
            Self::Folders => match path.split_once('/') {
                Some((folder, _)) => Ok(vec![(GROUP.into(), folder.into())]),
                None => Err("it is not in a subfolder, so that it has no class".into()),
            },
            Self::Pattern(regex) => {
                let found = regex
                    .captures(path)
                    .ok_or("its name does not match --label-pattern")?;
                regex
                    .capture_names()
                    .flatten()
                    .map(|name| {
                        let value = found
                            .name(name)
                            .ok_or_else(|| format!("its name does not contain a {name}"))?;
                        Ok((name.to_owned(), value.as_str().to_owned()))
                    })
                    .collect()
            }
        }
    }
}

impl From<LabelRule> for String {
    fn from(rule: LabelRule) -> Self {
        match rule {
            LabelRule::None => "none".into(),
            LabelRule::Folders => "folders".into(),
            LabelRule::Pattern(regex) => format!("pattern {regex}"),
            LabelRule::Names(group, names) => format!("names {group}={}", names.join(",")),
        }
    }
}

impl TryFrom<String> for LabelRule {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        match text.split_once(' ') {
            None if text == "none" => Ok(Self::None),
            None if text == "folders" => Ok(Self::Folders),
            Some(("pattern", pattern)) => Self::pattern(pattern),
            Some(("names", names)) => Self::names(names),
            _ => Err(Error::usage(format!("invalid label rule '{text}'"))),
        }
    }
}

impl PartialEq for LabelRule {
    fn eq(&self, other: &Self) -> bool {
        String::from(self.clone()) == String::from(other.clone())
    }
}

/// The classes of a corpus, stored with the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Classes {
    groups: Vec<Group>,
}

/// A group of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name, such as `digit`.
    pub name: String,
    /// Its values, sorted, such as `0` to `9`.
    pub values: Vec<String>,
}

impl Classes {
    /// The groups and values that occur in a corpus.
    pub fn collect<'a>(labels: impl IntoIterator<Item = &'a [Label]>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (name, value) in labels.into_iter().flatten() {
            let group = match groups.iter_mut().find(|group| group.name == *name) {
                Some(group) => group,
                None => {
                    groups.push(Group {
                        name: name.clone(),
                        values: Vec::new(),
                    });
                    groups.last_mut().expect("just pushed")
                }
            };
            if let Err(place) = group.values.binary_search(value) {
                group.values.insert(place, value.clone());
            }
        }
        Self { groups }
    }

    /// The groups in the order of the condition vector.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The length of the condition vector; 0 without classes.
    pub fn width(&self) -> usize {
        self.groups.iter().map(|group| group.values.len()).sum()
    }

    /// The number of values of each group.
    pub fn counts(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.values.len()).collect()
    }

    /// The condition vector of one label in each group.
    ///
    /// # Errors
    /// A usage error that lists the known groups or values, if one is unknown or missing.
    pub fn vector(&self, labels: &[Label]) -> Result<Vec<f32>> {
        self.check(labels)?;
        let mut vector = Vec::with_capacity(self.width());
        for group in &self.groups {
            let (_, value) = labels
                .iter()
                .find(|(name, _)| *name == group.name)
                .ok_or_else(|| {
                    Error::usage(format!("--class {} is missing", group.name))
                        .with_hint(group.allowed())
                })?;
            vector.extend(group.values.iter().map(|v| f32::from(u8::from(v == value))));
        }
        Ok(vector)
    }

    /// Refuses unknown labels and two labels of one group.
    ///
    /// # Errors
    /// A usage error that lists the known groups or values.
    pub fn check(&self, labels: &[Label]) -> Result<()> {
        for (index, (name, value)) in labels.iter().enumerate() {
            let Some(group) = self.groups.iter().find(|group| group.name == *name) else {
                let known: Vec<_> = self.groups.iter().map(|g| g.name.as_str()).collect();
                return Err(
                    Error::usage(format!("this model has no class group '{name}'")).with_hint(
                        if known.is_empty() {
                            "it was trained without classes".to_owned()
                        } else {
                            format!("its class groups: {}", known.join(", "))
                        },
                    ),
                );
            };
            if !group.values.contains(value) {
                return Err(Error::usage(format!("this model has no {name} '{value}'"))
                    .with_hint(group.allowed()));
            }
            if labels[..index].iter().any(|(other, _)| other == name) {
                return Err(Error::usage(format!("--class {name} is given twice")));
            }
        }
        Ok(())
    }

    /// One label for each group: the given one, or the value at the index that `draw(number of values)` returns.
    pub fn complete(&self, given: &[Label], mut draw: impl FnMut(usize) -> usize) -> Vec<Label> {
        self.groups
            .iter()
            .map(|group| {
                given
                    .iter()
                    .find(|(name, _)| *name == group.name)
                    .cloned()
                    .unwrap_or_else(|| {
                        (
                            group.name.clone(),
                            group.values[draw(group.values.len())].clone(),
                        )
                    })
            })
            .collect()
    }
}

impl Group {
    fn allowed(&self) -> String {
        format!("{} is one of: {}", self.name, self.values.join(", "))
    }
}

/// Formats labels as `digit=7 speaker=theo`.
pub fn describe(labels: &[Label]) -> String {
    let parts: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, value: &str) -> Label {
        (name.into(), value.into())
    }

    fn digits() -> Classes {
        let rule = LabelRule::pattern("(?<digit>[0-9])_(?<speaker>[a-z]+)_").unwrap();
        let labels: Vec<_> = ["a/7_theo_1.wav", "3_anna_2.wav", "3_theo_9.wav"]
            .map(|path| rule.labels(path).unwrap())
            .into();
        Classes::collect(labels.iter().map(Vec::as_slice))
    }

    #[test]
    fn groups_become_one_vector() {
        let classes = digits();
        assert_eq!(classes.width(), 4);
        let vector = classes
            .vector(&[label("speaker", "theo"), label("digit", "3")])
            .unwrap();
        assert_eq!(vector, [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn errors_list_the_known_classes() {
        let classes = digits();
        for (labels, hint) in [
            (
                vec![label("digit", "8"), label("speaker", "theo")],
                "digit is one of: 3, 7",
            ),
            (
                vec![label("colour", "red")],
                "its class groups: digit, speaker",
            ),
            (vec![label("digit", "3")], "speaker is one of: anna, theo"),
        ] {
            let error = classes.vector(&labels).unwrap_err();
            assert!(error.is_usage());
            assert_eq!(error.hint().unwrap(), hint);
        }
        let twice = [label("digit", "3"), label("digit", "7")];
        assert!(classes.check(&twice).unwrap_err().is_usage());
    }

    #[test]
    fn missing_labels_are_drawn() {
        let all = digits().complete(&[label("speaker", "anna")], |count| count - 1);
        assert_eq!(describe(&all), "digit=7 speaker=anna");
    }

    #[test]
    fn a_file_without_labels_has_a_reason() {
        assert!(LabelRule::Folders.labels("loose.wav").is_err());
        assert_eq!(
            LabelRule::Folders.labels("bass/a/b.wav").unwrap(),
            [label("class", "bass")]
        );
        assert!(LabelRule::pattern("[0-9]+").unwrap_err().is_usage());
        assert!(LabelRule::pattern("(").unwrap_err().is_usage());
        let rule = LabelRule::pattern("(?<digit>[0-9])").unwrap();
        assert!(rule.labels("none.wav").is_err());
    }

    #[test]
    fn numbers_have_names_and_rules_are_read_as_they_are_written() {
        let names = LabelRule::names("item=coat, bag").unwrap();
        assert_eq!(names.numbered(1), Ok(label("item", "bag")));
        assert!(names.numbered(2).unwrap_err().contains("the label 1"));
        assert_eq!(LabelRule::None.numbered(7), Ok(label("class", "7")));
        for text in ["coat,bag", "=coat", "item=coat,,bag", "item=coat,coat"] {
            assert!(LabelRule::names(text).unwrap_err().is_usage(), "{text}");
        }
        let pattern = LabelRule::pattern("(?<a>x y)").unwrap();
        for rule in [LabelRule::None, LabelRule::Folders, names, pattern] {
            let written = String::from(rule.clone());
            assert_eq!(LabelRule::try_from(written).unwrap(), rule);
        }
    }
}
