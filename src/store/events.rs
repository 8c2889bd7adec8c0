//! The live log of attempts: append-only rows with a dense sequence.
//!
//! Whoever appends holds the attempt's row of the queue, which knows the next sequence, and for a worker
//! also proves that its lease is in force. The row is there exactly as long as the log is open.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::auth::Viewer;
use crate::domain::attempt::Attempt;
use crate::domain::event::{Event, EventBody};
use crate::domain::ids::{AttemptId, LeaseId, SubmissionId, UserId};
use crate::domain::verdict::{AttemptState, OutputStream, StepKind, Verdict};

/// What kind of event a row is; says which of its columns are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "event_kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum EventKind {
    StateChanged,
    StepStarted,
    OutputChunk,
    InputChunk,
    StepFinished,
    AttemptFinished,
}

/// Events of one attempt that its worker wants to append.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Of which attempt.
    pub attempt_id: AttemptId,
    /// By which lease.
    pub lease_id: LeaseId,
    /// The sequence of the first of them; where there are none, of the one that will come.
    pub first_sequence: i32,
    /// Dense from there.
    pub events: Vec<Event>,
}

impl Batch {
    /// The sequence behind the batch.
    pub fn next_sequence(&self) -> i32 {
        self.events.last().map_or(self.first_sequence, |event| event.sequence + 1)
    }
}

/// What the row of the queue says about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The batch is next.
    Next,
    /// It is there already: the answer to an earlier commit was lost with the connection.
    Done,
    /// The lease has run out or is another's. Nothing may be written.
    Lost,
}

/// Locks the queue's rows of the batches, in one order, and says for each batch whether it may be
/// appended. The locks hold until the transaction ends, so until then the leases do.
pub async fn lock(conn: &mut PgConnection, batches: &[&Batch]) -> sqlx::Result<Vec<Turn>> {
    let attempts: Vec<_> = batches.iter().map(|batch| batch.attempt_id.as_uuid()).collect();
    let leases: Vec<_> = batches.iter().map(|batch| batch.lease_id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT q.lease_id AS "lease_id!: LeaseId", q.next_sequence
         FROM queue q
         JOIN unnest($1::uuid[], $2::uuid[]) AS w (attempt_id, lease_id)
           ON q.attempt_id = w.attempt_id AND q.lease_id = w.lease_id
         WHERE q.lease_expires_at > clock_timestamp()
         ORDER BY q.attempt_id
         FOR UPDATE OF q"#,
        &attempts,
        &leases,
    )
    .fetch_all(conn)
    .await?;
    let turn = |batch: &&Batch| {
        // Not by attempt: one batch may come from a lease that the same worker has lost and claimed anew.
        let row = rows.iter().find(|row| row.lease_id == batch.lease_id);
        match row.map(|row| row.next_sequence) {
            Some(next) if next == batch.first_sequence => Turn::Next,
            Some(next) if next == batch.next_sequence() => Turn::Done,
            Some(_) | None => Turn::Lost,
        }
    };
    Ok(batches.iter().map(turn).collect())
}

#[derive(Default)]
struct Columns {
    attempt_id: Vec<uuid::Uuid>,
    sequence: Vec<i32>,
    at: Vec<DateTime<Utc>>,
    kind: Vec<EventKind>,
    state: Vec<Option<AttemptState>>,
    step: Vec<Option<StepKind>>,
    stream: Vec<Option<OutputStream>>,
    byte_offset: Vec<Option<i64>>,
    bytes: Vec<Option<Vec<u8>>>,
    is_end: Vec<Option<bool>>,
}

/// The columns that only some kinds have.
#[derive(Default)]
struct Fields {
    state: Option<AttemptState>,
    step: Option<StepKind>,
    stream: Option<OutputStream>,
    byte_offset: Option<i64>,
    bytes: Option<Vec<u8>>,
    is_end: Option<bool>,
}

