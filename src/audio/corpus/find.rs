/*! Which files of a folder are recordings, by their names. */

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::audio::corpus::Skipped;
use crate::audio::import::EXTENSIONS;
use crate::error::{IoContext, Result};

/// A file that looks like a recording.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// Its path within the folder, with `/` between the parts.
    pub(super) name: String,
}

/// What a folder holds.
#[derive(Default)]
pub(super) struct Found {
    /// Ordered by name.
    pub(super) files: Vec<Candidate>,
    /// What could not even be looked at.
    pub(super) skipped: Vec<Skipped>,
    /// How many files do not look like recordings.
    pub(super) ignored: usize,
}

/// Everything in `folder` that looks like a recording; or that one file.
pub(super) fn find(folder: &Path) -> Result<Found> {
    let mut found = Found::default();
    if !fs::metadata(folder).reading(folder)?.is_dir() {
        let name = folder.file_name().unwrap_or_default();
        found.files.push(Candidate {
            path: folder.into(),
            name: name.to_string_lossy().into_owned(),
        });
        return Ok(found);
    }
    let hidden = |entry: &walkdir::DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let walk = WalkDir::new(folder).follow_links(true);
    for entry in walk.into_iter().filter_entry(|entry| !hidden(entry)) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if looks_like_sound(entry.path()) => found.files.push(Candidate {
                name: relative(entry.path(), folder),
                path: entry.into_path(),
            }),
            Ok(_) => found.ignored += 1,
            // A link back to a folder above: everything in it is found already.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                // A dangling link with another extension is none of ours; a closed folder may hide recordings.
                if path.is_dir() || looks_like_sound(path) {
                    found.skipped.push(Skipped {
                        path: relative(path, folder),
                        reason: error
                            .io_error()
                            .map_or_else(|| error.to_string(), ToString::to_string),
                    });
                } else {
                    found.ignored += 1;
                }
            }
        }
    }
    found.files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn looks_like_sound(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|known| extension == *known)
}

/// The path within the folder, with `/` between its parts on every system.
fn relative(path: &Path, folder: &Path) -> String {
    let inner = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
