//! Attempts: made, moved from state to state, concluded.
//!
//! State and verdict are copied to the submission for the attempt that counts, and each change of state
//! is a row in the feeds of [`super::activity`]: all in one statement.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{events, leases, log, steps};
use crate::auth::Viewer;
use crate::domain::attempt::{Attempt, Output, Step};
use crate::domain::event::{Event, EventBody};
use crate::domain::ids::{AttemptId, CourseId, LeaseId, SubmissionId, UserId};
use crate::domain::limits::RequestedLimits;
use crate::domain::units::Bytes;
use crate::domain::verdict::{AttemptState, OutputStream, StepKind, Verdict};

/// An attempt that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct NewAttempt<'a> {
    /// Its id.
    pub id: AttemptId,
    /// Of which submission.
    pub submission_id: SubmissionId,
    /// Whose that is.
    pub author_id: UserId,
    /// In which course.
    pub course_id: Option<CourseId>,
    /// Who asks.
    pub requested_by: UserId,
    /// What they ask for.
    pub limits: RequestedLimits,
    /// The language's name.
    pub language: &'a str,
    /// How many attempts of theirs may run at once.
    pub running_quota: i32,
}

impl NewAttempt<'_> {
    /// The attempt that was asked for, once it is in the queue.
    pub(super) const fn queued(&self, number: i32, queued_at: DateTime<Utc>) -> Attempt {
        Attempt {
            id: self.id,
            submission_id: self.submission_id,
            number,
            requested_by: self.requested_by,
            state: AttemptState::Queued,
            verdict: None,
            language_version: None,
            queued_at,
            started_at: None,
            finished_at: None,
        }
    }
}

/// Puts one more attempt of a submission into the queue, with event 0. The user must be locked:
/// [`super::queue::begin_for`].
pub async fn insert(conn: &mut PgConnection, new: &NewAttempt<'_>) -> sqlx::Result<Attempt> {
    let row = sqlx::query!(
        r#"SELECT number AS "number!", queued_at AS "queued_at!"
         FROM queue_attempt($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())"#,
        new.id.as_uuid(),
        new.submission_id.as_uuid(),
        new.requested_by.as_uuid(),
        Json(new.limits) as Json<RequestedLimits>,
        new.language,
        new.running_quota,
        new.author_id.as_uuid(),
        new.course_id.map(CourseId::as_uuid),
    )
    .fetch_one(conn)
    .await?;
    Ok(new.queued(row.number, row.queued_at))
}

/// Moves attempts to other states, none of them FINISHED, in the order given. The queue's rows must be
/// locked.
pub async fn change_states(conn: &mut PgConnection, changes: &[(AttemptId, AttemptState)]) -> sqlx::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = changes.iter().map(|(id, _)| id.as_uuid()).collect();
    let states: Vec<_> = changes.iter().map(|(_, state)| *state).collect();
    sqlx::query!(
        "WITH changes AS (
             SELECT * FROM unnest($1::uuid[], $2::attempt_state[]) WITH ORDINALITY AS c (attempt_id, state, position)
         ), latest AS (
             SELECT DISTINCT ON (attempt_id) attempt_id, state FROM changes ORDER BY attempt_id, position DESC
         ), moved AS (
             UPDATE attempts a
             SET state = l.state,
                 started_at = CASE WHEN l.state = 'QUEUED' THEN NULL ELSE a.started_at END
             FROM latest l
             WHERE a.id = l.attempt_id
         ), counted AS (
             UPDATE submissions s
             SET counted_state = l.state
             FROM latest l
             JOIN attempts a ON a.id = l.attempt_id
             WHERE s.id = a.submission_id AND s.counted_attempt_id = a.id
         ), recorded AS (
             INSERT INTO activity (attempt_id, author_id, course_id, state)
             SELECT c.attempt_id, s.author_id, s.course_id, c.state
             FROM changes c
             JOIN attempts a ON a.id = c.attempt_id
             JOIN submissions s ON s.id = a.submission_id
             ORDER BY c.position
             RETURNING concat_ws(' ', author_id, course_id) AS feeds
         )
         SELECT pg_notify('activity', feeds) FROM recorded",
        &ids,
        &states as &[AttemptState],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The end of an attempt.
