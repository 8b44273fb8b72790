/*!
A corpus of sentences: one a line, from a file or a folder of files.

All sentences lie in one string, one after the other. A line that cannot be used costs that line, not the corpus: it is
[`skipped`](Sentences::skipped) with its number and the reason. Only where more than one line in a hundred is no text, it
is taken that the whole file is not what it was meant to be.
*/

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::error::{Error, IoContext, Result};
use crate::text::lines::{Line, Lines, MAX_SENTENCE};

/// How a file becomes sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSettings {
    /// The field of a `.jsonl` line that holds the sentence, or a list of sentences.
    pub field: String,
    /// Cut off white space at both ends of a sentence.
    pub trim: bool,
}

impl ReadSettings {
    /// The default settings with another JSON field.
    pub fn with_field(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            ..Self::default()
        }
    }
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            field: "text".into(),
            trim: true,
        }
    }
}

/// A line that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file, as it was found.
    pub path: PathBuf,
    /// The number of the line, from 1.
    pub line: u64,
    /// Why, in plain words.
    pub reason: String,
}

/// Sentences in memory.
#[derive(Debug, Clone, Default)]
pub struct Sentences {
    text: String,
    /// Where each sentence ends in the text.
    ends: Vec<usize>,
    files: usize,
    blank: u64,
    ignored: usize,
    skipped: Vec<Skipped>,
}

impl Sentences {
    /// Reads a file, or every text file of a folder and of those below, ordered by path.
    ///
    /// `.jsonl` holds a JSON object a line; anything else, one sentence a line in UTF-8. Both may be compressed with
    /// gzip. In a folder, only `.txt` and `.jsonl` files (also `.gz`) count, and hidden ones do not. Empty lines are passed
    /// over; lines that cannot be used, or are longer than [`MAX_SENTENCE`], are [`skipped`](Self::skipped).
    ///
    /// # Errors
    /// When a file cannot be read; when more than one in a hundred of its lines are not UTF-8, or not JSON with the field:
    /// the first is named; when no sentence is left.
    pub fn read(path: &Path, settings: &ReadSettings) -> Result<Self> {
        let mut sentences = Self::default();
        let files = sentences.find(path)?;
        for file in &files {
            sentences.read_file(file, settings)?;
        }
        if sentences.ends.is_empty() {
            let error = match sentences.skipped.first() {
                Some(skipped) => Error::input(
                    &skipped.path,
                    format!("line {}: {}", skipped.line, skipped.reason),
                ),
                None => Error::input(path, "there is no sentence in it"),
            };
            return Err(error.with_hint("a corpus has one sentence a line"));
        }
        Ok(sentences)
    }

