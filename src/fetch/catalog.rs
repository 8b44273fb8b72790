/*! The catalogues of corpora and of models, compiled in. */

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};

const CORPORA: &str = include_str!("../../corpora/catalog.toml");
const MODELS: &str = include_str!("../../models/catalog.toml");
/// The format of the catalogues that this program reads.
const FORMAT: u32 = 1;

/// The corpora by name.
#[derive(Debug, Deserialize)]
pub struct Catalog {
    format: u32,
    /// An entry for each name.
    #[serde(flatten)]
    pub corpora: BTreeMap<String, Corpus>,
}

/// A corpus: what it is, where it comes from, and how it is checked and unpacked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// What it is.
    pub title: String,
    /// `sound`, `pictures` or `text`.
    pub medium: String,
    /// Its licence.
    pub licence: String,
    /// Who made it.
    #[serde(default)]
    pub attribution: String,
    /// Its page.
    #[serde(default)]
    pub home: String,
    /// Whether it can be fetched.
    pub fetch: Fetching,
    /// Why it cannot be fetched.
    #[serde(default)]
    pub why: String,
    /// What is downloaded.
    #[serde(default)]
    pub files: Vec<RemoteFile>,
    /// The kind of archive; without one, the files are kept as they are.
    #[serde(default)]
    pub unpack: Option<Packing>,
    /// The folder in the archive that becomes the corpus.
    #[serde(default)]
    pub root: String,
    /// The folders below `root`, or the extensions (`.wav`), that are kept; without one, all files.
    #[serde(default)]
    pub keep: Vec<String>,
    /// The most bytes that are downloaded or unpacked.
    #[serde(default)]
    pub at_most: u64,
    /// Roughly the bytes, where its publisher gives no exact number.
    #[serde(default)]
    pub about_bytes: Option<u64>,
    /// Kept files.
    #[serde(default)]
    pub content_files: Option<usize>,
    /// Bytes of the kept files.
    #[serde(default)]
    pub content_bytes: Option<u64>,
    /// SHA-256 of what `sha256sum` prints of the kept files, paths below `root` in order of their bytes.
    #[serde(default)]
    pub content_sha256: Option<String>,
    /// A regular expression for the files that go to the folder `NAME.test`.
    #[serde(default)]
    pub test: Option<String>,
    /// A regular expression for the files that training holds out.
    #[serde(default)]
    pub validation: Option<String>,
    /// Files of the archive that list the other two.
    #[serde(default)]
    pub lists: Lists,
    /// A regular expression for the one file of the folder that is read, where not the folder is.
    #[serde(default)]
    pub data: Option<String>,
    /// The command that trains on it.
    #[serde(default)]
    pub train: String,
}

/// Files below `root` that list files of a corpus, one a line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lists {
    /// What is moved to `NAME.test`.
    #[serde(default)]
    pub test: Option<String>,
    /// What training holds out.
    #[serde(default)]
    pub validation: Option<String>,
}

/// Whether a corpus can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fetching {
    /// It can.
    Yes,
    /// It can, when it is asked for with `--yes`: it takes gigabytes.
    Large,
    /// It cannot; the entry says why.
    No,
}

/// The kinds of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packing {
    /// A tar archive, compressed with gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar archive, compressed with bzip2.
    #[serde(rename = "tar.bz2")]
    TarBz2,
    /// A zip archive.
    #[serde(rename = "zip")]
    Zip,
}

/// A file of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// Where it is.
    pub url: String,
    /// Its length.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Its SHA-256.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Its MD5, where its publisher gives no better checksum.
    #[serde(default)]
    pub md5: Option<String>,
}

impl RemoteFile {
    /// The last part of its address.
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }
}

impl Catalog {
    /// The catalogue in `file`, or the one that is compiled in.
    ///
    /// # Errors
    /// When it cannot be read, or is no catalogue of this format.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let catalog: Self = match file {
            None => parse(CORPORA, Path::new("corpora/catalog.toml"))?,
            Some(file) => parse(&std::fs::read_to_string(file).reading(file)?, file)?,
        };
        let path = file.unwrap_or(Path::new("corpora/catalog.toml"));
        check_format(catalog.format, path)?;
        for (name, corpus) in &catalog.corpora {
            corpus
                .check(name)
                .map_err(|reason| Error::input(path, format!("[{name}]: {reason}")))?;
        }
        Ok(catalog)
    }

    /// The corpus of this name.
    ///
    /// # Errors
    /// A usage error that lists the names.
    pub fn get(&self, name: &str) -> Result<&Corpus> {
        self.corpora
            .get(name)
            .ok_or_else(|| unknown("corpus", name, self.corpora.keys()))
    }
}

impl Corpus {
    /// The bytes to expect: of the download, else roughly those, else of what is kept.
    pub fn size(&self) -> Option<u64> {
        let files: Option<u64> = self.files.iter().map(|file| file.bytes).sum();
        files
            .filter(|bytes| *bytes > 0)
            .or(self.about_bytes)
            .or(self.content_bytes)
    }

