//! The slots: who has one, and fresh boxes behind the back of whoever had it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use codecanvas_sandbox::BoxLayout;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::slot::Slot;

/// The longest wait between two tries to replace a broken keeper.
const MAX_BACK_OFF: Duration = Duration::from_secs(30);

/// Slots with armed boxes.
#[derive(Debug)]
pub struct Pool {
    executable: PathBuf,
    free: Mutex<VecDeque<Slot>>,
    /// As many permits as there are free slots.
    permits: Semaphore,
    shutdown: CancellationToken,
}

impl Pool {
    /// A pool of these slots. A broken one is replaced by starting `executable`.
    pub fn new(executable: PathBuf, slots: Vec<Slot>, shutdown: CancellationToken) -> Self {
        let permits = Semaphore::new(slots.len());
        Self { executable, free: Mutex::new(slots.into()), permits, shutdown }
    }

    /// Waits for a free slot, first come first served; `None` when the pool is closed.
    pub async fn take(&self) -> Option<Slot> {
        // Given back by `give`, with a slot that is armed again.
        self.permits.acquire().await.ok()?.forget();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Arms a used slot anew, or replaces it where that fails, and gives it back.
    pub async fn give(&self, slot: Slot) {
        let layout = slot.layout().clone();
        let started = Instant::now();
        let armed = match slot.reset().await {
            Ok(()) => {
                metrics::histogram!("codecanvas_arm_seconds").record(started.elapsed());
                Some(slot)
            }
            Err(error) => {
                tracing::warn!(slot = layout.slot, error = %error, "a keeper is replaced");
                drop(slot);
                self.replace(layout).await
            }
        };
        if self.permits.is_closed() {
            return;
        }
        if let Some(slot) = armed {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(slot);
            self.permits.add_permits(1);
        }
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
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
