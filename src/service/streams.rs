//! What happens, as it happens: replay from a cursor, then live, without gap or repeat.
//!
//! A stream registers for wake-ups, then reads what is stored behind its cursor, then waits and reads
//! again. It holds one page at a time: a slow reader costs no more than that, and misses nothing. It
//! looks again now and then although nothing woke it, goes on when Postgres comes back, and ends when
//! the viewer loses the right.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::stream::{self, Stream};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{Error, Services, sessions};
use crate::auth::Viewer;
use crate::domain::attempt::{Activity, ActivityCursor, Attempt, Step};
use crate::domain::event::{Event, EventBody, EventCursor};
use crate::domain::ids::{AttemptId, CourseId, UserId};
use crate::domain::verdict::{AttemptState, OutputStream, StepKind};
use crate::store;
use crate::store::activity::Feed;
use crate::store::events::ReadableAttempt;
use crate::store::listen::Waker;

/// How often a stream looks even if nothing woke it.
const POLL: Duration = Duration::from_secs(5);
/// How often the viewer's rights are checked even if nothing says that they changed.
const RECHECK: Duration = Duration::from_secs(5);
/// How long to wait for Postgres between two tries.
const DATABASE_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait for the end of transactions that hold a feed back.
const HELD_BACK_PAUSE: Duration = Duration::from_millis(10);
/// How many rows are read at once.
const PAGE: i64 = 64;

/// The log of an attempt as far as it is read.
enum Read {
    /// The next events; more may come.
    Part(Vec<Event>),
    /// All that is behind the cursor: the attempt has finished.
    Rest(Vec<Event>),
}

/// Reads the log behind a sequence, wherever it is kept: live rows, one packed row, or, where that was
/// dropped by age, what the steps still tell.
async fn read(
    conn: &mut PgConnection,
    viewer: &Viewer,
    attempt: &ReadableAttempt,
    after: Option<i32>,
    limit: i64,
) -> sqlx::Result<Read> {
    let live = store::events::list_after(conn, attempt, after, limit).await?;
    if !live.is_empty() {
        return Ok(Read::Part(live));
    }
    let mut log = match store::log::find(conn, attempt).await? {
        Some(log) => log,
        None => match store::attempts::list_by_ids(conn, viewer, &[attempt.id()]).await?.pop() {
            Some(row) if row.state.is_final() => {
                // It may have finished between the two statements: then it is packed by now.
                match store::log::find(conn, attempt).await? {
                    Some(log) => log,
                    None => synthesise(&row, &store::steps::list_by_attempts(conn, viewer, &[row.id]).await?),
                }
            }
            Some(_) | None => return Ok(Read::Part(Vec::new())),
        },
    };
    log.retain(|event| after.is_none_or(|after| event.sequence > after));
    Ok(Read::Rest(log))
}

