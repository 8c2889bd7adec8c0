//! Executes one operation, whatever it came by.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::Response as Answer;
use futures_util::FutureExt;

use super::answer;
use super::operation::Operation;
use crate::api::Api;
use crate::api::identity::Identity;

/// Executes a query or mutation. A panic is our fault: the client gets INTERNAL, the log the rest.
pub async fn execute(api: &Arc<Api>, identity: &Identity, operation: Operation) -> Answer {
    let (request, loads) = api.context(identity, operation.request);
    match AssertUnwindSafe(loads.during(api.schema.execute(request))).catch_unwind().await {
        Ok(answer) => answer::finish(answer),
        Err(_) => answer::broken(),
    }
}
