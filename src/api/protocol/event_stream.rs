//! graphql-sse, distinct connections mode: one operation, one HTTP response that does not end
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>), for networks that break
//! WebSockets.
//!
//! The id of an event is its cursor, so a browser's `EventSource` resumes by itself: it sends the last
//! id as `Last-Event-ID`, which takes the place of the argument `after`.

use std::convert::Infallible;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Response as Answer, Value};
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;

use super::answer;
use super::execution::execute;
use super::operation::Operation;
use crate::api::Api;
use crate::api::graphql::resume::{LastCursor, ResumeAfter};
use crate::api::identity::{Holder, Identity};
use crate::api::usage::Held;

/// The header with which `EventSource` resumes (HTML standard, 9.2.4).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks reverse proxies not to hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Starts the stream of an operation. What is wrong with the operation is told in the stream, as the
/// protocol wants it.
pub fn start(
    api: &Arc<Api>,
    identity: &Identity,
    operation: Result<Operation, Box<Answer>>,
    headers: &HeaderMap,
) -> Response {
    let maximum = api.config.graphql.max_subscriptions_per_connection;
    let held = api.subscriptions.take(identity.holder(), maximum);
    let cursor = LastCursor::default();
    let answers = match (operation, &held) {
        (Err(refusal), _) => stream::iter([*refusal]).boxed(),
        (Ok(_), None) => {
            let message = format!("At most {maximum} event streams can be open at the same time.");
            stream::iter([answer::refusal_for_now(message)]).boxed()
        }
        (Ok(operation), Some(_)) => answers(api, identity, operation, resume_after(headers), cursor.clone()),
    };
    let events = Events { answers, cursor, shutdown: api.shutdown.clone(), is_over: false, _held: held };
    let mut response = Sse::new(stream::unfold(events, Events::next))
        .keep_alive(KeepAlive::new().interval(api.config.graphql.ping_interval))
        .into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn resume_after(headers: &HeaderMap) -> Option<ResumeAfter> {
    let id = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    (!id.is_empty()).then(|| ResumeAfter(id.to_owned()))
}

fn answers(
    api: &Arc<Api>,
    identity: &Identity,
    operation: Operation,
    resume_after: Option<ResumeAfter>,
    cursor: LastCursor,
) -> BoxStream<'static, Answer> {
    if operation.kind == OperationType::Subscription {
        let (request, loads) = api.context(identity, operation.request);
        let mut request = request.data(cursor);
        if let Some(resume_after) = resume_after {
            request = request.data(resume_after);
        }
        return loads.of_each(api.schema.execute_stream(request)).map(answer::finish).boxed();
    }
    let (api, identity) = (Arc::clone(api), identity.clone());
    stream::once(async move { execute(&api, &identity, operation).await }).boxed()
}

/// The events of one response.
struct Events {
    answers: BoxStream<'static, Answer>,
    cursor: LastCursor,
    shutdown: CancellationToken,
    is_over: bool,
    _held: Option<Held<Holder>>,
}

impl Events {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if self.is_over {
            return None;
        }
        let answer = tokio::select! {
            biased;
            // Ends without "complete": the client resumes at another process, behind the last id.
            () = self.shutdown.cancelled() => return None,
            answer = self.answers.next() => answer,
        };
        let event = if let Some(answer) = answer {
            // The event itself could not be had: nothing follows.
            if answer.data == Value::Null && !answer.errors.is_empty() {
                self.answers = stream::empty().boxed();
            }
            let event = Event::default().event("next").data(answer::to_json(&answer).to_string());
            match self.cursor.take() {
                Some(cursor) => event.id(cursor),
                None => event,
            }
        } else {
            self.is_over = true;
            Event::default().event("complete").data("")
        };
        Some((Ok(event), self))
    }
}
