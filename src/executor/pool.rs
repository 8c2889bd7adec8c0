//! The slots: who has one, and fresh boxes behind the back of whoever had it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use codecanvas_sandbox::BoxLayout;
use codecanvas_sandbox::message::Ahead;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::slot::Slot;

/// How long a used slot is left alone unless somebody waits for one. Whoever waits for the end of what ran in it, or for the
/// start of the next program in another slot, needs the processors more than the box after that.
const REST: Duration = Duration::from_millis(5);

/// The longest wait between two tries to replace a broken keeper.
const MAX_BACK_OFF: Duration = Duration::from_secs(30);

/// Slots with armed boxes.
#[derive(Debug)]
pub struct Pool {
    executable: PathBuf,
    free: Mutex<VecDeque<Slot>>,
    /// As many permits as there are free slots.
    permits: Semaphore,
    /// How many wait for a slot.
    queue: AtomicUsize,
    /// Says that somebody waits for a slot.
    is_wanted: Notify,
    /// How long an interpreter that was started ahead waits for its program; `None`: none is started.
    start_ahead: Option<Duration>,
    shutdown: CancellationToken,
}

/// Counts one who waits.
struct InQueue<'a>(&'a AtomicUsize);

impl<'a> InQueue<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.queue.fetch_add(1, Ordering::SeqCst);
        pool.is_wanted.notify_waiters();
        Self(&pool.queue)
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pool {
    /// A pool of these slots. A broken one is replaced by starting `executable`.
    pub fn new(
        executable: PathBuf,
        slots: Vec<Slot>,
        start_ahead: Option<Duration>,
        shutdown: CancellationToken,
    ) -> Self {
        let permits = Semaphore::new(slots.len());
        Self {
            executable,
            free: Mutex::new(slots.into()),
            permits,
            queue: AtomicUsize::new(0),
            is_wanted: Notify::new(),
            start_ahead,
            shutdown,
        }
    }

    /// Waits for a free slot, first come first served; `None` when the pool is closed. Where there is a choice it is the one in
    /// which such an interpreter waits, else one in which none does.
    pub async fn take(&self, ahead: Option<&Ahead>) -> Option<Slot> {
        // Given back by `give`, with a slot that is armed again.
        if let Ok(permit) = self.permits.try_acquire() {
            permit.forget();
        } else {
            let _in_queue = InQueue::new(self);
            self.permits.acquire().await.ok()?.forget();
        }
        let mut free = self.free();
        let fits = |slot: &Slot| ahead.is_some_and(|ahead| slot.waits_as(ahead));
        let is_empty = |slot: &Slot| slot.waits_since().is_none();
        let chosen = free.iter().position(fits).or_else(|| free.iter().position(is_empty)).unwrap_or(0);
        free.remove(chosen)
    }

    /// Arms a used slot anew, or replaces it where that fails, and gives it back, with an interpreter in it that was started
    /// `ahead`.
    pub async fn give(&self, slot: Slot, ahead: Option<Ahead>) {
        self.rest().await;
        let mut armed = self.renew(slot).await;
        // Whoever waits for this slot would get an interpreter that does not fit, or one that has not booted.
        let is_wanted = self.start_ahead.is_some() && !self.has_queue();
        if let (Some(ahead), true) = (ahead, is_wanted)
            && let Some(slot) = armed.take()
        {
            armed = match slot.start_ahead(ahead).await {
                Ok(()) => Some(slot),
                Err(error) => {
                    tracing::warn!(slot = slot.layout().slot, error = %error, "an interpreter cannot be started ahead");
                    self.renew(slot).await
                }
            };
        }
        self.put_back(armed);
    }

    fn has_queue(&self) -> bool {
        self.queue.load(Ordering::SeqCst) > 0
    }

    async fn rest(&self) {
        // Registered before the look at the queue: whoever comes in between wakes it.
        let wanted = self.is_wanted.notified();
        if self.has_queue() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(REST) => {}
            () = wanted => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    async fn renew(&self, slot: Slot) -> Option<Slot> {
        let layout = slot.layout().clone();
        let started = Instant::now();
        match slot.reset().await {
            Ok(()) => {
                metrics::histogram!("codecanvas_arm_seconds").record(started.elapsed());
                Some(slot)
            }
            Err(error) => {
                tracing::warn!(slot = layout.slot, error = %error, "a keeper is replaced");
                drop(slot);
                self.replace(layout).await
            }
        }
    }

    fn put_back(&self, slot: Option<Slot>) {
        if self.permits.is_closed() {
            return;
        }
        if let Some(slot) = slot {
            self.free().push_back(slot);
            self.permits.add_permits(1);
        }
    }

    fn free(&self) -> MutexGuard<'_, VecDeque<Slot>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends interpreters that nobody came for, until shutdown.
    pub async fn expire(&self) {
        let Some(patience) = self.start_ahead else { return };
        loop {
            let now = Instant::now();
            let earliest = self.free().iter().filter_map(Slot::waits_since).min();
            // One that is started later than now ends later than that.
            let next = earliest.unwrap_or(now) + patience;
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.shutdown.cancelled() => return,
            }
            while let Some(slot) = self.take_expired(Instant::now(), patience) {
                self.give(slot, None).await;
            }
        }
    }

    fn take_expired(&self, now: Instant, patience: Duration) -> Option<Slot> {
        let permit = self.permits.try_acquire().ok()?;
        let mut free = self.free();
        let expired = free.iter().position(|slot| slot.waits_since().is_some_and(|since| since + patience <= now))?;
        permit.forget();
        free.remove(expired)
    }

    /// Starts keepers until one works; `None` at shutdown.
    async fn replace(&self, layout: BoxLayout) -> Option<Slot> {
        let mut back_off = Duration::from_millis(50);
        loop {
            match Slot::start(&self.executable, layout.clone()).await {
                Ok((slot, _)) => return Some(slot),
                Err(error) => {
                    tracing::error!(slot = layout.slot, error = %error, "a keeper cannot be started");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(back_off) => back_off = (back_off * 2).min(MAX_BACK_OFF),
                () = self.shutdown.cancelled() => return None,
            }
        }
    }

    /// Ends the keepers that are free; the others end when they are given back.
    pub fn close(&self) {
        self.permits.close();
        self.free().clear();
    }
}
