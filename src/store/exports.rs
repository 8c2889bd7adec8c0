//! A course's history as rows for files that leave the system. Nothing for who does not teach or
//! assist there.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, query, query_as};

use crate::auth::Viewer;
use crate::domain::ids::{AttemptId, CourseId, SubmissionId, UserId};
use crate::domain::verdict::{AttemptState, Verdict};

/// A submission with the attempt that counts.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// Which submission.
    pub submission_id: SubmissionId,
    /// Its attempt that counts.
    pub attempt_id: AttemptId,
    /// When it was handed in.
    pub created_at: DateTime<Utc>,
    /// Who handed it in.
    pub username: String,
    /// The same for people.
    pub display_name: String,
    /// In which language.
    pub language: String,
    /// Which file is run first.
    pub main_path: String,
    /// How far the attempt is.
    pub state: AttemptState,
    /// How it ended; `None` until it has.
    pub verdict: Option<Verdict>,
    /// When it started; `None` until it has.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended; `None` until it has.
    pub finished_at: Option<DateTime<Utc>>,
    /// Of the last step that has ended: exit code; `None` where a signal ended it.
    pub exit_code: Option<i32>,
    /// Of the same step: the signal that ended it.
    pub signal: Option<String>,
    /// Of the same step.
    pub cpu_time_ms: Option<i32>,
    /// Of the same step.
    pub wall_time_ms: Option<i32>,
    /// Of the same step.
    pub peak_memory_bytes: Option<i64>,
    /// How often it was run in all.
    pub attempts: i64,
}

/// Up to `limit` rows behind `after`, oldest first.
pub async fn list_history(
    conn: &mut PgConnection,
    viewer: &Viewer,
    course: CourseId,
    after: Option<SubmissionId>,
    limit: i64,
) -> sqlx::Result<Vec<HistoryRow>> {
    query_as!(
        HistoryRow,
        r#"
        SELECT
            submissions.id AS "submission_id: SubmissionId",
            submissions.counted_attempt_id AS "attempt_id: AttemptId",
            submissions.created_at,
            users.username,
            users.display_name,
            submissions.language,
            submissions.main_path,
            submissions.counted_state AS "state: AttemptState",
            submissions.counted_verdict AS "verdict: Verdict",
            counted.started_at AS "started_at?",
            counted.finished_at AS "finished_at?",
            step.exit_code AS "exit_code?",
            step.signal AS "signal?",
            step.cpu_time_ms AS "cpu_time_ms?",
            step.wall_time_ms AS "wall_time_ms?",
            step.peak_memory_bytes AS "peak_memory_bytes?",
            (SELECT count(*) FROM attempts WHERE attempts.submission_id = submissions.id) AS "attempts!"
        FROM course_members AS own
        JOIN submissions ON submissions.course_id = own.course_id
        JOIN users ON users.id = submissions.author_id
        LEFT JOIN attempts AS counted ON counted.id = submissions.counted_attempt_id
        LEFT JOIN LATERAL (
            SELECT exit_code, signal, cpu_time_ms, wall_time_ms, peak_memory_bytes
            FROM steps
            WHERE steps.attempt_id = submissions.counted_attempt_id
                AND steps.verdict IS NOT NULL
            ORDER BY steps.kind DESC
            LIMIT 1
        ) AS step ON true
        WHERE own.course_id = $2
            AND own.user_id = $1
            AND own.role IN ('TEACHER', 'ASSISTANT')
            AND ($3::uuid IS NULL OR submissions.id > $3)
        ORDER BY submissions.id
        LIMIT $4
        "#,
        viewer.user_id as UserId,
        course as CourseId,
        after as Option<SubmissionId>,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// What a student handed in last.
#[derive(Debug, Clone)]
pub struct Newest {
    /// Which submission.
    pub submission_id: SubmissionId,
    /// When it was handed in.
    pub created_at: DateTime<Utc>,
    /// Whose.
    pub username: String,
}

/// The newest submission of each student of the course, by username.
pub async fn list_newest(conn: &mut PgConnection, viewer: &Viewer, course: CourseId) -> sqlx::Result<Vec<Newest>> {
    query_as!(
        Newest,
        r#"
        SELECT newest.id AS "submission_id: SubmissionId", newest.created_at, users.username
        FROM course_members AS own
        JOIN course_members AS members ON members.course_id = own.course_id AND members.role = 'STUDENT'
        JOIN users ON users.id = members.user_id
        CROSS JOIN LATERAL (
            SELECT id, created_at
            FROM submissions
            WHERE course_id = members.course_id
                AND author_id = members.user_id
            ORDER BY id DESC
            LIMIT 1
        ) AS newest
        WHERE own.course_id = $2
            AND own.user_id = $1
            AND own.role IN ('TEACHER', 'ASSISTANT')
        ORDER BY lower(users.username)
        "#,
        viewer.user_id as UserId,
        course as CourseId,
    )
    .fetch_all(conn)
    .await
}

/// The file of a submission in the course behind `after` files of it: its path and its contents.
pub async fn find_file(
    conn: &mut PgConnection,
    viewer: &Viewer,
    course: CourseId,
    submission: SubmissionId,
    after: i64,
) -> sqlx::Result<Option<(String, Vec<u8>)>> {
    let row = query!(
        r#"
        SELECT submission_files.path, sources.bytes
        FROM course_members AS own
        JOIN submissions ON submissions.course_id = own.course_id
        JOIN submission_files ON submission_files.submission_id = submissions.id
        JOIN sources ON sources.sha256 = submission_files.sha256
        WHERE own.course_id = $2
            AND own.user_id = $1
            AND own.role IN ('TEACHER', 'ASSISTANT')
            AND submissions.id = $3
        ORDER BY submission_files.position
        OFFSET $4
        LIMIT 1
        "#,
        viewer.user_id as UserId,
        course as CourseId,
        submission as SubmissionId,
        after,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.path, row.bytes)))
}