impl Columns {
    fn push(&mut self, attempt: AttemptId, event: &Event) {
        let (kind, fields) = match &event.body {
            EventBody::StateChanged(state) => {
                (EventKind::StateChanged, Fields { state: Some(*state), ..Fields::default() })
            }
            EventBody::StepStarted(kind) => (EventKind::StepStarted, Fields { step: Some(*kind), ..Fields::default() }),
            EventBody::OutputChunk { kind, stream, offset, bytes } => (
                EventKind::OutputChunk,
                Fields {
                    step: Some(*kind),
                    stream: Some(*stream),
                    byte_offset: Some(offset.cast_signed()),
                    bytes: Some(bytes.clone()),
                    ..Fields::default()
                },
            ),
            EventBody::InputChunk { offset, bytes, is_end } => (
                EventKind::InputChunk,
                Fields {
                    byte_offset: Some(offset.cast_signed()),
                    bytes: Some(bytes.clone()),
                    is_end: Some(*is_end),
                    ..Fields::default()
                },
            ),
            EventBody::StepFinished(kind) => {
                (EventKind::StepFinished, Fields { step: Some(*kind), ..Fields::default() })
            }
            EventBody::AttemptFinished => (EventKind::AttemptFinished, Fields::default()),
        };
        self.attempt_id.push(attempt.as_uuid());
        self.sequence.push(event.sequence);
        self.at.push(event.at);
        self.kind.push(kind);
        self.state.push(fields.state);
        self.step.push(fields.step);
        self.stream.push(fields.stream);
        self.byte_offset.push(fields.byte_offset);
        self.bytes.push(fields.bytes);
        self.is_end.push(fields.is_end);
    }
}

/// Appends batches whose turn it is, as [`lock`] said in the same transaction, and wakes those who
/// read the logs.
pub async fn append(conn: &mut PgConnection, batches: &[&Batch]) -> sqlx::Result<()> {
    let batches: Vec<_> = batches.iter().filter(|batch| !batch.events.is_empty()).collect();
    if batches.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    for batch in &batches {
        for event in &batch.events {
            columns.push(batch.attempt_id, event);
        }
    }
    let attempts: Vec<_> = batches.iter().map(|batch| batch.attempt_id.as_uuid()).collect();
    let next: Vec<_> = batches.iter().map(|batch| batch.next_sequence()).collect();
    sqlx::query!(
        "WITH appended AS (
             INSERT INTO attempt_events (
                 attempt_id, sequence, at, kind, state, step, stream, byte_offset, bytes, is_end
             )
             SELECT *
             FROM unnest(
                 $1::uuid[], $2::integer[], $3::timestamptz[], $4::event_kind[], $5::attempt_state[],
                 $6::step_kind[], $7::output_stream[], $8::bigint[], $9::bytea[], $10::boolean[]
             )
         ), moved AS (
             UPDATE queue q
             SET next_sequence = n.next_sequence
             FROM unnest($11::uuid[], $12::integer[]) AS n (attempt_id, next_sequence)
             WHERE q.attempt_id = n.attempt_id
         )
         -- One NOTIFY costs the same as many in a transaction: it is the commit that is serialised.
         SELECT pg_notify('attempt_events', id::text) FROM unnest($11::uuid[]) AS id",
        &columns.attempt_id,
        &columns.sequence,
        &columns.at,
        &columns.kind as &[EventKind],
        &columns.state as &[Option<AttemptState>],
        &columns.step as &[Option<StepKind>],
        &columns.stream as &[Option<OutputStream>],
        &columns.byte_offset as &[Option<i64>],
        &columns.bytes as &[Option<Vec<u8>>],
        &columns.is_end as &[Option<bool>],
        &attempts,
        &next,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An attempt that the viewer may read, at the time it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadableAttempt(AttemptId);

impl ReadableAttempt {
    /// One that its author has just asked for.
    pub(super) const fn of_its_author(attempt: AttemptId) -> Self {
        Self(attempt)
    }

    /// Which attempt.
    pub const fn id(&self) -> AttemptId {
        self.0
    }
}

/// Whether the viewer may read the attempt's log.
pub async fn find_readable(
    conn: &mut PgConnection,
    viewer: &Viewer,
    attempt: AttemptId,
) -> sqlx::Result<Option<ReadableAttempt>> {
    let found = sqlx::query_scalar!(
        r#"SELECT a.id AS "id: AttemptId"
         FROM attempts a
         JOIN submissions s ON s.id = a.submission_id
         WHERE a.id = $1
           AND (s.author_id = $2 OR s.course_id IN (
               SELECT m.course_id FROM course_members m WHERE m.user_id = $2 AND m.role <> 'STUDENT'
           ))"#,
        attempt.as_uuid(),
        viewer.user_id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(ReadableAttempt))
}

/// An event as it is stored, with what else there is of its attempt. Nothing of it is there in a row that stands for none.
pub(super) struct Row {
    pub(super) sequence: Option<i32>,
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) kind: Option<EventKind>,
    pub(super) state: Option<AttemptState>,
    pub(super) step: Option<StepKind>,
    pub(super) stream: Option<OutputStream>,
    pub(super) byte_offset: Option<i64>,
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) is_end: Option<bool>,
    /// The packed log of its attempt.
    pub(super) packed: Option<Vec<u8>>,
    pub(super) attempt_id: AttemptId,
    pub(super) submission_id: SubmissionId,
    pub(super) number: i32,
    pub(super) requested_by: UserId,
    pub(super) attempt_state: AttemptState,
    pub(super) verdict: Option<Verdict>,
    pub(super) language_version: Option<String>,
    pub(super) queued_at: DateTime<Utc>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) finished_at: Option<DateTime<Utc>>,
}

