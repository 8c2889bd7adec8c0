//! Stores what happens in all attempts of the worker, many events in one transaction.
//!
//! `NOTIFY` serialises commits over the whole server, so the recorder makes few of them: it takes what
//! has come from all slots since its last transaction, waits a few milliseconds where that was just
//! now, and writes it with one commit. The first byte after a pause is stored at once.
//!
//! While Postgres is away events wait here, bounded in bytes; when that is used up, programs wait. A
//! commit whose answer was lost with the connection is recognised by the sequence in the queue's row and
//! is not made twice.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::leases::Leases;
use super::retry::{Pauses, is_passing};
use crate::domain::attempt::Step;
use crate::domain::event::{Event, EventBody};
use crate::domain::ids::{AttemptId, LeaseId};
use crate::domain::verdict::{AttemptState, Verdict};
use crate::store::attempts::{self, Conclusion};
use crate::store::events::{self, Batch, Turn};
use crate::store::{leases, steps};

/// From the beginning of one transaction to that of the next, unless an attempt ends.
const INTERVAL: Duration = Duration::from_millis(4);
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

#[derive(Debug)]
struct Entry {
    attempt_id: AttemptId,
    lease_id: LeaseId,
    body: EntryBody,
}

#[derive(Debug)]
enum EntryBody {
    Event {
        event: Event,
        step: Option<Box<Step>>,
        room: OwnedSemaphorePermit,
    },
    End {
        end: End,
        sequence: i32,
        at: DateTime<Utc>,
        /// Dropped when it is stored, or lost.
        done: oneshot::Sender<()>,
    },
}

/// Where attempts hand in what happened. Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    entries: mpsc::Sender<Entry>,
    room: Arc<Semaphore>,
    closed: CancellationToken,
}

impl Recorder {
    /// A recorder, and the task that does its work.
    pub(super) fn new(pool: PgPool, leases: Arc<Leases>) -> (Self, Recording) {
        let (sender, entries) = mpsc::channel(ENTRIES);
        let closed = CancellationToken::new();
        let room = Arc::new(Semaphore::new(BUFFER_KIB as usize));
        let recording = Recording { pool, leases, entries, closed: closed.clone() };
        (Self { entries: sender, room, closed }, recording)
    }

    /// The journal of an attempt whose next event has this sequence.
    pub(super) fn journal(&self, attempt_id: AttemptId, lease_id: LeaseId, next_sequence: i32) -> Journal {
        Journal { recorder: self.clone(), attempt_id, lease_id, next_sequence }
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
}

impl Journal {
    /// Hands in an event, and the step as it is then. Waits while too much is not stored yet.
    pub(super) async fn write(&mut self, at: DateTime<Utc>, body: EventBody, step: Option<Step>) {
        let room = Arc::clone(&self.recorder.room).acquire_many_owned(kib(&body, step.as_ref())).await;
        let room = room.expect("nobody closes the semaphore");
        let event = Event { sequence: self.next_sequence, at, body };
        self.next_sequence += 1;
        self.send(EntryBody::Event { event, step: step.map(Box::new), room }).await;
    }

