//! Steps of attempts: figures and stored output.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::auth::Viewer;
use crate::domain::attempt::{Output, OutputExtent, Step};
use crate::domain::ids::AttemptId;
use crate::domain::limits::Limits;
use crate::domain::units::Bytes;
use crate::domain::verdict::{StepKind, Verdict};

/// Whole milliseconds for an `integer`; saturates after 24 days.
pub fn whole_ms(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Stores a step as it is now, in place of what was known of it.
pub async fn put(conn: &mut PgConnection, step: &Step) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO steps (
             attempt_id, kind, limits, verdict, exit_code, signal, cpu_time_ms, wall_time_ms, peak_memory_bytes,
             reason, is_cached, stdout, stdout_total_bytes, stderr, stderr_total_bytes
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (attempt_id, kind) DO UPDATE SET
             limits = EXCLUDED.limits,
             verdict = EXCLUDED.verdict,
             exit_code = EXCLUDED.exit_code,
             signal = EXCLUDED.signal,
             cpu_time_ms = EXCLUDED.cpu_time_ms,
             wall_time_ms = EXCLUDED.wall_time_ms,
             peak_memory_bytes = EXCLUDED.peak_memory_bytes,
             reason = EXCLUDED.reason,
             is_cached = EXCLUDED.is_cached,
             stdout = EXCLUDED.stdout,
             stdout_total_bytes = EXCLUDED.stdout_total_bytes,
             stderr = EXCLUDED.stderr,
             stderr_total_bytes = EXCLUDED.stderr_total_bytes",
        step.attempt_id.as_uuid(),
        step.kind as StepKind,
        Json(step.limits) as Json<Limits>,
        step.verdict as Option<Verdict>,
        step.exit_code,
        step.signal.as_deref(),
        step.cpu_time_ms,
        step.wall_time_ms,
        step.peak_memory.map(Bytes::as_i64),
        step.reason.as_deref(),
        step.is_cached,
        step.stdout.bytes,
        step.stdout.total.as_i64(),
        step.stderr.bytes,
        step.stderr.total.as_i64(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

struct Row {
    attempt_id: AttemptId,
    kind: StepKind,
    limits: Json<Limits>,
    verdict: Option<Verdict>,
    exit_code: Option<i32>,
    signal: Option<String>,
    cpu_time_ms: Option<i32>,
    wall_time_ms: Option<i32>,
    peak_memory_bytes: Option<i64>,
    reason: Option<String>,
    is_cached: bool,
    stdout: Vec<u8>,
    stdout_stored_bytes: i32,
    stdout_total_bytes: i64,
    stderr: Vec<u8>,
    stderr_stored_bytes: i32,
    stderr_total_bytes: i64,
}

impl From<Row> for Step {
    fn from(row: Row) -> Self {
        let output = |bytes: Vec<u8>, stored: i32, total| Output {
            left_out: (i64::from(stored).cast_unsigned()).saturating_sub(bytes.len() as u64),
            total: Bytes::from_i64(total),
            bytes,
        };
        Self {
            attempt_id: row.attempt_id,
            kind: row.kind,
            limits: row.limits.0,
            verdict: row.verdict,
            exit_code: row.exit_code,
            signal: row.signal,
            cpu_time_ms: row.cpu_time_ms,
            wall_time_ms: row.wall_time_ms,
            peak_memory: row.peak_memory_bytes.map(Bytes::from_i64),
            reason: row.reason,
            is_cached: row.is_cached,
            stdout: output(row.stdout, row.stdout_stored_bytes, row.stdout_total_bytes),
            stderr: output(row.stderr, row.stderr_stored_bytes, row.stderr_total_bytes),
        }
    }
}

/// The steps of those of the attempts that the viewer may see, per attempt in the order they run, with so much of their
/// output.
pub async fn list_by_attempts(
    conn: &mut PgConnection,
    viewer: &Viewer,
    attempts: &[AttemptId],
    extent: OutputExtent,
) -> sqlx::Result<Vec<Step>> {
    let ids: Vec<_> = attempts.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT
             t.attempt_id AS "attempt_id: AttemptId", t.kind AS "kind: StepKind", t.limits AS "limits: Json<Limits>",
             t.verdict AS "verdict: Verdict", t.exit_code, t.signal, t.cpu_time_ms, t.wall_time_ms,
             t.peak_memory_bytes, t.reason, t.is_cached,
             octet_length(t.stdout) AS "stdout_stored_bytes!", t.stdout_total_bytes,
             octet_length(t.stderr) AS "stderr_stored_bytes!", t.stderr_total_bytes,
             CASE
                 WHEN octet_length(t.stdout) <= 2 * $3 THEN t.stdout
                 ELSE substring(t.stdout FOR $3) || substring(t.stdout FROM octet_length(t.stdout) - $3 + 1)
             END AS "stdout!",
             CASE
                 WHEN octet_length(t.stderr) <= 2 * $3 THEN t.stderr
                 ELSE substring(t.stderr FOR $3) || substring(t.stderr FROM octet_length(t.stderr) - $3 + 1)
             END AS "stderr!"
         FROM steps t
         JOIN attempts a ON a.id = t.attempt_id
         JOIN submissions s ON s.id = a.submission_id
         WHERE t.attempt_id = ANY ($1)
           AND (s.author_id = $2 OR s.course_id IN (
               SELECT m.course_id FROM course_members m WHERE m.user_id = $2 AND m.role <> 'STUDENT'
           ))
         ORDER BY t.attempt_id, t.kind"#,
        &ids,
        viewer.user_id.as_uuid(),
        extent.end_bytes(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Step::from).collect())
}

/// The steps of one attempt for the worker that finishes it: kinds and limits of those without a verdict.
pub async fn list_unfinished(conn: &mut PgConnection, attempt: AttemptId) -> sqlx::Result<Vec<(StepKind, Limits)>> {
    let rows = sqlx::query!(
        r#"SELECT kind AS "kind: StepKind", limits AS "limits: Json<Limits>"
         FROM steps
         WHERE attempt_id = $1 AND verdict IS NULL
         ORDER BY kind"#,
        attempt.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.limits.0)).collect())
}
