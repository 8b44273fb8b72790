/*!
What can go wrong, said so that a person knows which file it is and what to do next.

Every error has one sentence ([`std::fmt::Display`]) and often a [`Error::hint`]: the next thing to try.
*/

use std::path::{Path, PathBuf};

/// Shorthand used by the whole library.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything the library refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting outside what is allowed; the command line answers it with exit code 2.
    #[error("{message}")]
    Usage {
        /// What is wrong, with the offending value.
        message: String,
        /// What is allowed instead.
        hint: Option<String>,
    },
    /// A file or folder of the user's that cannot be used, with the reason in plain words.
    #[error("{}: {reason}", path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Reading failed in the operating system.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// Writing failed in the operating system.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// The `--out` folder is already there.
    #[error("{} exists already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A model folder with a missing, damaged, foreign or newer file.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The file inside the model folder (or the folder itself).
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Training produced a loss that is not a number, or exploded.
    #[error("training diverged at step {step}: the loss is {loss}")]
    Diverged {
        /// The step whose loss was refused.
        step: u64,
        /// That loss, in the unit of the task.
        loss: f64,
    },
    /// A device that was asked for and is not there.
    #[error("{message}")]
    Device {
        /// Which device, and why it cannot be used.
        message: String,
        /// The way out.
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

    /// An unusable file of the user's.
    pub fn input(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Input {
            path: path.into(),
            reason: reason.into(),
            hint: None,
        }
    }

    /// A broken model folder.
    pub fn model(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Model {
            path: path.into(),
            reason: reason.into(),
            hint: None,
        }
    }

    /// Adds what to do next; variants that carry no hint of their own are returned as they are.
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

    /// What to do next, if anything better than "fix it" can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. }
            | Self::Input { hint, .. }
            | Self::Model { hint, .. }
            | Self::Device { hint, .. } => hint.clone(),
            Self::Read { .. } => None,
            Self::Write { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => {
                    Some("the disk is full; what was written before stays valid".into())
                }
                std::io::ErrorKind::PermissionDenied => {
                    Some("choose a place you may write to".into())
                }
                _ => None,
            },
            Self::Exists { .. } => Some(
                "give --resume to go on training it, --force to start anew, or another --out"
                    .into(),
            ),
            Self::Diverged { .. } => Some(
                "the last good model is kept; train anew with a lower --learning-rate and another --out"
                    .into(),
            ),
        }
    }

    /// True where the command line was wrong rather than the world: exit code 2 instead of 1.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage { .. })
    }
}

/// Attaches the path to an [`std::io::Error`].
pub trait IoContext<T> {
    /// The operation was a read of `path`.
    ///
    /// # Errors
    /// [`Error::Read`] where it failed.
    fn reading(self, path: &Path) -> Result<T>;
    /// The operation was a write of `path`.
    ///
    /// # Errors
    /// [`Error::Write`] where it failed.
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
