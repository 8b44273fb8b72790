/*! Files, one way for every medium: atomic writing, walking a folder, what was skipped, SHA-256. */

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use walkdir::WalkDir;

use crate::error::{Error, IoContext, Result};

/// Writes a file beside `path`, syncs it and renames it: a reader sees the old file or the whole new one.
///
/// # Errors
/// When `path` is a folder, its folder is missing, or writing fails; the old file stays.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.is_dir() || path.file_name().is_none() {
        return Err(Error::input(path, "a folder; name a file to write"));
    }
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(Error::input(path, "its folder does not exist")
            .with_hint(format!("create {} first", parent.display())));
    }
    let written = (|| {
        let mut builder = tempfile::Builder::new();
        // The permissions of any new file, and not those of a private temporary one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file: NamedTempFile = builder
            .prefix(".")
            .suffix(".tmp")
            .tempfile_in(parent.unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    })();
    written.writing(path)
}

/// As [`write_atomic`], for a file that the user names: a link stays, and the file it leads to is replaced; what is neither a file
/// nor a folder, such as a pipe or a device, is written to.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = end_of_links(path);
    if file.exists() && !file.is_file() && !file.is_dir() {
        return fs::write(&file, bytes).writing(path);
    }
    write_atomic(&file, bytes)
}

/// Where a path leads, also where nothing is there yet.
fn end_of_links(path: &Path) -> PathBuf {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(link) = path.read_link() else { break };
        path.pop();
        path.push(link);
    }
    path
}

/// Refuses to write to a file that is read.
///
/// # Errors
/// A usage error that names it.
pub fn refuse_overwriting<'a>(
    output: &Path,
    read: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let Ok(output) = output.canonicalize() else {
        return Ok(());
    };
    let mut read = read.into_iter();
    match read.find(|path| path.canonicalize().is_ok_and(|path| path == output)) {
        Some(path) => Err(Error::usage(format!(
            "{} is read and cannot be written to as well",
            path.display()
        ))
        .with_hint("give -o another name")),
        None => Ok(()),
    }
}

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path within the folder, with `/` between the parts.
    pub name: String,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Walk {
    /// The wanted files, ordered by name.
    pub files: Vec<FoundFile>,
    /// What cannot be opened and may hold wanted files.
    pub skipped: Vec<Skipped>,
    /// The other files, ordered by name.
    pub ignored: Vec<PathBuf>,
}

/// Everything `wanted` in `folder` and its subfolders, hidden files left out and links followed; or that one file.
///
/// # Errors
/// When `folder` cannot be read.
pub fn walk(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Walk> {
    let mut found = Walk::default();
    if !fs::metadata(folder).reading(folder)?.is_dir() {
        let name = folder.file_name().unwrap_or_default();
        found.files.push(FoundFile {
            path: folder.into(),
            name: name.to_string_lossy().into_owned(),
        });
        return Ok(found);
    }
    let hidden = |entry: &walkdir::DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !hidden(entry)) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if wanted(entry.path()) => found.files.push(FoundFile {
                name: relative(entry.path(), folder),
                path: entry.into_path(),
            }),
            Ok(entry) => found.ignored.push(entry.into_path()),
            // A link back to a folder above: everything in it is found already.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                // A dangling link with another extension is not wanted; a closed folder may hold wanted files.
                if path.is_dir() || wanted(path) {
                    let reason = error
                        .io_error()
                        .map_or_else(|| error.to_string(), ToString::to_string);
                    found.skipped.push(Skipped {
                        path: relative(path, folder),
                        reason,
                    });
                } else {
                    found.ignored.push(path.into());
                }
            }
        }
    }
    found.files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The extension in lower case; empty without one.
pub fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}

/// The path within the folder, with `/` between its parts on every system.
fn relative(path: &Path, folder: &Path) -> String {
    let inner = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// Something that was not imported, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path within the folder, or its place in a file.
    pub path: String,
    /// Why it cannot be used.
    pub reason: String,
}

