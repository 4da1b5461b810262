//! What can be wrong with the settings.

use std::io;
use std::path::PathBuf;

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// A setting without a default.
    #[error("`--{name}` is not given; {wanted}")]
    Missing {
        /// Its name.
        name: &'static str,
        /// Its shape, as a sentence.
        wanted: &'static str,
    },
    /// A value that makes no sense to the part that it is for.
    #[error("`--{name}`: {why}")]
    Value {
        /// The setting's name.
        name: &'static str,
        /// Why not, with the value unless that may be secret.
        why: String,
    },
    /// The settings file cannot be read; as with any other file, that is no misuse.
    #[error("`--config` is `{}`; want a readable file: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The settings file is not what it should be.
    #[error("settings file `{}`, {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where and why, without the value.
        why: String,
    },
}

impl SettingError {
    /// Whether the program was called wrongly: exit code 64.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Value { .. } | Self::File { .. } => true,
            Self::Unreadable { .. } => false,
        }
    }
}
