//! Whether the process lives, and whether it is of use.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Api;
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
    match tokio::time::timeout(TIMEOUT, schema::check(&api.services.pool)).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => not_ready(&error.to_string()),
        Err(_) => not_ready("the database does not answer"),
    }
}

fn not_ready(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response()
}
