//! Reading the log of an attempt wherever it is kept.

use sqlx::PgConnection;

use super::Error;
use crate::auth::Viewer;
use crate::domain::attempt::{Attempt, OutputExtent, Step};
use crate::domain::event::{Event, EventBody, EventCursor};
use crate::domain::verdict::{AttemptState, OutputStream, StepKind};
use crate::store;
use crate::store::events::ReadableAttempt;
use crate::store::finished::Finished;
use crate::store::log::Stored;

/// The log of an attempt as far as it is read.
pub(super) enum Read {
    /// The next events; more may come.
    Part(Vec<Event>),
    /// All that is behind the cursor: the attempt, as it is, has finished.
    Rest(Vec<Event>, Attempt),
}

/// Reads the log behind a sequence, wherever it is kept: live rows, one packed row, or, where that was
/// dropped by age, what the steps still tell.
///
/// # Errors
/// NOT_FOUND where the attempt was deleted since it was found.
pub(super) async fn read(
    conn: &mut PgConnection,
    viewer: &Viewer,
    attempt: &ReadableAttempt,
    after: Option<i32>,
    limit: i64,
) -> Result<Read, Error> {
    let (log, attempt) = match store::log::read_after(conn, attempt, after, limit).await? {
        Stored::Live(events) => return Ok(Read::Part(events)),
        Stored::Packed(log, attempt) => (log, attempt),
        Stored::Dropped(attempt) => {
            let steps = store::steps::list_by_attempts(conn, viewer, &[attempt.id], OutputExtent::Whole).await?;
            (synthesise(&attempt, &steps), attempt)
        }
        Stored::Gone => return Err(Error::NotFound("attempt")),
    };
    Ok(rest_of(log, attempt, after))
}

/// The same without asking, where a notice has brought all of it.
pub(super) fn rest(finished: &Finished, after: Option<i32>) -> sqlx::Result<Read> {
    Ok(rest_of(finished.log()?, finished.attempt.clone(), after))
}

fn rest_of(mut log: Vec<Event>, attempt: Attempt, after: Option<i32>) -> Read {
    log.retain(|event| after.is_none_or(|after| event.sequence > after));
    Read::Rest(log, attempt)
}

/// At most `limit` events behind a cursor, as [`super::streams::attempt_events`] would deliver them now.
pub(super) async fn read_log(
    conn: &mut PgConnection,
    viewer: &Viewer,
    attempt: &ReadableAttempt,
    after: Option<EventCursor>,
    limit: i64,
) -> Result<Vec<Event>, Error> {
    Ok(match read(conn, viewer, attempt, after.map(|cursor| cursor.0), limit).await? {
        Read::Part(events) => events,
        Read::Rest(mut events, _) => {
            events.truncate(usize::try_from(limit).unwrap_or(0));
            events
        }
    })
}

/// A log made of what the steps still tell, where the real one was dropped by age.
fn synthesise(attempt: &Attempt, steps: &[Step]) -> Vec<Event> {
    let started = attempt.started_at.unwrap_or(attempt.queued_at);
    let finished = attempt.finished_at.unwrap_or(started);
    let mut log = vec![(attempt.queued_at, EventBody::StateChanged(AttemptState::Queued))];
    for step in steps {
        let state = match step.kind {
            StepKind::Compile => AttemptState::Compiling,
            StepKind::Run => AttemptState::Running,
        };
        log.push((started, EventBody::StateChanged(state)));
        log.push((started, EventBody::StepStarted(step.kind)));
        for (stream, output) in [(OutputStream::Stdout, &step.stdout), (OutputStream::Stderr, &step.stderr)] {
            if !output.bytes.is_empty() {
                let bytes = output.bytes.clone();
                log.push((finished, EventBody::OutputChunk { kind: step.kind, stream, offset: 0, bytes }));
            }
        }
        log.push((finished, EventBody::StepFinished(step.kind)));
    }
    log.push((finished, EventBody::AttemptFinished));
    (0..).zip(log).map(|(sequence, (at, body))| Event { sequence, at, body }).collect()
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::domain::attempt::Output;
    use crate::domain::ids::{AttemptId, SubmissionId, UserId};
    use crate::domain::limits::Limits;
    use crate::domain::units::Bytes;
    use crate::domain::verdict::Verdict;

    #[test]
    fn a_log_made_of_steps_is_dense_and_holds_their_output() {
        let now = Utc::now();
        let attempt = Attempt {
            id: AttemptId::new(),
            submission_id: SubmissionId::new(),
            number: 1,
            requested_by: UserId::new(),
            state: AttemptState::Finished,
            verdict: Some(Verdict::Ok),
            language_version: None,
            queued_at: now,
            started_at: Some(now),
            finished_at: Some(now),
        };
        let limits = Limits {
            cpu_time_ms: 1,
            wall_time_ms: 1,
            memory_bytes: Bytes(1),
            output_bytes: Bytes(1),
            processes: 1,
            disk_bytes: Bytes(1),
        };
        let step = Step {
            attempt_id: attempt.id,
            kind: StepKind::Run,
            limits,
            verdict: Some(Verdict::Ok),
            exit_code: Some(0),
            signal: None,
            cpu_time_ms: Some(1),
            wall_time_ms: Some(1),
            peak_memory: None,
            reason: None,
            is_cached: false,
            stdout: Output { bytes: b"hello".to_vec(), left_out: 0, total: Bytes(5) },
            stderr: Output::default(),
        };
        let log = synthesise(&attempt, &[step]);
        assert!(log.iter().zip(0..).all(|(event, sequence)| event.sequence == sequence));
        let chunk = EventBody::OutputChunk {
            kind: StepKind::Run,
            stream: OutputStream::Stdout,
            offset: 0,
            bytes: b"hello".to_vec(),
        };
        assert_eq!(log.iter().filter(|event| event.body == chunk).count(), 1);
        assert_eq!(log.last().map(|event| event.body.is_last()), Some(true));
    }
}
