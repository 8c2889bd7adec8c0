//! Pages of submissions under all conditions of a filter but that on their text: see [`super::search`].
//!
//! A viewer sees their own submissions, and those made in courses where they are teacher or assistant.
//! Statements answer with ids: most conditions are then decided in an index, without a look at the rows.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{id_before, id_behind, plan_for_these_conditions};
use crate::auth::Viewer;
use crate::domain::ids::{CourseId, SubmissionId, UserId};
use crate::domain::page::PageRequest;
use crate::domain::submission::{SubmissionFilter, SubmissionScope};
use crate::domain::verdict::{AttemptState, Verdict};

/// A list of submissions, newest first.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// Who asks.
    pub viewer: &'a Viewer,
    /// Whose submissions.
    pub scope: SubmissionScope,
    /// Which of them; its text is not looked at here.
    pub filter: &'a SubmissionFilter,
    /// Where given, only those of these.
    pub among: Option<&'a [SubmissionId]>,
}

/// The conditions of a list as Postgres takes them.
struct Conditions {
    user: Option<Uuid>,
    course: Option<Uuid>,
    author: Option<Uuid>,
    authors: Option<Vec<Uuid>>,
    course_filter: Option<Uuid>,
    language: Option<String>,
    languages: Option<Vec<String>>,
    states: Option<Vec<AttemptState>>,
    verdict: Option<Verdict>,
    verdicts: Option<Vec<Verdict>>,
    created_after: Option<DateTime<Utc>>,
    created_before: Option<DateTime<Utc>>,
    /// Ids around those times: they let the index skip what lies outside.
    id_after: Option<Uuid>,
    id_before: Option<Uuid>,
    /// Only of these.
    among: Option<Vec<Uuid>>,
}

impl Conditions {
    fn new(list: &List<'_>) -> Self {
        let List { scope, filter, among, .. } = list;
        let (user, course) = scope.author_and_course();
        let authors = filter.author_ids.as_ref().map(|ids| ids.iter().map(|id| id.as_uuid()).collect());
        let (author, authors) = single(authors);
        let (language, languages) = single(filter.languages.clone());
        let (verdict, verdicts) = single(filter.verdicts.clone());
        Self {
            user: user.map(UserId::as_uuid),
            course: course.map(CourseId::as_uuid),
            author,
            authors,
            course_filter: filter.course_id.map(CourseId::as_uuid),
            language,
            languages,
            states: filter.states.clone(),
            verdict,
            verdicts,
            created_after: filter.created_after,
            created_before: filter.created_before,
            id_after: filter.created_after.and_then(id_before),
            id_before: filter.created_before.and_then(id_behind),
            among: among.map(|ids| ids.iter().map(|id| id.as_uuid()).collect()),
        }
    }
}

/// Takes a list apart: its only value, or the list. Of an index that starts with the column Postgres
/// takes the order only where it is compared with one value.
fn single<T>(list: Option<Vec<T>>) -> (Option<T>, Option<Vec<T>>) {
    match list.map(<[T; 1]>::try_from) {
        Some(Ok([only])) => (Some(only), None),
        Some(Err(list)) => (None, Some(list)),
        None => (None, None),
    }
}