#[derive(Debug)]
pub struct Conclusion<'s> {
    /// Which attempt.
    pub attempt_id: AttemptId,
    /// The lease by which that is said, and the sequence of its next event. `None` where the attempt's row of the queue is
    /// locked.
    pub by: Option<(LeaseId, i32)>,
    /// How it ended.
    pub verdict: Verdict,
    /// States that it went through and that are not stored, in order, FINISHED excepted.
    pub states: Vec<AttemptState>,
    /// Steps that are not stored as they are now, each at most once.
    pub steps: &'s [Step],
    /// All its events, those that are stored too, `AttemptFinished` excepted.
    pub log: Vec<Event>,
    /// When it ended, by the clock of the one who saw it.
    pub at: DateTime<Utc>,
}

/// Gives an attempt its verdict: takes it out of the queue and packs its log. By one statement, since somebody waits for just
/// this. Answers false, and does nothing, where the lease is not in force or the sequence is another one.
pub async fn conclude(conn: &mut PgConnection, conclusion: Conclusion<'_>) -> sqlx::Result<bool> {
    let Conclusion { attempt_id, by, verdict, mut states, steps, mut log, at } = conclusion;
    states.push(AttemptState::Finished);
    let sequence = log.last().map_or(0, |last| last.sequence + 1);
    log.push(Event { sequence, at, body: EventBody::AttemptFinished });
    let packed = log::encode(&log)?;
    let columns: steps::Columns<'_> = steps.iter().collect();
    let done = steps::put!(
        "WITH removed AS (
             DELETE FROM queue
             WHERE attempt_id = $16
               AND (
                   $17::uuid IS NULL
                   OR (lease_id = $17 AND lease_expires_at > clock_timestamp() AND next_sequence = $18)
               )
             RETURNING user_id
         ), finished AS (
             UPDATE attempts
             SET state = 'FINISHED', verdict = $19, finished_at = clock_timestamp()
             FROM removed
             WHERE id = $16
             RETURNING
                 id, submission_id, number, requested_by, state, verdict, language_version, queued_at, started_at, finished_at
         ), noticed AS (
             -- See `finished`.
             SELECT concat_ws(' ', f.id, row_to_json(f), translate(encode($22, 'base64'), E'\n', '')) AS payload FROM finished f
         ), counted AS (
             UPDATE submissions s
             SET counted_state = 'FINISHED', counted_verdict = $19
             FROM finished f
             WHERE s.id = f.submission_id AND s.counted_attempt_id = f.id
         ), recorded AS (
             INSERT INTO activity (attempt_id, author_id, course_id, state, verdict)
             SELECT f.id, s.author_id, s.course_id, c.state, CASE c.state WHEN 'FINISHED' THEN $19 END
             FROM finished f
             JOIN submissions s ON s.id = f.submission_id
             CROSS JOIN unnest($20::attempt_state[]) WITH ORDINALITY AS c (state, position)
             ORDER BY c.position
             RETURNING concat_ws(' ', author_id, course_id) AS feeds
         ), superseded AS (
             -- Begun by a worker that was lost, and not begun again since.
             DELETE FROM steps
             USING removed
             WHERE attempt_id = $16 AND verdict IS NULL AND kind <> ALL ($2::step_kind[])
         ), closed AS (
             DELETE FROM attempt_events USING removed WHERE attempt_id = $16
         ), packed AS (
             INSERT INTO attempt_logs (attempt_id, event_count, packed) SELECT $16, $21, $22 FROM removed
         ), put AS (
             ",
        " CROSS JOIN (SELECT FROM removed) AS r ",
        ")
         SELECT
             pg_notify('activity', feeds),
             pg_notify(
                 'attempt_events',
                 (SELECT CASE WHEN octet_length(payload) < 8000 THEN payload ELSE ($16::uuid)::text END FROM noticed)
             ),
             -- Its user may now run another one.
             (
                 SELECT pg_notify('queue', '')
                 FROM removed r
                 WHERE EXISTS (
                     SELECT FROM queue q WHERE q.user_id = r.user_id AND q.lease_id IS NULL AND q.attempt_id <> $16
                 )
             )
         FROM recorded",
        columns,
        attempt_id.as_uuid(),
        by.map(|(lease, _)| lease.as_uuid()),
        by.map(|(_, sequence)| sequence),
        verdict as Verdict,
        &states as &[AttemptState],
        i32::try_from(log.len()).unwrap_or(i32::MAX),
        packed,
    )
    .execute(&mut *conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Puts an attempt back into the queue. Everything before is superseded. The row must be locked.
pub async fn requeue(conn: &mut PgConnection, open: &leases::Open, is_worker_lost: bool) -> sqlx::Result<()> {
    let sequence = open.next_sequence;
    leases::release(conn, open.attempt_id, open.tries + i32::from(is_worker_lost), sequence + 1).await?;
    change_states(conn, &[(open.attempt_id, AttemptState::Queued)]).await?;
    events::append_one(conn, open.attempt_id, sequence, AttemptState::Queued).await
}

/// Gives a verdict to an attempt that no worker has (any more): cancelled while it waited, or lost too
/// often. Steps that were under way get the same verdict and the output that is known. The row must be
/// locked.
pub async fn conclude_without_worker(
    conn: &mut PgConnection,
    open: &leases::Open,
    verdict: Verdict,
    reason: &str,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let mut log = log::list(conn, open.attempt_id).await?;
    let mut ended = Vec::new();
    let mut sequence = open.next_sequence;
    for (kind, limits) in steps::list_unfinished(conn, open.attempt_id).await? {
        let (stdout, stderr) = output_so_far(&log, kind);
        ended.push(Step {
            attempt_id: open.attempt_id,
            kind,
            limits,
            verdict: Some(verdict),
            exit_code: None,
            signal: None,
            cpu_time_ms: None,
            wall_time_ms: None,
            peak_memory: None,
            reason: Some(reason.to_owned()),
            is_cached: false,
            stdout,
            stderr,
        });
        if is_under_way(&log, kind) {
            log.push(Event { sequence, at, body: EventBody::StepFinished(kind) });
            sequence += 1;
        }
    }
    let states = Vec::new();
    let conclusion = Conclusion { attempt_id: open.attempt_id, by: None, verdict, states, steps: &ended, log, at };
    conclude(conn, conclusion).await.map(drop)
}

/// Whether the step began in the execution that the log ends with.
fn is_under_way(log: &[Event], kind: StepKind) -> bool {
    let restart = log.iter().rposition(|event| event.body == EventBody::StateChanged(AttemptState::Queued));
    log.iter().skip(restart.unwrap_or(0)).any(|event| event.body == EventBody::StepStarted(kind))
}

/// What the step wrote since it was last begun.
fn output_so_far(log: &[Event], wanted: StepKind) -> (Output, Output) {
    let start = log.iter().rposition(|event| event.body == EventBody::StepStarted(wanted)).unwrap_or(log.len());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for event in &log[start..] {
        if let EventBody::OutputChunk { kind, stream, bytes, .. } = &event.body
            && *kind == wanted
        {
            match stream {
                OutputStream::Stdout => stdout.extend_from_slice(bytes),
                OutputStream::Stderr => stderr.extend_from_slice(bytes),
            }
        }
    }
    let output = |bytes: Vec<u8>| Output { left_out: 0, total: Bytes(bytes.len() as u64), bytes };
    (output(stdout), output(stderr))
}

/// The attempts that the viewer, the second argument, may see; which of them, and in which order, differs.
macro_rules! select {
    ($which:literal, $order:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Attempt,
            r#"SELECT
                 a.id AS "id: AttemptId", a.submission_id AS "submission_id: SubmissionId", a.number,
                 a.requested_by AS "requested_by: UserId", a.state AS "state: AttemptState",
                 a.verdict AS "verdict: Verdict", a.language_version, a.queued_at, a.started_at, a.finished_at
             FROM attempts a
             JOIN submissions s ON s.id = a.submission_id
             WHERE (s.author_id = $2 OR s.course_id IN (
                   SELECT m.course_id FROM course_members m WHERE m.user_id = $2 AND m.role <> 'STUDENT'
               ))
               AND "# + $which + $order,
            $($argument),*
        )
    };
}

/// Attempts by id, as far as the viewer may see them.
pub async fn list_by_ids(conn: &mut PgConnection, viewer: &Viewer, ids: &[AttemptId]) -> sqlx::Result<Vec<Attempt>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    select!("a.id = ANY ($1)", "", &ids, viewer.user_id.as_uuid()).fetch_all(conn).await
}

/// An attempt, if the viewer may see it.
///
/// A statement of its own: Postgres keeps its plan, while it plans that for a list each time, which takes ten
/// times as long as to execute it.
pub async fn find(conn: &mut PgConnection, viewer: &Viewer, id: AttemptId) -> sqlx::Result<Option<Attempt>> {
    select!("a.id = $1", "", id.as_uuid(), viewer.user_id.as_uuid()).fetch_optional(conn).await
}

/// All attempts of those of the submissions that the viewer may see, newest first.
pub async fn list_by_submissions(
    conn: &mut PgConnection,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> sqlx::Result<Vec<Attempt>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    select!("a.submission_id = ANY ($1)", " ORDER BY a.submission_id, a.number DESC", &ids, viewer.user_id.as_uuid())
        .fetch_all(conn)
        .await
}
