//! Why there are no settings.

use std::path::PathBuf;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not a settings file", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that no setting has.
    #[error("there is no setting {key:?} ({origin}); the nearest is {nearest:?}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was given.
        origin: String,
        /// The key that looks most like it.
        nearest: String,
    },
    /// A value of another kind than the setting has.
    #[error("the setting {key:?} must be {expected} ({origin})")]
    WrongKind {
        /// The key.
        key: String,
        /// The kind it must have, with an article.
        expected: &'static str,
        /// Where it was given.
        origin: String,
    },
    /// A value of the right kind that does not do.
    #[error("wrong setting: {0}")]
    Invalid(String),
    /// Neither a data directory was named nor has this user a home.
    #[error("no home directory is known for this user: name a place with --data-dir")]
    NoHome,
}
