/*! Corpora by name: listing, showing and fetching them, and finding one that is named as the data of a command. */

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::{Event, Observer};
use crate::error::{Error, Result};
use crate::fetch::{
    Catalog, Corpus, CorpusSettings, Fetching, corpora_folder, corpus_folder, fetch_corpus,
};

/// The corpora that the program knows, and the folder that they are fetched to.
#[derive(Debug)]
pub struct Corpora {
    catalog: Catalog,
    folder: PathBuf,
}

/// A corpus and where it is on this machine. Displays as a table.
#[derive(Debug, Clone, Serialize)]
pub struct CorpusInfo {
    /// Its name.
    pub name: String,
    /// Where it is; missing where it is not fetched.
    pub folder: Option<PathBuf>,
    #[serde(flatten)]
    corpus: Corpus,
}

impl Corpora {
    /// The corpora of the catalogue in `catalog`, or of the one that is compiled in.
    ///
    /// # Errors
    /// When the catalogue cannot be read, or there is no folder for corpora.
    pub fn open(catalog: Option<&Path>) -> Result<Self> {
        Ok(Self {
            catalog: Catalog::read(catalog)?,
            folder: corpora_folder()?,
        })
    }

    /// All, by name.
    pub fn list(&self) -> Vec<CorpusInfo> {
        let corpora = self.catalog.corpora.iter();
        corpora
            .map(|(name, corpus)| self.info(name, corpus))
            .collect()
    }

    /// The one of this name.
    ///
    /// # Errors
    /// A usage error where there is none.
    pub fn show(&self, name: &str) -> Result<CorpusInfo> {
        Ok(self.info(name, self.catalog.get(name)?))
    }

    fn info(&self, name: &str, corpus: &Corpus) -> CorpusInfo {
        let folder = self.folder.join(name);
        CorpusInfo {
            name: name.to_owned(),
            folder: folder.is_dir().then_some(folder),
            corpus: corpus.clone(),
        }
    }

    /// Fetches a corpus, from its server or from the file or folder `from`, and gives its folder. A large one is fetched only
    /// with `large`.
    ///
    /// # Errors
    /// When it may not be fetched, or what arrives is not what the catalogue describes.
    pub fn fetch(
        &self,
        name: &str,
        from: Option<&Path>,
        large: bool,
        observer: &mut dyn Observer,
    ) -> Result<PathBuf> {
        let info = self.show(name)?;
        let corpus = &info.corpus;
        observer.info(&corpus.title);
        observer.info(format!("licence: {}", corpus.licence));
        if !corpus.attribution.is_empty() {
            observer.info(format!("by: {}", corpus.attribution));
        }
        observer.info(format!("size: {}", info.size()));
        if let Some(folder) = info.folder {
            observer.info("it is fetched already");
            return Ok(folder);
        }
        match corpus.fetch {
            Fetching::Yes => {}
            Fetching::No => {
                return Err(
                    Error::input(name, format!("it cannot be fetched: {}", corpus.why))
                        .with_hint(format!("what is known of it: ensuite corpus show {name}")),
                );
            }
            Fetching::Large if large => {}
            Fetching::Large => {
                return Err(Error::usage(format!("{name} is large: {}", info.size()))
                    .with_hint(format!("to fetch it: ensuite corpus fetch {name} --yes")));
            }
        }
        let expected = corpus.size().unwrap_or(0);
        let fetched = megabytes(observer, |progress| {
            let told = &mut |done, total: u64| progress(done, total.max(expected));
            fetch_corpus(name, corpus, &self.folder, from, told)
        })?;
        if !corpus.train.is_empty() {
            observer.info(format!("train on it: {}", corpus.train.trim()));
        }
        Ok(fetched)
    }
}

