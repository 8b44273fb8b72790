/*! Fetching a corpus or a model to its folder: everything is made ready beside it, and then renamed. */

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::catalog::{Corpus, ModelEntry, RemoteFile};
use super::download::{Failed, check, copy, download};
use super::places::CorpusSettings;
use super::unpack::{Unpacked, Wanted, unpack};
use crate::base::files::hash_bytes;
use crate::error::{Error, IoContext, Result};

/// Is told the bytes that are here, and how many there will be (0 where that is not known).
type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Fetches a corpus to `corpora/name` (and `corpora/name.test`), from its servers or from what is here already: the file, or a
/// folder with the files.
///
/// # Errors
/// When a file cannot be had or is not the one of the catalogue. Only what a later fetch can continue is left.
pub fn fetch_corpus(
    name: &str,
    corpus: &Corpus,
    corpora: &Path,
    from: Option<&Path>,
    progress: Progress<'_>,
) -> Result<PathBuf> {
    let home = corpora.join(name);
    let aside = Aside::new(corpora, name)?;
    let made = (|| {
        let files = aside.obtain(&corpus.files, corpus.at_most, from, progress)?;
        let unpacked = aside.path.join("unpacked");
        remake(&unpacked)?;
        let content = keep(corpus, &files, &unpacked)?;
        check_content(corpus, &content)?;
        let test = aside.path.join("test");
        remake(&test)?;
        split(corpus, &content, &unpacked, &test)?;
        let source = source(name, corpus, &files);
        for (folder, is_test) in [(&unpacked, false), (&test, true)] {
            write(&folder.join("SOURCE.md"), &source)?;
            settings(corpus, is_test).write(folder)?;
        }
        Ok((unpacked, test))
    })();
    let (unpacked, test) = aside.keep_on_cut(made)?;
    let test_home = corpora.join(format!("{name}.test"));
    if corpus.test.is_some() || corpus.lists.test.is_some() {
        remove(&test_home)?;
        fs::rename(&test, &test_home).writing(&test_home)?;
    }
    fs::rename(&unpacked, &home).writing(&home)?;
    aside.remove()?;
    Ok(home)
}

/// Fetches a model to `models/name`, from below `base` or from a folder that is here already.
///
/// # Errors
/// As for [`fetch_corpus`].
pub fn fetch_model(
    name: &str,
    model: &ModelEntry,
    base: &str,
    models: &Path,
    from: Option<&Path>,
    progress: Progress<'_>,
) -> Result<PathBuf> {
    let home = models.join(name);
    let aside = Aside::new(models, name)?;
    let files = model
        .files
        .iter()
        .map(|(path, (bytes, sha256))| RemoteFile {
            url: format!("{}/{name}/{}", base.trim_end_matches('/'), path.display()),
            bytes: Some(*bytes),
            sha256: Some(sha256.clone()),
            md5: None,
        });
    let files: Vec<RemoteFile> = files.collect();
    let from = from.map(|from| {
        let inner = model.files.keys();
        inner.map(|path| from.join(path)).collect::<Vec<_>>()
    });
    let made = (|| {
        let here = aside.obtain_each(&files, model.size(), from.as_deref(), progress)?;
        let ready = aside.path.join("model");
        remake(&ready)?;
        for (path, file) in model.files.keys().zip(&here) {
            let to = ready.join(path);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).writing(parent)?;
            }
            fs::rename(&file.path, &to).writing(&to)?;
        }
        Ok(ready)
    })();
    let ready = aside.keep_on_cut(made)?;
    fs::rename(&ready, &home).writing(&home)?;
    aside.remove()?;
    Ok(home)
}

/// A file that is here and was checked.
struct Here {
    url: String,
    path: PathBuf,
    name: String,
    sha256: String,
}

/// The folder beside a corpus or a model in which it is made ready.
struct Aside {
    path: PathBuf,
}

impl Aside {
    fn new(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!(".{name}.part"));
        fs::create_dir_all(&path).writing(&path)?;
        Ok(Self { path })
    }

    /// The files, from their servers or from here.
    fn obtain(
        &self,
        files: &[RemoteFile],
        at_most: u64,
        from: Option<&Path>,
        progress: Progress<'_>,
    ) -> std::result::Result<Vec<Here>, Failed> {
        let from: Option<Vec<PathBuf>> = match from {
            None => None,
            Some(folder) if folder.is_dir() => {
                Some(files.iter().map(|file| folder.join(file.name())).collect())
            }
            Some(file) if files.len() == 1 => Some(vec![file.to_owned()]),
            Some(file) => {
                let names: Vec<&str> = files.iter().map(RemoteFile::name).collect();
                let reason = "it is one file, and several are needed";
                let hint = format!("give a folder that holds {}", names.join(", "));
                return Err(Error::input(file, reason).with_hint(hint).into());
            }
        };
        self.obtain_each(files, at_most, from.as_deref(), progress)
    }

    fn obtain_each(
        &self,
        files: &[RemoteFile],
        at_most: u64,
        from: Option<&[PathBuf]>,
        progress: Progress<'_>,
    ) -> std::result::Result<Vec<Here>, Failed> {
        let total: u64 = files.iter().filter_map(|file| file.bytes).sum();
        let mut before = 0;
        let mut all = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let path = self.path.join(format!("{index}.file"));
            let mut told = |bytes| progress(before + bytes, total);
            let sha256 = match from {
                Some(from) => copy(file, &from[index], &path, at_most, &mut told)?,
                // An earlier fetch may have got this far.
                None if path.is_file() => check(file, &path)?,
                None => {
                    let part = self.path.join(format!("{index}.part"));
                    download(file, &part, &path, at_most, &mut told)?
                }
            };
            before += fs::metadata(&path).reading(&path)?.len();
            all.push(Here {
                url: file.url.clone(),
                name: file.name().to_owned(),
                path,
                sha256,
            });
        }
        Ok(all)
    }

    /// The result; after a cut connection what was downloaded stays, and after any other failure nothing.
    fn keep_on_cut<T>(&self, result: std::result::Result<T, Failed>) -> Result<T> {
        match result {
            Ok(made) => Ok(made),
            Err(Failed::Cut(error)) => {
                // Nothing to continue: no byte came.
                let empty = |path: &Path| fs::metadata(path).is_ok_and(|file| file.len() == 0);
                if let Ok(entries) = fs::read_dir(&self.path) {
                    for path in entries.flatten().map(|entry| entry.path()) {
                        if empty(&path) {
                            let _ = fs::remove_file(path);
                        }
                    }
                }
                // Fails where something is left to continue.
                let _ = fs::remove_dir(&self.path);
                Err(error)
            }
            Err(Failed::Bad(error)) => {
                // The first failure is the one to tell.
                let _ = self.remove();
                Err(error)
            }
        }
    }

    fn remove(&self) -> Result<()> {
        remove(&self.path)
    }
}

