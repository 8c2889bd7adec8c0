//! The figures of an api process that are read when Prometheus asks; others are counted where they
//! happen.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use metrics::gauge;

use super::Api;
use crate::service::server;
use crate::telemetry::metrics::refresh_pool;

/// Prometheus gets the older figures of the database where it does not answer in this time.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Brings the gauges up to date.
pub async fn refresh(api: Arc<Api>) {
    refresh_pool(&api.services.pool);
    let held = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    gauge!("codecanvas_websocket_connections").set(held(api.connections.count()));
    gauge!("codecanvas_event_streams").set(held(api.subscriptions.count()));
    let asked = async { tokio::try_join!(server::queue_depth(&api.services), server::live_workers(&api.services)) };
    let answer = tokio::time::timeout(TIMEOUT, asked).await;
    gauge!("codecanvas_database_up").set(if matches!(answer, Ok(Ok(_))) { 1.0 } else { 0.0 });
    if let Ok(Ok((depth, workers))) = answer {
        gauge!("codecanvas_workers").set(held(workers));
        let small = |count: i64| f64::from(i32::try_from(count).unwrap_or(i32::MAX));
        gauge!("codecanvas_queue_depth").set(small(depth.waiting));
        gauge!("codecanvas_attempts_running").set(small(depth.running));
        let age = depth.oldest.and_then(|oldest| (Utc::now() - oldest).to_std().ok()).unwrap_or_default();
        gauge!("codecanvas_queue_age_seconds").set(age.as_secs_f64());
    }
}
