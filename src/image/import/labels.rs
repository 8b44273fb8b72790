/*! Labels of pictures: from their paths, an IDX label file, or a table. */

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::base::labels::{GROUP, Label, LabelRule};
use crate::error::{Error, Result};
use crate::image::import::{idx, stream};

/// The largest table that is read, in rows.
const MAX_ROWS: usize = 10_000_000;

/// Where the labels of pictures come from.
#[derive(Debug, Clone)]
pub enum LabelSource {
    /// Pictures have no labels.
    None,
    /// The path of each picture file.
    Paths(LabelRule),
    /// The IDX label file beside an IDX file of pictures, by the usual naming, in the group `class` or with the names of a
    /// rule.
    Beside(LabelRule),
    /// An IDX label file (as above) or a table of comma-separated values. The first column of a table is the
    /// path of a picture, its file name with or without extension, or its number from 0 in a file of many; every other
    /// column is a group. A header row, which begins with a word such as `file`, `image_id` or `number`, names the
    /// groups; without one they are `class`, or `class1`, `class2` and so on. With a pattern, the groups are its named
    /// groups, matched against the text of the other columns.
    File {
        /// The file.
        path: PathBuf,
        /// The pattern that finds groups in the rows of a table, or the names of numbers.
        rule: LabelRule,
    },
}

/// Labels in memory.
pub(super) enum Labels {
    None,
    Paths(LabelRule),
    Numbers {
        path: PathBuf,
        values: Vec<u8>,
        rule: LabelRule,
    },
    Table {
        path: PathBuf,
        rows: HashMap<String, Vec<Label>>,
    },
}

impl LabelSource {
    /// The label file beside a file of pictures, where there is one.
    pub fn found_beside(pictures: &Path, rule: &LabelRule) -> Self {
        match idx::labels_beside(pictures) {
            Some(_) => Self::Beside(rule.clone()),
            None => Self::None,
        }
    }
}

impl Labels {
    /// Reads the labels for the pictures at `pictures`; `of_files` says that this is a picture file or a folder of
    /// them.
    pub(super) fn load(source: &LabelSource, pictures: &Path, of_files: bool) -> Result<Self> {
        match source {
            LabelSource::None => Ok(Self::None),
            LabelSource::Paths(rule) if !rule.is_some() => Ok(Self::None),
            LabelSource::Paths(rule) if of_files => Ok(Self::Paths(rule.clone())),
            LabelSource::Paths(_) => Err(Error::input(
                pictures,
                "its pictures have no paths to take labels from",
            )
            .with_hint("a file of many pictures needs a label file: --labels FILE")),
            LabelSource::Beside(rule) => match idx::labels_beside(pictures) {
                Some(path) => Self::numbers(path, rule),
                None if of_files => Err(Error::input(
                    pictures,
                    "the classes come from a label file, and beside a folder there is none",
                )
                .with_hint("give a table of FILE NAME,LABEL with --labels FILE")),
                None => Err(Error::input(pictures, "there is no label file beside it")
                    .with_hint("name one with --labels FILE")),
            },
            LabelSource::File { path, rule } => {
                let mut file = stream::open(path)?;
                if !idx::is_idx(stream::peek(path, &mut file)?) {
                    return match rule {
                        LabelRule::Pattern(regex) => Self::table(path, Some(regex)),
                        LabelRule::Names(..) => {
                            Err(Error::input(path, "it is not an IDX label file")
                                .with_hint("omit --label-names: a table has names"))
                        }
                        _ => Self::table(path, None),
                    };
                }
                if of_files {
                    return Err(Error::input(
                        path,
                        "an IDX label file has no file names to match with picture files",
                    )
                    .with_hint("use a table instead, with FILE NAME,LABEL in each row"));
                }
                Self::numbers(path.clone(), rule)
            }
        }
    }

    fn numbers(path: PathBuf, rule: &LabelRule) -> Result<Self> {
        let values = idx::read_labels(&path)?;
        let rule = rule.clone();
        let largest = values.iter().copied().max().unwrap_or(0);
        if let Err(reason) = rule.numbered(largest) {
            return Err(Error::input(path, reason));
        }
        Ok(Self::Numbers { path, values, rule })
    }

