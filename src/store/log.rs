//! Logs of finished attempts, each in one compressed row.
//!
//! A row per chunk costs ten times the space: rows below 2 KB are never compressed. So when an attempt
//! ends, its events leave `attempt_events` and are packed, in the same transaction. Whoever reads sees
//! the same log before and after.
//!
//! The packed form is a version byte and one zstd frame. In it each event is: microseconds since the
//! event before (the first: since 1970) as a zigzag varint, a tag byte, and the tag's fields; numbers
//! are varints (LEB128), bytes are preceded by their length. Sequences are dense, so they are not kept.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::events::{self, EventKind, ReadableAttempt};
use crate::domain::attempt::Attempt;
use crate::domain::event::{Event, EventBody};
use crate::domain::ids::{AttemptId, SubmissionId, UserId};
use crate::domain::verdict::{AttemptState, OutputStream, StepKind, Verdict};

const VERSION: u8 = 1;
/// zstd's own default: 0.1 ms for an ordinary log.
const LEVEL: i32 = 3;
/// A packed log that unpacks to more was not made by us: output is bounded far below.
const MAX_UNPACKED_BYTES: usize = 1 << 30;

/// A packed log that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packed log of an attempt is damaged")]
pub struct Damaged;

impl From<Damaged> for sqlx::Error {
    fn from(error: Damaged) -> Self {
        Self::Decode(Box::new(error))
    }
}

/// What is stored of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// Events of the live log behind a sequence; none where there are none yet.
    Live(Vec<Event>),
    /// All of a packed log, of an attempt that has finished.
    Packed(Vec<Event>, Attempt),
    /// Nothing: the attempt has finished, and its packed log was dropped by age.
    Dropped(Attempt),
    /// Nothing: the attempt is deleted.
    Gone,
}

/// The log of an attempt: all of it where it is packed, else at most `limit` events behind a sequence, or from the
/// beginning. By one statement, so it is never missed between the two.
pub async fn read_after(
    conn: &mut PgConnection,
    attempt: &ReadableAttempt,
    after: Option<i32>,
    limit: i64,
) -> sqlx::Result<Stored> {
    read(conn, attempt.id(), after, limit).await
}

/// The whole log of an attempt as it is now, for whoever concludes it; empty where it was dropped by age.
pub async fn list(conn: &mut PgConnection, attempt: AttemptId) -> sqlx::Result<Vec<Event>> {
    match read(conn, attempt, None, i64::MAX).await? {
        Stored::Live(events) | Stored::Packed(events, _) => Ok(events),
        Stored::Dropped(_) | Stored::Gone => Ok(Vec::new()),
    }
}