    fn check(&self, name: &str) -> std::result::Result<(), String> {
        if !is_name(name) {
            return Err("a name has lower-case letters, digits and hyphens".into());
        }
        if self.fetch == Fetching::No {
            return match self.why.as_str() {
                "" => Err("fetch = \"no\" needs a `why`".into()),
                _ => Ok(()),
            };
        }
        if self.files.is_empty() || self.at_most == 0 {
            return Err("what is fetched needs `files` and `at_most`".into());
        }
        if self.unpack.is_some() && self.files.len() != 1 {
            return Err("one archive is unpacked, not several".into());
        }
        let checked = |file: &RemoteFile| file.sha256.is_some() || file.md5.is_some();
        if self.content_sha256.is_none() && !self.files.iter().all(checked) {
            return Err(
                "what is fetched needs a `sha256` or `md5` for each file, or `content_sha256`"
                    .into(),
            );
        }
        let patterns = [&self.test, &self.validation, &self.data];
        for pattern in patterns.into_iter().flatten() {
            regex::Regex::new(pattern).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The models that come with the program, by name.
#[derive(Debug, Deserialize)]
pub struct ModelCatalog {
    format: u32,
    /// The address of the folder that holds a folder for each model.
    #[serde(default)]
    pub base: String,
    /// An entry for each name.
    #[serde(flatten)]
    pub models: BTreeMap<String, ModelEntry>,
}

/// A model: what it is, and the files of its folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What it does.
    pub title: String,
    /// `sound`, `pictures` or `text`.
    pub medium: String,
    /// Its licence.
    pub licence: String,
    /// Whose data it was trained on.
    pub attribution: String,
    /// The files, by path: their lengths and SHA-256.
    pub files: BTreeMap<PathBuf, (u64, String)>,
}

impl ModelCatalog {
    /// The catalogue that is compiled in; `$ENSUITE_MODELS_URL` replaces its address.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read() -> Result<Self> {
        let path = Path::new("models/catalog.toml");
        let mut catalog: Self = parse(MODELS, path)?;
        check_format(catalog.format, path)?;
        if let Ok(base) = std::env::var("ENSUITE_MODELS_URL") {
            catalog.base = base;
        }
        Ok(catalog)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// A usage error that lists the names.
    pub fn get(&self, name: &str) -> Result<&ModelEntry> {
        self.models
            .get(name)
            .ok_or_else(|| unknown("model", name, self.models.keys()))
    }
}

impl ModelEntry {
    /// The bytes of its files.
    pub fn size(&self) -> u64 {
        self.files.values().map(|(bytes, _)| bytes).sum()
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        Error::input(
            path,
            format!("not a catalogue: {}", error.to_string().trim()),
        )
    })
}

fn check_format(found: u32, path: &Path) -> Result<()> {
    if found == FORMAT {
        return Ok(());
    }
    let reason = format!("a catalogue of format {found}; this program reads format {FORMAT}");
    Err(Error::input(path, reason))
}

/// Whether this may be the name of a folder.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(allowed)
}

fn unknown<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a String>) -> Error {
    let names: Vec<&str> = names.map(String::as_str).collect();
    let near = names
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let meant = near.map_or(String::new(), |(_, known)| {
        format!("did you mean {known}? ")
    });
    Error::usage(format!("there is no {what} named {name}"))
        .with_hint(format!("{meant}known names: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_catalogues_are_valid() {
        let corpora = Catalog::read(None).unwrap().corpora;
        assert!(corpora.len() >= 15, "{}", corpora.len());
        for (name, corpus) in &corpora {
            assert!(
                ["sound", "pictures", "text"].contains(&corpus.medium.as_str()),
                "{name}"
            );
            if corpus.fetch == Fetching::Yes {
                assert!(corpus.train.contains(name), "{name} has no train line");
            }
        }
        assert!(ModelCatalog::read().unwrap().models.len() >= 6);
    }

    #[test]
    fn an_entry_that_could_not_be_checked_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.toml");
        let entry = "format = 1\n[x]\ntitle = 't'\nmedium = 'text'\nlicence = 'l'\n";
        for (rest, reason) in [
            ("fetch = 'no'\n", "why"),
            (
                "fetch = 'yes'\nat_most = 9\nfiles = [{ url = 'http://a/b' }]\n",
                "sha256",
            ),
            (
                "fetch = 'yes'\nfiles = [{ url = 'http://a/b', md5 = '0' }]\n",
                "at_most",
            ),
            ("fetch = 'no'\nwhy = 'w'\nspeed = 3\n", "speed"),
        ] {
            std::fs::write(&file, format!("{entry}{rest}")).unwrap();
            let error = Catalog::read(Some(&file)).unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains("catalog.toml"),
                "{error}"
            );
        }
        std::fs::write(&file, "format = 2\n").unwrap();
        assert!(
            Catalog::read(Some(&file))
                .unwrap_err()
                .to_string()
                .contains("format 2")
        );
    }

    #[test]
    fn an_unknown_name_gives_the_nearest() {
        let error = Catalog::read(None).unwrap().get("fsd").unwrap_err();
        assert!(error.is_usage());
        assert!(error.hint().unwrap().starts_with("did you mean fsdd? "));
    }
}