    fn table(path: &Path, pattern: Option<&Regex>) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(stream::open(path)?);
        let mut rows = HashMap::new();
        let mut columns = Columns::default();
        for (index, record) in reader.records().enumerate() {
            let record = record.map_err(|error| error.to_string());
            record
                .and_then(|record| {
                    let fields: Vec<&str> = record.iter().collect();
                    columns.add(&fields, index == 0, pattern, &mut rows)
                })
                .map_err(|reason| {
                    Error::input(path, format!("row {}: {reason}", index + 1)).with_hint(
                        "each row of a label file is the name or number of a picture and its labels, separated by commas",
                    )
                })?;
        }
        if rows.is_empty() {
            return Err(Error::input(path, "holds no labels"));
        }
        Ok(Self::Table {
            path: path.into(),
            rows,
        })
    }

    /// The labels of the picture file at a path within the folder.
    pub(super) fn of_file(&self, name: &str) -> Result<Vec<Label>> {
        match self {
            Self::None | Self::Numbers { .. } => Ok(Vec::new()),
            Self::Paths(rule) => rule
                .labels(name)
                .map_err(|reason| Error::input(name, reason)),
            Self::Table { path, rows } => {
                let file = name.rsplit('/').next().unwrap_or(name);
                let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
                [name, file, stem]
                    .iter()
                    .find_map(|key| rows.get(*key).cloned())
                    .ok_or_else(|| {
                        Error::input(name, format!("{} has no row for it", path.display()))
                    })
            }
        }
    }

    /// The labels of picture `number` in a file of many.
    pub(super) fn of_number(&self, number: usize) -> Result<Vec<Label>> {
        match self {
            Self::None | Self::Paths(_) => Ok(Vec::new()),
            Self::Numbers { path, values, rule } => values
                .get(number)
                .ok_or_else(|| format!("holds no label for picture {number}"))
                .and_then(|&value| rule.numbered(value))
                .map(|label| vec![label])
                .map_err(|reason| Error::input(path, reason)),
            Self::Table { path, rows } => rows
                .get(number.to_string().as_str())
                .cloned()
                .ok_or_else(|| Error::input(path, format!("{} has no row for it", path.display()))),
        }
    }

    /// Refuses an IDX label file that does not have one label for each picture.
    pub(super) fn check_count(&self, pictures: &Path, count: usize) -> Result<()> {
        match self {
            Self::Numbers { path, values, .. } if values.len() != count => Err(Error::input(
                path,
                format!(
                    "has {} labels for the {count} pictures of {}",
                    values.len(),
                    pictures.display()
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// The columns of a table, from its first row.
#[derive(Default)]
struct Columns {
    /// The names of the groups, from a header row.
    names: Option<Vec<String>>,
    /// Labels in each row.
    width: usize,
}

impl Columns {
    /// Adds the labels of a row to `rows`, or gives the reason why it is invalid. The first row may be a header.
    fn add(
        &mut self,
        fields: &[&str],
        first: bool,
        pattern: Option<&Regex>,
        rows: &mut HashMap<String, Vec<Label>>,
    ) -> std::result::Result<(), String> {
        let [name, values @ ..] = fields else {
            return Ok(());
        };
        if values.is_empty() {
            return Err("it has no label".into());
        }
        if first {
            self.width = values.len();
            if is_header(name) {
                self.names = Some(values.iter().map(|&value| value.to_owned()).collect());
                return Ok(());
            }
        }
        if values.len() != self.width {
            return Err(format!(
                "it has {} labels, the first row has {}",
                values.len(),
                self.width
            ));
        }
        let labels = match pattern {
            Some(pattern) => match_labels(pattern, &values.join(","))?,
            None => column_labels(self.names.as_deref(), values),
        };
        match rows.insert((*name).to_owned(), labels) {
            None if rows.len() > MAX_ROWS => Err("there are too many rows".into()),
            None => Ok(()),
            Some(_) => Err(format!("'{name}' occurs twice")),
        }
    }
}

/// True for the first field of a header row.
fn is_header(first: &str) -> bool {
    const WORDS: [&str; 9] = [
        "file", "name", "path", "image", "img", "picture", "id", "index", "number",
    ];
    let first = first.to_ascii_lowercase();
    let is_name = first.contains(|c: char| c.is_ascii_digit() || c == '.');
    first.is_empty() || (!is_name && WORDS.iter().any(|word| first.starts_with(word)))
}

/// The labels of a row, one for each column.
fn column_labels(groups: Option<&[String]>, values: &[&str]) -> Vec<Label> {
    let group = |index: usize| match groups {
        Some(groups) => groups[index].clone(),
        None if values.len() == 1 => GROUP.into(),
        None => format!("{GROUP}{}", index + 1),
    };
    let labels = values.iter().enumerate();
    labels
        .map(|(index, value)| (group(index), (*value).to_owned()))
        .collect()
}

/// The named groups of a pattern in a text.
fn match_labels(pattern: &Regex, text: &str) -> std::result::Result<Vec<Label>, String> {
    let captures = pattern
        .captures(text)
        .ok_or_else(|| format!("'{text}' does not match --label-pattern"))?;
    let names = pattern.capture_names().flatten();
    names
        .map(|name| {
            let value = captures
                .name(name)
                .ok_or_else(|| format!("'{text}' contains no {name}"))?;
            Ok((name.to_owned(), value.as_str().to_owned()))
        })
        .collect()
}
