//! The newest events of attempts that somebody watches, read once for all who do.
//!
//! A hundred students who watch the same run are woken by the same `NOTIFY`. The first of them reads
//! what is new; the others find it here. Whoever is further behind reads the log by themselves.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use super::logs::{self, Read};
use super::{Error, Services};
use crate::auth::Viewer;
use crate::domain::attempt::Attempt;
use crate::domain::event::{Event, EventBody};
use crate::domain::ids::AttemptId;
use crate::store::events::ReadableAttempt;
use crate::store::finished::Finished;

/// How many events are read at once.
const PAGE: usize = 64;
/// How many events are kept of an attempt, and how many bytes of output.
const MOST_EVENTS: usize = 256;
const MOST_BYTES: usize = 256 * 1024;
/// Instead of a number of wake-ups: there was none, the reader looks all the same.
pub(super) const POLLED: u64 = u64::MAX;
/// How long what one of those has found answers the others.
const FRESH: Duration = Duration::from_secs(5);
/// How many attempts may be remembered that nobody watches any more.
const SWEEP_AT: usize = 64;

/// The tails of all attempts that are watched in this process.
#[derive(Debug, Default)]
pub struct Tails {
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    tails: HashMap<AttemptId, Weak<Tail>>,
    sweep_at: usize,
}

impl Tails {
    /// The tail of an attempt; it is kept as long as somebody holds it.
    pub(super) fn of(&self, attempt: AttemptId) -> Arc<Tail> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = watched.tails.get(&attempt).and_then(Weak::upgrade) {
            return tail;
        }
        if watched.tails.len() >= watched.sweep_at {
            watched.tails.retain(|_, tail| tail.strong_count() > 0);
            watched.sweep_at = SWEEP_AT.max(2 * watched.tails.len());
        }
        let tail = Arc::new(Tail::default());
        watched.tails.insert(attempt, Arc::downgrade(&tail));
        tail
    }
}

/// The newest events of an attempt.
#[derive(Debug, Default)]
pub struct Tail {
    /// Held while the log is read, on purpose: the others wait for the answer instead of asking, too.
    kept: tokio::sync::Mutex<Kept>,
    /// The attempt as it is, once it has finished.
    finished: OnceLock<Attempt>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Dense.
    events: VecDeque<Event>,
    bytes: usize,
    /// The end of the log as it was last read: behind which sequence nothing was, after how many wake-ups.
    end: Option<(Option<i32>, u64)>,
    /// The same for those who look without having been woken: and when that was.
    looked: Option<(Option<i32>, Instant)>,
}

impl Tail {
    /// The attempt, if it has finished and the end of its log was read.
    pub(super) fn finished(&self) -> Option<&Attempt> {
        self.finished.get()
    }

    /// What is behind a sequence, a page of it at most while the attempt runs. `wake_ups` says how many
    /// of them the reader has had, or [`POLLED`]: the log is not read again for one that somebody else has answered, and
    /// not at all where the reader was told how it ends.
    pub(super) async fn read(
        &self,
        services: &Services,
        viewer: &Viewer,
        attempt: &ReadableAttempt,
        after: Option<i32>,
        wake_ups: u64,
        finished: Option<&Finished>,
    ) -> Result<Read, Error> {
        let mut kept = self.kept.lock().await;
        let found = kept.after(after);
        if !found.is_empty() {
            return Ok(Read::Part(found));
        }
        let is_answered = if wake_ups == POLLED {
            kept.looked.is_some_and(|(end, at)| end == after && at.elapsed() < FRESH)
        } else {
            kept.end.is_some_and(|(end, answered)| end == after && answered >= wake_ups)
        };
        if is_answered {
            return Ok(Read::Part(Vec::new()));
        }
        let now = Instant::now();
        let read = if let Some(finished) = finished {
            logs::rest(finished, after)?
        } else {
            let mut conn = services.kept.take().await?;
            let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
            let read = logs::read(&mut conn, viewer, attempt, after, limit).await?;
            services.kept.keep(conn);
            read
        };
        match &read {
            Read::Part(events) => {
                for event in events {
                    let delay = (Utc::now() - event.at).to_std().unwrap_or_default();
                    metrics::histogram!("codecanvas_event_delivery_seconds").record(delay);
                }
                kept.extend(events);
                if events.len() < PAGE {
                    let end = events.last().map(|event| event.sequence).or(after);
                    kept.looked = Some((end, now));
                    if wake_ups < POLLED {
                        kept.end = Some((end, wake_ups));
                    }
                }
            }
            Read::Rest(events, attempt) => {
                kept.extend(events);
                self.finished.get_or_init(|| attempt.clone());
            }
        }
        Ok(read)
    }
}

