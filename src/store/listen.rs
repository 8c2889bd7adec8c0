//! Wake-ups: one listening connection per process, fanned out in memory.
//!
//! `NOTIFY` carries ids and means "look again"; that of an end carries the finished attempt as well ([`super::finished`]), which
//! does not change any more, so that there is no need to look. A wake-up can be late, doubled or lost
//! with the connection; whoever waits therefore registers *before* it reads, and polls now and then.
//! After a reconnect everybody is woken.
//!
//! ```text
//!  Postgres ──NOTIFY──▶ listen() ──▶ Hub ──▶ Waker of an attempt, a course, a user, the queue
//! ```

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::finished::Finished;
use super::rights;
use crate::domain::ids::{AttemptId, CourseId, UserId};

/// The payload is an attempt whose log grew and, behind a space, all of it where it has finished and is short.
const ATTEMPT_EVENTS: &str = "attempt_events";
/// The payload is an attempt that somebody cancelled or typed into.
const ATTEMPT_CONTROL: &str = "attempt_control";
/// The payload is a user and, behind a space, a course: there is a change of state in their feeds.
const ACTIVITY: &str = "activity";
/// No payload: an attempt waits.
const QUEUE: &str = "queue";

/// What a process wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// New events and changes of state, for subscriptions.
    Api,
    /// New work and what concerns running work.
    Worker,
}

impl Audience {
    const fn channels(self) -> &'static [&'static str] {
        match self {
            Self::Api => &[ATTEMPT_EVENTS, ACTIVITY, rights::CHANNEL],
            Self::Worker => &[QUEUE, ATTEMPT_CONTROL],
        }
    }
}

/// Where wake-ups are handed out. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    events: Topic<AttemptId, Arc<Finished>>,
    control: Topic<AttemptId>,
    users: Topic<UserId>,
    courses: Topic<CourseId>,
    rights: Topic<UserId>,
    queue: Topic<()>,
    /// Counts the beginnings and the ends of connections that listen.
    session: Arc<AtomicU64>,
    /// Counts changes of anybody's rights, and what may have hidden one.
    changes_of_rights: Arc<AtomicU64>,
}

impl Hub {
    /// The connection that listens now, by a number of its own; `None` where there is none. As long as it is the same one,
    /// Postgres has not gone away.
    pub(super) fn session(&self) -> Option<u64> {
        let session = self.session.load(Ordering::SeqCst);
        (session % 2 == 1).then_some(session)
    }

    /// Woken when the attempt's log grew.
    pub fn events_of(&self, attempt: AttemptId) -> Waker<AttemptId, Arc<Finished>> {
        self.events.subscribe(attempt)
    }

    /// Woken when somebody cancelled the attempt or typed into it.
    pub fn control_of(&self, attempt: AttemptId) -> Waker<AttemptId> {
        self.control.subscribe(attempt)
    }

    /// Woken when an attempt of the user changed its state.
    pub fn activity_of_user(&self, user: UserId) -> Waker<UserId> {
        self.users.subscribe(user)
    }

    /// Woken when an attempt in the course changed its state.
    pub fn activity_of_course(&self, course: CourseId) -> Waker<CourseId> {
        self.courses.subscribe(course)
    }

    /// Woken when the user may have lost a right.
    pub fn rights_of(&self, user: UserId) -> Waker<UserId> {
        self.rights.subscribe(user)
    }

    /// How often anybody's rights may have changed: it grows with each time.
    pub fn changes_of_rights(&self) -> u64 {
        self.changes_of_rights.load(Ordering::SeqCst)
    }

    /// Tells those in this process of a change that is committed here: the notice comes a moment later.
    pub fn change_rights_of(&self, user: UserId) {
        self.changes_of_rights.fetch_add(1, Ordering::SeqCst);
        self.rights.wake(&user);
    }

    /// Woken when there may be something to claim.
    pub fn queue(&self) -> Waker<()> {
        self.queue.subscribe(())
    }

