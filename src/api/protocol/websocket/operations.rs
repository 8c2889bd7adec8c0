//! The operations that run on one connection, each a task of its own.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Response as Answer;
use async_graphql::parser::types::OperationType;
use axum::extract::ws::Message;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument as _;

use super::message::{Close, ServerMessage};
use crate::api::Api;
use crate::api::credential::Credential;
use crate::api::protocol::answer;
use crate::api::protocol::execution::execute;
use crate::api::protocol::operation::{Operation, Parameters};
use crate::service::sessions::Client;

/// What runs under an id. The number tells it from an earlier operation under the same id.
type Running = Arc<Mutex<HashMap<String, (u64, AbortHandle)>>>;

/// The operations of one connection; they end with it.
pub struct Operations {
    api: Arc<Api>,
    outgoing: mpsc::Sender<Message>,
    running: Running,
    tasks: JoinSet<()>,
    started: u64,
}

impl Operations {
    /// None yet.
    pub fn new(api: Arc<Api>, outgoing: mpsc::Sender<Message>) -> Self {
        Self { api, outgoing, running: Running::default(), tasks: JoinSet::new(), started: 0 }
    }

    /// Starts an operation.
    pub fn start(
        &mut self,
        id: String,
        parameters: Parameters,
        credential: Credential,
        client: Client,
    ) -> Result<(), Close> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.contains_key(&id) {
            return Err(Close::SubscriberExists(id));
        }
        self.started += 1;
        let is_full = running.len() >= self.api.config.graphql.max_subscriptions_per_connection;
        let task = Task {
            api: Arc::clone(&self.api),
            outgoing: self.outgoing.clone(),
            running: Arc::clone(&self.running),
            id: id.clone(),
            number: self.started,
        };
        // A subscription may wait for hours, and thousands do: what only its beginning needs is on the heap and gone
        // by then.
        let beginning = Box::pin(begin(Arc::clone(&self.api), parameters, credential, client));
        // The entry is made under the lock that the task needs to remove it.
        let operation = async move {
            if is_full {
                task.refuse_as_too_many().await;
            } else {
                task.run(beginning).await;
            }
        };
        let handle = self.tasks.spawn(operation.in_current_span());
        running.insert(id, (self.started, handle));
        Ok(())
    }

    /// Ends an operation; one that is not running is over already.
    pub fn stop(&mut self, id: &str) {
        let removed = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some((_, handle)) = removed {
            handle.abort();
        }
    }

    /// Waits for an operation to end, for ever where none runs.
    pub async fn reap(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) if error.is_cancelled() => {}
            Some(Err(error)) => tracing::error!(%error, "an operation broke"),
            None => std::future::pending().await,
        }
    }
}

/// An operation that could be begun.
enum Begun {
    /// Answers as they come.
    Subscription(BoxStream<'static, Answer>),
    /// A query or mutation, and its answer.
    Answered(Box<Answer>),
}

async fn begin(
    api: Arc<Api>,
    parameters: Parameters,
    credential: Credential,
    client: Client,
) -> Result<Begun, Box<Answer>> {
    let operation = Operation::prepare(parameters, &api.document_limits).map_err(Box::<Answer>::from)?;
    let is_subscription = operation.kind == OperationType::Subscription;
    // Asked anew for each operation: the session may have ended since the connection began.
    let identity = if is_subscription {
        api.identify_watcher(&credential, &client).await
    } else {
        api.identify(&credential, &client).await
    };
    let identity = identity.map_err(Box::<Answer>::from)?;
    if is_subscription {
        let (request, loads) = api.context(&identity, operation.request);
        return Ok(Begun::Subscription(loads.of_each(api.schema.execute_stream(request)).boxed()));
    }
    let answer = Box::new(execute(&api, &identity, operation).await);
    if answer::is_request_error(&answer) { Err(answer) } else { Ok(Begun::Answered(answer)) }
}

struct Task {
    api: Arc<Api>,
    outgoing: mpsc::Sender<Message>,
    running: Running,
    id: String,
    number: u64,
}

impl Task {
    async fn run(&self, beginning: impl Future<Output = Result<Begun, Box<Answer>>> + Unpin) {
        // A panic is our fault: the client gets INTERNAL, the log the rest.
        if AssertUnwindSafe(self.execute(beginning)).catch_unwind().await.is_err() {
            self.fail(answer::broken()).await;
        }
    }

    async fn execute(&self, beginning: impl Future<Output = Result<Begun, Box<Answer>>> + Unpin) {
        match beginning.await {
            Ok(Begun::Subscription(answers)) => self.relay(answers).await,
            Ok(Begun::Answered(answer)) => {
                self.send(ServerMessage::Next(&self.id, json!(*answer))).await;
                self.complete().await;
            }
            Err(answer) => self.fail(*answer).await,
        }
    }

    async fn relay(&self, mut answers: BoxStream<'static, Answer>) {
        while let Some(answer) = answers.next().await {
            let answer = answer::finish(answer);
            // The event itself could not be had: the stream has ended, and says why.
            if answer.data == async_graphql::Value::Null && !answer.errors.is_empty() {
                return self.fail(answer).await;
            }
            self.send(ServerMessage::Next(&self.id, json!(answer))).await;
        }
        // A stream that ends because the process stops is resumed elsewhere: the connection is closed, the
        // operation is not complete.
        if !self.api.shutdown.is_cancelled() {
            self.complete().await;
        }
    }

    async fn refuse_as_too_many(&self) {
        let maximum = self.api.config.graphql.max_subscriptions_per_connection;
        let message = format!("At most {maximum} operations can run at the same time on one connection.");
        self.fail(answer::refusal_for_now(message)).await;
    }

    async fn fail(&self, answer: Answer) {
        if self.forget() {
            self.send(ServerMessage::Error(&self.id, json!(answer.errors))).await;
        }
    }

    async fn complete(&self) {
        if self.forget() {
            self.send(ServerMessage::Complete(&self.id)).await;
        }
    }

    /// Frees the id before the client learns that it is free. `false` where the client has ended the
    /// operation itself and must hear no more of it.
    fn forget(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_mine = running.get(&self.id).is_some_and(|(number, _)| *number == self.number);
        if is_mine {
            running.remove(&self.id);
        }
        is_mine
    }

    async fn send(&self, message: ServerMessage<'_>) {
        // A writer that is gone ends the connection, and this task with it.
        let _ = self.outgoing.send(message.into()).await;
    }
}
