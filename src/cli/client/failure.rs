//! Everything that can go wrong for somebody at the command line, and the exit code each has.

use std::io;

/// Exit codes of the commands themselves; those of programs are passed through by `run` and `watch`.
/// Numbers above 63 are those of `sysexits.h`.
pub mod exit {
    /// The request itself is wrong: an unknown language, a missing file, an unknown id.
    pub const USAGE: u8 = 64;
    /// The program did not compile.
    pub const COMPILE_ERROR: u8 = 65;
    /// The service cannot be reached, refuses for now, or answers nonsense.
    pub const SERVICE: u8 = 69;
    /// Reading or writing failed on this side.
    pub const IO: u8 = 74;
    /// Not signed in, or not allowed.
    pub const NOT_ALLOWED: u8 = 77;
    /// Processor or wall time limit, as `timeout(1)` does.
    pub const TIME_LIMIT: u8 = 124;
    /// Memory or output limit: what the shell reports for SIGKILL.
    pub const OTHER_LIMIT: u8 = 137;
    /// Cancelled: what the shell reports for SIGINT.
    pub const CANCELLED: u8 = 130;
    /// Nobody reads our output any more: what the shell reports for SIGPIPE.
    pub const BROKEN_PIPE: u8 = 141;
}

/// Why a command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for makes no sense; the sentence says why.
    #[error("{0}")]
    Usage(String),
    /// No credential for this server.
    #[error("not signed in to {server}: run `codecanvas login --server {server}`")]
    NotSignedIn {
        /// The server's address.
        server: String,
    },
    /// The service said no.
    #[error("{message}")]
    Refused {
        /// The contract's stable code, `INTERNAL` where there was none.
        code: String,
        /// The service's own sentence.
        message: String,
        /// When trying again makes sense.
        retry_after_ms: Option<u64>,
        /// The part of the input that is meant: `files.0.path`.
        part: Option<String>,
    },
    /// No connection, or a broken one.
    #[error("{server} cannot be reached: {detail}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What happened.
        detail: String,
    },
    /// An answer outside the contract.
    #[error("the answer of {server} is not one of codecanvas: {detail}")]
    BadAnswer {
        /// The server's address.
        server: String,
        /// What was wrong with it.
        detail: String,
    },
    /// A file here could not be read or written.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Failure {
    /// The failure of reading or writing `what` on this side.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { code, .. } => matches!(code.as_str(), "RATE_LIMITED" | "OVERLOADED" | "INTERNAL"),
            Self::Usage(_) | Self::NotSignedIn { .. } | Self::BadAnswer { .. } | Self::Io { .. } => false,
        }
    }

    /// The exit code that tells scripts what kind of failure it was.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::NotSignedIn { .. } => exit::NOT_ALLOWED,
            Self::Unreachable { .. } | Self::BadAnswer { .. } => exit::SERVICE,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => exit::BROKEN_PIPE,
            // A file that is not there was named wrongly.
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => exit::USAGE,
            Self::Io { .. } => exit::IO,
            Self::Refused { code, .. } => match code.as_str() {
                "UNAUTHENTICATED" | "FORBIDDEN" => exit::NOT_ALLOWED,
                "NOT_FOUND" | "INVALID_INPUT" | "CONFLICT" => exit::USAGE,
                _ => exit::SERVICE,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Failure {
        Failure::Refused { code: code.into(), message: String::new(), retry_after_ms: None, part: None }
    }

    #[test]
    fn scripts_can_tell_whose_fault_it_was() {
        assert_eq!(refused("INVALID_INPUT").exit_code(), 64);
        assert_eq!(refused("UNAUTHENTICATED").exit_code(), 77);
        assert_eq!(refused("OVERLOADED").exit_code(), 69);
        assert_eq!(refused("SOMETHING_NEW").exit_code(), 69);
        let io = |kind| Failure::io("x")(io::Error::from(kind)).exit_code();
        assert_eq!(io(io::ErrorKind::BrokenPipe), 141);
        assert_eq!(io(io::ErrorKind::NotFound), 64);
        assert_eq!(io(io::ErrorKind::PermissionDenied), 74);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(refused("RATE_LIMITED").is_transient());
        assert!(!refused("FORBIDDEN").is_transient());
    }
}
