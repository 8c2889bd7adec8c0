//! Where attempts hand in what happens, on its way to the [recorder](super::recorder).
//!
//! Each entry says when it has to be stored at the latest. What nobody waits for, such as the beginning of a
//! step, waits for company; so, for a moment, does the first output of an attempt. Most programs print and
//! are done: all of their events are then one transaction. Any other byte is stored at once.
//!
//! What waits is bounded in bytes; when that is used up, programs wait.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::attempt::Step;
use crate::domain::event::{Event, EventBody};
use crate::domain::ids::{AttemptId, LeaseId};
use crate::domain::verdict::Verdict;

/// How long a change of state, or a step's beginning or end, waits for company. Hardly anybody sees so short a delay.
const PATIENCE: Duration = Duration::from_millis(80);
/// How long the first output of an attempt waits for what may be its last: about as long as an interpreter needs to
/// end.
const FIRST_OUTPUT: Duration = Duration::from_millis(8);
/// What may wait to be stored, in KiB.
const BUFFER_KIB: u32 = 32 * 1024;
/// How many entries may wait to be stored.
const ENTRIES: usize = 1024;

/// How an attempt ends for this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It has a verdict.
    Verdict(Verdict),
    /// The worker stops: the attempt goes back to the queue.
    PutBack,
}

/// The end of an attempt for this worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// How it ends.
    pub(super) end: End,
    /// When.
    pub(super) at: DateTime<Utc>,
    /// When the attempt was queued, which is its first event.
    pub(super) queued_at: DateTime<Utc>,
}

/// Something that one attempt has handed in.
#[derive(Debug)]
pub(super) struct Entry {
    /// Of which attempt.
    pub(super) attempt_id: AttemptId,
    /// By which lease.
    pub(super) lease_id: LeaseId,
    /// What.
    pub(super) body: EntryBody,
}

/// What an attempt can hand in.
#[derive(Debug)]
pub(super) enum EntryBody {
    /// An event, and the step as it is then.
    Event {
        /// With its sequence.
        event: Event,
        /// Where the event is about one.
        step: Option<Box<Step>>,
        /// When it has to be stored at the latest.
        due: Instant,
        /// Given back when this is stored.
        room: OwnedSemaphorePermit,
    },
    /// The last of it.
    End {
        /// How and when.
        ending: Ending,
        /// The sequence behind all events.
        sequence: i32,
        /// Dropped when it is stored, or lost.
        done: oneshot::Sender<()>,
    },
}

/// Where the recorder takes from what attempts have handed in.
#[derive(Debug)]
pub(super) struct Entries {
    entries: mpsc::Receiver<Entry>,
    closed: CancellationToken,
}

impl Entries {
    /// The next one, as soon as there is one. `None` when the recorder is closed and nothing is left.
    pub(super) async fn next(&mut self) -> Option<Entry> {
        tokio::select! {
            biased;
            entry = self.entries.recv() => entry,
            () = self.closed.cancelled() => None,
        }
    }

    /// The next one if it comes by then; when the recorder is closed there is no waiting.
    pub(super) async fn next_by(&mut self, deadline: Instant) -> Option<Entry> {
        tokio::time::timeout_at(deadline, self.next()).await.ok().flatten()
    }

    /// Whether nobody hands in any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// The next one if it is there.
    pub(super) fn next_now(&mut self) -> Option<Entry> {
        self.entries.try_recv().ok()
    }
}

/// Where attempts hand in what happened. Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    entries: mpsc::Sender<Entry>,
    room: Arc<Semaphore>,
    closed: CancellationToken,
}

impl Recorder {
    /// Where attempts hand in what happened, and where it is taken from.
    pub(super) fn new() -> (Self, Entries) {
        let (sender, entries) = mpsc::channel(ENTRIES);
        let closed = CancellationToken::new();
        let room = Arc::new(Semaphore::new(BUFFER_KIB as usize));
        (Self { entries: sender, room, closed: closed.clone() }, Entries { entries, closed })
    }

    /// The journal of an attempt that was queued then and whose next event has this sequence.
    pub(super) fn journal(
        &self,
        attempt_id: AttemptId,
        lease_id: LeaseId,
        next_sequence: i32,
        queued_at: DateTime<Utc>,
    ) -> Journal {
        Journal { recorder: self.clone(), attempt_id, lease_id, next_sequence, queued_at, has_output: false }
    }

    /// Stores what has been handed in, and ends.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }
}

/// Where one attempt hands in what happened, in order.
#[derive(Debug)]
pub(super) struct Journal {
    recorder: Recorder,
    attempt_id: AttemptId,
    lease_id: LeaseId,
    next_sequence: i32,
    queued_at: DateTime<Utc>,
    has_output: bool,
}

impl Journal {
    /// Hands in an event, and the step as it is then. Waits while too much is not stored yet.
    pub(super) async fn write(&mut self, at: DateTime<Utc>, body: EventBody, step: Option<Step>) {
        let room = Arc::clone(&self.recorder.room).acquire_many_owned(kib(&body, step.as_ref())).await;
        let room = room.expect("nobody closes the semaphore");
        let due = Instant::now() + self.patience(&body);
        let event = Event { sequence: self.next_sequence, at, body };
        self.next_sequence += 1;
        self.send(EntryBody::Event { event, step: step.map(Box::new), due, room }).await;
    }

    fn patience(&mut self, body: &EventBody) -> Duration {
        match body {
            EventBody::OutputChunk { .. } if !std::mem::replace(&mut self.has_output, true) => FIRST_OUTPUT,
            EventBody::OutputChunk { .. } | EventBody::InputChunk { .. } => Duration::ZERO,
            EventBody::StateChanged(_)
            | EventBody::StepStarted(_)
            | EventBody::StepFinished(_)
            | EventBody::AttemptFinished => PATIENCE,
        }
    }

    /// Hands in the end and waits until it is stored.
    pub(super) async fn end(self, end: End) {
        let (done, stored) = oneshot::channel();
        let ending = Ending { end, at: Utc::now(), queued_at: self.queued_at };
        self.send(EntryBody::End { ending, sequence: self.next_sequence, done }).await;
        // The sender says nothing: it is dropped when there is nothing more to wait for.
        drop(stored.await);
    }

    async fn send(&self, body: EntryBody) {
        let entry = Entry { attempt_id: self.attempt_id, lease_id: self.lease_id, body };
        // The recorder outlives all attempts but those that are left behind.
        drop(self.recorder.entries.send(entry).await);
    }
}

/// The room that an entry takes: never more than there is.
fn kib(body: &EventBody, step: Option<&Step>) -> u32 {
    let event = match body {
        EventBody::OutputChunk { bytes, .. } | EventBody::InputChunk { bytes, .. } => bytes.len(),
        EventBody::StateChanged(_)
        | EventBody::StepStarted(_)
        | EventBody::StepFinished(_)
        | EventBody::AttemptFinished => 0,
    };
    let step = step.map_or(0, |step| step.stdout.bytes.len() + step.stderr.bytes.len());
    u32::try_from((event + step) / 1024 + 1).unwrap_or(BUFFER_KIB).min(BUFFER_KIB)
}
