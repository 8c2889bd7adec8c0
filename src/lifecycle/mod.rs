//! How processes begin and end.
//!
//! ```text
//!  serve ─┬─ postgres   (only where no DATABASE_URL is given)
//!         ├─ api        gives up root before it listens
//!         └─ worker ─── keepers
//! ```
//!
//! - [`Shutdown`]: the first signal drains, the second one stops
//! - [`privilege`]: giving up root, ending with the parent
//! - [`children`]: the processes of `serve`, started again when they die
//! - [`exit`]: exit codes

pub mod children;
pub mod exit;
pub mod privilege;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What was asked of this process by signals. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled by the first signal: take nothing new, finish what runs.
    pub drain: CancellationToken,
    /// Cancelled by the second signal: stop at once. Never without `drain`.
    pub stop: CancellationToken,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT from now on, inside a runtime with I/O.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let asked = shutdown.clone();
        // Ends with the runtime: it waits for signals as long as the process lives.
        tokio::spawn(async move {
            for count in 1u32.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if count == 1 {
                    tracing::info!("draining; a second signal stops at once");
                    asked.drain.cancel();
                } else {
                    asked.stop_now();
                }
            }
        });
        Ok(shutdown)
    }

    /// Stops at once, as the second signal does.
    pub fn stop_now(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }
}
