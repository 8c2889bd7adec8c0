//! Remarks of teachers and assistants on what was handed in.

use sqlx::{PgConnection, query, query_as};

use crate::auth::Viewer;
use crate::domain::course::{CourseRole, Feedback};
use crate::domain::ids::{FeedbackId, SubmissionId, UserId};

/// A remark that is about to exist.
#[derive(Debug)]
pub struct NewFeedback<'a> {
    /// On which submission.
    pub submission_id: SubmissionId,
    /// On which file; `None` for the submission as a whole.
    pub path: Option<&'a str>,
    /// First and last line, from 1; `None` for the whole file.
    pub lines: Option<(i32, i32)>,
    /// What it says.
    pub body: &'a str,
}

/// Adds a remark of the viewer's.
pub async fn insert(conn: &mut PgConnection, viewer: &Viewer, new: &NewFeedback<'_>) -> sqlx::Result<Feedback> {
    let (start_line, end_line) = new.lines.unzip();
    let row = query_as!(
        Row,
        r#"
        INSERT INTO feedback (id, submission_id, author_id, path, start_line, end_line, body)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING id, submission_id, author_id, path, start_line, end_line, body, created_at
        "#,
        FeedbackId::new() as FeedbackId,
        new.submission_id as SubmissionId,
        viewer.user_id as UserId,
        new.path,
        start_line,
        end_line,
        new.body,
    )
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// The remarks that the viewer, the first argument, may read, oldest first: those on their own submissions, and
/// on everybody's in the courses that they teach or assist. Which of them, differs.
macro_rules! select {
    ($which:literal, $conn:ident, $viewer:ident, $ids:expr) => {{
        let rows = query_as!(
            Row,
            r#"
            SELECT
                feedback.id, feedback.submission_id, feedback.author_id, feedback.path, feedback.start_line,
                feedback.end_line, feedback.body, feedback.created_at
            FROM feedback
            JOIN submissions ON submissions.id = feedback.submission_id
            WHERE (
                    submissions.author_id = $1
                    OR EXISTS (
                        SELECT
                        FROM course_members AS own
                        WHERE own.course_id = submissions.course_id
                            AND own.user_id = $1
                            AND own.role IN ('TEACHER', 'ASSISTANT')
                    )
                )
                AND "#
                + $which
                + " ORDER BY feedback.id",
            $viewer.user_id as UserId,
            $ids,
        )
        .fetch_all($conn)
        .await?;
        Ok(rows.into_iter().map(Feedback::from).collect())
    }};
}

/// The remarks on submissions, oldest first, as far as the viewer may read them.
pub async fn list_for_submissions(
    conn: &mut PgConnection,
    viewer: &Viewer,
    submissions: &[SubmissionId],
) -> sqlx::Result<Vec<Feedback>> {
    select!("feedback.submission_id = ANY($2)", conn, viewer, submissions as &[SubmissionId])
}

/// Remarks by id, as far as the viewer may read them.
pub async fn list_by_ids(conn: &mut PgConnection, viewer: &Viewer, ids: &[FeedbackId]) -> sqlx::Result<Vec<Feedback>> {
    select!("feedback.id = ANY($2)", conn, viewer, ids as &[FeedbackId])
}

/// What the viewer is in the course of a submission that they may read; the inner `None` for their own
/// outside a course they are in.
pub async fn find_role_at(
    conn: &mut PgConnection,
    viewer: &Viewer,
    submission: SubmissionId,
) -> sqlx::Result<Option<Option<CourseRole>>> {
    let row = query!(
        r#"
        SELECT own.role AS "role?: CourseRole"
        FROM submissions
        LEFT JOIN course_members AS own ON own.course_id = submissions.course_id AND own.user_id = $1
        WHERE submissions.id = $2
            AND (submissions.author_id = $1 OR own.role IN ('TEACHER', 'ASSISTANT'))
        "#,
        viewer.user_id as UserId,
        submission as SubmissionId,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.role))
}

/// What is in a file of a submission that the viewer may read. `None` where it has no such file.
pub async fn find_file(
    conn: &mut PgConnection,
    viewer: &Viewer,
    submission: SubmissionId,
    path: &str,
) -> sqlx::Result<Option<Vec<u8>>> {
    let row = query!(
        r#"
        SELECT sources.bytes
        FROM submissions
        JOIN submission_files ON submission_files.submission_id = submissions.id
        JOIN sources ON sources.sha256 = submission_files.sha256
        LEFT JOIN course_members AS own ON own.course_id = submissions.course_id AND own.user_id = $1
        WHERE submissions.id = $2
            AND submission_files.path = $3
            AND (submissions.author_id = $1 OR own.role IN ('TEACHER', 'ASSISTANT'))
        "#,
        viewer.user_id as UserId,
        submission as SubmissionId,
        path,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.bytes))
}

/// As Postgres keeps it.
struct Row {
    id: FeedbackId,
    submission_id: SubmissionId,
    author_id: UserId,
    path: Option<String>,
    start_line: Option<i32>,
    end_line: Option<i32>,
    body: String,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl From<Row> for Feedback {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            submission_id: row.submission_id,
            author_id: row.author_id,
            path: row.path,
            lines: row.start_line.zip(row.end_line),
            body: row.body,
            created_at: row.created_at,
        }
    }
}