    /// Wakes everybody: what was missed is unknown.
    pub fn wake_all(&self) {
        self.changes_of_rights.fetch_add(1, Ordering::SeqCst);
        self.events.wake_all();
        self.control.wake_all();
        self.users.wake_all();
        self.courses.wake_all();
        self.rights.wake_all();
        self.queue.wake_all();
    }

    fn receive(&self, channel: &str, payload: &str) {
        match channel {
            ATTEMPT_EVENTS => {
                let (attempt, finished) = payload.split_once(' ').unwrap_or((payload, ""));
                tell(&self.events, attempt, || Finished::read(finished).map(Arc::new));
            }
            ATTEMPT_CONTROL => wake(&self.control, payload),
            ACTIVITY => {
                let (user, course) = payload.split_once(' ').unwrap_or((payload, ""));
                wake(&self.users, user);
                wake(&self.courses, course);
            }
            rights::CHANNEL => {
                if let Ok(user) = payload.parse() {
                    self.change_rights_of(user);
                }
            }
            _ => self.queue.wake(&()),
        }
    }
}

fn wake<K: Hash + Eq + Copy + From<Uuid>>(topic: &Topic<K>, payload: &str) {
    tell(topic, payload, || None);
}

/// Wakes whoever waits for that id, with news if there are any: nobody else needs them read.
fn tell<K, N>(topic: &Topic<K, N>, id: &str, news: impl FnOnce() -> Option<N>)
where
    K: Hash + Eq + Copy + From<Uuid>,
{
    if let Ok(id) = Uuid::try_parse(id) {
        topic.tell(&id.into(), news);
    }
}

/// What those who wait for a key were told.
#[derive(Debug)]
struct Told<N> {
    wake_ups: u64,
    news: Option<N>,
}

#[derive(Debug)]
struct Topic<K, N = ()> {
    keys: Arc<Mutex<HashMap<K, watch::Sender<Told<N>>>>>,
}

impl<K, N> Clone for Topic<K, N> {
    fn clone(&self) -> Self {
        Self { keys: Arc::clone(&self.keys) }
    }
}

impl<K, N> Default for Topic<K, N> {
    fn default() -> Self {
        Self { keys: Arc::default() }
    }
}

impl<K: Hash + Eq + Copy, N> Topic<K, N> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Sender<Told<N>>>> {
        // Nothing panics while the map is half changed.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, key: K) -> Waker<K, N> {
        let nothing = || watch::channel(Told { wake_ups: 0, news: None }).0;
        let receiver = self.lock().entry(key).or_insert_with(nothing).subscribe();
        Waker { key, receiver: Some(receiver), topic: self.clone() }
    }

    fn wake(&self, key: &K) {
        self.tell(key, || None);
    }

    fn tell(&self, key: &K, news: impl FnOnce() -> Option<N>) {
        if let Some(sender) = self.lock().get(key) {
            let news = news();
            sender.send_modify(|told| {
                told.wake_ups += 1;
                told.news = news.or(told.news.take());
            });
        }
    }

    fn wake_all(&self) {
        for sender in self.lock().values() {
            sender.send_modify(|told| told.wake_ups += 1);
        }
    }
}

/// Somebody's interest in one key; it ends where this is dropped.
#[derive(Debug)]
pub struct Waker<K: Hash + Eq + Copy, N = ()> {
    key: K,
    /// `None` only while it is dropped.
    receiver: Option<watch::Receiver<Told<N>>>,
    topic: Topic<K, N>,
}

impl<K: Hash + Eq + Copy, N> Waker<K, N> {
    /// Returns at the next wake-up, at once if there was one since the last call, and after `poll` in
    /// any case. Answers whether it was a wake-up.
    pub async fn wait(&mut self, poll: Duration) -> bool {
        match &mut self.receiver {
            // The sender lives as long as `self`.
            Some(receiver) => tokio::time::timeout(poll, receiver.changed()).await.is_ok(),
            None => false,
        }
    }
}

