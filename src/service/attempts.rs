//! Looking at attempts, waiting for them, stopping them, typing into them.

use std::collections::HashMap;
use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use super::submissions::role_in;
use super::{Error, Services};
use crate::auth::{Viewer, policy};
use crate::domain::attempt::{Attempt, OutputExtent, Step};
use crate::domain::event::{Event, EventCursor};
use crate::domain::ids::{AttemptId, SubmissionId};
use crate::domain::verdict::Verdict;
use crate::store;
use crate::store::input::Typed;

/// The longest that an answer is held back until an attempt has finished.
pub const MAX_WAIT: Duration = Duration::from_mins(1);
/// How often a waiting request looks even if nothing woke it: at first, for what happened before it listened, and
/// then.
const FIRST_POLL: Duration = Duration::from_millis(30);
const POLL: Duration = Duration::from_secs(1);
/// The most that can be typed at once, and for one attempt.
const MAX_WRITE_BYTES: usize = 64 * 1024;
const MAX_TYPED_BYTES: i64 = 1024 * 1024;
/// How many events one page has at most, and if nobody says.
const MAX_EVENTS: i64 = 1000;

/// An attempt that the viewer may see.
pub async fn get(services: &Services, viewer: &Viewer, id: AttemptId) -> Result<Attempt, Error> {
    let mut conn = services.kept.take().await?;
    let found = store::attempts::find(&mut conn, viewer, id).await?;
    services.kept.keep(conn);
    found.ok_or(Error::NotFound("attempt"))
}

/// Attempts by id; those that the viewer may not see are missing.
pub async fn by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[AttemptId],
) -> Result<HashMap<AttemptId, Attempt>, Error> {
    let found = store::attempts::list_by_ids(&mut *services.connection().await?, viewer, ids).await?;
    Ok(found.into_iter().map(|attempt| (attempt.id, attempt)).collect())
}

/// Attempts by submission, newest first.
pub async fn by_submissions(
    services: &Services,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> Result<HashMap<SubmissionId, Vec<Attempt>>, Error> {
    let mut attempts: HashMap<SubmissionId, Vec<Attempt>> = HashMap::new();
    for attempt in store::attempts::list_by_submissions(&mut *services.connection().await?, viewer, ids).await? {
        attempts.entry(attempt.submission_id).or_default().push(attempt);
    }
    Ok(attempts)
}

/// Steps by attempt, in the order they run, with so much of their output.
pub async fn steps_by_attempts(
    services: &Services,
    viewer: &Viewer,
    ids: &[AttemptId],
    extent: OutputExtent,
) -> Result<HashMap<AttemptId, Vec<Step>>, Error> {
    let mut steps: HashMap<AttemptId, Vec<Step>> = HashMap::new();
    for step in store::steps::list_by_attempts(&mut *services.connection().await?, viewer, ids, extent).await? {
        steps.entry(step.attempt_id).or_default().push(step);
    }
    Ok(steps)
}

/// For those of the attempts that wait: how many are ahead of each.
pub async fn queue_positions(services: &Services, ids: &[AttemptId]) -> Result<HashMap<AttemptId, i64>, Error> {
    let positions = store::queue::positions(&mut *services.connection().await?, ids).await?;
    Ok(positions.into_iter().collect())
}

/// The log of an attempt behind a cursor, oldest first.
pub async fn events(
    services: &Services,
    viewer: &Viewer,
    id: AttemptId,
    first: Option<i32>,
    after: Option<EventCursor>,
) -> Result<Vec<Event>, Error> {
    let limit = match first.map(i64::from) {
        None => MAX_EVENTS,
        Some(first @ 0..=MAX_EVENTS) => first,
        Some(_) => return Err(Error::invalid("first", format!("first must be between 0 and {MAX_EVENTS}."))),
    };
    let mut conn = services.connection().await?;
    let attempt = store::events::find_readable(&mut conn, viewer, id).await?.ok_or(Error::NotFound("attempt"))?;
    super::logs::read_log(&mut conn, viewer, &attempt, after, limit).await
}

/// Waits until the attempt, which was looked at just now, has finished, but no longer than `wait`. Answers with it
/// as it is then.
pub async fn wait_finished(
    services: &Services,
    viewer: &Viewer,
    mut attempt: Attempt,
    wait: Duration,
) -> Result<Attempt, Error> {
    let deadline = Instant::now() + wait.min(MAX_WAIT);
    let mut waker = services.hub.events_of(attempt.id);
    let mut poll = FIRST_POLL;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if attempt.state.is_final() || left.is_zero() {
            return Ok(attempt);
        }
        waker.wait(left.min(poll)).await;
        poll = POLL;
        attempt = get(services, viewer, attempt.id).await?;
    }
}

