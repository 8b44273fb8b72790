/*! Unpacking an archive that nobody has looked at: bounded, and only plain files inside its folder. */

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

use super::catalog::Packing;
use crate::base::files::hexadecimal;
use crate::error::{Error, IoContext, Result};

/// What is unpacked of an archive.
pub(super) struct Wanted<'a> {
    /// The folder in the archive that becomes the corpus.
    pub root: &'a str,
    /// The folders or extensions that are kept; all where there is none.
    pub keep: &'a [String],
    /// Files that are kept in any case.
    pub lists: Vec<&'a str>,
    /// The most bytes to unpack.
    pub at_most: u64,
}

/// A file that was unpacked.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unpacked {
    /// Its path below the root, with `/`.
    pub name: String,
    /// Its SHA-256.
    pub sha256: String,
}

/// Unpacks what is wanted to the folder `into`, and gives the files in order of their names.
///
/// # Errors
/// When the archive is damaged, unpacks to too much, or holds a path that leaves its folder; when something wanted is not a plain
/// file; when nothing is wanted.
pub(super) fn unpack(
    archive: &Path,
    packing: Packing,
    wanted: &Wanted<'_>,
    into: &Path,
) -> Result<Vec<Unpacked>> {
    let file = BufReader::new(File::open(archive).reading(archive)?);
    let mut unpacking = Unpacking {
        archive,
        wanted,
        into,
        left: wanted.at_most,
        files: Vec::new(),
    };
    match packing {
        Packing::TarGz => unpacking.tar(flate2::bufread::MultiGzDecoder::new(file))?,
        Packing::TarBz2 => unpacking.tar(bzip2::bufread::MultiBzDecoder::new(file))?,
        Packing::Zip => unpacking.zip(file)?,
    }
    let mut files = unpacking.files;
    files.sort();
    if files.is_empty() {
        return Err(unpacking_error(archive, "it holds no file that is wanted"));
    }
    Ok(files)
}

struct Unpacking<'a> {
    archive: &'a Path,
    wanted: &'a Wanted<'a>,
    into: &'a Path,
    left: u64,
    files: Vec<Unpacked>,
}

impl Unpacking<'_> {
    fn tar(&mut self, stream: impl Read) -> Result<()> {
        let stream = Bounded {
            inner: stream,
            left: self.left,
        };
        let mut tar = tar::Archive::new(stream);
        let archive = self.archive;
        let damaged = |error: io::Error| unpacking_error(archive, error);
        for entry in tar.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let kind = entry.header().entry_type();
            if kind.is_pax_global_extensions() {
                continue;
            }
            let name = String::from_utf8(entry.path_bytes().into_owned())
                .map_err(|_| unpacking_error(archive, "a name in it is not UTF-8"))?;
            self.entry(&name, kind.is_dir(), kind.is_file(), &mut entry)?;
        }
        Ok(())
    }

    fn zip(&mut self, file: BufReader<File>) -> Result<()> {
        let archive = self.archive;
        let damaged = |error: zip::result::ZipError| unpacking_error(archive, error);
        let mut zip = zip::ZipArchive::new(file).map_err(damaged)?;
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(damaged)?;
            let name = entry.name().map_err(damaged)?.into_owned();
            // The type of a file of Unix; 0 where it was packed elsewhere.
            let kind = entry.unix_mode().unwrap_or(0) & 0o170_000;
            let is_file = entry.is_file() && (kind == 0 || kind == 0o100_000);
            let is_dir = entry.is_dir();
            let mut bounded = Bounded {
                inner: entry,
                left: self.left,
            };
            self.entry(&name, is_dir, is_file, &mut bounded)?;
            self.left = bounded.left;
        }
        Ok(())
    }

    /// Takes one entry of the archive.
    fn entry(
        &mut self,
        name: &str,
        is_folder: bool,
        is_file: bool,
        content: &mut dyn Read,
    ) -> Result<()> {
        let parts = safe_parts(name).ok_or_else(|| {
            unpacking_error(
                self.archive,
                format!("it holds {name}, which would leave its folder"),
            )
        })?;
        let name = parts.join("/");
        let Some(inner) = below(&name, self.wanted.root) else {
            return Ok(());
        };
        if is_folder || !self.wanted.keeps(inner) {
            return Ok(());
        }
        if !is_file {
            let reason = format!("it holds {name}, which is a link or a device and not a file");
            return Err(unpacking_error(self.archive, reason));
        }
        let sha256 = self.write(inner, content)?;
        self.files.push(Unpacked {
            name: inner.to_owned(),
            sha256,
        });
        Ok(())
    }

    /// Writes a new file, and gives its SHA-256.
    fn write(&self, inner: &str, content: &mut dyn Read) -> Result<String> {
        let path = self.into.join(inner);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).writing(parent)?;
        }
        let mut file = match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(unpacking_error(
                    self.archive,
                    format!("it holds {inner} twice"),
                ));
            }
            file => file.writing(&path)?,
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = content
                .read(&mut buffer)
                .map_err(|error| unpacking_error(self.archive, error))?;
            if read == 0 {
                return Ok(hexadecimal(&hash.finalize()));
            }
            hash.update(&buffer[..read]);
            file.write_all(&buffer[..read]).writing(&path)?;
        }
    }
}