/// What is kept of the files: the wanted part of an archive, or all.
fn keep(corpus: &Corpus, files: &[Here], into: &Path) -> Result<Vec<Unpacked>> {
    if let (Some(packing), [archive]) = (corpus.unpack, files) {
        let lists = [&corpus.lists.test, &corpus.lists.validation];
        let wanted = Wanted {
            root: &corpus.root,
            keep: &corpus.keep,
            lists: lists.into_iter().flatten().map(String::as_str).collect(),
            at_most: corpus.at_most,
        };
        return unpack(&archive.path, packing, &wanted, into);
    }
    let mut kept = Vec::new();
    for file in files {
        let to = into.join(&file.name);
        fs::rename(&file.path, &to).writing(&to)?;
        kept.push(Unpacked {
            name: file.name.clone(),
            sha256: file.sha256.clone(),
        });
    }
    kept.sort();
    Ok(kept)
}

/// Compares the kept files with what the catalogue says of them.
fn check_content(corpus: &Corpus, content: &[Unpacked]) -> Result<()> {
    let mut listing = String::new();
    for file in content {
        let _ = writeln!(listing, "{}  {}", file.sha256, file.name);
    }
    let found = hash_bytes(listing.as_bytes());
    let count_differs = corpus
        .content_files
        .is_some_and(|wanted| wanted != content.len());
    let hash_differs = corpus
        .content_sha256
        .as_ref()
        .is_some_and(|wanted| *wanted != found);
    if !count_differs && !hash_differs {
        return Ok(());
    }
    let url = corpus.files.first().map_or("", |file| &file.url);
    let reason = format!(
        "its {} files have the content SHA-256 {found}, and the catalogue says {} of {} files",
        content.len(),
        corpus.content_sha256.as_deref().unwrap_or("nothing"),
        corpus
            .content_files
            .map_or("any number".into(), |n| n.to_string()),
    );
    Err(Error::input(url, reason).with_hint("the archive was changed; nothing of it was kept"))
}

/// Moves what is test to a folder of its own, since training reads subfolders too.
fn split(corpus: &Corpus, content: &[Unpacked], from: &Path, to: &Path) -> Result<()> {
    let pattern = match &corpus.test {
        Some(pattern) => Some(Regex::new(pattern).map_err(|e| Error::usage(e.to_string()))?),
        None => None,
    };
    let listed: BTreeSet<String> = match &corpus.lists.test {
        Some(list) => {
            let list = from.join(list);
            let text = fs::read_to_string(&list).reading(&list)?;
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
        None => BTreeSet::new(),
    };
    for Unpacked { name, .. } in content {
        let matches = pattern
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(name));
        if !matches && !listed.contains(name) {
            continue;
        }
        let to = to.join(name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).writing(parent)?;
        }
        fs::rename(from.join(name), &to).writing(&to)?;
    }
    Ok(())
}

fn settings(corpus: &Corpus, is_test: bool) -> CorpusSettings {
    CorpusSettings {
        data: corpus.data.clone(),
        validation: corpus.validation.clone().filter(|_| !is_test),
        validation_list: corpus.lists.validation.clone().filter(|_| !is_test),
    }
}

/// Where a corpus came from, as Markdown.
fn source(name: &str, corpus: &Corpus, files: &[Here]) -> String {
    let mut text = format!("# {}\n\n", corpus.title);
    for (what, value) in [
        ("Name", name),
        ("Licence", &corpus.licence),
        ("Attribution", &corpus.attribution),
        ("Home", &corpus.home),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "- {what}: {value}");
        }
    }
    for file in files {
        let _ = writeln!(text, "- From: <{}>, SHA-256 `{}`", file.url, file.sha256);
    }
    if let Some(content) = &corpus.content_sha256 {
        let _ = writeln!(text, "- SHA-256 of the listing of its files: `{content}`");
    }
    let _ = writeln!(
        text,
        "- Fetched by ensuite {} (`ensuite corpus fetch {name}`)",
        env!("CARGO_PKG_VERSION")
    );
    text
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).writing(file)
}

/// An empty folder.
fn remake(folder: &Path) -> Result<()> {
    remove(folder)?;
    fs::create_dir_all(folder).writing(folder)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).writing(folder),
        _ => Ok(()),
    }
}