async fn read(conn: &mut PgConnection, attempt: AttemptId, after: Option<i32>, limit: i64) -> sqlx::Result<Stored> {
    let rows = sqlx::query_as!(
        events::Row,
        r#"SELECT
             e.sequence AS "sequence?", e.at AS "at?", e.kind AS "kind?: EventKind", e.state AS "state?: AttemptState",
             e.step AS "step?: StepKind", e.stream AS "stream?: OutputStream", e.byte_offset AS "byte_offset?",
             e.bytes AS "bytes?", e.is_end AS "is_end?",
             l.packed AS "packed?",
             a.id AS "attempt_id!: AttemptId", a.submission_id AS "submission_id: SubmissionId", a.number,
             a.requested_by AS "requested_by: UserId", a.state AS "attempt_state: AttemptState",
             a.verdict AS "verdict: Verdict", a.language_version, a.queued_at, a.started_at, a.finished_at
         FROM attempts a
         LEFT JOIN attempt_logs l ON l.attempt_id = a.id
         LEFT JOIN (
             SELECT * FROM attempt_events WHERE attempt_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
         ) AS e ON true
         WHERE a.id = $1
         ORDER BY e.sequence"#,
        attempt.as_uuid(),
        after.unwrap_or(-1),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let Some(row) = rows.first() else { return Ok(Stored::Gone) };
    if row.attempt_state.is_final() {
        let attempt = row.attempt();
        return Ok(match &row.packed {
            Some(packed) => Stored::Packed(decode(packed)?, attempt),
            None => Stored::Dropped(attempt),
        });
    }
    let events = rows.into_iter().filter(|row| row.sequence.is_some()).map(Event::try_from);
    Ok(Stored::Live(events.collect::<Result<_, _>>()?))
}

/// Deletes packed logs of attempts that ended before `before`, at most `limit`. Answers how many.
/// Replays of these attempts are made from the stored output of their steps.
pub async fn delete_older(conn: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM attempt_logs
         WHERE attempt_id IN (
             SELECT attempt_id
             FROM attempt_logs
             WHERE packed_at < $1
             ORDER BY packed_at
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

/// Packs a log.
pub fn encode(log: &[Event]) -> sqlx::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut before = 0;
    for event in log {
        let at = event.at.timestamp_micros();
        // Both ways round: the two ends of time are further apart than the type can count.
        put_number(&mut plain, zigzag(at.wrapping_sub(before)));
        before = at;
        put_body(&mut plain, &event.body);
    }
    let mut packed = vec![VERSION];
    packed.extend(zstd::bulk::compress(&plain, LEVEL).map_err(sqlx::Error::Io)?);
    Ok(packed)
}

/// Reads a packed log.
///
/// # Errors
/// [`Damaged`] for what [`encode`] did not make.
pub fn decode(packed: &[u8]) -> Result<Vec<Event>, Damaged> {
    let (&VERSION, frame) = packed.split_first().ok_or(Damaged)? else { return Err(Damaged) };
    let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().ok_or(Damaged)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_UNPACKED_BYTES).ok_or(Damaged)?;
    let plain = zstd::bulk::decompress(frame, size).map_err(|_| Damaged)?;
    let mut rest = plain.as_slice();
    let mut log = Vec::new();
    let mut at = 0_i64;
    while !rest.is_empty() {
        at = at.wrapping_add(unzigzag(take_number(&mut rest)?));
        log.push(Event {
            sequence: i32::try_from(log.len()).map_err(|_| Damaged)?,
            at: DateTime::from_timestamp_micros(at).ok_or(Damaged)?,
            body: take_body(&mut rest)?,
        });
    }
    Ok(log)
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

fn put_number(to: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f).to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            to.push(low);
            return;
        }
        to.push(low | 0x80);
    }
}

fn take_byte(from: &mut &[u8]) -> Result<u8, Damaged> {
    let (byte, rest) = from.split_first().ok_or(Damaged)?;
    *from = rest;
    Ok(*byte)
}