impl Wanted<'_> {
    fn keeps(&self, inner: &str) -> bool {
        let kept = |keep: &String| match keep.strip_prefix('.') {
            Some(_) => inner.ends_with(keep.as_str()),
            None => below(inner, keep).is_some(),
        };
        self.keep.is_empty() || self.lists.contains(&inner) || self.keep.iter().any(kept)
    }
}

/// The parts of a path in an archive; `None` where it is absolute, leaves its folder, or reads otherwise on another system.
fn safe_parts(name: &str) -> Option<Vec<&str>> {
    if name.contains(['\\', '\0', ':']) {
        return None;
    }
    let parts = Path::new(name).components().map(|part| match part {
        Component::Normal(part) => part.to_str().map(Some),
        Component::CurDir => Some(None),
        _ => None,
    });
    let parts: Option<Vec<Option<&str>>> = parts.collect();
    Some(parts?.into_iter().flatten().collect())
}

/// The path below a folder; `None` where it is not in it.
fn below<'a>(name: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() {
        return Some(name);
    }
    name.strip_prefix(folder)?.strip_prefix('/')
}

fn unpacking_error(archive: &Path, reason: impl std::fmt::Display) -> Error {
    Error::input(archive, format!("it cannot be unpacked: {reason}")).with_hint(
        "the archive is not the one that the catalogue describes; nothing of it was kept",
    )
}

