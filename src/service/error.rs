//! Why a use case refused: a stable code for programs, a sentence for people.

use std::borrow::Cow;
use std::time::Duration;

use crate::auth::password;
use crate::domain::page::InvalidPage;

/// How long to wait when nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What Postgres answers to a NUL in a `text`: the one character of Rust's strings that it cannot
/// keep. Appendix A of its manual, `character_not_in_repertoire`.
const NUL_IN_TEXT: &str = "22021";

/// What refers to the user who asks. Where one of these does not hold, the account was deleted while the
/// request was under way.
const REFERENCES_TO_WHO_ASKS: [&str; 7] = [
    "access_tokens_user_id_fkey",
    "attempts_requested_by_fkey",
    "course_members_user_id_fkey",
    "feedback_author_id_fkey",
    "queue_user_id_fkey",
    "sessions_user_id_fkey",
    "submissions_author_id_fkey",
];

/// Why a use case refused. `Display` is for the person who asked: it holds no detail of the server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is signed in, or the credential has ended.
    #[error("Please sign in first.")]
    Unauthenticated,
    /// No account has this name and this password. Which of the two is wrong is not told.
    #[error("The username or the password is wrong.")]
    WrongCredentials,
    /// The viewer may see it but not do that.
    #[error("{0}")]
    Forbidden(Cow<'static, str>),
    /// It is not there, or the viewer may not know that it is.
    #[error("There is no such {0} here, or it is not yours to see.")]
    NotFound(&'static str),
    /// No course has this join code.
    #[error("No course has this join code. Please look at it again, or ask your teacher for the new one.")]
    NoSuchJoinCode,
    /// Something in the input cannot be taken.
    #[error("{message}")]
    InvalidInput {
        /// Into the input of the use case, as the API names it: `username`, `files.0.path`.
        path: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// The viewer did this too often.
    #[error("{message}")]
    RateLimited {
        /// What was too much.
        message: Cow<'static, str>,
        /// When to try again.
        retry_after: Duration,
    },
    /// The server has too much to do, or the database is away.
    #[error("The server is busy. Please try again in a moment.")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
        /// What was full or away, for the log.
        #[source]
        cause: Option<BoxError>,
    },
    /// Our fault. The cause goes to the log, once, by whoever answers the request.
    #[error("Something went wrong on our side. It has been noted.")]
    Internal(#[source] BoxError),
}

/// Any error of a library.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// The stable code of the contract.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated | Self::WrongCredentials => "UNAUTHENTICATED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::NotFound(_) | Self::NoSuchJoinCode => "NOT_FOUND",
            Self::InvalidInput { .. } => "INVALID_INPUT",
            Self::Conflict(_) => "CONFLICT",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// When to try again, where trying again can help.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Overloaded { retry_after, .. } => Some(*retry_after),
            Self::Unauthenticated
            | Self::WrongCredentials
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::NoSuchJoinCode
            | Self::InvalidInput { .. }
            | Self::Conflict(_)
            | Self::Internal(_) => None,
        }
    }

    /// Something in the input cannot be taken.
    #[expect(clippy::needless_pass_by_value, reason = "callers hand over a sentence or an error")]
    pub fn invalid(path: impl Into<String>, message: impl ToString) -> Self {
        Self::InvalidInput { path: path.into(), message: message.to_string() }
    }

    /// The viewer may see it but not do that.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Forbidden(message.into())
    }

    /// It contradicts what is there.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict(message.into())
    }

    /// Our fault.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.is_some_and(|code| code == NUL_IN_TEXT) {
            return Self::invalid("", "Text must not contain NUL characters.");
        }
        let constraint = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
        if constraint.is_some_and(|name| REFERENCES_TO_WHO_ASKS.contains(&name)) {
            return Self::Unauthenticated;
        }
        // These pass by themselves: the pool is used up, or Postgres restarts. Every other kind is a
        // mistake of ours.
        if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) || is_restart(&error) {
            Self::Overloaded { retry_after: RETRY_AFTER, cause: Some(error.into()) }
        } else {
            Self::Internal(error.into())
        }
    }
}

/// Whether Postgres ends, starts, or has no connection left (classes 57P and 53 of its error codes).
fn is_restart(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("57P") || code.starts_with("53"))
}

impl From<password::Error> for Error {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Busy => Self::Overloaded { retry_after: RETRY_AFTER, cause: Some(error.into()) },
            password::Error::Hash(_) | password::Error::Join(_) => Self::Internal(error.into()),
        }
    }
}

impl From<InvalidPage> for Error {
    fn from(error: InvalidPage) -> Self {
        Self::invalid(error.field(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reads_the_cause_of_an_internal_error() {
        let error = Error::from(sqlx::Error::Protocol("secret of the server".to_owned()));
        assert_eq!(error.code(), "INTERNAL");
        assert!(!error.to_string().contains("secret"));
        assert!(std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains("secret")));
    }

    #[test]
    fn a_database_that_is_away_is_worth_another_try() {
        let error = Error::from(sqlx::Error::PoolTimedOut);
        assert_eq!((error.code(), error.retry_after()), ("OVERLOADED", Some(RETRY_AFTER)));
    }
}
