//! The only SQL.
//!
//! Functions take a connection, so that a use case composes them in one transaction; they never begin
//! or commit one. Reading functions take the [`Viewer`](crate::auth::Viewer) and decide in their
//! `WHERE` which rows exist for them. What is expected, such as a name that is taken, is a value; an
//! error means that the database failed.

pub mod activity;
pub mod attempts;
pub mod courses;
pub mod events;
pub mod exports;
pub mod feedback;
pub mod history;
pub mod input;
pub mod listen;
pub mod log;
pub mod queue;
pub mod rights;
pub mod schema;
pub mod sessions;
pub mod sources;
pub mod statistics;
pub mod steps;
pub mod submissions;
pub mod throttles;
pub mod tokens;
pub mod users;
pub mod workers;

/// A pattern for `LIKE` that matches what begins with `text`, taken literally.
fn prefix_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
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
    fn a_prefix_is_taken_literally() {
        assert_eq!(prefix_pattern(r"50%_\a"), r"50\%\_\\a%");
    }
}
