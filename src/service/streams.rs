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
use tokio::time::Instant;

use super::logs::Read;
use super::tails::{POLLED, Tail};
use super::{Error, Services, courses, sessions};
use crate::auth::Viewer;
use crate::domain::attempt::{Activity, ActivityCursor, Attempt};
use crate::domain::event::{Event, EventCursor};
use crate::domain::ids::{AttemptId, CourseId, UserId};
use crate::store;
use crate::store::activity::Feed;
use crate::store::events::ReadableAttempt;
use crate::store::finished::Finished;
use crate::store::listen::Waker;

/// How often a stream looks even if nothing woke it.
const POLL: Duration = Duration::from_secs(10);
/// How often the viewer's rights are checked even if nothing says that they changed.
const RECHECK: Duration = Duration::from_secs(10);
/// How far the clock of this process may be ahead of Postgres', which tells when a credential ends.
const CLOCK_SKEW: Duration = Duration::from_millis(500);
/// How long to wait for Postgres between two tries.
const DATABASE_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait for the end of transactions that hold a feed back: at first, and at most.
const HELD_BACK_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_HELD_BACK_PAUSE: Duration = Duration::from_millis(500);
/// How many rows of a feed are read at once.
const PAGE: i64 = 64;

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
        let due = Self::next_check(&viewer);
        Self { services, viewer, waker, due }
    }

    /// Some time from now, or when the credential ends by its date, which nobody gives notice of.
    fn next_check(viewer: &Viewer) -> Instant {
        let left = viewer.expires_at.and_then(|end| (end - Utc::now()).to_std().ok());
        Instant::now() + left.map_or(RECHECK, |left| RECHECK.min(left + CLOCK_SKEW))
    }

    /// Waits for something to happen. Answers whether there was a wake-up for it.
    async fn wait(&mut self, happening: impl Future<Output = bool>) -> bool {
        let until_due = self.due.saturating_duration_since(Instant::now());
        tokio::select! {
            is_woken = happening => is_woken,
            _ = self.waker.wait(until_due) => {
                self.due = Instant::now();
                false
            }
        }
    }

    /// Whether a check is due; says that it has been made. A stream that never waits asks here alone.
    fn is_due(&mut self) -> bool {
        let is_due = self.waker.was_woken() || Instant::now() >= self.due;
        if is_due {
            self.due = Self::next_check(&self.viewer);
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
    tail: Arc<Tail>,
    waker: Waker<AttemptId, Arc<Finished>>,
    after: Option<i32>,
    buffer: VecDeque<Event>,
    /// There was something: look again before waiting.
    has_more: bool,
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
    let attempt = if let Some(attempt) = services.recent.readable(&viewer, id) {
        attempt
    } else {
        let mut conn = services.kept.take().await?;
        let attempt = store::events::find_readable(&mut conn, &viewer, id).await?.ok_or(Error::NotFound("attempt"))?;
        services.kept.keep(conn);
        attempt
    };
    // On the heap: the stream holds it twice, for itself and for its next event.
    let stream = Box::new(EventStream {
        tail: services.tails.of(id),
        rights: Rights::new(services, viewer),
        attempt,
        waker,
        after: after.map(|cursor| cursor.0),
        buffer: VecDeque::new(),
        has_more: true,
        is_complete: false,
    });
    Ok(stream::try_unfold(stream, async |mut stream: Box<EventStream>| {
        Ok(stream.next().await?.map(|event| (event, stream)))
    }))
}

/// The attempt whose last event a stream has just delivered, where it was read with its log: asked for while the stream is
/// there.
pub fn finished_attempt(services: &Services, id: AttemptId) -> Option<Attempt> {
    services.tails.of(id).finished().cloned()
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
            // Where nothing woke us, what others have read is no reason not to look.
            let is_poll = !self.has_more && !self.rights.wait(self.waker.wait(POLL)).await;
            // What wakes us from here on is read the next time.
            let wake_ups = self.waker.forget();
            // On the heap, like all that a stream needs only while it reads: thousands of them wait.
            match Box::pin(self.fill(if is_poll { POLLED } else { wake_ups })).await {
                Ok(()) => self.has_more = !self.buffer.is_empty(),
                Err(error) if is_passing(&error) => {
                    tokio::time::sleep(DATABASE_PAUSE).await;
                    self.has_more = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn fill(&mut self, wake_ups: u64) -> Result<(), Error> {
        let services = Arc::clone(&self.rights.services);
        let viewer = &self.rights.viewer.clone();
        let is_due = self.rights.is_due();
        if is_due {
            sessions::recheck(&services, viewer).await?;
        }
        if is_due {
            let mut conn = services.connection().await?;
            let readable = store::events::find_readable(&mut conn, viewer, self.attempt.id()).await?;
            self.attempt = readable.ok_or(Error::NotFound("attempt"))?;
        }
        let finished = self.waker.news();
        match self.tail.read(&services, viewer, &self.attempt, self.after, wake_ups, finished.as_deref()).await? {
            Read::Part(events) => self.buffer.extend(events),
            Read::Rest(events, _) => {
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

/// Each change of state of the viewer's own attempts behind a cursor. Without one it begins ten
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
    courses::check_staff(&mut *services.connection().await?, &viewer, course).await?;
    let waker = services.hub.activity_of_course(course);
    activity(services, viewer, Feed::Course(course), waker, after).await
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
    let stream = Box::new(ActivityStream { rights, feed, waker, after, buffer: VecDeque::new() });
    Ok(stream::try_unfold(stream, async |mut stream: Box<ActivityStream<K>>| Ok(Some((stream.next().await?, stream)))))
}

impl<K: std::hash::Hash + Eq + Copy> ActivityStream<K> {
    async fn next(&mut self) -> Result<Activity, Error> {
        let mut pause = HELD_BACK_PAUSE;
        loop {
            if let Some(activity) = self.buffer.pop_front() {
                self.after = activity.cursor;
                return Ok(activity);
            }
            match Box::pin(self.fill()).await {
                Ok(true) => {
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_HELD_BACK_PAUSE.min(2 * pause);
                }
                Ok(false) if self.buffer.is_empty() => {
                    self.rights.wait(self.waker.wait(POLL)).await;
                }
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
            courses::check_staff(&mut conn, &viewer, course).await?;
        }
        let page = store::activity::list_after(&mut conn, &viewer, self.feed, self.after, PAGE).await?;
        let is_empty = page.is_empty();
        self.buffer.extend(page);
        Ok(is_empty && store::activity::is_held_back(&mut conn, self.feed, self.after).await?)
    }
}
