//! Counting what was handed in to a course. Each function is one statement.

use chrono::{DateTime, Utc};
use sqlx::postgres::types::PgInterval;
use sqlx::{PgConnection, query, query_as};

use super::{id_before, id_behind, plan_for_these_conditions};
use crate::auth::Viewer;
use crate::domain::course::{CourseRole, Member};
use crate::domain::ids::{CourseId, SubmissionId, UserId};
use crate::domain::statistics::{CourseStatistics, Periods, RosterRow, StudentCount, TimeBucket};
use crate::domain::verdict::Verdict;

/// A row per student of a course, by name. Empty for who does not teach or assist there.
pub async fn list_roster(conn: &mut PgConnection, viewer: &Viewer, course: CourseId) -> sqlx::Result<Vec<RosterRow>> {
    let rows = query!(
        r#"
        SELECT
            members.course_id AS "course_id: CourseId",
            members.user_id AS "user_id: UserId",
            members.role AS "role: CourseRole",
            members.joined_at,
            latest.id AS "last_submission_id?: SubmissionId",
            counts.submissions AS "submission_count!",
            counts.ok AS "ok_count!",
            failures.count AS "consecutive_failures!",
            failures.count >= 3 AND failures.last_at > now() - interval '1 hour' AS "is_stuck!"
        FROM course_members AS members
        JOIN users ON users.id = members.user_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS submissions, count(*) FILTER (WHERE counted_verdict = 'OK') AS ok
            FROM submissions
            WHERE course_id = members.course_id
                AND author_id = members.user_id
        ) AS counts
        LEFT JOIN LATERAL (
            SELECT id
            FROM submissions
            WHERE course_id = members.course_id
                AND author_id = members.user_id
            ORDER BY id DESC
            LIMIT 1
        ) AS latest ON true
        LEFT JOIN LATERAL (
            SELECT id
            FROM submissions
            WHERE course_id = members.course_id
                AND author_id = members.user_id
                AND counted_verdict = 'OK'
            ORDER BY id DESC
            LIMIT 1
        ) AS latest_ok ON true
        CROSS JOIN LATERAL (
            SELECT count(*) AS count, coalesce(max(created_at), '-infinity') AS last_at
            FROM submissions
            WHERE course_id = members.course_id
                AND author_id = members.user_id
                AND id > coalesce(latest_ok.id, '00000000-0000-0000-0000-000000000000')
                -- What somebody stopped and what failed by our fault tells nothing about the student.
                AND counted_verdict NOT IN ('OK', 'CANCELLED', 'SYSTEM_ERROR')
        ) AS failures
        WHERE members.course_id = $2
            AND members.role = 'STUDENT'
            AND EXISTS (
                SELECT
                FROM course_members AS own
                WHERE own.course_id = members.course_id
                    AND own.user_id = $1
                    AND own.role IN ('TEACHER', 'ASSISTANT')
            )
        ORDER BY lower(users.display_name), users.id
        "#,
        viewer.user_id as UserId,
        course as CourseId,
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| RosterRow {
        member: Member { course_id: row.course_id, user_id: row.user_id, role: row.role, joined_at: row.joined_at },
        last_submission_id: row.last_submission_id,
        submission_count: row.submission_count,
        ok_count: row.ok_count,
        consecutive_failures: row.consecutive_failures,
        is_stuck: row.is_stuck,
    });
    Ok(rows.collect())
}

/// What is to be counted.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What was handed in to which course.
    pub course: CourseId,
    /// By whom; `None` for everybody.
    pub author: Option<UserId>,
    /// From this time on.
    pub since: DateTime<Utc>,
    /// Before this time.
    pub until: DateTime<Utc>,
    /// The range in periods.
    pub periods: &'a Periods,
}

