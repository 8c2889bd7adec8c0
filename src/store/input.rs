//! What is typed for interactive attempts, on its way to the worker.
//!
//! Offsets count what was typed; the standard input of the submission stands before it. Who writes holds
//! the attempt's row of the queue.

use sqlx::PgConnection;

use crate::domain::ids::AttemptId;

/// Something that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Offset of the first byte.
    pub offset: i64,
    /// What was typed.
    pub bytes: Vec<u8>,
    /// Whether standard input is closed behind it.
    pub is_end: bool,
}

/// How much was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The offset of what comes next.
    pub next_offset: i64,
    /// Whether standard input is closed.
    pub is_ended: bool,
}

/// How much was typed for an attempt.
pub async fn extent(conn: &mut PgConnection, attempt: AttemptId) -> sqlx::Result<Extent> {
    sqlx::query_as!(
        Extent,
        r#"SELECT
             COALESCE(max(byte_offset + octet_length(bytes)), 0) AS "next_offset!",
             COALESCE(bool_or(is_end), false) AS "is_ended!"
         FROM attempt_input
         WHERE attempt_id = $1"#,
        attempt.as_uuid(),
    )
    .fetch_one(conn)
    .await
}

/// Stores what was typed at the end, and wakes the worker.
pub async fn append(conn: &mut PgConnection, attempt: AttemptId, typed: &Typed) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH typed AS (
             INSERT INTO attempt_input (attempt_id, byte_offset, bytes, is_end) VALUES ($1, $2, $3, $4)
         )
         SELECT pg_notify('attempt_control', ($1::uuid)::text)",
        attempt.as_uuid(),
        typed.offset,
        typed.bytes,
        typed.is_end,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was typed from an offset on, in order, for the worker that runs the attempt.
pub async fn list_from(conn: &mut PgConnection, attempt: AttemptId, offset: i64) -> sqlx::Result<Vec<Typed>> {
    sqlx::query_as!(
        Typed,
        "SELECT byte_offset AS offset, bytes, is_end
         FROM attempt_input
         WHERE attempt_id = $1 AND byte_offset >= $2
         ORDER BY byte_offset, is_end",
        attempt.as_uuid(),
        offset,
    )
    .fetch_all(conn)
    .await
}
