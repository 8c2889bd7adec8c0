//! The right to run one program.

use tokio::sync::OwnedSemaphorePermit;

/// The right to run one program, counted while it is held.
#[derive(Debug)]
pub(super) struct Seat {
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// Takes a slot.
    pub(super) fn take(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!("codecanvas_worker_busy_slots").increment(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        metrics::gauge!("codecanvas_worker_busy_slots").decrement(1.0);
    }
}
