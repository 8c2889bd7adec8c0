//! Stores what happens in all attempts of the worker, many events in one transaction.
//!
//! `NOTIFY` serialises commits over the whole server, and each takes time of the processors that programs
//! run on, so the recorder makes few of them: it takes what has come from all slots since its last
//! transaction, waits a few milliseconds where that was just now, and writes it with one commit. An entry
//! says how long it can wait for others; a verdict cannot, and where it comes alone it is one statement.
//!
//! While Postgres is away events wait here. A commit whose answer was lost with the connection is recognised
//! by the sequence in the queue's row and is not made twice.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::journal::{End, Ending, Entries, Entry, EntryBody};
use super::leases::Leases;
use super::retry::{Pauses, is_passing};
use crate::domain::attempt::Step;
use crate::domain::event::{Event, EventBody};
use crate::domain::ids::LeaseId;
use crate::domain::verdict::{AttemptState, Verdict};
use crate::store::attempts::{self, Conclusion};
use crate::store::events::{self, Batch, Turn};
use crate::store::kept::Kept;
use crate::store::listen::Hub;
use crate::store::{leases, log, steps};

/// From the beginning of one transaction to that of the next, unless an attempt ends.
const INTERVAL: Duration = Duration::from_millis(4);
/// What one attempt has handed in since the last transaction.
#[derive(Debug)]
struct Pending {
    batch: Batch,
    states: Vec<AttemptState>,
    /// The latest of each kind.
    steps: Vec<Step>,
    end: Option<Ending>,
    /// When the first of it has to be stored at the latest.
    due: Instant,
    done: Option<oneshot::Sender<()>>,
    /// Given back when this is stored.
    room: Vec<OwnedSemaphorePermit>,
}

impl Pending {
    fn new(entry: &Entry) -> Self {
        let (first_sequence, due) = match &entry.body {
            EntryBody::Event { event, due, .. } => (event.sequence, *due),
            EntryBody::End { sequence, .. } => (*sequence, Instant::now()),
        };
        let batch =
            Batch { attempt_id: entry.attempt_id, lease_id: entry.lease_id, first_sequence, events: Vec::new() };
        Self { batch, states: Vec::new(), steps: Vec::new(), end: None, due, done: None, room: Vec::new() }
    }

    /// Whether the attempt has its verdict by this.
    const fn is_concluded(&self) -> bool {
        self.verdict().is_some()
    }

    /// The verdict that the attempt has by this, and when it got it.
    const fn verdict(&self) -> Option<(Verdict, DateTime<Utc>)> {
        match self.end {
            Some(Ending { end: End::Verdict(verdict), at, .. }) => Some((verdict, at)),
            Some(Ending { end: End::PutBack, .. }) | None => None,
        }
    }

    /// The events that are stored already, where that is known without looking.
    fn earlier(&self) -> Option<Vec<Event>> {
        match self.end {
            Some(Ending { queued_at: at, .. }) if self.batch.first_sequence == 1 => {
                Some(vec![Event { sequence: 0, at, body: EventBody::StateChanged(AttemptState::Queued) }])
            }
            Some(_) | None => None,
        }
    }

    /// Stores the end of the attempt, and all that was handed in with it. Answers false where this is not its turn.
    async fn conclude(
        &self,
        conn: &mut PgConnection,
        (verdict, at): (Verdict, DateTime<Utc>),
        by: Option<(LeaseId, i32)>,
    ) -> sqlx::Result<bool> {
        let attempt_id = self.batch.attempt_id;
        let mut log = match self.earlier() {
            Some(earlier) => earlier,
            None => log::list(conn, attempt_id).await?,
        };
        log.extend(self.batch.events.iter().cloned());
        let (states, steps) = (self.states.clone(), self.steps.as_slice());
        attempts::conclude(conn, Conclusion { attempt_id, by, verdict, states, steps, log, at }).await
    }

