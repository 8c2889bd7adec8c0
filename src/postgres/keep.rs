//! Keeps the embedded Postgres running as long as the service lives.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{Cluster, Settings};
use crate::lifecycle::children::{Pauses, describe};

/// Starts the server again when it dies, until `stop`; then stops it. The other processes reconnect by themselves.
pub async fn keep(mut cluster: Cluster, settings: Settings, stop: CancellationToken) {
    let mut pauses = Pauses::default();
    loop {
        let started = Instant::now();
        let how = tokio::select! {
            status = cluster.wait() => status.map_or_else(|error| error.to_string(), describe),
            () = stop.cancelled() => return cluster.stop().await,
        };
        tracing::error!(pid = cluster.pid(), how, "Postgres died; it is started again");
        // It holds the lock of the data directory.
        drop(cluster);
        let mut pause = pauses.after(started.elapsed());
        cluster = loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            match Cluster::start(&settings).await {
                Ok(cluster) => break cluster,
                Err(error) => {
                    pause = pauses.after(started.elapsed());
                    tracing::error!(%error, pause = ?pause, "Postgres does not start");
                }
            }
        };
        tracing::info!(pid = cluster.pid(), "Postgres is ready again");
    }
}