    /// Sentences from elsewhere, as they are.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sentences = Self::default();
        for line in lines {
            sentences.push(line);
        }
        sentences
    }

    /// How many sentences there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Sentence number `index`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn get(&self, index: usize) -> &str {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin..self.ends[index]]
    }

    /// All sentences, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone + Send {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The lines that could not be used.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// SHA-256 of the sentences and where they end, in hexadecimal: the same for the same sentences in the same order.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for sentence in self.iter() {
            hash.update((sentence.len() as u64).to_le_bytes());
            hash.update(sentence);
        }
        hash.finalize()
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The mean number of words per sentence; 0 without sentences.
    pub fn mean_words(&self) -> f64 {
        let total: u64 = self.iter().map(words).sum();
        total as f64 / self.len().max(1) as f64
    }

    /// The corpus in a few figures.
    pub fn summary(&self) -> Summary {
        let mut skipped = BTreeMap::<&str, Vec<String>>::new();
        for Skipped { path, line, reason } in &self.skipped {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let place = format!("{name} line {line}");
            skipped.entry(reason).or_default().push(place);
        }
        let mut skipped: Vec<_> = skipped
            .into_iter()
            .map(|(reason, places)| (reason.to_owned(), places))
            .collect();
        skipped.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
        Summary {
            files: self.files,
            sentences: self.len(),
            characters: self.text.chars().count() as u64,
            words: self.iter().map(words).sum(),
            blank: self.blank,
            ignored: self.ignored,
            skipped,
        }
    }

    /// Two parts, each in the same order: the sentences not `chosen` by number and text, and the chosen ones. What was
    /// skipped and counted goes with the first.
    pub(super) fn part(self, chosen: impl Fn(usize, &str) -> bool) -> (Self, Self) {
        let mut rest = Self {
            files: self.files,
            blank: self.blank,
            ignored: self.ignored,
            ..Self::default()
        };
        let mut part = Self::default();
        for (index, sentence) in self.iter().enumerate() {
            if chosen(index, sentence) {
                part.push(sentence);
            } else {
                rest.push(sentence);
            }
        }
        rest.skipped = self.skipped;
        (rest, part)
    }

    fn push(&mut self, sentence: &str) {
        self.text += sentence;
        self.ends.push(self.text.len());
    }

    /// The files to read, ordered by path.
    fn find(&mut self, path: &Path) -> Result<Vec<PathBuf>> {
        if !fs::metadata(path).reading(path)?.is_dir() {
            check_kind(path)?;
            return Ok(vec![path.into()]);
        }
        let hidden = |entry: &walkdir::DirEntry| {
            entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
        };
        let mut files = Vec::new();
        let walk = WalkDir::new(path).follow_links(true).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(|entry| !hidden(entry)) {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) if ["txt", "jsonl"].contains(&kind(entry.path()).as_str()) => {
                    files.push(entry.into_path());
                }
                Ok(_) => self.ignored += 1,
                // A link back to a folder above: everything in it is found already.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => {
                    let place = error.path().unwrap_or(path).to_owned();
                    return Err(Error::Read {
                        path: place,
                        source: error.into(),
                    });
                }
            }
        }
        if files.is_empty() {
            return Err(Error::input(path, "no text files in this folder")
                .with_hint("files named .txt and .jsonl are read, also with .gz behind it"));
        }
        Ok(files)
    }

    fn read_file(&mut self, path: &Path, settings: &ReadSettings) -> Result<()> {
        let json = kind(path) == "jsonl";
        let mut lines = Lines::open(
            path,
            if json {
                64 * MAX_SENTENCE
            } else {
                MAX_SENTENCE
            },
        )?;
        let before = self.skipped.len();
        let (mut blank, mut bad) = (0, 0);
        while let Some(line) = lines.next()? {
            let outcome = match line {
                Line::TooLong => Err(Fault::Length),
                Line::Whole(bytes) => str::from_utf8(bytes)
                    .map_err(|error| Fault::Utf8(error.valid_up_to()))
                    .and_then(|text| match json {
                        _ if text.trim().is_empty() => {
                            blank += 1;
                            Ok(())
                        }
                        true => self.add_json(text, settings),
                        false => {
                            self.push(if settings.trim { text.trim() } else { text });
                            Ok(())
                        }
                    }),
            };
            if let Err(fault) = outcome {
                bad += u64::from(!matches!(fault, Fault::Length));
                self.skipped.push(Skipped {
                    path: path.into(),
                    line: lines.number,
                    reason: fault.reason(settings),
                });
            }
        }
        self.files += 1;
        self.blank += blank;
        if bad * 100 > lines.number - blank {
            let fault = |skipped: &&Skipped| !skipped.reason.starts_with(Fault::TOO_LONG);
            if let Some(Skipped { line, reason, .. }) = self.skipped[before..].iter().find(fault) {
                let others = match bad {
                    1 => String::new(),
                    bad => format!(" (one of {bad} such lines)"),
                };
                return Err(Error::input(path, format!("line {line}: {reason}{others}"))
                    .with_hint(hint(json)));
            }
        }
        Ok(())
    }

    /// The sentence, or each of the list of sentences, in a field of a JSON object.
    fn add_json(&mut self, text: &str, settings: &ReadSettings) -> std::result::Result<(), Fault> {
        let value: Value = serde_json::from_str(text).map_err(|_| Fault::Json)?;
        let Value::Object(mut fields) = value else {
            return Err(Fault::Json);
        };
        let list = match fields.remove(&settings.field) {
            None => return Err(Fault::NoField(fields.keys().cloned().collect())),
            Some(Value::Array(list)) => list,
            Some(single) => vec![single],
        };
        let sentences: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
        let mut sentences = sentences.ok_or(Fault::NoText)?;
        if sentences.iter().any(|text| text.len() > MAX_SENTENCE) {
            return Err(Fault::Length);
        }
        sentences.retain(|text| !text.trim().is_empty());
        for text in sentences {
            self.push(if settings.trim { text.trim() } else { text });
        }
        Ok(())
    }
}

/// Words of a sentence: what stands between white space.
fn words(sentence: &str) -> u64 {
    sentence.split_whitespace().count() as u64
}

/// The extension in small letters, that before `.gz` where there is one.
fn kind(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.')
        .map_or(String::new(), |(_, end)| end.to_owned())
}

/// Refuses a file that is surely something else.
fn check_kind(path: &Path) -> Result<()> {
    if kind(path) == "json" {
        return Err(
            Error::input(path, "one JSON value; a JSON object a line is read")
                .with_hint("make a .jsonl of it: jq -c '.[]' FILE.json > FILE.jsonl"),
        );
    }
    Ok(())
}

