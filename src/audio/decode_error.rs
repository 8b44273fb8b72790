/*! Why a recording cannot be used, before its path is known. */

use std::io;
use std::path::Path;

use symphonia::core::errors::Error as SymphoniaError;

use crate::audio::{MAX_RATE, MIN_RATE};
use crate::error::Error;

/// Why a file cannot be used; the path is added at the end.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is: the reason, in words that follow its name.
    Bad(String),
    /// The system is.
    Io(io::Error),
}

impl Fault {
    /// The file is at fault, for this reason.
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad(reason.into())
    }

    /// The data ends after `found` of `promised` seconds.
    pub(crate) fn cut_short(found: f64, promised: f64) -> Self {
        let digits = digits(found, promised);
        Self::Bad(format!(
            "the data ends after {found:.digits$} s of the {promised:.digits$} s that its header promises"
        ))
    }

    /// Of `promised` seconds only `found` could be decoded, from a format that can lose some in the middle.
    pub(crate) fn incomplete(found: f64, promised: f64) -> Self {
        let digits = digits(found, promised);
        Self::Bad(format!(
            "damaged or cut short: {found:.digits$} s of the {promised:.digits$} s that its header promises can be decoded"
        ))
    }

    /// Refuses rates that no recording has.
    pub(crate) fn check_rate(rate: u32) -> Result<(), Self> {
        if (MIN_RATE..=MAX_RATE).contains(&rate) {
            return Ok(());
        }
        Err(Self::bad(format!(
            "its header says a sample rate of {rate} Hz; {MIN_RATE} to {MAX_RATE} Hz are read"
        )))
    }

    /// As an error of the file at `path`.
    pub(crate) fn at(self, path: &Path) -> Error {
        match self {
            Self::Bad(reason) => Error::input(path, reason),
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Error::input(path, "cut short: it ends before its sound does")
            }
            Self::Io(source) => Error::Read {
                path: path.into(),
                source,
            },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SymphoniaError> for Fault {
    fn from(error: SymphoniaError) -> Self {
        match error {
            SymphoniaError::IoError(error) => Self::Io(error),
            SymphoniaError::DecodeError(what) => Self::bad(format!("damaged ({what})")),
            SymphoniaError::ResetRequired => {
                Self::bad("a chain of several streams; split it into one file each")
            }
            SymphoniaError::Unsupported(what) | SymphoniaError::LimitError(what) => {
                Self::bad(format!("something in it is not read here ({what})"))
            }
            other => Self::bad(format!("cannot be decoded ({other})")),
        }
    }
}

/// So many digits that two numbers of seconds do not look the same.
fn digits(found: f64, promised: f64) -> usize {
    if promised - found >= 0.1 { 1 } else { 4 }
}
