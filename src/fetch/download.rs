/*! Downloading one file: continued after a cut connection, hashed while it streams, bounded. */

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::catalog::RemoteFile;
use crate::base::files::hexadecimal;
use crate::error::{Error, IoContext, Result};

/// Connections for one file, as long as each brings it further.
const ATTEMPTS: usize = 4;
/// Redirections of one request.
const REDIRECTIONS: usize = 5;
/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a download failed.
pub(super) enum Failed {
    /// What is here is good: a later fetch continues it.
    Cut(Error),
    /// What is here is useless.
    Bad(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

/// Downloads `file` to `to` and gives its SHA-256. Until it is whole and checked it lies in `part`. `progress` is told the bytes
/// that are here.
pub(super) fn download(
    file: &RemoteFile,
    part: &Path,
    to: &Path,
    at_most: u64,
    progress: &mut dyn FnMut(u64),
) -> std::result::Result<String, Failed> {
    let mut local = Partial::open(part)?;
    let mut attempts = 0;
    while file.bytes.is_none_or(|bytes| local.length < bytes) {
        let before = local.length;
        attempts += 1;
        match local.fetch(file, file.bytes.unwrap_or(at_most), progress) {
            Ok(()) => break,
            Err(Failed::Cut(_)) if local.length > before && attempts < ATTEMPTS => {}
            Err(failed) => return Err(failed),
        }
    }
    let sha256 = local.check(file)?;
    fs::rename(part, to).writing(to)?;
    Ok(sha256)
}

/// Copies a file that is here already to `to`, checks it, and gives its SHA-256.
pub(super) fn copy(
    file: &RemoteFile,
    from: &Path,
    to: &Path,
    at_most: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<String> {
    let mut source = File::open(from).reading(from)?;
    let mut local = Partial::open(to)?;
    local.restart()?;
    let most = file.bytes.unwrap_or(at_most);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = source.read(&mut buffer).reading(from)?;
        if read == 0 {
            break;
        }
        local.append(&buffer[..read], most, from)?;
        progress(local.length);
    }
    let file = RemoteFile {
        url: from.display().to_string(),
        ..file.clone()
    };
    local.check(&file)
}

/// Checks a file that an earlier fetch has downloaded, and gives its SHA-256.
pub(super) fn check(file: &RemoteFile, here: &Path) -> Result<String> {
    Partial::open(here)?.check(file)
}

/// The part of a file that is here, with its hashes.
struct Partial<'a> {
    path: &'a Path,
    file: File,
    length: u64,
    sha256: Sha256,
    md5: Md5,
}

impl<'a> Partial<'a> {
    /// Opens what is here, and hashes it.
    fn open(path: &'a Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut partial = Self {
            path,
            file: options.open(path).writing(path)?,
            length: 0,
            sha256: Sha256::new(),
            md5: Md5::new(),
        };
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = partial.file.read(&mut buffer).reading(path)?;
            if read == 0 {
                return Ok(partial);
            }
            partial.count(&buffer[..read]);
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.sha256.update(bytes);
        self.md5.update(bytes);
    }

    fn restart(&mut self) -> Result<()> {
        self.file = File::create(self.path).writing(self.path)?;
        self.length = 0;
        self.sha256.reset();
        self.md5.reset();
        Ok(())
    }

    fn append(&mut self, bytes: &[u8], most: u64, source: impl AsRef<Path>) -> Result<()> {
        if self.length + bytes.len() as u64 > most {
            let reason =
                format!("it is longer than {most} bytes, which the catalogue does not expect");
            return Err(Error::input(source.as_ref(), reason).with_hint(CHANGED));
        }
        self.file.write_all(bytes).writing(self.path)?;
        self.count(bytes);
        Ok(())
    }

    /// One connection: appends what the server sends, from where this part ends.
    fn fetch(
        &mut self,
        file: &RemoteFile,
        most: u64,
        progress: &mut dyn FnMut(u64),
    ) -> std::result::Result<(), Failed> {
        let mut response = self.ask(&file.url)?;
        if response.status() == 416 && self.length > 0 {
            self.restart()?;
            response = self.ask(&file.url)?;
        }
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        match response.status().as_u16() {
            200 => self.restart()?,
            206 if header("content-range")
                .is_some_and(|range| range.starts_with(&format!("bytes {}-", self.length))) => {}
            206 => {
                return Err(bad(
                    file,
                    "the server sends another part than it was asked for",
                ));
            }
            status => return Err(bad(file, format!("the server answers {status}"))),
        }
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let rest: Option<u64> = header("content-length").and_then(|text| text.parse().ok());
        if let (Some(rest), Some(wanted)) = (rest, file.bytes)
            && self.length + rest != wanted
        {
            let offered = self.length + rest;
            let reason = format!("the server has {offered} bytes, and the catalogue says {wanted}");
            return Err(bad(file, reason));
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = body
                .read(&mut buffer)
                .map_err(|error| self.cut(file, &error))?;
            if read == 0 {
                break;
            }
            self.append(&buffer[..read], most, &file.url)?;
            progress(self.length);
        }
        match file.bytes {
            Some(wanted) if self.length < wanted => {
                Err(self.cut(file, &"the server ended too early"))
            }
            _ => Ok(()),
        }
    }