/// Skipped things by reason, the most frequent reason first. Displays as lines that each begin with a line break.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippedSummary {
    /// What one of them is: `recording`, `picture`, `line`.
    pub what: &'static str,
    /// Reasons, each with the places it holds for.
    pub reasons: Vec<(String, Vec<String>)>,
}

impl SkippedSummary {
    /// Groups skipped things; `what` names one of them.
    pub fn new(what: &'static str, skipped: &[Skipped]) -> Self {
        let mut groups = BTreeMap::<&str, Vec<String>>::new();
        for Skipped { path, reason } in skipped {
            groups.entry(reason).or_default().push(path.clone());
        }
        let mut reasons: Vec<_> = groups
            .into_iter()
            .map(|(reason, paths)| (reason.to_owned(), paths))
            .collect();
        reasons.sort_by_key(|(_, paths)| std::cmp::Reverse(paths.len()));
        Self { what, reasons }
    }
}

impl fmt::Display for SkippedSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Reasons and places that are named; the rest is counted.
        const NAMED: usize = 3;
        for (reason, places) in self.reasons.iter().take(NAMED) {
            let named: Vec<_> = places.iter().take(NAMED).cloned().collect();
            let more = if places.len() > NAMED { ", …" } else { "" };
            let what = counted(places.len(), self.what);
            write!(f, "\nskipped {what}: {reason} ({}{more})", named.join(", "))?;
        }
        let rest = self.reasons.iter().skip(NAMED);
        let rest: usize = rest.map(|(_, places)| places.len()).sum();
        if rest > 0 {
            let what = counted(rest, self.what);
            write!(f, "\nskipped {what} more, for other reasons")?;
        }
        Ok(())
    }
}

/// `1 file`, `2 files`.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// SHA-256 of the parts, each preceded by its length, in hexadecimal.
pub fn hash_parts<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.as_ref().len() as u64).to_le_bytes());
        hash.update(part);
    }
    hexadecimal(&hash.finalize())
}

/// SHA-256 of the bytes, in hexadecimal.
pub fn hash_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_atomic(&file, b"old").unwrap();
        write_atomic(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(write_atomic(folder.path(), b"folder").is_err());
        assert!(write_atomic(&folder.path().join("no/file"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_pipe_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_output(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        fs::remove_file(&file).unwrap();
        write_output(&link, b"again").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"again");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_output(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(!pipe.is_file());
    }

    #[test]
    fn what_is_read_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (read, other) = (folder.path().join("read"), folder.path().join("other"));
        fs::write(&read, b"read").unwrap();
        fs::write(&other, b"other").unwrap();
        let by_another_path = folder.path().join("./read");
        for output in [&read, &by_another_path] {
            let error = refuse_overwriting(output, [&*other, &*read]).unwrap_err();
            assert!(error.to_string().contains("read"), "{error}");
        }
        refuse_overwriting(&other, [&*read]).unwrap();
        refuse_overwriting(&folder.path().join("new"), [&*read]).unwrap();
    }

    #[test]
    fn a_walk_finds_wanted_files_by_name_and_counts_the_others() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b/1.WAV",
            "a/2.wav",
            "a/.hidden.wav",
            ".git/3.wav",
            "notes.md",
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let found = walk(folder.path(), |path| extension(path) == "wav").unwrap();
        let names: Vec<_> = found.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a/2.wav", "b/1.WAV"]);
        assert_eq!(found.ignored, [folder.path().join("notes.md")]);
        assert!(walk(&folder.path().join("none"), |_| true).is_err());
    }

    #[test]
    fn skipped_things_are_grouped_by_reason() {
        let skip = |path: &str, reason: &str| Skipped {
            path: path.into(),
            reason: reason.into(),
        };
        let skipped = [skip("a", "damaged"), skip("b", "empty"), skip("c", "empty")];
        let summary = SkippedSummary::new("file", &skipped).to_string();
        let expected = "\nskipped 2 files: empty (b, c)\nskipped 1 file: damaged (a)";
        assert_eq!(summary, expected);
    }

    #[test]
    fn hashes_know_where_a_part_ends() {
        assert_ne!(hash_parts(["ab", "c"]), hash_parts(["a", "bc"]));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash_bytes(b""), empty);
    }
}