fn hint(json: bool) -> &'static str {
    if json {
        "each line of a .jsonl file is a JSON object; choose the field that holds the sentence"
    } else {
        "text is read as UTF-8; to convert it: iconv -f LATIN1 -t UTF-8 FILE > NEW"
    }
}

/// Why a line cannot be used.
enum Fault {
    Length,
    Utf8(usize),
    Json,
    NoField(Vec<String>),
    NoText,
}

impl Fault {
    const TOO_LONG: &str = "too long";

    fn reason(&self, settings: &ReadSettings) -> String {
        let field = &settings.field;
        match self {
            Self::Length => format!(
                "{}: a sentence has at most {MAX_SENTENCE} bytes",
                Self::TOO_LONG
            ),
            Self::Utf8(at) => format!("not UTF-8 at byte {}", at + 1),
            Self::Json => "no JSON object".into(),
            Self::NoField(fields) if fields.is_empty() => {
                format!("no field '{field}', nor any other")
            }
            Self::NoField(fields) => {
                format!("no field '{field}', but {}", fields.join(", "))
            }
            Self::NoText => format!("the field '{field}' holds no text"),
        }
    }
}

/// What was found and read. Displays as a few lines for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many files were read.
    pub files: usize,
    /// How many sentences there are.
    pub sentences: usize,
    /// How many Unicode scalar values they have.
    pub characters: u64,
    /// How many words they have: what stands between white space.
    pub words: u64,
    /// How many lines were empty.
    pub blank: u64,
    /// Files of the folder that are no text.
    pub ignored: usize,
    /// Reasons for skipping, each with the places it holds for; the most frequent first.
    pub skipped: Vec<(String, Vec<String>)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Reasons and places that are named; the rest is counted.
        const NAMED: usize = 3;
        write!(
            f,
            "{}, {}, {}",
            counted(self.sentences as u64, "sentence"),
            counted(self.words, "word"),
            counted(self.characters, "character")
        )?;
        if self.files > 1 {
            write!(f, " in {} files", self.files)?;
        }
        if self.blank > 0 {
            write!(f, "; {}", counted(self.blank, "empty line"))?;
        }
        if self.ignored > 0 {
            write!(
                f,
                "; {} of another kind",
                counted(self.ignored as u64, "file")
            )?;
        }
        for (reason, places) in self.skipped.iter().take(NAMED) {
            let named: Vec<_> = places.iter().take(NAMED).cloned().collect();
            let more = if places.len() > NAMED { ", …" } else { "" };
            let what = counted(places.len() as u64, "line");
            write!(f, "\nskipped {what}: {reason} ({}{more})", named.join(", "))?;
        }
        if self.skipped.len() > NAMED {
            let rest = self.skipped[NAMED..].iter().map(|(_, places)| places.len());
            let what = counted(rest.sum::<usize>() as u64, "line");
            write!(f, "\nskipped {what} more, for other reasons")?;
        }
        Ok(())
    }
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::lines::tests::gzip;

    fn read_as(name: &str, bytes: &[u8], settings: &ReadSettings) -> Result<Sentences> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Sentences::read(&path, settings)
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Sentences> {
        read_as(name, bytes, &ReadSettings::default())
    }

    fn list(sentences: &Sentences) -> Vec<&str> {
        sentences.iter().collect()
    }

    #[test]
    fn one_sentence_a_line_whatever_the_file_is_called() {
        for name in ["a.txt", "train.0", "poems"] {
            let sentences = read(name, "One.\r\n\n \t\n 二、 三 \nlast".as_bytes()).unwrap();
            assert_eq!(list(&sentences), ["One.", "二、 三", "last"]);
            assert_eq!(sentences.get(1), "二、 三");
            assert_eq!(sentences.len(), 3);
            let summary = sentences.summary();
            assert_eq!(
                (summary.words, summary.characters, summary.blank),
                (4, 12, 2)
            );
            assert!(
                summary
                    .to_string()
                    .starts_with("3 sentences, 4 words, 12 characters; 2 empty lines")
            );
        }
        let exact = ReadSettings {
            trim: false,
            ..ReadSettings::default()
        };
        assert_eq!(list(&read_as("a.txt", b" a \n", &exact).unwrap()), [" a "]);
    }

    #[test]
    fn compressed_files_are_the_same_files() {
        let text = "eins\nzwei\n".as_bytes();
        for name in ["a.txt.gz", "a.gz", "a.txt"] {
            let sentences = read(name, &gzip(text)).unwrap();
            assert_eq!(sentences.digest(), read("b.txt", text).unwrap().digest());
        }
    }

    #[test]
    fn a_field_of_json_lines() {
        let lines = "{\"text\": \"a\\nb\", \"n\": 1}\n\n{\"text\": [\"c\", \"\", \"d\"]}\n";
        assert_eq!(
            list(&read("a.jsonl", lines.as_bytes()).unwrap()),
            ["a\nb", "c", "d"]
        );
        let field = ReadSettings {
            field: "n".into(),
            ..ReadSettings::default()
        };
        assert_eq!(
            list(&read_as("A.JSONL.gz", &gzip(b"{\"n\":\"x\"}"), &field).unwrap()),
            ["x"]
        );
    }

    #[test]
    fn json_without_the_field_is_an_error_that_names_line_and_fields() {
        for (text, reason) in [
            (
                "{\"text\":\"x\"}\n{\"title\":\"x\",\"body\":\"y\"}",
                "line 2: no field 'text', but body, title",
            ),
            ("[1]", "line 1: no JSON object"),
            ("{", "line 1: no JSON object"),
            ("{}", "line 1: no field 'text', nor any other"),
            (
                "{\"text\":3}\n\n{\"text\":4}",
                "line 1: the field 'text' holds no text (one of 2 such lines)",
            ),
        ] {
            let error = read("a.jsonl", text.as_bytes()).unwrap_err();
            assert!(error.to_string().ends_with(reason), "{error}");
            assert!(error.hint().is_some());
        }
        assert!(
            read("a.json", b"[]")
                .unwrap_err()
                .hint()
                .unwrap()
                .contains("jq")
        );
    }

    #[test]
    fn few_bad_lines_are_skipped_by_number_and_many_are_an_error() {
        let mut bytes = "good line\n".repeat(400).into_bytes();
        bytes.extend(b"caf\xe9\n");
        let sentences = read("a.txt", &bytes).unwrap();
        assert_eq!(sentences.len(), 400);
        let [skipped] = sentences.skipped() else {
            panic!("one line is bad")
        };
        assert_eq!(
            (skipped.line, skipped.reason.as_str()),
            (401, "not UTF-8 at byte 4")
        );
        assert!(sentences.summary().to_string().contains("(a.txt line 401)"));
        let few = &bytes[bytes.len() - 30..];
        let error = read("a.txt", few).unwrap_err();
        assert!(
            error.to_string().contains("line 4: not UTF-8 at byte 4"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("iconv"));
    }

    #[test]
    fn a_line_of_a_hundred_thousand_words_is_skipped_with_the_limit_named() {
        let long = "word ".repeat(100_000);
        let sentences = read("a.txt", format!("one\n{long}\nthree").as_bytes()).unwrap();
        assert_eq!(list(&sentences), ["one", "three"]);
        assert_eq!(sentences.skipped()[0].line, 2);
        assert!(
            sentences.skipped()[0]
                .reason
                .contains("at most 16384 bytes")
        );
        let json = format!("{{\"text\":\"{long}\"}}\n{{\"text\":\"x\"}}");
        assert_eq!(list(&read("a.jsonl", json.as_bytes()).unwrap()), ["x"]);
        let error = read("a.txt", long.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 1: too long"), "{error}");
    }

    #[test]
    fn a_corpus_without_sentences_is_an_error() {
        for bytes in [&b""[..], b"\n\n \n", b"\xef\xbb\xbf"] {
            let error = read("a.txt", bytes).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("a.txt: there is no sentence in it"),
                "{error}"
            );
        }
        assert!(Sentences::read(Path::new("/no/such/file.txt"), &ReadSettings::default()).is_err());
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_its_paths() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let error = || Sentences::read(folder.path(), &ReadSettings::default()).unwrap_err();
        write("notes.md", b"no");
        assert!(error().hint().unwrap().contains(".jsonl"));
        write("b.txt", b"b\n");
        write("a/z.jsonl", b"{\"text\":\"a\"}");
        write("c.txt.gz", &gzip(b"c"));
        write(".hidden.txt", b"no");
        let sentences = Sentences::read(folder.path(), &ReadSettings::default()).unwrap();
        assert_eq!(list(&sentences), ["a", "b", "c"]);
        let summary = sentences.summary();
        assert_eq!((summary.files, summary.ignored), (3, 1));
    }

    #[test]
    fn the_digest_sees_words_order_and_borders() {
        let digest = |lines: &[&str]| Sentences::from_lines(lines.iter().copied()).digest();
        let all = [
            digest(&["ab", "c"]),
            digest(&["a", "bc"]),
            digest(&["c", "ab"]),
            digest(&["abc"]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 64);
            assert!(!all[..index].contains(one));
        }
        assert_eq!(digest(&["ab", "c"]), all[0]);
    }
}
