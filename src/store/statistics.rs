//! Counting what was handed in to a course. Each function is one statement.

use chrono::{DateTime, Utc};
use sqlx::postgres::types::PgInterval;
use sqlx::{PgConnection, query};

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

/// Counts what was handed in from `since` to before `until`, as far as the viewer may read it: teachers
/// and assistants everything, students their own.
pub async fn count(
    conn: &mut PgConnection,
    viewer: &Viewer,
    course: CourseId,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    periods: &Periods,
) -> sqlx::Result<CourseStatistics> {
    // Everything in one statement, so that the parts add up to the whole while more is handed in.
    let rows = query!(
        r#"
        WITH counted AS (
            SELECT
                submissions.language,
                submissions.counted_verdict AS verdict,
                submissions.author_id,
                date_bin($5, submissions.created_at, $6) AS starts_at,
                -- As in the roster: what somebody stopped and what failed by our fault is no attempt.
                1 + count(*) FILTER (WHERE submissions.counted_verdict NOT IN ('OK', 'CANCELLED', 'SYSTEM_ERROR'))
                    OVER (PARTITION BY submissions.author_id ORDER BY submissions.id) AS nth,
                EXISTS (
                    SELECT
                    FROM course_members AS staff
                    WHERE staff.course_id = submissions.course_id
                        AND staff.user_id = submissions.author_id
                        AND staff.role IN ('TEACHER', 'ASSISTANT')
                ) AS is_by_staff
            FROM submissions
            JOIN course_members AS own ON own.course_id = submissions.course_id AND own.user_id = $1
            WHERE submissions.course_id = $2
                AND submissions.created_at >= $3
                AND submissions.created_at < $4
                AND (submissions.author_id = $1 OR own.role IN ('TEACHER', 'ASSISTANT'))
        )
        SELECT
            -- Which columns a row is not about, a bit each: language 8, verdict 4, period 2, author 1.
            GROUPING(language, verdict, starts_at, author_id) AS "set!",
            language AS "language?",
            verdict AS "verdict?: Verdict",
            starts_at AS "starts_at?",
            author_id AS "author_id?: UserId",
            count(*) AS "submissions!",
            count(*) FILTER (WHERE verdict = 'OK') AS "ok!",
            count(DISTINCT author_id) FILTER (WHERE NOT is_by_staff) AS "students!",
            min(nth) FILTER (WHERE verdict = 'OK') AS "until_ok?"
        FROM counted
        GROUP BY GROUPING SETS ((), (language), (verdict), (starts_at), (starts_at, verdict), (author_id))
        ORDER BY count(*) DESC, language, verdict, author_id
        "#,
        viewer.user_id as UserId,
        course as CourseId,
        since,
        until,
        PgInterval { months: 0, days: 0, microseconds: periods.width.num_milliseconds() * 1000 },
        periods.origin,
    )
    .fetch_all(conn)
    .await?;

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
            (15, ..) => {
                statistics.submissions = row.submissions;
                statistics.active_students = row.students;
            }
            (7, Some(language), ..) => statistics.by_language.push((language, row.submissions)),
            (11, _, Some(verdict), ..) => statistics.by_verdict.push((verdict, row.submissions)),
            (13, _, _, Some(period), _) => {
                over_time[period].submissions = row.submissions;
                over_time[period].ok = row.ok;
            }
            (9, _, Some(verdict), Some(period), _) => over_time[period].by_verdict.push((verdict, row.submissions)),
            (14, _, _, _, Some(user_id)) if row.students > 0 => {
                let (submissions, until_ok) = (row.submissions, row.until_ok);
                statistics.by_student.push(StudentCount { user_id, submissions, until_ok });
            }
            // Teachers, assistants, and what has no verdict yet.
            _ => {}
        }
    }
    Ok(statistics)
}