impl<K: Hash + Eq + Copy, N> Waker<K, N> {
    /// Whether there was a wake-up since the last call of this or of [`Self::wait`].
    pub fn was_woken(&mut self) -> bool {
        self.receiver.as_mut().is_some_and(|receiver| {
            let is_woken = receiver.has_changed().unwrap_or(false);
            receiver.mark_unchanged();
            is_woken
        })
    }

    /// Forgets the wake-ups until now, since their cause will be read next. Answers with their number;
    /// it only grows while anybody waits for the same key.
    pub fn forget(&mut self) -> u64 {
        self.receiver.as_mut().map_or(0, |receiver| receiver.borrow_and_update().wake_ups)
    }
}

impl<K: Hash + Eq + Copy, N: Clone> Waker<K, N> {
    /// What came with the wake-ups until now.
    pub fn news(&self) -> Option<N> {
        self.receiver.as_ref().and_then(|receiver| receiver.borrow().news.clone())
    }
}

impl<K: Hash + Eq + Copy, N> Drop for Waker<K, N> {
    fn drop(&mut self) {
        let mut keys = self.topic.lock();
        self.receiver = None;
        if keys.get(&self.key).is_some_and(|sender| sender.receiver_count() == 0) {
            keys.remove(&self.key);
        }
    }
}

/// Hands out wake-ups until `shutdown`. Reconnects by itself.
pub async fn listen(pool: PgPool, hub: Hub, audience: Audience, shutdown: CancellationToken) {
    const PAUSE: Duration = Duration::from_millis(250);
    while !shutdown.is_cancelled() {
        let session = listen_once(&pool, &hub, audience);
        match shutdown.run_until_cancelled(session).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "not listening to Postgres"),
        }
        hub.wake_all();
        shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// A connection that listens, counted at its beginning and at its end.
struct Session<'a>(&'a AtomicU64);

impl<'a> Session<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One connection until it is lost.
async fn listen_once(pool: &PgPool, hub: &Hub, audience: Audience) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.ignore_pool_close_event(false);
    // That it is lost is to be known at once.
    listener.eager_reconnect(false);
    listener.listen_all(audience.channels().iter().copied()).await?;
    // What happened before is not in this connection's queue.
    hub.wake_all();
    let _session = Session::begin(&hub.session);
    while let Some(notification) = listener.try_recv().await? {
        hub.receive(notification.channel(), notification.payload());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_hours(1);
    const AT_ONCE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn a_wake_up_before_the_wait_is_not_lost() {
        let hub = Hub::default();
        let id = AttemptId::new();
        let (mut first, mut second) = (hub.events_of(id), hub.events_of(id));
        hub.receive(ATTEMPT_EVENTS, &id.as_uuid().to_string());
        first.wait(NEVER).await;
        second.wait(NEVER).await;
    }

    #[tokio::test]
    async fn a_change_of_state_wakes_the_user_and_the_course() {
        let hub = Hub::default();
        let (user, course) = (UserId::new(), CourseId::new());
        let (mut of_user, mut of_course) = (hub.activity_of_user(user), hub.activity_of_course(course));
        hub.receive(ACTIVITY, &format!("{} {}", user.as_uuid(), course.as_uuid()));
        of_user.wait(NEVER).await;
        of_course.wait(NEVER).await;
        hub.receive(ACTIVITY, &user.as_uuid().to_string());
        of_user.wait(NEVER).await;
    }

    #[tokio::test]
    async fn nothing_is_kept_for_those_who_have_gone() {
        let hub = Hub::default();
        let id = AttemptId::new();
        let (first, second) = (hub.events_of(id), hub.events_of(id));
        drop(first);
        assert_eq!(hub.events.lock().len(), 1);
        drop(second);
        assert_eq!(hub.events.lock().len(), 0);
        hub.events_of(id).wait(AT_ONCE).await;
    }
}