    fn add(&mut self, body: EntryBody) {
        match body {
            EntryBody::Event { event, step, due, room } => {
                self.due = self.due.min(due);
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
            EntryBody::End { ending, done, .. } => {
                self.end = Some(ending);
                self.done = Some(done);
            }
        }
    }
}

/// The work of the recorder.
#[derive(Debug)]
pub(super) struct Recording {
    connection: Kept,
    leases: Arc<Leases>,
    entries: Entries,
    /// What is not due yet, of each attempt all that it has handed in.
    waiting: Vec<Pending>,
}

impl Recording {
    /// The work on these entries.
    pub(super) const fn new(pool: PgPool, hub: Hub, leases: Arc<Leases>, entries: Entries) -> Self {
        Self { connection: Kept::new(pool, hub, 1), leases, entries, waiting: Vec::new() }
    }

    /// Stores what is handed in until the recorder is closed and nothing is left.
    pub(super) async fn run(mut self) {
        let mut not_before = Instant::now();
        while let Some(pending) = self.collect(not_before).await {
            not_before = Instant::now() + INTERVAL;
            self.store(pending).await;
        }
    }

    /// Waits until an attempt has ended or something else is due, and takes that. What can wait for the end of its
    /// own attempt does not go with the end of another one: it would cost more there. `None` when the recorder is
    /// closed and nothing is left.
    async fn collect(&mut self, not_before: Instant) -> Option<Vec<Pending>> {
        loop {
            while let Some(entry) = self.entries.next_now() {
                self.add(entry);
            }
            let now = Instant::now();
            let is_closed = self.entries.is_closed();
            let is_due =
                |pending: &mut Pending| is_closed || pending.end.is_some() || pending.due.max(not_before) <= now;
            let due: Vec<_> = self.waiting.extract_if(.., is_due).collect();
            if !due.is_empty() {
                return Some(due);
            }
            let next = match self.waiting.iter().map(|pending| pending.due.max(not_before)).min() {
                Some(deadline) => self.entries.next_by(deadline).await,
                None if is_closed => return None,
                None => self.entries.next().await,
            };
            if let Some(entry) = next {
                self.add(entry);
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        let known = self.waiting.iter().position(|pending| pending.batch.lease_id == entry.lease_id);
        let index = known.unwrap_or_else(|| {
            self.waiting.push(Pending::new(&entry));
            self.waiting.len() - 1
        });
        self.waiting[index].add(entry.body);
    }

    /// Stores what attempts have handed in, however long it takes.
    async fn store(&mut self, mut pending: Vec<Pending>) {
        let started = Instant::now();
        let mut pauses = Pauses::default();
        pending.iter().filter(|pending| pending.end.is_some()).for_each(|p| self.leases.end(p.batch.lease_id));
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

    async fn transaction(&mut self, pending: &[Pending]) -> sqlx::Result<Vec<Turn>> {
        let mut connection = self.connection.take().await?;
        let turns = if write_alone(&mut connection, pending).await? {
            vec![Turn::Next]
        } else {
            write(&mut connection, pending).await?
        };
        self.connection.keep(connection);
        Ok(turns)
    }
}

/// Writes the end of one attempt, if that is all there is, without the round trips of a transaction.
async fn write_alone(conn: &mut PgConnection, pending: &[Pending]) -> sqlx::Result<bool> {
    let [pending] = pending else { return Ok(false) };
    let Some(verdict) = pending.verdict() else { return Ok(false) };
    pending.conclude(conn, verdict, Some((pending.batch.lease_id, pending.batch.first_sequence))).await
}

/// Writes what attempts have handed in, in one transaction.
async fn write(conn: &mut PgConnection, pending: &[Pending]) -> sqlx::Result<Vec<Turn>> {
    let batches: Vec<_> = pending.iter().map(|pending| &pending.batch).collect();
    let mut tx = conn.begin().await?;
    let turns = events::lock(&mut tx, &batches).await?;
    let next: Vec<_> = pending.iter().zip(&turns).filter(|(_, turn)| **turn == Turn::Next).map(|(p, _)| p).collect();
    // What an attempt ends with is written with its verdict, and never is a row, or a state, of its own.
    let live: Vec<_> = next.iter().filter(|pending| !pending.is_concluded()).collect();
    let states: Vec<_> = live.iter().flat_map(|p| p.states.iter().map(|state| (p.batch.attempt_id, *state))).collect();
    attempts::change_states(&mut tx, &states).await?;
    steps::put_all(&mut tx, live.iter().flat_map(|pending| &pending.steps)).await?;
    let appended: Vec<_> = live.iter().map(|pending| &pending.batch).collect();
    events::append(&mut tx, &appended).await?;
    for pending in &next {
        let batch = &pending.batch;
        if let Some(verdict) = pending.verdict() {
            pending.conclude(&mut tx, verdict, None).await?;
        } else if pending.end.is_some()
            && let Some(open) = leases::lock_leased(&mut tx, batch.attempt_id, batch.lease_id).await?
        {
            attempts::requeue(&mut tx, &open, false).await?;
        }
    }
    tx.commit().await?;
    Ok(turns)
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

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgPoolOptions;

    use super::*;
    use crate::domain::ids::AttemptId;
    use crate::domain::verdict::{OutputStream, StepKind};
    use crate::worker::journal::{Journal, Recorder};

    fn recording() -> (Recorder, Recording) {
        let (recorder, entries) = Recorder::new();
        let nowhere = PgPoolOptions::new().connect_lazy("postgres://localhost/nothing").unwrap();
        (recorder, Recording::new(nowhere, Hub::default(), Arc::default(), entries))
    }

    fn journal(recorder: &Recorder) -> Journal {
        recorder.journal(AttemptId::new(), LeaseId::new(), 1, Utc::now())
    }

    fn output() -> EventBody {
        EventBody::OutputChunk { kind: StepKind::Run, stream: OutputStream::Stdout, offset: 0, bytes: vec![b'a'] }
    }

    async fn collect(recording: &mut Recording) -> Vec<Pending> {
        recording.collect(Instant::now()).await.unwrap()
    }

    #[tokio::test]
    async fn all_of_a_program_that_prints_and_is_done_is_stored_together() {
        let (recorder, mut recording) = recording();
        let mut journal = journal(&recorder);
        let running = EventBody::StateChanged(AttemptState::Running);
        for body in [running, EventBody::StepStarted(StepKind::Run), output(), EventBody::StepFinished(StepKind::Run)] {
            journal.write(Utc::now(), body, None).await;
        }
        let ending = tokio::spawn(journal.end(End::Verdict(Verdict::Ok)));
        let pending = collect(&mut recording).await;
        assert_eq!(pending.len(), 1);
        assert_eq!(pending[0].batch.events.len(), 4);
        assert_eq!(pending[0].states, [AttemptState::Running]);
        assert!(pending[0].is_concluded());
        drop(pending);
        ending.await.unwrap();
    }

    #[tokio::test]
    async fn what_can_wait_goes_with_what_cannot_of_the_same_attempt_alone() {
        let (recorder, mut recording) = recording();
        let (mut first, mut second) = (journal(&recorder), journal(&recorder));
        first.write(Utc::now(), output(), None).await;
        assert_eq!(collect(&mut recording).await.len(), 1);
        second.write(Utc::now(), EventBody::StateChanged(AttemptState::Running), None).await;
        first.write(Utc::now(), EventBody::StepFinished(StepKind::Compile), None).await;
        first.write(Utc::now(), output(), None).await;
        let pending = collect(&mut recording).await;
        assert_eq!((pending.len(), pending[0].batch.events.len()), (1, 2));
        // When nothing more comes all of it goes.
        recorder.close();
        assert_eq!(collect(&mut recording).await[0].states, [AttemptState::Running]);
        assert!(recording.collect(Instant::now()).await.is_none());
    }
}
