//! The only SQL.
//!
//! Functions take a connection, so that a use case composes them in one transaction; they never begin
//! or commit one. Reading functions take the [`Viewer`](crate::auth::Viewer) and decide in their
//! `WHERE` which rows exist for them. What is expected, such as a name that is taken, is a value; an
//! error means that the database failed.

pub mod activity;
pub mod attempts;
pub mod courses;
pub mod credentials;
pub mod directory;
pub mod events;
pub mod exports;
pub mod feedback;
pub mod finished;
pub mod history;
pub mod input;
pub mod kept;
pub mod leases;
pub mod listen;
pub mod log;
pub mod queue;
pub mod rights;
pub mod schema;
pub mod search;
pub mod sessions;
pub mod sources;
pub mod statistics;
pub mod steps;
pub mod submissions;
pub mod throttles;
pub mod tokens;
pub mod users;
pub mod workers;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// Text as it stands in a pattern of `LIKE` that takes it literally.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// How far the clock of a process that makes ids may be from Postgres'.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(10);

/// An id in front of all that were made at that time: it lets an index skip what lies before.
fn id_before(at: DateTime<Utc>) -> Option<Uuid> {
    first_id_at(at.checked_sub_signed(CLOCK_SKEW)?)
}

/// An id behind all that were made at that time.
fn id_behind(at: DateTime<Utc>) -> Option<Uuid> {
    first_id_at(at.checked_add_signed(CLOCK_SKEW)?)
}

/// The smallest UUIDv7 of that millisecond (RFC 9562, section 5.7). `None` before 1970.
fn first_id_at(at: DateTime<Utc>) -> Option<Uuid> {
    let ms = u128::try_from(at.timestamp_millis()).ok()?;
    (ms < 1 << 48).then(|| Uuid::from_u128(ms << 80))
}

/// A plan made once for all conditions would ignore the indexes that fit only some of them. It is not compiled:
/// that takes longer than most of these statements. Until the transaction ends.
async fn plan_for_these_conditions(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        r#"SELECT
             set_config('plan_cache_mode', 'force_custom_plan', true) AS "plan!",
             set_config('jit', 'off', true) AS "jit!""#
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Whether the database refused a row because of that constraint or unique index.
fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) == Some(constraint)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Clippy can fence functions in a module, but not macros: it reports those at the crate.
    #[test]
    fn no_other_module_holds_sql() {
        fn check(directory: &Path) {
            for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    check(&path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let has_sql = ["query!(", "query_as!(", "query_scalar!("].iter().any(|name| text.contains(name));
                    assert!(!has_sql || path.components().any(|part| part.as_os_str() == "store"), "{path:?}");
                }
            }
        }
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    }

    #[test]
    fn text_in_a_pattern_is_taken_literally() {
        assert_eq!(literal(r"50%_\a"), r"50\%\_\\a");
    }
    #[test]
    fn ids_lie_around_the_time_they_were_made_at() {
        let id = crate::domain::ids::SubmissionId::new().as_uuid();
        assert!(id_before(Utc::now()).unwrap() < id && id < id_behind(Utc::now()).unwrap());
        assert_eq!(first_id_at(DateTime::from_timestamp(-1, 0).unwrap()), None);
        assert_eq!(id_behind(DateTime::<Utc>::MAX_UTC), None);
    }
}