impl Row {
    /// Its attempt.
    pub(super) fn attempt(&self) -> Attempt {
        Attempt {
            id: self.attempt_id,
            submission_id: self.submission_id,
            number: self.number,
            requested_by: self.requested_by,
            state: self.attempt_state,
            verdict: self.verdict,
            language_version: self.language_version.clone(),
            queued_at: self.queued_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

impl TryFrom<Row> for Event {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        fn set<T>(value: Option<T>) -> Result<T, sqlx::Error> {
            value.ok_or_else(|| sqlx::Error::Decode("an event without the fields of its kind".into()))
        }
        let body = match set(row.kind)? {
            EventKind::StateChanged => EventBody::StateChanged(set(row.state)?),
            EventKind::StepStarted => EventBody::StepStarted(set(row.step)?),
            EventKind::OutputChunk => EventBody::OutputChunk {
                kind: set(row.step)?,
                stream: set(row.stream)?,
                offset: set(row.byte_offset)?.cast_unsigned(),
                bytes: set(row.bytes)?,
            },
            EventKind::InputChunk => EventBody::InputChunk {
                offset: set(row.byte_offset)?.cast_unsigned(),
                bytes: set(row.bytes)?,
                is_end: set(row.is_end)?,
            },
            EventKind::StepFinished => EventBody::StepFinished(set(row.step)?),
            EventKind::AttemptFinished => EventBody::AttemptFinished,
        };
        Ok(Self { sequence: set(row.sequence)?, at: set(row.at)?, body })
    }
}

/// Appends a change of state by someone who has locked the queue's row and counts its sequence.
pub(super) async fn append_one(
    conn: &mut PgConnection,
    attempt: AttemptId,
    sequence: i32,
    state: AttemptState,
) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH appended AS (
             INSERT INTO attempt_events (attempt_id, sequence, at, kind, state)
             VALUES ($1, $2, clock_timestamp(), 'STATE_CHANGED', $3)
         )
         SELECT pg_notify('attempt_events', ($1::uuid)::text)",
        attempt.as_uuid(),
        sequence,
        state as AttemptState,
    )
    .execute(conn)
    .await?;
    Ok(())
}