/// Counts what was handed in, as far as the viewer may read it: teachers and assistants everything, students
/// their own. Takes a transaction.
pub async fn count(
    conn: &mut PgConnection,
    viewer: &Viewer,
    question: &Question<'_>,
) -> sqlx::Result<CourseStatistics> {
    let Question { course, author, since, until, periods } = *question;
    plan_for_these_conditions(conn).await?;
    // Everything in one statement, so that the parts add up to the whole while more is handed in. It reads the
    // submissions of the course once, from an index that holds all that is counted, and of each student those
    // up to the first that ended well: a summary to be kept true with every attempt would cost all of them.
    let rows = query_as!(
        Row,
        r#"
        WITH own AS (
            SELECT role FROM course_members WHERE course_id = $2 AND user_id = $1
        ), counted AS NOT MATERIALIZED (
            SELECT id, author_id, language, counted_verdict AS verdict, created_at
            FROM submissions
            WHERE course_id = $2
                AND created_at >= $3
                AND created_at < $4
                AND ($7::uuid IS NULL OR id >= $7)
                AND ($8::uuid IS NULL OR id < $8)
                AND ($9::uuid IS NULL OR author_id = $9)
                AND (
                    EXISTS (SELECT FROM own WHERE role IN ('TEACHER', 'ASSISTANT'))
                    OR (author_id = $1 AND EXISTS (SELECT FROM own))
                )
        ), grouped AS (
            SELECT
                GROUPING(author_id) = 0 AS is_of_author, author_id, language, verdict, starts_at,
                count(*) AS submissions
            FROM (
                SELECT author_id, language, verdict, date_bin($5, created_at, $6) AS starts_at
                FROM counted
                -- So that Postgres does not see where the columns come from: it would expect as many groups
                -- as there are times, and sort all rows instead of hashing them into the few groups there are.
                OFFSET 0
            ) AS placed
            GROUP BY GROUPING SETS ((language, verdict, starts_at), (author_id))
        ), students AS (
            SELECT grouped.author_id, grouped.submissions, 1 + failures.count AS until_ok
            FROM grouped
            LEFT JOIN LATERAL (
                SELECT id
                FROM counted
                WHERE author_id = grouped.author_id
                    AND verdict = 'OK'
                ORDER BY id
                LIMIT 1
            ) AS first_ok ON true
            LEFT JOIN LATERAL (
                SELECT count(*) AS count
                FROM counted
                WHERE author_id = grouped.author_id
                    AND id < first_ok.id
                    -- As in the roster: what somebody stopped and what failed by our fault is no attempt.
                    AND verdict NOT IN ('OK', 'CANCELLED', 'SYSTEM_ERROR')
            ) AS failures ON first_ok.id IS NOT NULL
            WHERE grouped.is_of_author
                AND grouped.author_id NOT IN (
                    SELECT user_id FROM course_members WHERE course_id = $2 AND role IN ('TEACHER', 'ASSISTANT')
                )
        )
        SELECT
            -- Which columns a row is not about, a bit each: language 4, verdict 2, period 1.
            GROUPING(language, verdict, starts_at) AS "set!",
            language AS "language?",
            verdict AS "verdict?: Verdict",
            starts_at AS "starts_at?",
            NULL::uuid AS "author_id?: UserId",
            coalesce(sum(submissions), 0)::bigint AS "submissions!",
            coalesce(sum(submissions) FILTER (WHERE verdict = 'OK'), 0)::bigint AS "ok!",
            NULL::bigint AS "until_ok?"
        FROM grouped
        WHERE NOT is_of_author
        GROUP BY GROUPING SETS ((), (language), (verdict), (starts_at), (starts_at, verdict))
        UNION ALL
        SELECT 8, NULL, NULL, NULL, author_id, submissions, 0, until_ok
        FROM students
        ORDER BY 6 DESC, 2, 3, 5
        "#,
        viewer.user_id as UserId,
        course as CourseId,
        since,
        until,
        PgInterval { months: 0, days: 0, microseconds: periods.width.num_milliseconds() * 1000 },
        periods.origin,
        id_before(since),
        id_behind(until),
        author as Option<UserId>,
    )
    .fetch_all(conn)
    .await?;
    Ok(arrange(rows, periods))
}

/// A count of everything, or of what the columns that are set say.
struct Row {
    set: i32,
    language: Option<String>,
    verdict: Option<Verdict>,
    starts_at: Option<DateTime<Utc>>,
    author_id: Option<UserId>,
    submissions: i64,
    ok: i64,
    until_ok: Option<i64>,
}

fn arrange(rows: Vec<Row>, periods: &Periods) -> CourseStatistics {
    let mut statistics = CourseStatistics {
        over_time: (0..periods.count)
            .map(|index| TimeBucket { starts_at: periods.start(index), submissions: 0, ok: 0, by_verdict: Vec::new() })
            .collect(),
        ..CourseStatistics::default()
    };
    for row in rows {
        let over_time = &mut statistics.over_time;
        let period = row.starts_at.and_then(|at| over_time.binary_search_by_key(&at, |bucket| bucket.starts_at).ok());
        match (row.set, row.language, row.verdict, period, row.author_id) {
            (7, ..) => statistics.submissions = row.submissions,
            (3, Some(language), ..) => statistics.by_language.push((language, row.submissions)),
            (5, _, Some(verdict), ..) => statistics.by_verdict.push((verdict, row.submissions)),
            (6, _, _, Some(period), _) => {
                over_time[period].submissions = row.submissions;
                over_time[period].ok = row.ok;
            }
            (4, _, Some(verdict), Some(period), _) => over_time[period].by_verdict.push((verdict, row.submissions)),
            (8, _, _, _, Some(user_id)) => {
                statistics.active_students += 1;
                let (submissions, until_ok) = (row.submissions, row.until_ok);
                statistics.by_student.push(StudentCount { user_id, submissions, until_ok });
            }
            // What has no verdict yet.
            _ => {}
        }
    }
    statistics
}
