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

/// Steps as a statement takes them, a list for each column.
#[derive(Default)]
pub(super) struct Columns<'s> {
    pub(super) attempt_id: Vec<uuid::Uuid>,
    pub(super) kind: Vec<StepKind>,
    pub(super) limits: Vec<Json<Limits>>,
    pub(super) verdict: Vec<Option<Verdict>>,
    pub(super) exit_code: Vec<Option<i32>>,
    pub(super) signal: Vec<Option<&'s str>>,
    pub(super) cpu_time_ms: Vec<Option<i32>>,
    pub(super) wall_time_ms: Vec<Option<i32>>,
    pub(super) peak_memory_bytes: Vec<Option<i64>>,
    pub(super) reason: Vec<Option<&'s str>>,
    pub(super) is_cached: Vec<bool>,
    pub(super) stdout: Vec<&'s [u8]>,
    pub(super) stdout_total_bytes: Vec<i64>,
    pub(super) stderr: Vec<&'s [u8]>,
    pub(super) stderr_total_bytes: Vec<i64>,
}

impl<'s> FromIterator<&'s Step> for Columns<'s> {
    fn from_iter<I: IntoIterator<Item = &'s Step>>(steps: I) -> Self {
        let mut columns = Self::default();
        for step in steps {
            columns.attempt_id.push(step.attempt_id.as_uuid());
            columns.kind.push(step.kind);
            columns.limits.push(Json(step.limits));
            columns.verdict.push(step.verdict);
            columns.exit_code.push(step.exit_code);
            columns.signal.push(step.signal.as_deref());
            columns.cpu_time_ms.push(step.cpu_time_ms);
            columns.wall_time_ms.push(step.wall_time_ms);
            columns.peak_memory_bytes.push(step.peak_memory.map(Bytes::as_i64));
            columns.reason.push(step.reason.as_deref());
            columns.is_cached.push(step.is_cached);
            columns.stdout.push(&step.stdout.bytes);
            columns.stdout_total_bytes.push(step.stdout.total.as_i64());
            columns.stderr.push(&step.stderr.bytes);
            columns.stderr_total_bytes.push(step.stderr.total.as_i64());
        }
        columns
    }
}

/// A statement that stores steps as they are now, in place of what was known of them: what comes before that in it, where
/// else it reads from, and what comes behind. Its first fifteen parameters are the columns.
macro_rules! put {
    ($before:literal, $from:literal, $after:literal, $columns:expr $(, $argument:expr)* $(,)?) => {
        sqlx::query!(
            $before
                + "INSERT INTO steps (
                     attempt_id, kind, limits, verdict, exit_code, signal, cpu_time_ms, wall_time_ms,
                     peak_memory_bytes, reason, is_cached, stdout, stdout_total_bytes, stderr, stderr_total_bytes
                 )
                 SELECT t.*
                 FROM unnest(
                     $1::uuid[], $2::step_kind[], $3::jsonb[], $4::verdict[], $5::integer[], $6::text[],
                     $7::integer[], $8::integer[], $9::bigint[], $10::text[], $11::boolean[], $12::bytea[],
                     $13::bigint[], $14::bytea[], $15::bigint[]
                 ) AS t"
                + $from
                + "ON CONFLICT (attempt_id, kind) DO UPDATE SET
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
                     stderr_total_bytes = EXCLUDED.stderr_total_bytes"
                + $after,
            &$columns.attempt_id,
            &$columns.kind as &[StepKind],
            &$columns.limits as &[Json<crate::domain::limits::Limits>],
            &$columns.verdict as &[Option<Verdict>],
            &$columns.exit_code as &[Option<i32>],
            &$columns.signal as &[Option<&str>],
            &$columns.cpu_time_ms as &[Option<i32>],
            &$columns.wall_time_ms as &[Option<i32>],
            &$columns.peak_memory_bytes as &[Option<i64>],
            &$columns.reason as &[Option<&str>],
            &$columns.is_cached,
            &$columns.stdout as &[&[u8]],
            &$columns.stdout_total_bytes,
            &$columns.stderr as &[&[u8]],
            &$columns.stderr_total_bytes,
            $($argument),*
        )
    };
}
pub(super) use put;

/// Stores steps as they are now, each at most once, in place of what was known of them.
pub async fn put_all<'s>(conn: &mut PgConnection, steps: impl Iterator<Item = &'s Step>) -> sqlx::Result<()> {
    let columns: Columns<'_> = steps.collect();
    if columns.attempt_id.is_empty() {
        return Ok(());
    }
    put!("", " ", "", columns).execute(conn).await?;
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
