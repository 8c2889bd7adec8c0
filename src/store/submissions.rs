//! Submissions and their files.
//!
//! A viewer sees their own submissions, and those made in courses where they are teacher or assistant.
//! Every statement here that reads says so in its `WHERE`.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::attempts::NewAttempt;
use super::events::ReadableAttempt;
use super::queue::{Bounds, Refusal};
use super::sources;
use crate::auth::Viewer;
use crate::domain::attempt::Attempt;
use crate::domain::ids::{AttemptId, CourseId, SubmissionId, UserId};
use crate::domain::limits::RequestedLimits;
use crate::domain::submission::{StoredFile, Submission};
use crate::domain::verdict::{AttemptState, Verdict};

/// A file of a new submission.
#[derive(Debug, Clone)]
pub struct FileRow<'a> {
    /// Relative, normalised, without `..`.
    pub path: &'a str,
    /// Digest of its contents.
    pub sha256: Vec<u8>,
    /// Its contents.
    pub bytes: &'a [u8],
}

/// A submission to be stored, with its first attempt.
#[derive(Debug, Clone, Copy)]
pub struct NewSubmission<'a> {
    /// Its row.
    pub submission: &'a Submission,
    /// Its files in the order they were sent.
    pub files: &'a [FileRow<'a>],
    /// Under which key it can be found again.
    pub idempotency_key: Option<&'a str>,
    /// Digest of all that was handed in.
    pub input_sha256: &'a [u8],
    /// The attempt that counts.
    pub attempt: NewAttempt<'a>,
}

/// A submission that is stored.
#[derive(Debug)]
pub struct HandedIn {
    /// Its first attempt, which waits.
    pub attempt: Attempt,
    /// Its author may read its log.
    pub readable: ReadableAttempt,
    /// Whether others waited already.
    pub others_wait: bool,
}

/// Stores a submission with what its files contain, and puts its attempt into the queue: by one statement, since
/// somebody waits for just this. Answers with the attempt; the submission was made when that was queued. Where its author
/// has to wait it stores nothing, and says why.
pub async fn hand_in(
    conn: &mut PgConnection,
    new: &NewSubmission<'_>,
    bounds: Bounds,
) -> sqlx::Result<Result<HandedIn, Refusal>> {
    let NewSubmission { submission, files, attempt, .. } = new;
    let paths: Vec<_> = files.iter().map(|file| file.path.to_owned()).collect();
    let digests: Vec<_> = files.iter().map(|file| file.sha256.clone()).collect();
    let sources: sources::Columns = files.iter().map(|file| (&*file.sha256, file.bytes)).collect();
    let row = sqlx::query!(
        "SELECT refusal, retry_after_ms, others_wait, number, queued_at
         FROM hand_in(
             $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21
         )",
        submission.id.as_uuid(),
        attempt.id.as_uuid(),
        submission.author_id.as_uuid(),
        submission.course_id.map(CourseId::as_uuid),
        submission.language,
        submission.main_path,
        submission.stdin,
        &submission.arguments,
        submission.is_interactive,
        new.idempotency_key,
        new.input_sha256,
        &paths,
        &digests,
        &sources.digests,
        &sources.contents,
        &sources.texts as &[Option<String>],
        Json(attempt.limits) as Json<RequestedLimits>,
        attempt.running_quota,
        bounds.waiting,
        bounds.per_minute,
        bounds.capacity,
    )
    .fetch_one(conn)
    .await?;
    match (row.number, row.queued_at) {
        (Some(number), Some(queued_at)) => {
            let others_wait = row.others_wait.unwrap_or_default();
            let readable = ReadableAttempt::of_its_author(attempt.id);
            Ok(Ok(HandedIn { attempt: attempt.queued(number, queued_at), readable, others_wait }))
        }
        _ => Ok(Err(Refusal::new(&row.refusal.unwrap_or_default(), row.retry_after_ms)?)),
    }
}

/// The submission that this user made with this key within the last day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Which submission.
    pub id: SubmissionId,
    /// The digest of what was handed in.
    pub input_sha256: Vec<u8>,
}