/// At most `limit` events behind a cursor, as [`attempt_events`] would deliver them now.
pub(super) async fn read_log(
    conn: &mut PgConnection,
    viewer: &Viewer,
    attempt: &ReadableAttempt,
    after: Option<EventCursor>,
    limit: i64,
) -> sqlx::Result<Vec<Event>> {
    Ok(match read(conn, viewer, attempt, after.map(|cursor| cursor.0), limit).await? {
        Read::Part(events) => events,
        Read::Rest(mut events) => {
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

/// The viewer of a stream, and whether they still are.
struct Rights {
    services: Arc<Services>,
    viewer: Viewer,
    waker: Waker<UserId>,
    due: Instant,
}

impl Rights {
    fn new(services: Arc<Services>, viewer: Viewer) -> Self {
        let waker = services.hub.rights_of(viewer.user_id);
        Self { services, viewer, waker, due: Instant::now() + RECHECK }
    }

    /// Waits for something to happen.
    async fn wait(&mut self, happening: impl Future<Output = ()>) {
        let until_due = self.due.saturating_duration_since(Instant::now());
        tokio::select! {
            () = happening => {}
            () = self.waker.wait(until_due) => self.due = Instant::now(),
        }
    }

    /// Says that the check has been made; the next is some time away.
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.due;
        if is_due {
            self.due = now + RECHECK;
        }
        is_due
    }
}

/// Whether an error passes by itself.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Overloaded { .. })
}

struct EventStream {
    rights: Rights,
    attempt: ReadableAttempt,
    waker: Waker<AttemptId>,
    after: Option<i32>,
    buffer: VecDeque<Event>,
    /// Nothing is behind the buffer.
    is_complete: bool,
}

/// The events of an attempt behind a cursor, or from the beginning. Ends behind `AttemptFinished`.
///
/// # Errors
/// NOT_FOUND at once where the viewer may not see the attempt. As an item, the last one, where they lose
/// the right, or where we fail.
pub async fn attempt_events(
    services: Arc<Services>,
    viewer: Viewer,
    id: AttemptId,
    after: Option<EventCursor>,
) -> Result<impl Stream<Item = Result<Event, Error>> + Send + 'static, Error> {
    // Before the first look: a wake-up in between is then not lost.
    let waker = services.hub.events_of(id);
    let attempt = store::events::find_readable(&mut *services.connection().await?, &viewer, id)
        .await?
        .ok_or(Error::NotFound("attempt"))?;
    let stream = EventStream {
        rights: Rights::new(services, viewer),
        attempt,
        waker,
        after: after.map(|cursor| cursor.0),
        buffer: VecDeque::new(),
        is_complete: false,
    };
    Ok(stream::try_unfold(stream, async |mut stream: EventStream| {
        Ok(stream.next().await?.map(|event| (event, stream)))
    }))
}

impl EventStream {
    async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.buffer.pop_front() {
                self.after = Some(event.sequence);
                self.is_complete |= event.body.is_last();
                return Ok(Some(event));
            }
            if self.is_complete {
                return Ok(None);
            }
            match self.fill().await {
                Ok(()) if self.buffer.is_empty() && !self.is_complete => {
                    self.rights.wait(self.waker.wait(POLL)).await;
                }
                Ok(()) => {}
                Err(error) if is_passing(&error) => tokio::time::sleep(DATABASE_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        let services = Arc::clone(&self.rights.services);
        let viewer = &self.rights.viewer.clone();
        let is_due = self.rights.is_due();
        if is_due {
            sessions::recheck(&services, viewer).await?;
        }
        let mut conn = services.connection().await?;
        if is_due {
            let readable = store::events::find_readable(&mut conn, viewer, self.attempt.id()).await?;
            self.attempt = readable.ok_or(Error::NotFound("attempt"))?;
        }
        match read(&mut conn, viewer, &self.attempt, self.after, PAGE).await? {
            Read::Part(events) => {
                for event in &events {
                    let delay = (Utc::now() - event.at).to_std().unwrap_or_default();
                    metrics::histogram!("codecanvas_event_delivery_seconds").record(delay);
                }
                self.buffer.extend(events);
            }
            Read::Rest(events) => {
                self.buffer.extend(events);
                self.is_complete = true;
            }
        }
        Ok(())
    }
}

struct ActivityStream<K: std::hash::Hash + Eq + Copy> {
    rights: Rights,
    feed: Feed,
    waker: Waker<K>,
    after: ActivityCursor,
    buffer: VecDeque<Activity>,
}

/// Each change of state of the viewer's own attempts behind a cursor. Without one it begins a few
/// seconds ago. Never ends by itself.
pub async fn viewer_activity(
    services: Arc<Services>,
    viewer: Viewer,
    after: Option<ActivityCursor>,
) -> Result<impl Stream<Item = Result<Activity, Error>> + Send + 'static, Error> {
    let waker = services.hub.activity_of_user(viewer.user_id);
    let feed = Feed::User(viewer.user_id);
    activity(services, viewer, feed, waker, after).await
}

/// The same for all attempts in a course. Only for its teachers and assistants.
///
/// # Errors
/// NOT_FOUND for a course the viewer is not in, FORBIDDEN for its students.
pub async fn course_activity(
    services: Arc<Services>,
    viewer: Viewer,
    course: CourseId,
    after: Option<ActivityCursor>,
) -> Result<impl Stream<Item = Result<Activity, Error>> + Send + 'static, Error> {
    check_course(&mut *services.connection().await?, &viewer, course).await?;
    let waker = services.hub.activity_of_course(course);
    activity(services, viewer, Feed::Course(course), waker, after).await
}

async fn check_course(conn: &mut PgConnection, viewer: &Viewer, course: CourseId) -> Result<(), Error> {
    let seat = store::submissions::find_seat(conn, viewer, course).await?.ok_or(Error::NotFound("course"))?;
    if crate::auth::policy::may_watch_course(Some(seat.role)) {
        Ok(())
    } else {
        Err(Error::forbidden("Only its teachers and assistants can watch a course."))
    }
}

async fn activity<K: std::hash::Hash + Eq + Copy + Send + 'static>(
    services: Arc<Services>,
    viewer: Viewer,
    feed: Feed,
    waker: Waker<K>,
    after: Option<ActivityCursor>,
) -> Result<impl Stream<Item = Result<Activity, Error>> + Send + 'static, Error> {
    let after = match after {
        Some(after) => after,
        None => store::activity::start(&mut *services.connection().await?, feed).await?,
    };
    let rights = Rights::new(services, viewer);
    let stream = ActivityStream { rights, feed, waker, after, buffer: VecDeque::new() };
    Ok(stream::try_unfold(stream, async |mut stream: ActivityStream<K>| Ok(Some((stream.next().await?, stream)))))
}

impl<K: std::hash::Hash + Eq + Copy> ActivityStream<K> {
    async fn next(&mut self) -> Result<Activity, Error> {
        loop {
            if let Some(activity) = self.buffer.pop_front() {
                self.after = activity.cursor;
                return Ok(activity);
            }
            match self.fill().await {
                Ok(true) => tokio::time::sleep(HELD_BACK_PAUSE).await,
                Ok(false) if self.buffer.is_empty() => self.rights.wait(self.waker.wait(POLL)).await,
                Ok(false) => {}
                Err(error) if is_passing(&error) => tokio::time::sleep(DATABASE_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the next page. Answers whether there is none yet although there will be at once.
    async fn fill(&mut self) -> Result<bool, Error> {
        let services = Arc::clone(&self.rights.services);
        let viewer = self.rights.viewer.clone();
        let is_due = self.rights.is_due();
        if is_due {
            sessions::recheck(&services, &viewer).await?;
        }
        let mut conn = services.connection().await?;
        if is_due && let Feed::Course(course) = self.feed {
            check_course(&mut conn, &viewer, course).await?;
        }
        let page = store::activity::list_after(&mut conn, &viewer, self.feed, self.after, PAGE).await?;
        let is_empty = page.is_empty();
        self.buffer.extend(page);
        Ok(is_empty && store::activity::is_held_back(&mut conn, self.feed, self.after).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::Output;
    use crate::domain::ids::SubmissionId;
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
            stdout: Output { bytes: b"hello".to_vec(), total: Bytes(5) },
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
