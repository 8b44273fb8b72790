/*! Why a recording cannot be decoded, before its path is known. */

use std::io;
use std::path::Path;

use symphonia::core::errors::Error as SymphoniaError;

use crate::audio::{MAX_RATE, MIN_RATE};
use crate::error::Error;

/// Why a file cannot be decoded; [`at`](Self::at) adds the path.
#[derive(Debug)]
pub(super) enum Fault {
    /// The reason, in words that follow the file's name.
    Bad(String),
    Io(io::Error),
}

impl Fault {
    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad(reason.into())
    }

    /// Only `found` of `promised` seconds could be decoded.
    pub(super) fn incomplete(found: f64, promised: f64) -> Self {
        // Enough digits that the two numbers differ.
        let digits = if promised - found >= 0.1 { 1 } else { 4 };
        Self::Bad(format!(
            "damaged or cut short: {found:.digits$} s of the {promised:.digits$} s that its header promises can be decoded"
        ))
    }

    pub(super) fn check_rate(rate: u32) -> Result<(), Self> {
        if (MIN_RATE..=MAX_RATE).contains(&rate) {
            return Ok(());
        }
        Err(Self::bad(format!(
            "its sample rate of {rate} Hz is outside the range that is read, {MIN_RATE} to {MAX_RATE} Hz"
        )))
    }

    pub(super) fn at(self, path: &Path) -> Error {
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
                Self::bad("it is a chain of several streams; split it into one file for each")
            }
            SymphoniaError::Unsupported(what) | SymphoniaError::LimitError(what) => {
                Self::bad(format!("it uses a feature that is not supported ({what})"))
            }
            other => Self::bad(format!("cannot be decoded ({other})")),
        }
    }
}