/// Looks for an earlier use of an idempotency key, and frees the key where that is older than a day.
pub async fn find_earlier(conn: &mut PgConnection, author: UserId, key: &str) -> sqlx::Result<Option<Earlier>> {
    sqlx::query!(
        "UPDATE submissions
         SET idempotency_key = NULL
         WHERE author_id = $1 AND idempotency_key = $2 AND created_at < clock_timestamp() - interval '24 hours'",
        author.as_uuid(),
        key,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_as!(
        Earlier,
        r#"SELECT id AS "id: SubmissionId", input_sha256
         FROM submissions
         WHERE author_id = $1 AND idempotency_key = $2"#,
        author.as_uuid(),
        key,
    )
    .fetch_optional(conn)
    .await
}

/// Makes another attempt the one that counts. Only for one that its author asked for.
pub async fn count_attempt(conn: &mut PgConnection, id: SubmissionId, attempt: AttemptId) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE submissions
         SET counted_attempt_id = $2, counted_state = 'QUEUED', counted_verdict = NULL
         WHERE id = $1",
        id.as_uuid(),
        attempt.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Holds off others who make an attempt of the submission, until the transaction ends.
pub async fn lock(conn: &mut PgConnection, id: SubmissionId) -> sqlx::Result<()> {
    sqlx::query!("SELECT FROM submissions WHERE id = $1 FOR NO KEY UPDATE", id.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Submissions by id, as far as the viewer may see them.
pub async fn list_by_ids(
    conn: &mut PgConnection,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> sqlx::Result<Vec<Submission>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    sqlx::query_as!(
        Submission,
        r#"SELECT
             s.id AS "id: SubmissionId", s.author_id AS "author_id: UserId", s.course_id AS "course_id: CourseId",
             s.language, s.main_path, s.stdin, s.arguments, s.is_interactive, s.created_at,
             s.counted_attempt_id AS "counted_attempt_id: AttemptId",
             s.counted_state AS "counted_state: AttemptState", s.counted_verdict AS "counted_verdict: Verdict"
         FROM submissions s
         WHERE s.id = ANY ($1)
           AND (s.author_id = $2 OR s.course_id IN (
               SELECT m.course_id FROM course_members m WHERE m.user_id = $2 AND m.role <> 'STUDENT'
           ))"#,
        &ids,
        viewer.user_id.as_uuid(),
    )
    .fetch_all(conn)
    .await
}

/// For each of the submissions that the viewer may see: the author's submission before it, in the same
/// course or outside any. Whoever may see the one may see the other.
pub async fn list_previous(
    conn: &mut PgConnection,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> sqlx::Result<Vec<(SubmissionId, Submission)>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT
             later.id AS "later_id!: SubmissionId",
             s.id AS "id!: SubmissionId", s.author_id AS "author_id!: UserId", s.course_id AS "course_id?: CourseId",
             s.language AS "language!", s.main_path AS "main_path!", s.stdin AS "stdin!", s.arguments AS "arguments!",
             s.is_interactive AS "is_interactive!", s.created_at AS "created_at!",
             s.counted_attempt_id AS "counted_attempt_id!: AttemptId",
             s.counted_state AS "counted_state!: AttemptState", s.counted_verdict AS "counted_verdict?: Verdict"
         FROM submissions later
         CROSS JOIN LATERAL (
             SELECT *
             FROM submissions earlier
             WHERE earlier.author_id = later.author_id
               AND earlier.id < later.id
               AND earlier.course_id IS NOT DISTINCT FROM later.course_id
             ORDER BY earlier.id DESC
             LIMIT 1
         ) s
         WHERE later.id = ANY ($1)
           AND (later.author_id = $2 OR later.course_id IN (
               SELECT m.course_id FROM course_members m WHERE m.user_id = $2 AND m.role <> 'STUDENT'
           ))"#,
        &ids,
        viewer.user_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    let previous = rows.into_iter().map(|row| {
        let submission = Submission {
            id: row.id,
            author_id: row.author_id,
            course_id: row.course_id,
            language: row.language,
            main_path: row.main_path,
            stdin: row.stdin,
            arguments: row.arguments,
            is_interactive: row.is_interactive,
            created_at: row.created_at,
            counted_attempt_id: row.counted_attempt_id,
            counted_state: row.counted_state,
            counted_verdict: row.counted_verdict,
        };
        (row.later_id, submission)
    });
    Ok(previous.collect())
}

/// Files of those of the submissions that the viewer may see, in the order they were sent.
pub async fn list_files(
    conn: &mut PgConnection,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> sqlx::Result<Vec<(SubmissionId, StoredFile)>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT f.submission_id AS "submission_id: SubmissionId", f.path, f.sha256, c.bytes
         FROM submission_files f
         JOIN sources c ON c.sha256 = f.sha256
         JOIN submissions s ON s.id = f.submission_id
         WHERE f.submission_id = ANY ($1)
           AND (s.author_id = $2 OR s.course_id IN (
               SELECT m.course_id FROM course_members m WHERE m.user_id = $2 AND m.role <> 'STUDENT'
           ))
         ORDER BY f.submission_id, f.position"#,
        &ids,
        viewer.user_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    let file = |path, bytes, sha256| StoredFile { path, bytes, sha256 };
    Ok(rows.into_iter().map(|row| (row.submission_id, file(row.path, row.bytes, row.sha256))).collect())
}