    /// The answer of the server to a request for what is missing, after redirections.
    fn ask(&self, url: &str) -> std::result::Result<ureq::http::Response<ureq::Body>, Failed> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .user_agent(concat!("ensuite/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut address = url.to_owned();
        for _ in 0..=REDIRECTIONS {
            let mut request = agent.get(&address);
            if self.length > 0 {
                request = request.header("Range", format!("bytes={}-", self.length));
            }
            let response = request.call().map_err(|error| self.cut_at(url, &error))?;
            let location = response.headers().get("location");
            if !response.status().is_redirection() || location.is_none() {
                return Ok(response);
            }
            let location = location.and_then(|to| to.to_str().ok()).unwrap_or_default();
            address = redirected(&address, location).ok_or_else(|| {
                let reason = format!("the server leads to {location}, an address of another kind");
                Error::input(url, reason).with_hint(ELSEWHERE)
            })?;
        }
        Err(Error::input(
            url,
            "the server leads from one address to another without end",
        )
        .with_hint(ELSEWHERE)
        .into())
    }

    fn cut(&self, file: &RemoteFile, reason: &dyn std::fmt::Display) -> Failed {
        self.cut_at(&file.url, reason)
    }

    fn cut_at(&self, url: &str, reason: &dyn std::fmt::Display) -> Failed {
        let (reason, hint) = if self.length == 0 {
            (format!("it cannot be reached: {reason}"), ELSEWHERE)
        } else {
            (
                format!(
                    "the connection was cut after {} bytes: {reason}",
                    self.length
                ),
                "run the same command again: it continues where this one stopped",
            )
        };
        Failed::Cut(Error::input(url, reason).with_hint(hint))
    }

    /// Compares length and checksums, and gives the SHA-256.
    fn check(self, file: &RemoteFile) -> Result<String> {
        self.file.sync_all().writing(self.path)?;
        let found = [
            (
                "SHA-256",
                &file.sha256,
                hexadecimal(&self.sha256.finalize()),
            ),
            ("MD5", &file.md5, hexadecimal(&self.md5.finalize())),
        ];
        if let Some(bytes) = file.bytes
            && bytes != self.length
        {
            let reason = format!(
                "it has {} bytes, and the catalogue says {bytes}",
                self.length
            );
            return Err(Error::input(&file.url, reason).with_hint(CHANGED));
        }
        for (name, wanted, found) in &found {
            if let Some(wanted) = wanted
                && wanted != found
            {
                let reason = format!("its {name} is {found}, and the catalogue says {wanted}");
                return Err(Error::input(&file.url, reason).with_hint(CHANGED));
            }
        }
        let [(_, _, sha256), _] = found;
        Ok(sha256)
    }
}

/// Where a redirection leads: an address of the same scheme, or from HTTP to HTTPS.
fn redirected(from: &str, location: &str) -> Option<String> {
    let (scheme, rest) = from.split_once("://")?;
    let origin = rest.split(['/', '?', '#']).next()?;
    let (to, whole) = if location.starts_with("//") {
        (scheme, format!("{scheme}:{location}"))
    } else if location.starts_with('/') {
        (scheme, format!("{scheme}://{origin}{location}"))
    } else {
        (location.split_once("://")?.0, location.to_owned())
    };
    let same = to.eq_ignore_ascii_case(scheme) || to.eq_ignore_ascii_case("https");
    same.then_some(whole)
}

const ELSEWHERE: &str = "check the network, or get the file in another way and give it with --from";
const CHANGED: &str = "the file was damaged or changed; nothing of it was kept";

fn bad(file: &RemoteFile, reason: impl Into<String>) -> Failed {
    Failed::Bad(Error::input(&file.url, reason).with_hint(ELSEWHERE))
}

#[cfg(test)]
mod tests {
    use super::redirected;

    #[test]
    fn redirections_keep_the_scheme_or_make_it_safer() {
        for (from, location, to) in [
            ("https://a/x?y", "https://b/z", Some("https://b/z")),
            ("http://a:8/x", "HTTPS://b/z", Some("HTTPS://b/z")),
            ("http://a:8/x", "http://b/z", Some("http://b/z")),
            ("https://a:8/x", "/z", Some("https://a:8/z")),
            ("https://a?x", "//b/z", Some("https://b/z")),
            ("https://a/x", "http://a/x", None),
            ("http://a/x", "ftp://a/x", None),
            ("http://a/x", "file:///etc/passwd", None),
            ("https://a/x", "data:text/plain,x", None),
            ("https://a/x", "", None),
        ] {
            assert_eq!(
                redirected(from, location).as_deref(),
                to,
                "{from} to {location}"
            );
        }
    }
}
