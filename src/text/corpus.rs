/*!
A corpus of sentences, one a line, from a file or a folder of files.

One string holds all sentences. An unusable line is [skipped](Sentences::summary) with its number and the reason. A file
is refused if more than one line in a hundred is not text.
*/

use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::base::files::{
    FoundFile, Skipped, SkippedSummary, counted, extension, hash_parts, walk,
};
use crate::error::{Error, Result};
use crate::text::lines::{Line, Lines, MAX_SENTENCE};

/// Sentences in memory.
#[derive(Debug, Clone, Default)]
pub struct Sentences {
    text: String,
    /// The end of each sentence in the text.
    ends: Vec<usize>,
    files: usize,
    blank: usize,
    ignored: usize,
    skipped: Vec<Skipped>,
}

impl Sentences {
    /// Reads a file, or every text file of a folder and of those below, ordered by path.
    ///
    /// A `.jsonl` file has one JSON object a line, whose `field` is a sentence or a list of sentences; any other file has one
    /// sentence a line in UTF-8. Both may be compressed with gzip. In a folder, `.txt` and `.jsonl` files (also `.gz`) that are
    /// not hidden are read. Empty lines are ignored. Unusable lines and those longer than [`MAX_SENTENCE`] are skipped.
    ///
    /// # Errors
    /// When a file cannot be read; when more than one in a hundred of its lines is not UTF-8, or not JSON with the field;
    /// when there is no sentence.
    pub fn read(path: &Path, field: &str) -> Result<Self> {
        let mut sentences = Self::default();
        let files = sentences.find(path)?;
        for file in &files {
            sentences.read_file(file, field)?;
        }
        if sentences.ends.is_empty() {
            let reason = match sentences.skipped.first() {
                Some(Skipped { path, reason }) => format!("no usable sentence; {path}: {reason}"),
                None => "no sentence in it".into(),
            };
            return Err(Error::input(path, reason).with_hint("a corpus has one sentence a line"));
        }
        Ok(sentences)
    }

