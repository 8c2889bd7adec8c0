//! What the use cases need done from time to time, whoever asks for what.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Services, people, throttle};

/// How often. Expired credentials open nothing however late they are removed.
const EVERY: Duration = Duration::from_mins(1);

/// Removes what has expired, and forgets who has not tried anything for a while, until `end`. Each api
/// process does it; they do not get in each other's way.
pub async fn run(services: Arc<Services>, end: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(Err(error)) = end.run_until_cancelled(throttle::forget_idle(&services)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot forget who tried something");
        }
        match end.run_until_cancelled(people::remove_expired(&services)).await {
            Some(Ok(removed)) if removed.guests > 0 => {
                tracing::info!(guests = removed.guests, "removed expired guests");
            }
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot remove what has expired");
            }
            Some(Ok(_)) | None => {}
        }
    }
}