/// Stops an attempt in whatever state it is; the same again changes nothing.
pub async fn cancel(services: &Services, viewer: &Viewer, id: AttemptId) -> Result<Attempt, Error> {
    let attempt = get(services, viewer, id).await?;
    let submission = super::submissions::get(services, viewer, attempt.submission_id).await?;
    let mut tx = services.begin().await?;
    let role = role_in(&mut tx, viewer, submission.course_id).await?;
    let is_requester = attempt.requested_by == viewer.user_id;
    if !policy::may_cancel(is_requester, submission.author_id == viewer.user_id, role) {
        return Err(Error::forbidden("Only who asked for it, its author and the staff of its course can stop it."));
    }
    if let Some(open) = store::leases::lock(&mut tx, id).await? {
        if open.lease_id.is_some() {
            store::leases::request_cancel(&mut tx, id).await?;
        } else {
            let reason = "cancelled while it waited";
            store::attempts::conclude_without_worker(&mut tx, &open, Verdict::Cancelled, reason, Utc::now()).await?;
        }
    }
    tx.commit().await?;
    get(services, viewer, id).await
}

/// Something to type into an interactive attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteStdin {
    /// Where among all that was typed; `None` for behind it.
    pub offset: Option<i64>,
    /// What to type. May be empty.
    pub bytes: Vec<u8>,
    /// Whether standard input is closed behind it.
    pub is_end: bool,
}

/// Types into a running interactive attempt. Answers with the offset of what comes next.
///
/// Bytes that were taken before are ignored, so a write can be repeated until it is answered.
pub async fn write_stdin(services: &Services, viewer: &Viewer, id: AttemptId, write: WriteStdin) -> Result<i64, Error> {
    if write.bytes.len() > MAX_WRITE_BYTES {
        return Err(Error::invalid("bytes", format!("At most {MAX_WRITE_BYTES} bytes can be typed at once.")));
    }
    let attempt = get(services, viewer, id).await?;
    if !policy::may_type_into(attempt.requested_by == viewer.user_id) {
        return Err(Error::forbidden("Only who asked for this run can type into it."));
    }
    let submission = super::submissions::get(services, viewer, attempt.submission_id).await?;
    if !submission.is_interactive {
        return Err(Error::conflict("This run is not interactive."));
    }
    let mut tx = services.begin().await?;
    match store::leases::lock(&mut tx, id).await? {
        None => return Err(Error::conflict("This run has ended.")),
        Some(open) if open.lease_id.is_none() => return Err(Error::conflict("This run has not started yet.")),
        Some(_) => {}
    }
    let extent = store::input::extent(&mut tx, id).await?;
    let typed = match new_part(&write, extent.next_offset)? {
        Some(typed) if extent.is_ended => {
            // A repeat of the end is a repeat; anything more is not.
            if typed.bytes.is_empty() {
                return Ok(extent.next_offset);
            }
            return Err(Error::conflict("Standard input is closed."));
        }
        Some(typed) => typed,
        None => return Ok(extent.next_offset),
    };
    let next_offset = extent.next_offset + length(&typed.bytes);
    if next_offset > MAX_TYPED_BYTES {
        return Err(Error::invalid("bytes", format!("At most {MAX_TYPED_BYTES} bytes can be typed into one run.")));
    }
    store::input::append(&mut tx, id, &typed).await?;
    tx.commit().await?;
    Ok(next_offset)
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

/// What of a write was not taken before. `None`: nothing.
fn new_part(write: &WriteStdin, next_offset: i64) -> Result<Option<Typed>, Error> {
    let offset = write.offset.unwrap_or(next_offset);
    if offset < 0 {
        return Err(Error::invalid("offset", "The offset cannot be negative."));
    }
    if offset > next_offset {
        return Err(Error::conflict("There is a gap before this offset: something typed earlier has not come."));
    }
    let taken = usize::try_from(next_offset - offset).unwrap_or(usize::MAX).min(write.bytes.len());
    let is_behind = offset + length(&write.bytes) >= next_offset;
    let bytes = write.bytes[taken..].to_vec();
    let is_end = write.is_end && is_behind;
    Ok((!bytes.is_empty() || is_end).then_some(Typed { offset: next_offset, bytes, is_end }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: Option<i64>, bytes: &[u8], is_end: bool) -> WriteStdin {
        WriteStdin { offset, bytes: bytes.to_vec(), is_end }
    }

    #[test]
    fn only_what_is_new_of_a_write_is_taken() {
        let part = |write: WriteStdin| new_part(&write, 3).map(|part| part.map(|typed| (typed.bytes, typed.is_end)));
        assert_eq!(part(write(None, b"de", false)).unwrap(), Some((b"de".to_vec(), false)));
        assert_eq!(part(write(Some(3), b"de", true)).unwrap(), Some((b"de".to_vec(), true)));
        assert_eq!(part(write(Some(0), b"abc", false)).unwrap(), None);
        assert_eq!(part(write(Some(1), b"bcd", false)).unwrap(), Some((b"d".to_vec(), false)));
        assert_eq!(part(write(Some(0), b"ab", true)).unwrap(), None);
        assert_eq!(part(write(None, b"", true)).unwrap(), Some((Vec::new(), true)));
        assert_eq!(part(write(Some(4), b"e", false)).unwrap_err().code(), "CONFLICT");
        assert_eq!(part(write(Some(-1), b"e", false)).unwrap_err().code(), "INVALID_INPUT");
    }
}