    /// Sentences as they are.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sentences = Self::default();
        for line in lines {
            sentences.push(line);
        }
        sentences
    }

    /// The number of sentences.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without sentences.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The sentence at `index`.
    ///
    /// # Panics
    /// If `index` is out of bounds.
    pub fn get(&self, index: usize) -> &str {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin..self.ends[index]]
    }

    /// All sentences in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone + Send {
        (0..self.len()).map(|index| self.get(index))
    }

    /// SHA-256 of the sentences and their lengths, in hexadecimal.
    pub fn digest(&self) -> String {
        hash_parts(self.iter())
    }

    /// The mean number of words per sentence; 0 without sentences.
    pub fn mean_words(&self) -> f64 {
        let total: usize = self.iter().map(words).sum();
        total as f64 / self.len().max(1) as f64
    }

    /// The size of the corpus and what was skipped.
    pub fn summary(&self) -> Summary {
        Summary {
            files: self.files,
            sentences: self.len(),
            characters: self.text.chars().count(),
            words: self.iter().map(words).sum(),
            blank: self.blank,
            ignored: self.ignored,
            skipped: SkippedSummary::new("line", &self.skipped),
        }
    }

    /// The sentences not `chosen` by index and text, and the chosen ones, both in order. The first part keeps the counts.
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
    fn find(&mut self, path: &Path) -> Result<Vec<FoundFile>> {
        let found = walk(path, |path| ["txt", "jsonl"].contains(&kind(path).as_str()))?;
        if let Some(Skipped { path: name, reason }) = found.skipped.first() {
            return Err(Error::input(
                path.join(name),
                format!("cannot be opened: {reason}"),
            ));
        }
        self.ignored = found.ignored.len();
        let mut files = found.files;
        // By path components: the order decides which sentences are the last.
        files.sort_by(|a, b| a.path.cmp(&b.path));
        match &files[..] {
            [] => Err(
                Error::input(path, "no text files in this folder").with_hint(
                    "text files are named .txt or .jsonl, or .txt.gz or .jsonl.gz if compressed",
                ),
            ),
            [file] if kind(&file.path) == "json" => Err(Error::input(
                path,
                "a single JSON value; one JSON object a line is needed",
            )
            .with_hint("convert it to .jsonl: jq -c '.[]' FILE.json > FILE.jsonl")),
            _ => Ok(files),
        }
    }

    fn read_file(&mut self, file: &FoundFile, field: &str) -> Result<()> {
        let path = file.path.as_path();
        let json = kind(path) == "jsonl";
        let mut lines = Lines::open(
            path,
            if json {
                64 * MAX_SENTENCE
            } else {
                MAX_SENTENCE
            },
        )?;
        let (mut blank, mut bad) = (0, 0);
        let mut first = None;
        while let Some(line) = lines.next()? {
            let outcome = match line {
                Line::TooLong => Err(BadLine::Length),
                Line::Whole(bytes) => str::from_utf8(bytes)
                    .map_err(|error| BadLine::Utf8(error.valid_up_to()))
                    .and_then(|text| match json {
                        _ if text.trim().is_empty() => {
                            blank += 1;
                            Ok(())
                        }
                        true => self.add_json(text, field),
                        false => {
                            self.push(text.trim());
                            Ok(())
                        }
                    }),
            };
            if let Err(bad_line) = outcome {
                let number = lines.number;
                if !matches!(bad_line, BadLine::Length) {
                    bad += 1;
                    first.get_or_insert_with(|| (number, bad_line.reason(field)));
                }
                self.skipped.push(Skipped {
                    path: format!("{} line {number}", file.name),
                    reason: bad_line.reason(field),
                });
            }
        }
        self.files += 1;
        self.blank += blank as usize;
        if let Some((line, reason)) = first
            && bad * 100 > lines.number - blank
        {
            let others = match bad {
                1 => String::new(),
                bad => format!(" (one of {bad} such lines)"),
            };
            return Err(
                Error::input(path, format!("line {line}: {reason}{others}")).with_hint(hint(json))
            );
        }
        Ok(())
    }

    /// Adds the sentence, or each of a list of sentences, in a field of a JSON object.
    fn add_json(&mut self, text: &str, field: &str) -> std::result::Result<(), BadLine> {
        let value: Value = serde_json::from_str(text).map_err(|_| BadLine::Json)?;
        let Value::Object(mut fields) = value else {
            return Err(BadLine::Json);
        };
        let list = match fields.remove(field) {
            None => return Err(BadLine::NoField(fields.keys().cloned().collect())),
            Some(Value::Array(list)) => list,
            Some(single) => vec![single],
        };
        let sentences: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
        let mut sentences = sentences.ok_or(BadLine::NoText)?;
        if sentences.iter().any(|text| text.len() > MAX_SENTENCE) {
            return Err(BadLine::Length);
        }
        sentences.retain(|text| !text.trim().is_empty());
        for text in sentences {
            self.push(text.trim());
        }
        Ok(())
    }
}

fn words(sentence: &str) -> usize {
    sentence.split_whitespace().count()
}

/// The lower-case extension, without a final `.gz`.
fn kind(path: &Path) -> String {
    match extension(path).as_str() {
        "gz" => extension(Path::new(path.file_stem().unwrap_or_default())),
        other => other.to_owned(),
    }
}

fn hint(json: bool) -> &'static str {
    if json {
        "each line of a .jsonl file is a JSON object; choose the field with the sentence by --field"
    } else {
        "text must be UTF-8; convert it: iconv -f LATIN1 -t UTF-8 FILE > NEW"
    }
}

/// Why a line is unusable.
enum BadLine {
    Length,
    Utf8(usize),
    Json,
    NoField(Vec<String>),
    NoText,
}