/// What a list is asked for, which SQL cannot take as an argument, and the conditions.
macro_rules! select {
    ($head:literal, $tail:literal, $conn:ident, $list:ident, $page:ident) => {{
        let c = Conditions::new($list);
        sqlx::query_scalar!(
            $head
                + r#"
             FROM submissions s
             WHERE ($2::uuid IS NULL OR s.author_id = $2)
               AND ($3::uuid IS NULL OR s.course_id = $3)
               -- Said of the scope, not of each row: then no index needs to hold the author for it.
               AND ($2 = $1 OR s.course_id IN (
                   SELECT m.course_id FROM course_members m WHERE m.user_id = $1 AND m.role <> 'STUDENT'
               ))
               AND ($4::uuid IS NULL OR s.author_id = $4)
               AND ($5::uuid[] IS NULL OR s.author_id = ANY ($5))
               AND ($6::uuid IS NULL OR s.course_id = $6)
               AND ($7::text IS NULL OR s.language = $7)
               AND ($8::text[] IS NULL OR s.language = ANY ($8))
               AND ($9::attempt_state[] IS NULL OR s.counted_state = ANY ($9))
               AND ($10::verdict IS NULL OR s.counted_verdict = $10)
               AND ($11::verdict[] IS NULL OR s.counted_verdict = ANY ($11))
               AND ($12::timestamptz IS NULL OR s.created_at >= $12)
               AND ($13::timestamptz IS NULL OR s.created_at < $13)
               AND ($14::uuid IS NULL OR s.id >= $14)
               AND ($15::uuid IS NULL OR s.id < $15)
               AND ($16::uuid[] IS NULL OR s.id = ANY ($16))
               AND ($17::uuid IS NULL OR s.id < $17)
               AND ($18::uuid IS NULL OR s.id > $18)"#
                + $tail,
            $list.viewer.user_id.as_uuid(),
            c.user,
            c.course,
            c.author,
            c.authors.as_deref(),
            c.course_filter,
            c.language,
            c.languages.as_deref(),
            c.states as Option<Vec<AttemptState>>,
            c.verdict as Option<Verdict>,
            c.verdicts as Option<Vec<Verdict>>,
            c.created_after,
            c.created_before,
            c.id_after,
            c.id_before,
            c.among.as_deref(),
            $page.after.map(SubmissionId::as_uuid),
            $page.before.map(SubmissionId::as_uuid),
            $page.limit(),
        )
    }};
}

/// Ids of a list in the direction of the request, for [`crate::domain::page::Page::new`].
pub async fn list_ids(
    conn: &mut PgConnection,
    list: &List<'_>,
    page: &PageRequest<SubmissionId>,
) -> sqlx::Result<Vec<SubmissionId>> {
    plan_for_these_conditions(conn).await?;
    if page.is_from_bottom() {
        select!(r#"SELECT s.id AS "id: SubmissionId""#, " ORDER BY s.id LIMIT $19", conn, list, page)
            .fetch_all(conn)
            .await
    } else {
        select!(r#"SELECT s.id AS "id: SubmissionId""#, " ORDER BY s.id DESC LIMIT $19", conn, list, page)
            .fetch_all(conn)
            .await
    }
}

/// How many submissions a list has.
pub async fn count(conn: &mut PgConnection, list: &List<'_>) -> sqlx::Result<i64> {
    plan_for_these_conditions(conn).await?;
    let all = PageRequest { size: usize::MAX, ..PageRequest::<SubmissionId>::top() };
    select!(r#"SELECT count(*) AS "count!" FROM (SELECT"#, " LIMIT $19) AS listed", conn, list, all)
        .fetch_one(conn)
        .await
}

/// The courses where the viewer may read what the user handed in, at most `most` of them.
pub async fn list_shared(
    conn: &mut PgConnection,
    viewer: &Viewer,
    user: UserId,
    most: i64,
) -> sqlx::Result<Vec<CourseId>> {
    sqlx::query_scalar!(
        r#"SELECT m.course_id AS "course_id: CourseId"
         FROM course_members m
         WHERE m.user_id = $1
           AND m.role <> 'STUDENT'
           AND EXISTS (SELECT FROM submissions s WHERE s.course_id = m.course_id AND s.author_id = $2)
         LIMIT $3"#,
        viewer.user_id.as_uuid(),
        user.as_uuid(),
        most,
    )
    .fetch_all(conn)
    .await
}

/// The submissions whose attempt that counts has not ended, or `None` where there are more than `most`.
/// Attempts that have not ended are in the queue, which is small: of the many that have, none is read.
pub async fn find_open(conn: &mut PgConnection, most: i64) -> sqlx::Result<Option<Vec<SubmissionId>>> {
    let ids = sqlx::query_scalar!(
        r#"SELECT a.submission_id AS "id: SubmissionId"
         FROM queue q
         JOIN attempts a ON a.id = q.attempt_id
         LIMIT $1"#,
        most + 1,
    )
    .fetch_all(conn)
    .await?;
    Ok((i64::try_from(ids.len()).is_ok_and(|found| found <= most)).then_some(ids))
}