    /// Hands in the end and waits until it is stored.
    pub(super) async fn end(self, end: End) {
        let (done, stored) = oneshot::channel();
        self.send(EntryBody::End { end, sequence: self.next_sequence, at: Utc::now(), done }).await;
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

/// What one attempt has handed in since the last transaction.
#[derive(Debug)]
struct Pending {
    batch: Batch,
    states: Vec<AttemptState>,
    /// The latest of each kind.
    steps: Vec<Step>,
    end: Option<(End, DateTime<Utc>)>,
    done: Option<oneshot::Sender<()>>,
    /// Given back when this is stored.
    room: Vec<OwnedSemaphorePermit>,
}

impl Pending {
    fn new(entry: &Entry) -> Self {
        let first_sequence = match &entry.body {
            EntryBody::Event { event, .. } => event.sequence,
            EntryBody::End { sequence, .. } => *sequence,
        };
        let batch =
            Batch { attempt_id: entry.attempt_id, lease_id: entry.lease_id, first_sequence, events: Vec::new() };
        Self { batch, states: Vec::new(), steps: Vec::new(), end: None, done: None, room: Vec::new() }
    }

    fn add(&mut self, body: EntryBody) {
        match body {
            EntryBody::Event { event, step, room } => {
                if let EventBody::StateChanged(state) = event.body {
                    self.states.push(state);
                }
                if let Some(step) = step {
                    self.steps.retain(|earlier| earlier.kind != step.kind);
                    self.steps.push(*step);
                }
                self.batch.events.push(event);
                self.room.push(room);
            }
            EntryBody::End { end, at, done, .. } => {
                self.end = Some((end, at));
                self.done = Some(done);
            }
        }
    }
}

/// The work of the recorder.
#[derive(Debug)]
pub(super) struct Recording {
    pool: PgPool,
    leases: Arc<Leases>,
    entries: mpsc::Receiver<Entry>,
    closed: CancellationToken,
}

impl Recording {
    /// Stores what is handed in until the recorder is closed and nothing is left.
    pub(super) async fn run(mut self) {
        let mut due = Instant::now();
        loop {
            let first = tokio::select! {
                biased;
                entry = self.entries.recv() => entry,
                () = self.closed.cancelled() => None,
            };
            let Some(first) = first else { return };
            let pending = self.collect(first, due).await;
            due = Instant::now() + INTERVAL;
            self.store(pending).await;
        }
    }

    /// Takes what has come, and waits for more until `due` unless an attempt ends.
    async fn collect(&mut self, first: Entry, due: Instant) -> Vec<Pending> {
        let mut all: Vec<Pending> = Vec::new();
        let mut entry = first;
        loop {
            let ends = matches!(entry.body, EntryBody::End { .. });
            let known = all.iter().position(|pending| pending.batch.lease_id == entry.lease_id);
            let index = known.unwrap_or_else(|| {
                all.push(Pending::new(&entry));
                all.len() - 1
            });
            all[index].add(entry.body);
            let next = if ends {
                self.entries.try_recv().ok()
            } else {
                // Takes at once what is there, also when it is due.
                tokio::time::timeout_at(due, self.entries.recv()).await.ok().flatten()
            };
            match next {
                Some(next) => entry = next,
                None => return all,
            }
        }
    }

    /// Stores what attempts have handed in, however long it takes.
    async fn store(&self, mut pending: Vec<Pending>) {
        let started = Instant::now();
        let mut pauses = Pauses::default();
        loop {
            match self.transaction(&pending).await {
                Ok(turns) => {
                    count(&pending, started.elapsed());
                    for (pending, turn) in pending.iter().zip(turns) {
                        // An end whose commit was not answered has taken the row with it, and looks the same.
                        if turn == Turn::Lost {
                            self.leases.lose(pending.batch.lease_id);
                        }
                    }
                    return;
                }
                Err(error) if is_passing(&error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot store events; they wait");
                    pauses.wait().await;
                    pending.retain(|pending| self.leases.is_held(pending.batch.lease_id));
                    if pending.is_empty() {
                        return;
                    }
                }
                Err(error) if pending.len() > 1 => {
                    tracing::debug!(%error, "cannot store events of several attempts together");
                    for alone in pending {
                        Box::pin(self.store(vec![alone])).await;
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        attempts = pending.len(),
                        "events cannot be stored; the attempt goes back to the queue"
                    );
                    for pending in &pending {
                        self.leases.lose(pending.batch.lease_id);
                    }
                    return;
                }
            }
        }
    }

    async fn transaction(&self, pending: &[Pending]) -> sqlx::Result<Vec<Turn>> {
        let batches: Vec<_> = pending.iter().map(|pending| &pending.batch).collect();
        let mut tx = self.pool.begin().await?;
        let turns = events::lock(&mut tx, &batches).await?;
        let next: Vec<_> =
            pending.iter().zip(&turns).filter(|(_, turn)| **turn == Turn::Next).map(|(p, _)| p).collect();
        let states: Vec<_> =
            next.iter().flat_map(|p| p.states.iter().map(|state| (p.batch.attempt_id, *state))).collect();
        attempts::change_states(&mut tx, &states).await?;
        for step in next.iter().flat_map(|pending| &pending.steps) {
            steps::put(&mut tx, step).await?;
        }
        // The last events of an attempt are packed with the rest without ever being rows.
        let is_concluded = |pending: &Pending| matches!(pending.end, Some((End::Verdict(_), _)));
        let live: Vec<_> = next.iter().filter(|pending| !is_concluded(pending)).map(|pending| &pending.batch).collect();
        events::append(&mut tx, &live).await?;
        for pending in &next {
            let batch = &pending.batch;
            match pending.end {
                None => {}
                Some((End::Verdict(verdict), at)) => {
                    let conclusion = Conclusion {
                        attempt_id: batch.attempt_id,
                        verdict,
                        tail: batch.events.clone(),
                        last_sequence: batch.next_sequence(),
                        at,
                    };
                    attempts::conclude(&mut tx, conclusion).await?;
                }
                Some((End::PutBack, _)) => {
                    if let Some(open) = leases::lock_leased(&mut tx, batch.attempt_id, batch.lease_id).await? {
                        attempts::requeue(&mut tx, &open, false).await?;
                    }
                }
            }
        }
        tx.commit().await?;
        Ok(turns)
    }
}

/// Counts what a transaction has stored.
fn count(pending: &[Pending], took: Duration) {
    metrics::histogram!("codecanvas_recorder_seconds").record(took);
    let events: usize = pending.iter().map(|pending| pending.batch.events.len()).sum();
    metrics::histogram!("codecanvas_recorder_batch_events")
        .record(f64::from(u32::try_from(events).unwrap_or(u32::MAX)));
    let now = Utc::now();
    for event in pending.iter().flat_map(|pending| &pending.batch.events) {
        metrics::histogram!("codecanvas_event_store_seconds").record((now - event.at).to_std().unwrap_or_default());
    }
}
