//! Whether the process lives, and whether it is of use.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Api;
use crate::service::{Services, server};
use crate::store::schema;

/// Postgres answers within this time or counts as away.
const TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// `GET /readyz`: the database can be reached, its schema is the one of this build, and a worker lives.
pub async fn ready(State(api): State<Arc<Api>>) -> Response {
    if api.shutdown.is_cancelled() {
        return not_ready("stopping");
    }
    match tokio::time::timeout(TIMEOUT, obstacle(&api.services)).await {
        Ok(None) => "ready\n".into_response(),
        Ok(Some(obstacle)) => not_ready(&obstacle),
        Err(_) => not_ready("the database does not answer"),
    }
}

/// What stands in the way of running programs.
async fn obstacle(services: &Services) -> Option<String> {
    if let Err(error) = schema::check(&services.pool).await {
        return Some(error.to_string());
    }
    match server::live_workers(services).await {
        Ok(0) => Some("no worker is running".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn not_ready(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response()
}
