/*! What is known about each picture: from its path, an IDX label file, or a table. */

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::base::labels::{Label, LabelRule};
use crate::error::{Error, Result};
use crate::image::import::{idx, stream};

/// The group of labels that have no name of their own.
const GROUP: &str = "class";
/// The largest table that is read, in rows.
const MAX_ROWS: usize = 10_000_000;

/// Where the labels of pictures come from.
#[derive(Debug, Clone)]
pub enum LabelSource {
    /// Nowhere: pictures have no labels.
    None,
    /// From the path of each picture file.
    Paths(LabelRule),
    /// From the IDX label file beside an IDX file of pictures, by the usual naming, in the group `class`.
    Beside,
    /// From an IDX label file (group `class`), or a table of comma-separated values: the first column is a picture's
    /// path, its file name with or without extension, or its number (from 0) in a file of many; the others are
    /// groups. A first row that begins with a word such as `file`, `image_id` or `number` names the groups; without
    /// one they are `class`, or `class1`, `class2` and so on. With a pattern, its named groups, found in the other
    /// columns' text, are the groups instead.
    File {
        /// The file.
        path: PathBuf,
        /// What to look for in its rows.
        pattern: Option<Regex>,
    },
}

/// Labels, ready to be asked for.
pub(super) enum Labels {
    None,
    Paths(LabelRule),
    Numbers {
        path: PathBuf,
        values: Vec<u8>,
    },
    Table {
        path: PathBuf,
        rows: HashMap<String, Vec<Label>>,
    },
}

impl Labels {
    /// Reads what there is to be read. `pictures` is the path that is imported, `of_files` whether that is a folder
    /// of picture files (or one of them).
    pub(super) fn load(source: &LabelSource, pictures: &Path, of_files: bool) -> Result<Self> {
        match source {
            LabelSource::None => Ok(Self::None),
            LabelSource::Paths(rule) if !rule.is_some() => Ok(Self::None),
            LabelSource::Paths(rule) if of_files => Ok(Self::Paths(rule.clone())),
            LabelSource::Paths(_) => Err(Error::input(
                pictures,
                "its pictures have no paths of their own that could say their labels",
            )
            .with_hint("labels of a file of many pictures come from a label file: --labels FILE")),
            LabelSource::Beside => match idx::labels_beside(pictures) {
                Some(path) => Self::numbers(path),
                None => Err(Error::input(pictures, "no label file is found beside it")
                    .with_hint("give one with --labels FILE")),
            },
            LabelSource::File { path, pattern } => {
                let mut file = stream::open(path)?;
                let start = file.fill_buf().map_err(|error| {
                    stream::failed(path, error, || {
                        "cut short: it ends in its gzip header".into()
                    })
                })?;
                if !idx::is_idx(start) {
                    return Self::table(path, pattern.as_ref());
                }
                if of_files {
                    return Err(Error::input(
                        path,
                        "an IDX label file numbers its pictures, and files have no numbers",
                    )
                    .with_hint("give a table instead: FILE NAME,LABEL in each row"));
                }
                Self::numbers(path.clone())
            }
        }
    }

    fn numbers(path: PathBuf) -> Result<Self> {
        let values = idx::read_labels(&path)?;
        Ok(Self::Numbers { path, values })
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
                        "each row of a label file is a picture's name or number, and its labels, separated by commas",
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

    /// The labels of a picture file by its path within the folder.
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

    /// The labels of picture `number` of a file of many.
    pub(super) fn of_number(&self, number: usize) -> Result<Vec<Label>> {
        match self {
            Self::None | Self::Paths(_) => Ok(Vec::new()),
            Self::Numbers { path, values } => values
                .get(number)
                .map(|value| vec![(GROUP.into(), value.to_string())])
                .ok_or_else(|| Error::input(path, format!("holds no label for picture {number}"))),
            Self::Table { path, rows } => rows
                .get(number.to_string().as_str())
                .cloned()
                .ok_or_else(|| Error::input(path, format!("{} has no row for it", path.display()))),
        }
    }

    /// Refuses a label file that is of other pictures, to judge by how many there are.
    pub(super) fn check_count(&self, pictures: &Path, count: usize) -> Result<()> {
        match self {
            Self::Numbers { path, values } if values.len() != count => Err(Error::input(
                path,
                format!(
                    "holds {} labels for the {count} pictures of {}",
                    values.len(),
                    pictures.display()
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// What the first row of a table says about all of them.
#[derive(Default)]
struct Columns {
    /// The names of the groups, where the first row has them.
    names: Option<Vec<String>>,
    /// How many labels each row has.
    width: usize,
}

impl Columns {
    /// Takes over a row: the first as what it is, and the labels of any other; the reason where it is faulty.
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
            if names_groups(name) {
                self.names = Some(values.iter().map(|&value| value.to_owned()).collect());
                return Ok(());
            }
        }
        if values.len() != self.width {
            return Err(format!(
                "it has {} labels, and the first row {}",
                values.len(),
                self.width
            ));
        }
        let labels = match pattern {
            Some(pattern) => found(pattern, &values.join(","))?,
            None => named(self.names.as_deref(), values),
        };
        match rows.insert((*name).to_owned(), labels) {
            None if rows.len() > MAX_ROWS => Err("there are too many rows".into()),
            None => Ok(()),
            Some(_) => Err(format!("'{name}' is there twice")),
        }
    }
}

/// True for what stands above names and numbers of pictures where a table's first row names its columns.
fn names_groups(first: &str) -> bool {
    const WORDS: [&str; 9] = [
        "file", "name", "path", "image", "img", "picture", "id", "index", "number",
    ];
    let first = first.to_ascii_lowercase();
    let is_name = first.contains(|c: char| c.is_ascii_digit() || c == '.');
    first.is_empty() || (!is_name && WORDS.iter().any(|word| first.starts_with(word)))
}

/// The labels of a row, in its groups.
fn named(groups: Option<&[String]>, values: &[&str]) -> Vec<Label> {
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
fn found(pattern: &Regex, text: &str) -> std::result::Result<Vec<Label>, String> {
    let captures = pattern
        .captures(text)
        .ok_or_else(|| format!("'{text}' does not match --label-pattern"))?;
    let names = pattern.capture_names().flatten();
    names
        .map(|name| {
            let value = captures
                .name(name)
                .ok_or_else(|| format!("'{text}' says no {name}"))?;
            Ok((name.to_owned(), value.as_str().to_owned()))
        })
        .collect()
}
