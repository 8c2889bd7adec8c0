//! Feeds of changes of state: a user's own attempts, and those in a course.
//!
//! The rows are written by [`super::attempts`]. A feed is read in the order of (transaction, row), and
//! only up to the oldest transaction that still runs: nothing can appear behind a cursor.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::auth::Viewer;
use crate::domain::attempt::{Activity, ActivityCursor};
use crate::domain::ids::{AttemptId, CourseId, SubmissionId, UserId};
use crate::domain::verdict::{AttemptState, Verdict};

/// Whose feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// What the user handed in.
    User(UserId),
    /// What was handed in in the course.
    Course(CourseId),
}

impl Feed {
    fn ids(self) -> (Option<uuid::Uuid>, Option<uuid::Uuid>) {
        match self {
            Self::User(id) => (Some(id.as_uuid()), None),
            Self::Course(id) => (None, Some(id.as_uuid())),
        }
    }
}

/// Where somebody without a cursor begins: a moment ago, so that nothing is missed between loading what
/// is there and subscribing to what changes.
pub async fn start(conn: &mut PgConnection, feed: Feed) -> sqlx::Result<ActivityCursor> {
    let (user, course) = feed.ids();
    let transaction = sqlx::query_scalar!(
        r#"SELECT COALESCE(
             (
                 SELECT min(v.xid)
                 FROM (
                     SELECT xid, at
                     FROM activity
                     WHERE ($1::uuid IS NULL OR author_id = $1) AND ($2::uuid IS NULL OR course_id = $2)
                     ORDER BY xid DESC, id DESC
                     LIMIT 200
                 ) AS v
                 WHERE v.at > clock_timestamp() - interval '10 seconds'
             ),
             pg_snapshot_xmin(pg_current_snapshot())
         )::text AS "xid!""#,
        user,
        course,
    )
    .fetch_one(conn)
    .await?;
    Ok(ActivityCursor { transaction: number(&transaction)?, row: 0 })
}

/// Postgres' `xid8` has no counterpart in the driver: it travels as text.
fn number(text: &str) -> sqlx::Result<u64> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

struct Row {
    transaction: String,
    id: i64,
    at: DateTime<Utc>,
    attempt_id: AttemptId,
    submission_id: SubmissionId,
    author_id: UserId,
    course_id: Option<CourseId>,
    state: AttemptState,
    verdict: Option<Verdict>,
}

impl TryFrom<Row> for Activity {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Self {
            cursor: ActivityCursor { transaction: number(&row.transaction)?, row: row.id },
            at: row.at,
            attempt_id: row.attempt_id,
            submission_id: row.submission_id,
            author_id: row.author_id,
            course_id: row.course_id,
            state: row.state,
            verdict: row.verdict,
        })
    }
}

/// At most `limit` changes behind the cursor, as far as the viewer may see them.
pub async fn list_after(
    conn: &mut PgConnection,
    viewer: &Viewer,
    feed: Feed,
    after: ActivityCursor,
    limit: i64,
) -> sqlx::Result<Vec<Activity>> {
    let (user, course) = feed.ids();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT
             v.xid::text AS "transaction!", v.id, v.at, v.attempt_id AS "attempt_id: AttemptId",
             a.submission_id AS "submission_id: SubmissionId", v.author_id AS "author_id: UserId",
             v.course_id AS "course_id: CourseId", v.state AS "state: AttemptState", v.verdict AS "verdict: Verdict"
         FROM activity v
         JOIN attempts a ON a.id = v.attempt_id
         WHERE ($2::uuid IS NULL OR v.author_id = $2)
           AND ($3::uuid IS NULL OR v.course_id = $3)
           AND (v.author_id = $1 OR v.course_id IN (
               SELECT m.course_id FROM course_members m WHERE m.user_id = $1 AND m.role <> 'STUDENT'
           ))
           AND (v.xid, v.id) > ($4::text::xid8, $5)
           AND v.xid < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY v.xid, v.id
         LIMIT $6"#,
        viewer.user_id.as_uuid(),
        user,
        course,
        after.transaction.to_string(),
        after.row,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Activity::try_from).collect()
}

/// Whether the feed has rows that [`list_after`] holds back because an older transaction still runs.
pub async fn is_held_back(conn: &mut PgConnection, feed: Feed, after: ActivityCursor) -> sqlx::Result<bool> {
    let (user, course) = feed.ids();
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT
             FROM activity v
             WHERE ($1::uuid IS NULL OR v.author_id = $1)
               AND ($2::uuid IS NULL OR v.course_id = $2)
               AND (v.xid, v.id) > ($3::text::xid8, $4)
               AND v.xid >= pg_snapshot_xmin(pg_current_snapshot())
         ) AS "exists!""#,
        user,
        course,
        after.transaction.to_string(),
        after.row,
    )
    .fetch_one(conn)
    .await
}

/// Deletes changes that were recorded before `before`, at most `limit`. Answers how many.
pub async fn delete_older(conn: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM activity
         WHERE id IN (
             SELECT id
             FROM activity
             WHERE at < $1
                -- Reads no further than the first that is kept.
                AND id < coalesce((SELECT id FROM activity WHERE at >= $1 ORDER BY id LIMIT 1), 9223372036854775807)
             ORDER BY id
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
