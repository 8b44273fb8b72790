/*!
Errors that name the file and what to do.

Every error has a message ([`std::fmt::Display`]) and often an [`Error::hint`].
*/

use std::path::{Path, PathBuf};

/// The result type of the library.
pub type Result<T> = std::result::Result<T, Error>;

/// All errors of the library.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting out of range, or a wrong command line: exit code 2.
    #[error("{message}")]
    Usage {
        /// The problem, with the value.
        message: String,
        /// The range, or what to do.
        hint: Option<String>,
    },
    /// An unusable file or folder of the user.
    #[error("{}: {reason}", path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A failed read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A failed write.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The `--out` folder exists already.
    #[error("{} exists already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A missing, damaged or incompatible file of a model folder.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The file, or the model folder.
        path: PathBuf,
        /// The problem.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A training loss that is NaN or too large.
    #[error("training diverged at step {step}: the loss is {loss}")]
    Diverged {
        /// The training step.
        step: u64,
        /// That loss, in the unit of the task.
        loss: f64,
    },
    /// A device that is not available.
    #[error("{message}")]
    Device {
        /// The device and the reason.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl Error {
    /// A usage error without a hint.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: None,
        }
    }

    /// An unusable file without a hint.
    pub fn input(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Input {
            path: path.into(),
            reason: reason.into(),
            hint: None,
        }
    }

    /// An unusable model folder without a hint.
    pub fn model(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Model {
            path: path.into(),
            reason: reason.into(),
            hint: None,
        }
    }

    /// Sets the hint; variants without one are returned unchanged.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Usage { hint, .. }
        | Self::Input { hint, .. }
        | Self::Model { hint, .. }
        | Self::Device { hint, .. } = &mut self
        {
            *hint = Some(text.into());
        }
        self
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. }
            | Self::Input { hint, .. }
            | Self::Model { hint, .. }
            | Self::Device { hint, .. } => hint.clone(),
            Self::Read { .. } => None,
            Self::Write { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => {
                    Some("free some disk space; earlier files are intact".into())
                }
                std::io::ErrorKind::PermissionDenied => {
                    Some("choose a folder with write permission".into())
                }
                _ => None,
            },
            Self::Exists { .. } => Some(
                "use --resume to continue training it, --force to replace it, or another --out"
                    .into(),
            ),
            Self::Diverged { .. } => Some(
                "the last good model is kept; retrain with a lower --learning-rate and another --out"
                    .into(),
            ),
        }
    }

    /// True for usage errors: exit code 2 instead of 1.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage { .. })
    }
}

/// Adds the path to an [`std::io::Error`].
pub trait IoContext<T> {
    /// Maps the error to [`Error::Read`].
    ///
    /// # Errors
    /// [`Error::Read`] with the path.
    fn reading(self, path: &Path) -> Result<T>;
    /// Maps the error to [`Error::Write`].
    ///
    /// # Errors
    /// [`Error::Write`] with the path.
    fn writing(self, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn reading(self, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Read {
            path: path.into(),
            source,
        })
    }

    fn writing(self, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Write {
            path: path.into(),
            source,
        })
    }
}