/// Runs `work` with a function that is told bytes, and shows them in megabytes.
pub(super) fn megabytes<T>(
    observer: &mut dyn Observer,
    work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> Result<T>,
) -> Result<T> {
    let result = work(&mut |done, total| {
        let in_megabytes = |bytes: u64| bytes.div_ceil(1_000_000) as usize;
        observer.event(Event::Progress {
            activity: "fetching",
            done: in_megabytes(done),
            total: in_megabytes(total.max(done)),
            unit: "MB",
        });
    });
    observer.event(Event::ProgressDone);
    result
}

/// `3 MB`, `2.4 GB`.
pub(super) fn byte_count(bytes: u64) -> String {
    match bytes as f64 {
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} kB", n / 1e3),
    }
}

impl CorpusInfo {
    fn size(&self) -> String {
        self.corpus.size().map_or("not known".into(), byte_count)
    }

    fn state(&self) -> &'static str {
        match self.corpus.fetch {
            _ if self.folder.is_some() => "fetched",
            Fetching::Yes => "",
            Fetching::Large => "large: --yes",
            Fetching::No => "only shown",
        }
    }

    /// One line of a list.
    pub fn line(&self) -> String {
        let Corpus {
            medium, licence, ..
        } = &self.corpus;
        // A licence may have a remark in brackets.
        let licence = licence.split(" (").next().unwrap_or_default();
        format!(
            "{:<16} {medium:<9} {:>9}  {:<12} {licence}",
            self.name,
            self.size(),
            self.state()
        )
    }
}

impl fmt::Display for CorpusInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let corpus = &self.corpus;
        let size = self.size();
        let folder = self
            .folder
            .as_ref()
            .map(|folder| folder.display().to_string());
        let files: Vec<&str> = corpus.files.iter().map(|file| file.url.as_str()).collect();
        let files = files.join("\n                 ");
        let held_out = corpus
            .validation
            .as_ref()
            .or(corpus.lists.validation.as_ref());
        let test = corpus.test.as_ref().or(corpus.lists.test.as_ref());
        let rows = [
            ("title", Some(corpus.title.as_str())),
            ("medium", Some(&corpus.medium)),
            ("licence", Some(&corpus.licence)),
            ("attribution", Some(&corpus.attribution)),
            ("home", Some(&corpus.home)),
            ("size", Some(&size)),
            ("files", Some(&files)),
            ("held out", held_out.map(String::as_str)),
            ("test", test.map(String::as_str)),
            ("train", Some(corpus.train.trim())),
            ("not fetched", Some(&corpus.why)),
            ("folder", folder.as_deref()),
        ];
        let rows = rows.into_iter().filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some(format!("{name:<16} {value}"))
        });
        f.write_str(&rows.collect::<Vec<_>>().join("\n"))
    }
}

/// Data of a command: a path, or the name of a fetched corpus.
#[derive(Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What is read.
    pub path: PathBuf,
    /// What the corpus holds out, as `--validation` takes it.
    pub validation: Option<String>,
}

impl Dataset {
    /// Finds the data that a path or a name means. A folder that was fetched says which of its files is read, and what is held out.
    ///
    /// # Errors
    /// When it is the name of a corpus that is not fetched, or the settings in its folder are damaged.
    pub fn locate(data: &Path) -> Result<Self> {
        let folder = corpus_folder(data);
        if !folder.exists() {
            let name = data.to_string_lossy();
            let name = name.strip_suffix(".test").unwrap_or(&name);
            if Catalog::read(None)?.corpora.contains_key(name) {
                let reason =
                    "there is no such file or folder, and the corpus of this name is not fetched";
                return Err(Error::input(data, reason)
                    .with_hint(format!("fetch it: ensuite corpus fetch {name}")));
            }
        }
        let settings = CorpusSettings::read(&folder)?;
        let list = settings.validation_list.as_ref();
        let list = list.map(|list| format!("file:{}", folder.join(list).display()));
        Ok(Self {
            path: settings.data_in(&folder)?,
            validation: settings.validation.or(list),
        })
    }
}