fn take_number(from: &mut &[u8]) -> Result<u64, Damaged> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(from)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Damaged)
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_number(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn take_bytes(from: &mut &[u8]) -> Result<Vec<u8>, Damaged> {
    let length = usize::try_from(take_number(from)?).map_err(|_| Damaged)?;
    let (bytes, rest) = from.split_at_checked(length).ok_or(Damaged)?;
    *from = rest;
    Ok(bytes.to_vec())
}

// These numbers are on disk: they never change.

const fn state_tag(state: AttemptState) -> u8 {
    match state {
        AttemptState::Queued => 0,
        AttemptState::Compiling => 1,
        AttemptState::Running => 2,
        AttemptState::Finished => 3,
    }
}

const fn kind_tag(kind: StepKind) -> u8 {
    match kind {
        StepKind::Compile => 0,
        StepKind::Run => 1,
    }
}

const fn stream_tag(stream: OutputStream) -> u8 {
    match stream {
        OutputStream::Stdout => 0,
        OutputStream::Stderr => 1,
    }
}

fn put_body(to: &mut Vec<u8>, body: &EventBody) {
    match body {
        EventBody::StateChanged(state) => to.extend([0, state_tag(*state)]),
        EventBody::StepStarted(kind) => to.extend([1, kind_tag(*kind)]),
        EventBody::OutputChunk { kind, stream, offset, bytes } => {
            to.extend([2, kind_tag(*kind), stream_tag(*stream)]);
            put_number(to, *offset);
            put_bytes(to, bytes);
        }
        EventBody::InputChunk { offset, bytes, is_end } => {
            to.extend([3, u8::from(*is_end)]);
            put_number(to, *offset);
            put_bytes(to, bytes);
        }
        EventBody::StepFinished(kind) => to.extend([4, kind_tag(*kind)]),
        EventBody::AttemptFinished => to.push(5),
    }
}

fn take_body(from: &mut &[u8]) -> Result<EventBody, Damaged> {
    fn pick<T: Copy>(from: &mut &[u8], all: &[T], tag: fn(T) -> u8) -> Result<T, Damaged> {
        let byte = take_byte(from)?;
        all.iter().copied().find(|value| tag(*value) == byte).ok_or(Damaged)
    }
    const KINDS: [StepKind; 2] = [StepKind::Compile, StepKind::Run];
    const STREAMS: [OutputStream; 2] = [OutputStream::Stdout, OutputStream::Stderr];
    Ok(match take_byte(from)? {
        0 => EventBody::StateChanged(pick(from, &AttemptState::ALL, state_tag)?),
        1 => EventBody::StepStarted(pick(from, &KINDS, kind_tag)?),
        2 => EventBody::OutputChunk {
            kind: pick(from, &KINDS, kind_tag)?,
            stream: pick(from, &STREAMS, stream_tag)?,
            offset: take_number(from)?,
            bytes: take_bytes(from)?,
        },
        3 => {
            let is_end = match take_byte(from)? {
                0 => false,
                1 => true,
                _ => return Err(Damaged),
            };
            EventBody::InputChunk { is_end, offset: take_number(from)?, bytes: take_bytes(from)? }
        }
        4 => EventBody::StepFinished(pick(from, &KINDS, kind_tag)?),
        5 => EventBody::AttemptFinished,
        _ => return Err(Damaged),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<Event> {
        let bodies = [
            EventBody::StateChanged(AttemptState::Queued),
            EventBody::StateChanged(AttemptState::Compiling),
            EventBody::StepStarted(StepKind::Compile),
            EventBody::OutputChunk {
                kind: StepKind::Run,
                stream: OutputStream::Stderr,
                offset: u64::MAX,
                bytes: vec![0, 255, b'a'],
            },
            EventBody::InputChunk { offset: 300, bytes: Vec::new(), is_end: true },
            EventBody::StepFinished(StepKind::Run),
            EventBody::AttemptFinished,
        ];
        let at =
            |index: i64| DateTime::from_timestamp_micros(1_700_000_000_000_000 + index * index - 3 * index).unwrap();
        let event = |(index, body)| Event { sequence: index, at: at(index.into()), body };
        (0..).zip(bodies).map(event).collect()
    }

    #[test]
    fn a_packed_log_reads_back_as_it_was() {
        let log = log();
        assert_eq!(decode(&encode(&log).unwrap()), Ok(log));
    }

    #[test]
    fn a_damaged_log_is_an_error_and_never_a_panic() {
        let packed = encode(&log()).unwrap();
        assert_eq!(decode(&[]), Err(Damaged));
        for length in 0..packed.len() {
            assert!(decode(&packed[..length]).is_err());
        }
        for index in 0..packed.len() {
            let mut wrong = packed.clone();
            wrong[index] ^= 0x55;
            drop(decode(&wrong));
        }
    }

    #[test]
    fn numbers_of_any_size_fit() {
        for value in [0, 1, 127, 128, 300, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, value);
            assert_eq!(take_number(&mut bytes.as_slice()), Ok(value));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
