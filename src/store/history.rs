//! Pages of submissions under all conditions of a filter.
//!
//! A viewer sees their own submissions, and those made in courses where they are teacher or assistant.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::auth::Viewer;
use crate::domain::ids::{AttemptId, CourseId, SubmissionId, UserId};
use crate::domain::page::PageRequest;
use crate::domain::submission::{Submission, SubmissionFilter, SubmissionScope};
use crate::domain::verdict::{AttemptState, Verdict};

/// The conditions of a list as Postgres takes them.
struct Conditions {
    user: Option<Uuid>,
    course: Option<Uuid>,
    authors: Option<Vec<Uuid>>,
    course_filter: Option<Uuid>,
    languages: Option<Vec<String>>,
    states: Option<Vec<AttemptState>>,
    verdicts: Option<Vec<Verdict>>,
    created_after: Option<DateTime<Utc>>,
    created_before: Option<DateTime<Utc>>,
    /// Ids around those times: they let the index skip what lies outside.
    id_after: Option<Uuid>,
    id_before: Option<Uuid>,
    pattern: Option<String>,
}

impl Conditions {
    fn new(scope: SubmissionScope, filter: &SubmissionFilter) -> Self {
        let (user, course) = match scope {
            SubmissionScope::User(id) => (Some(id.as_uuid()), None),
            SubmissionScope::Course(id) => (None, Some(id.as_uuid())),
            SubmissionScope::Member(course, user) => (Some(user.as_uuid()), Some(course.as_uuid())),
        };
        Self {
            user,
            course,
            authors: filter.author_ids.as_ref().map(|ids| ids.iter().map(|id| id.as_uuid()).collect()),
            course_filter: filter.course_id.map(CourseId::as_uuid),
            languages: filter.languages.clone(),
            states: filter.states.clone(),
            verdicts: filter.verdicts.clone(),
            created_after: filter.created_after,
            created_before: filter.created_before,
            id_after: filter.created_after.and_then(|at| first_id_at(at - CLOCK_SKEW)),
            id_before: filter.created_before.and_then(|at| first_id_at(at + CLOCK_SKEW)),
            pattern: filter.source_contains.as_deref().map(like_pattern),
        }
    }
}

/// How far the clock of a process that makes ids may be from Postgres'.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(10);

/// The smallest UUIDv7 of that millisecond (RFC 9562, section 5.7). `None` before 1970.
fn first_id_at(at: DateTime<Utc>) -> Option<Uuid> {
    let ms = u128::try_from(at.timestamp_millis()).ok()?;
    (ms < 1 << 48).then(|| Uuid::from_u128(ms << 80))
}

/// A pattern of LIKE that finds the text literally, anywhere.
fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The statement in one direction. The text is the same but for the comparison that SQL cannot take as
/// an argument: the order.
macro_rules! list {
    ($conn:ident, $viewer:ident, $c:ident, $page:ident, $order:literal) => {
        sqlx::query_as!(
            Submission,
            r#"SELECT
                 s.id AS "id: SubmissionId", s.author_id AS "author_id: UserId", s.course_id AS "course_id: CourseId",
                 s.language, s.main_path, s.stdin, s.arguments, s.is_interactive, s.created_at,
                 s.counted_attempt_id AS "counted_attempt_id: AttemptId",
                 s.counted_state AS "counted_state: AttemptState", s.counted_verdict AS "counted_verdict: Verdict"
             FROM submissions s
             WHERE ($2::uuid IS NULL OR s.author_id = $2)
               AND ($3::uuid IS NULL OR s.course_id = $3)
               AND (s.author_id = $1 OR s.course_id IN (
                   SELECT m.course_id FROM course_members m WHERE m.user_id = $1 AND m.role <> 'STUDENT'
               ))
               AND ($4::uuid[] IS NULL OR s.author_id = ANY ($4))
               AND ($5::uuid IS NULL OR s.course_id = $5)
               AND ($6::text[] IS NULL OR s.language = ANY ($6))
               AND ($7::attempt_state[] IS NULL OR s.counted_state = ANY ($7))
               AND ($8::verdict[] IS NULL OR s.counted_verdict = ANY ($8))
               AND ($9::timestamptz IS NULL OR s.created_at >= $9)
               AND ($10::timestamptz IS NULL OR s.created_at < $10)
               AND ($11::uuid IS NULL OR s.id >= $11)
               AND ($12::uuid IS NULL OR s.id < $12)
               AND ($13::text IS NULL OR EXISTS (
                   SELECT
                   FROM submission_files f
                   JOIN sources c ON c.sha256 = f.sha256
                   WHERE f.submission_id = s.id AND c.text ILIKE $13
               ))
               AND ($14::uuid IS NULL OR s.id < $14)
               AND ($15::uuid IS NULL OR s.id > $15)
             ORDER BY s.id "# + $order + " LIMIT $16",
            $viewer.user_id.as_uuid(),
            $c.user,
            $c.course,
            $c.authors.as_deref(),
            $c.course_filter,
            $c.languages.as_deref(),
            $c.states as Option<Vec<AttemptState>>,
            $c.verdicts as Option<Vec<Verdict>>,
            $c.created_after,
            $c.created_before,
            $c.id_after,
            $c.id_before,
            $c.pattern,
            $page.after.map(SubmissionId::as_uuid),
            $page.before.map(SubmissionId::as_uuid),
            $page.limit(),
        )
        .fetch_all($conn)
        .await
    };
}

