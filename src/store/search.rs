//! Looking for a text in what was handed in.
//!
//! A trigram index finds a rare text among all contents at once; a frequent one is soon found by reading
//! what was handed in last. Nobody knows beforehand which it is: [`crate::service::history`] tries both.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::literal;
use crate::domain::ids::SubmissionId;

/// Text to look for: literally, in any case.
#[derive(Debug, Clone)]
pub struct Needle {
    pattern: String,
    has_trigram: bool,
}

impl Needle {
    /// Takes a text without NUL.
    pub fn new(text: &str) -> Self {
        let has_trigram = text.split(|c: char| !c.is_alphanumeric()).any(|word| word.chars().nth(2).is_some());
        Self { pattern: format!("%{}%", literal(text)), has_trigram }
    }

    /// Whether the index can help: it keeps three letters or digits in a row, and nothing else.
    pub const fn has_trigram(&self) -> bool {
        self.has_trigram
    }
}

/// Those of the submissions that have the text in one of their files, in no order.
pub async fn filter(conn: &mut PgConnection, ids: &[SubmissionId], needle: &Needle) -> sqlx::Result<Vec<SubmissionId>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    sqlx::query_scalar!(
        r#"SELECT f.submission_id AS "id: SubmissionId"
         FROM submission_files f
         -- "OFFSET 0" keeps the text out of there: its index gives back all contents that have the parts of the
         -- text, wherever they were handed in, and each batch would read them again.
         CROSS JOIN LATERAL (SELECT text FROM sources WHERE sha256 = f.sha256 OFFSET 0) AS c
         WHERE f.submission_id = ANY ($1) AND c.text ILIKE $2"#,
        &ids,
        needle.pattern,
    )
    .fetch_all(conn)
    .await
}

/// All submissions of anybody that have the text, or `None` where it is in more than `most_sources`
/// contents, or those are in more than `most_submissions` submissions.
pub async fn find_rare(
    conn: &mut PgConnection,
    needle: &Needle,
    most_sources: i64,
    most_submissions: i64,
) -> sqlx::Result<Option<Vec<SubmissionId>>> {
    // Postgres overrates how often a text occurs, and would rather read all of them in turn. What is left
    // to it is the trigram index, which it reads into a bitmap. Until the transaction or its part ends.
    sqlx::query!("SET LOCAL enable_indexscan = off").execute(&mut *conn).await?;
    let digests = sqlx::query_scalar!(
        "SELECT sha256 FROM sources WHERE text ILIKE $1 LIMIT $2",
        needle.pattern,
        most_sources + 1,
    )
    .fetch_all(&mut *conn)
    .await?;
    if is_more(digests.len(), most_sources) {
        return Ok(None);
    }
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "SELECT submission_id FROM submission_files WHERE sha256 = ANY ($1) LIMIT $2",
        &digests,
        most_submissions + 1,
    )
    .fetch_all(conn)
    .await?;
    let is_rare = !is_more(ids.len(), most_submissions);
    Ok(is_rare.then(|| ids.into_iter().map(SubmissionId::from_uuid).collect()))
}

fn is_more(found: usize, most: i64) -> bool {
    i64::try_from(found).is_ok_and(|found| found > most)
}

/// Ends statements that take longer, and keeps Postgres from reading whole tables. Until the transaction ends.
pub async fn bound(conn: &mut PgConnection, statement: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        r#"SELECT
             set_config('statement_timeout', $1, true) AS "timeout!",
             set_config('enable_seqscan', 'off', true) AS "seqscan!""#,
        statement.as_millis().to_string(),
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Whether the statement was ended because it took too long (SQLSTATE `query_canceled`).
pub fn took_too_long(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("57014"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_searched_for_literally() {
        assert_eq!(Needle::new("a%b_c\\d").pattern, "%a\\%b\\_c\\\\d%");
    }

    #[test]
    fn the_index_knows_three_letters_in_a_row() {
        for helped in ["foo", "x = 100", "äöü", "__init__"] {
            assert!(Needle::new(helped).has_trigram(), "{helped}");
        }
        for not_helped in ["", "a", "ab", "a b c", "{}();", "%%%%", "a_b_c"] {
            assert!(!Needle::new(not_helped).has_trigram(), "{not_helped}");
        }
    }
}