/// A reader that fails once more bytes than `left` were read.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than the catalogue allows"))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of an archive: path, type, and content or the target of a link.
    type Entry = (&'static str, tar::EntryType, &'static [u8]);
    const FILE: tar::EntryType = tar::EntryType::Regular;

    fn tar_gz(entries: &[Entry]) -> Vec<u8> {
        let zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(zipped);
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            // The builder itself refuses paths that leave the folder.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            let is_link = matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link);
            let content = if is_link {
                header.set_link_name("/etc/passwd").unwrap();
                &[]
            } else {
                *content
            };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn zip(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (path, mode, content) in entries {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(0o644);
            match *mode {
                0 => writer.start_file(*path, options).unwrap(),
                _ => writer.add_symlink(*path, "/etc/passwd", options).unwrap(),
            }
            if *mode == 0 {
                writer.write_all(content).unwrap();
            }
        }
        writer.finish().unwrap().into_inner()
    }

    struct World {
        folder: tempfile::TempDir,
    }

    impl World {
        /// Unpacks these bytes; gives the files, or the error.
        fn unpack(
            &self,
            bytes: &[u8],
            packing: Packing,
            wanted: &Wanted<'_>,
        ) -> Result<Vec<String>> {
            let archive = self.folder.path().join("archive");
            fs::write(&archive, bytes).unwrap();
            let into = self.folder.path().join("inner/into");
            let _ = fs::remove_dir_all(&into);
            let files = unpack(&archive, packing, wanted, &into)?;
            Ok(files.into_iter().map(|file| file.name).collect())
        }

        fn refused(&self, bytes: &[u8], packing: Packing, reason: &str) {
            let error = self.unpack(bytes, packing, &all(1 << 20)).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            // Nothing outside the folder.
            let beside: Vec<_> = fs::read_dir(self.folder.path()).unwrap().collect();
            assert!(beside.len() <= 2, "{beside:?}");
            assert!(!self.folder.path().join("inner/evil").exists());
        }
    }

    fn all(at_most: u64) -> Wanted<'static> {
        Wanted {
            root: "",
            keep: &[],
            lists: Vec::new(),
            at_most,
        }
    }

    fn world() -> World {
        World {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    #[test]
    fn what_is_wanted_is_unpacked_in_every_kind_of_archive() {
        let keep = [".wav".to_owned(), "docs".to_owned()];
        let wanted = Wanted {
            root: "top/root",
            keep: &keep,
            lists: vec!["list.txt"],
            at_most: 1 << 20,
        };
        let files: [(&str, &[u8]); 6] = [
            ("top/root/b.wav", b"b"),
            ("./top/root/a/a.wav", b"a"),
            ("top/root/a/a.txt", b"no"),
            ("top/root/docs/x.txt", b"x"),
            ("top/root/list.txt", b"l"),
            ("top/rooting/c.wav", b"no"),
        ];
        let expected = ["a/a.wav", "b.wav", "docs/x.txt", "list.txt"];
        let mut entries = vec![
            (
                "pax_global_header",
                tar::EntryType::XGlobalHeader,
                &b"14 comment=ab\n"[..],
            ),
            ("top/root/", tar::EntryType::Directory, &b""[..]),
            // What is not wanted does no harm.
            ("top/link", tar::EntryType::Symlink, &b""[..]),
        ];
        entries.extend(files.map(|(path, content)| (path, FILE, content)));
        let world = world();
        let gz = tar_gz(&entries);
        assert_eq!(
            world.unpack(&gz, Packing::TarGz, &wanted).unwrap(),
            expected
        );
        let written = fs::read(world.folder.path().join("inner/into/a/a.wav")).unwrap();
        assert_eq!(written, b"a");
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(&*gz)
            .read_to_end(&mut tar)
            .unwrap();
        let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bz2.write_all(&tar).unwrap();
        let bz2 = bz2.finish().unwrap();
        assert_eq!(
            world.unpack(&bz2, Packing::TarBz2, &wanted).unwrap(),
            expected
        );
        let zipped = zip(&files.map(|(path, content)| (path, 0, content)));
        assert_eq!(
            world.unpack(&zipped, Packing::Zip, &wanted).unwrap(),
            expected
        );
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        let world = world();
        for path in [
            "../evil",
            "a/../../evil",
            "/tmp/evil",
            "a\\..\\evil",
            "C:evil",
        ] {
            let tar = tar_gz(&[("good", FILE, b"1"), (path, FILE, b"2")]);
            world.refused(&tar, Packing::TarGz, "would leave its folder");
            let zipped = zip(&[("good", 0, b"1"), (path, 0, b"2")]);
            world.refused(&zipped, Packing::Zip, "would leave its folder");
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        let world = world();
        for kind in [
            tar::EntryType::Symlink,
            tar::EntryType::Link,
            tar::EntryType::Char,
            tar::EntryType::Block,
            tar::EntryType::Fifo,
        ] {
            let tar = tar_gz(&[("good", FILE, b"1"), ("evil", kind, b"")]);
            world.refused(&tar, Packing::TarGz, "link or a device");
        }
        let zipped = zip(&[("good", 0, b"1"), ("evil", 1, b"")]);
        world.refused(&zipped, Packing::Zip, "link or a device");
    }

    #[test]
    fn bombs_twins_and_damage_are_refused() {
        const ZEROS: &[u8] = &[0; 3 << 20];
        let world = world();
        let tar = tar_gz(&[("bomb", FILE, ZEROS)]);
        assert!(tar.len() < 50_000);
        world.refused(&tar, Packing::TarGz, "more than the catalogue allows");
        let zipped = zip(&[("bomb", 0, ZEROS)]);
        world.refused(&zipped, Packing::Zip, "more than the catalogue allows");
        // Several files share one bound.
        let zipped = zip(&[("a", 0, &ZEROS[..900_000]), ("b", 0, &ZEROS[..900_000])]);
        world.refused(&zipped, Packing::Zip, "more than the catalogue allows");
        assert!(world.unpack(&tar, Packing::TarGz, &all(4 << 20)).is_ok());
        let twins = tar_gz(&[("a", FILE, b"1"), ("./a", FILE, b"2")]);
        world.refused(&twins, Packing::TarGz, "twice");
        let cut = &tar[..tar.len() / 2];
        world.refused(cut, Packing::TarGz, "cannot be unpacked");
        world.refused(b"no archive", Packing::Zip, "cannot be unpacked");
        world.refused(&tar_gz(&[]), Packing::TarGz, "no file that is wanted");
    }
}
