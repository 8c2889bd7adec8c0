//! Identifiers: a newtype per kind of row over `UUIDv7`, so that ids sort by time of creation.
//!
//! Outside the process an id is written with its kind in front, `sub_` and 32 hexadecimal digits:
//! unique over all kinds, safe in a URL, and refused where another kind is expected.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an id of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of a {kind}")]
pub struct InvalidId {
    /// What kind of id was expected, in lower case.
    pub kind: &'static str,
}

/// Splits `sub_0192…` into its prefix and its UUID. `None` for anything that no id prints as.
fn parse(text: &str) -> Option<(&str, Uuid)> {
    let (prefix, digits) = text.split_once('_')?;
    // Only the one canonical form is accepted: ids are compared as text by clients.
    if digits.len() != 32 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    Some((prefix, Uuid::try_parse(digits).ok()?))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $kind:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
            #[sqlx(transparent)]
            #[serde(transparent)]
            pub struct $name(Uuid);

            impl $name {
                /// A new id that sorts behind all those made before it.
                #[expect(clippy::new_without_default, reason = "each call makes another id")]
                pub fn new() -> Self {
                    Self(Uuid::now_v7())
                }

                /// The id as Postgres keeps it.
                pub const fn as_uuid(self) -> Uuid {
                    self.0
                }

                /// Takes an id that Postgres returned.
                pub const fn from_uuid(uuid: Uuid) -> Self {
                    Self(uuid)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!($prefix, "_{}"), self.0.simple())
                }
            }

            impl FromStr for $name {
                type Err = InvalidId;

                fn from_str(text: &str) -> Result<Self, InvalidId> {
                    match parse(text) {
                        Some(($prefix, uuid)) => Ok(Self(uuid)),
                        Some(_) | None => Err(InvalidId { kind: $kind }),
                    }
                }
            }

            impl From<Uuid> for $name {
                fn from(uuid: Uuid) -> Self {
                    Self(uuid)
                }
            }
        )*

        /// An id of any kind, as `node(id:)` takes it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AnyId {
            $(
                #[doc = concat!("The id of a ", $kind, ".")]
                $name($name),
            )*
        }

        impl FromStr for AnyId {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match parse(text) {
                    $(Some(($prefix, uuid)) => Ok(Self::$name($name(uuid))),)*
                    Some(_) | None => Err(InvalidId { kind: "thing" }),
                }
            }
        }
    };
}

ids! {
    /// A person with an account, or a guest.
    UserId = "usr", "user";
    /// A place where somebody is signed in.
    SessionId = "ses", "session";
    /// A named credential for scripts.
    AccessTokenId = "tok", "access token";
    /// A course with its members.
    CourseId = "crs", "course";
    /// What a person handed in.
    SubmissionId = "sub", "submission";
    /// One execution of a submission.
    AttemptId = "att", "attempt";
    /// A remark on a submission.
    FeedbackId = "fbk", "remark";
    /// A running worker process.
    WorkerId = "wrk", "worker";
    /// One claim of an attempt by a worker; every write of the worker is guarded by it.
    LeaseId = "lse", "lease";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself_and_as_no_other_kind() {
        let id = SubmissionId::new();
        let text = id.to_string();
        assert!(text.starts_with("sub_"));
        assert_eq!(text.parse::<SubmissionId>(), Ok(id));
        assert_eq!(text.parse::<UserId>(), Err(InvalidId { kind: "user" }));
        assert_eq!(text.parse::<AnyId>(), Ok(AnyId::SubmissionId(id)));
    }

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let id = SubmissionId::new().to_string();
        for wrong in [
            "",
            "sub_",
            "sub",
            &id.to_uppercase(),
            &id[..20],
            &format!("{id}0"),
            "xyz_00000000000000000000000000000000",
        ] {
            assert!(wrong.parse::<AnyId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ids_sort_by_time_of_creation() {
        let ids: Vec<_> = std::iter::repeat_with(AttemptId::new).take(100).collect();
        assert!(ids.is_sorted());
    }
}