/// Rows of a list, newest first, for [`crate::domain::page::Page::new`].
pub async fn list(
    conn: &mut PgConnection,
    viewer: &Viewer,
    scope: SubmissionScope,
    filter: &SubmissionFilter,
    page: &PageRequest<SubmissionId>,
) -> sqlx::Result<Vec<Submission>> {
    plan_for_these_conditions(conn).await?;
    let conditions = Conditions::new(scope, filter);
    if page.is_from_bottom() {
        list!(conn, viewer, conditions, page, "ASC")
    } else {
        list!(conn, viewer, conditions, page, "DESC")
    }
}

/// A plan made once for all conditions would ignore the indexes that fit only some of them. Until the
/// transaction ends.
async fn plan_for_these_conditions(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL plan_cache_mode = 'force_custom_plan'").execute(conn).await?;
    Ok(())
}

/// How many submissions a list has.
pub async fn count(
    conn: &mut PgConnection,
    viewer: &Viewer,
    scope: SubmissionScope,
    filter: &SubmissionFilter,
) -> sqlx::Result<i64> {
    plan_for_these_conditions(conn).await?;
    let c = Conditions::new(scope, filter);
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
         FROM submissions s
         WHERE ($2::uuid IS NULL OR s.author_id = $2)
           AND ($3::uuid IS NULL OR s.course_id = $3)
           AND (s.author_id = $1 OR s.course_id IN (
               SELECT m.course_id FROM course_members m WHERE m.user_id = $1 AND m.role <> 'STUDENT'
           ))
           AND ($4::uuid[] IS NULL OR s.author_id = ANY ($4))
           AND ($5::uuid IS NULL OR s.course_id = $5)
           AND ($6::text[] IS NULL OR s.language = ANY ($6))
           AND ($7::attempt_state[] IS NULL OR s.counted_state = ANY ($7))
           AND ($8::verdict[] IS NULL OR s.counted_verdict = ANY ($8))
           AND ($9::timestamptz IS NULL OR s.created_at >= $9)
           AND ($10::timestamptz IS NULL OR s.created_at < $10)
           AND ($11::uuid IS NULL OR s.id >= $11)
           AND ($12::uuid IS NULL OR s.id < $12)
           AND ($13::text IS NULL OR EXISTS (
               SELECT
               FROM submission_files f
               JOIN sources c ON c.sha256 = f.sha256
               WHERE f.submission_id = s.id AND c.text ILIKE $13
           ))"#,
        viewer.user_id.as_uuid(),
        c.user,
        c.course,
        c.authors.as_deref(),
        c.course_filter,
        c.languages.as_deref(),
        c.states as Option<Vec<AttemptState>>,
        c.verdicts as Option<Vec<Verdict>>,
        c.created_after,
        c.created_before,
        c.id_after,
        c.id_before,
        c.pattern,
    )
    .fetch_one(conn)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_searched_for_literally() {
        assert_eq!(like_pattern("a%b_c\\d"), "%a\\%b\\_c\\\\d%");
    }

    #[test]
    fn ids_lie_around_the_time_they_were_made_at() {
        let before = first_id_at(Utc::now() - CLOCK_SKEW).unwrap();
        let id = SubmissionId::new().as_uuid();
        let after = first_id_at(Utc::now() + CLOCK_SKEW).unwrap();
        assert!(before < id && id < after);
        assert_eq!(first_id_at(DateTime::from_timestamp(-1, 0).unwrap()), None);
    }
}