fn size(event: &Event) -> usize {
    match &event.body {
        EventBody::OutputChunk { bytes, .. } | EventBody::InputChunk { bytes, .. } => bytes.len(),
        EventBody::StateChanged(_)
        | EventBody::StepStarted(_)
        | EventBody::StepFinished(_)
        | EventBody::AttemptFinished => 0,
    }
}

impl Kept {
    /// A page of what is kept behind a sequence; nothing where the next event is not kept.
    fn after(&self, after: Option<i32>) -> Vec<Event> {
        let wanted = after.map_or(0, |after| after.saturating_add(1));
        let Some(first) = self.events.front().map(|event| event.sequence) else { return Vec::new() };
        match usize::try_from(i64::from(wanted) - i64::from(first)) {
            Ok(skip) => self.events.iter().skip(skip).take(PAGE).cloned().collect(),
            // Further back than what is kept.
            Err(_) => Vec::new(),
        }
    }

    fn extend(&mut self, events: &[Event]) {
        for event in events {
            let next = self.events.back().map(|last| last.sequence + 1);
            match next {
                // Somebody further behind has read what is kept already.
                Some(next) if event.sequence < next => continue,
                Some(next) if event.sequence > next => {
                    self.events.clear();
                    self.bytes = 0;
                }
                Some(_) | None => {}
            }
            self.bytes += size(event);
            self.events.push_back(event.clone());
            while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
                match self.events.pop_front() {
                    Some(oldest) => self.bytes -= size(&oldest),
                    None => break,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::{OutputStream, StepKind};

    fn events(sequences: std::ops::Range<i32>, size: usize) -> Vec<Event> {
        let body = || EventBody::OutputChunk {
            kind: StepKind::Run,
            stream: OutputStream::Stdout,
            offset: 0,
            bytes: vec![0; size],
        };
        sequences.map(|sequence| Event { sequence, at: Utc::now(), body: body() }).collect()
    }

    fn sequences(events: &[Event]) -> Vec<i32> {
        events.iter().map(|event| event.sequence).collect()
    }

    #[test]
    fn what_one_has_read_the_others_find() {
        let mut kept = Kept::default();
        assert_eq!(kept.after(None), []);
        kept.extend(&events(0..3, 1));
        kept.extend(&events(1..5, 1));
        assert_eq!(sequences(&kept.after(None)), [0, 1, 2, 3, 4]);
        assert_eq!(sequences(&kept.after(Some(2))), [3, 4]);
        assert_eq!(kept.after(Some(4)), []);
        assert_eq!(kept.after(Some(i32::MAX)), []);
    }

    #[test]
    fn what_is_kept_is_bounded_and_dense() {
        let mut kept = Kept::default();
        kept.extend(&events(0..1000, 1));
        assert_eq!(kept.events.len(), MOST_EVENTS);
        assert_eq!(kept.after(Some(10)), []);
        kept.extend(&events(1000..1010, MOST_BYTES / 4));
        assert!(kept.bytes <= MOST_BYTES && kept.events.len() <= 4);
        kept.extend(&events(2000..2002, 1));
        assert_eq!(sequences(&kept.after(Some(1999))), [2000, 2001]);
        assert_eq!(kept.events.len(), 2);
        kept.extend(&events(2002..2003, MOST_BYTES + 1));
        assert_eq!((kept.events.len(), kept.bytes), (0, 0));
    }

    #[test]
    fn tails_that_nobody_holds_are_forgotten() {
        let tails = Tails::default();
        let id = AttemptId::new();
        let tail = tails.of(id);
        assert!(Arc::ptr_eq(&tail, &tails.of(id)));
        for _ in 0..1000 {
            drop(tails.of(AttemptId::new()));
        }
        assert!(tails.watched.lock().unwrap().tails.len() <= 2 * SWEEP_AT);
    }
}