impl BadLine {
    fn reason(&self, field: &str) -> String {
        match self {
            Self::Length => format!("too long: a sentence has at most {MAX_SENTENCE} bytes"),
            Self::Utf8(at) => format!("not UTF-8 at byte {}", at + 1),
            Self::Json => "not a JSON object".into(),
            Self::NoField(fields) if fields.is_empty() => {
                format!("no field '{field}': the object is empty")
            }
            Self::NoField(fields) => {
                format!("no field '{field}'; its fields: {}", fields.join(", "))
            }
            Self::NoText => format!("the field '{field}' is not text"),
        }
    }
}

/// The size of a corpus and what was skipped. Displays as a few lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Files read.
    pub files: usize,
    /// Sentences.
    pub sentences: usize,
    /// Unicode scalar values.
    pub characters: usize,
    /// Words: runs of characters between white space.
    pub words: usize,
    /// Empty lines.
    pub blank: usize,
    /// Files of the folder that are not text.
    pub ignored: usize,
    /// Skipped lines by reason.
    pub skipped: SkippedSummary,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}",
            counted(self.sentences, "sentence"),
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
            write!(f, "; {} of another kind", counted(self.ignored, "file"))?;
        }
        write!(f, "{}", self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::text::lines::tests::gzip;

    fn read_as(name: &str, bytes: &[u8], field: &str) -> Result<Sentences> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Sentences::read(&path, field)
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Sentences> {
        read_as(name, bytes, "text")
    }

    fn list(sentences: &Sentences) -> Vec<&str> {
        sentences.iter().collect()
    }

    #[test]
    fn one_sentence_a_line_in_any_file() {
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
        assert_eq!(
            list(&read_as("A.JSONL.gz", &gzip(b"{\"n\":\"x\"}"), "n").unwrap()),
            ["x"]
        );
    }

    #[test]
    fn json_without_the_field_is_an_error_that_names_line_and_fields() {
        for (text, reason) in [
            (
                "{\"text\":\"x\"}\n{\"title\":\"x\",\"body\":\"y\"}",
                "line 2: no field 'text'; its fields: body, title",
            ),
            ("[1]", "line 1: not a JSON object"),
            ("{", "line 1: not a JSON object"),
            ("{}", "line 1: no field 'text': the object is empty"),
            (
                "{\"text\":3}\n\n{\"text\":4}",
                "line 1: the field 'text' is not text (one of 2 such lines)",
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
        let summary = sentences.summary().to_string();
        let skipped = "\nskipped 1 line: not UTF-8 at byte 4 (a.txt line 401)";
        assert!(summary.ends_with(skipped), "{summary}");
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
        let summary = sentences.summary().to_string();
        let skipped = "at most 16384 bytes (a.txt line 2)";
        assert!(summary.ends_with(skipped), "{summary}");
        let json = format!("{{\"text\":\"{long}\"}}\n{{\"text\":\"x\"}}");
        assert_eq!(list(&read("a.jsonl", json.as_bytes()).unwrap()), ["x"]);
        let error = read("a.txt", long.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("a.txt line 1: too long"), "{error}");
    }

    #[test]
    fn a_corpus_without_sentences_is_an_error() {
        for bytes in [&b""[..], b"\n\n \n", b"\xef\xbb\xbf"] {
            let error = read("a.txt", bytes).unwrap_err();
            assert!(
                error.to_string().ends_with("a.txt: no sentence in it"),
                "{error}"
            );
        }
        assert!(Sentences::read(Path::new("/no/such/file.txt"), "text").is_err());
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_its_paths() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let error = || Sentences::read(folder.path(), "text").unwrap_err();
        write("notes.md", b"no");
        assert!(error().hint().unwrap().contains(".jsonl"));
        write("b.txt", b"b\n");
        write("a/z.jsonl", b"{\"text\":\"a\"}");
        write("c.txt.gz", &gzip(b"c"));
        write("a-b/y.txt", b"a-b\n");
        write("a.txt", b"a.txt\n");
        write(".hidden.txt", b"no");
        let sentences = Sentences::read(folder.path(), "text").unwrap();
        assert_eq!(list(&sentences), ["a", "a-b", "a.txt", "b", "c"]);
        let summary = sentences.summary();
        assert_eq!((summary.files, summary.ignored), (5, 1));
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
