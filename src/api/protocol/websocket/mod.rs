//! graphql-transport-ws over one WebSocket.
//!
//! ```text
//!  socket ──▶ Connection::run ──spawns──▶ one task per operation ─┐
//!    ▲           │ (acks, pongs, pings)                            │ (next, error, complete)
//!    └── writer ◀┴──────────── bounded channel ◀───────────────────┘
//! ```
//!
//! A client that reads slowly fills the channel, and then its operations wait: they hold no events but
//! read them from the log when they go on. When the client reads nothing at all for
//! [`WRITE_TIMEOUT`] the connection is dropped.

mod message;
mod operations;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tracing::Instrument as _;

pub use self::message::ClientMessage;
use self::message::{Close, SUBPROTOCOL, ServerMessage};
use self::operations::Operations;
use crate::api::Api;
use crate::api::credential::{Credential, CredentialError, Origin};
use crate::api::identity::{Holder, IdentityError, client_of};
use crate::api::usage::Held;
use crate::service::sessions::Client;

/// Connections from one address; a whole school may share one.
const MAX_CONNECTIONS_PER_ADDRESS: usize = 10_000;
/// Messages on their way to the client.
const OUTGOING: usize = 16;
/// How long the client may take to read a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the client may take to answer our close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes over a connection that asked to become a WebSocket.
pub fn accept(api: Arc<Api>, upgrade: WebSocketUpgrade, headers: &HeaderMap, address: SocketAddr) -> Response {
    let origin = Origin::of(headers, &api.config);
    let cookie = Credential::from_headers(headers, api.cookie);
    let client = client_of(headers, address, &api.config);
    // What is logged later belongs to this request as well.
    let span = tracing::Span::current();
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(api.body_limit())
        .max_frame_size(api.body_limit())
        // Buffers are per connection and there may be thousands: 4 KiB hold most messages.
        .read_buffer_size(4096)
        .write_buffer_size(4096)
        .on_upgrade(move |socket| {
            let tasks = api.tasks.clone();
            tasks.track_future(run(api, socket, cookie, origin, client)).instrument(span)
        })
}

async fn run(
    api: Arc<Api>,
    socket: WebSocket,
    credential: Result<Credential, CredentialError>,
    origin: Origin,
    client: Client,
) {
    let speaks_it = socket.protocol().is_some_and(|protocol| protocol.as_bytes() == SUBPROTOCOL.as_bytes());
    let (sink, stream) = socket.split();
    let (outgoing, queue) = mpsc::channel(OUTGOING);
    let writer = api.tasks.spawn(write(sink, queue));
    if !speaks_it {
        close(&outgoing, Close::SubprotocolNotAcceptable).await;
    } else if let Some(held) = api.connections.take(Holder::Address(client.address()), MAX_CONNECTIONS_PER_ADDRESS) {
        let operations = Operations::new(Arc::clone(&api), outgoing.clone());
        let mut connection = Connection {
            api,
            credential,
            origin,
            client,
            outgoing: outgoing.clone(),
            operations,
            is_ready: false,
            held: (held, None),
        };
        match connection.run(stream).await {
            Ok(()) => {}
            Err(reason) => close(&outgoing, reason).await,
        }
    } else {
        close(&outgoing, Close::TryLater("Too many connections from your address".into())).await;
    }
    // All operations are gone with the connection; the writer ends when it has written what is queued.
    drop(outgoing);
    // A failed write means that the client is gone, which is what we wanted.
    let _ = timeout(WRITE_TIMEOUT, writer).await;
}

async fn close(outgoing: &mpsc::Sender<Message>, reason: Close) {
    // The writer may be gone, with the client.
    let _ = outgoing.send(Message::Close(Some(CloseFrame::from(reason)))).await;
}

/// Writes what is queued, what waits together at once: the end of a program is told by several messages.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Message>) {
    let mut waiting = Vec::with_capacity(OUTGOING);
    'connection: while queue.recv_many(&mut waiting, OUTGOING).await > 0 {
        for message in waiting.drain(..) {
            let is_close = matches!(message, Message::Close(_));
            if !is_in_time(sink.feed(message)).await || is_close {
                break 'connection;
            }
        }
        if !is_in_time(sink.flush()).await {
            break;
        }
    }
    // Flushes; a peer that is gone does not matter.
    let _ = timeout(CLOSE_TIMEOUT, sink.close()).await;
}

async fn is_in_time(written: impl Future<Output = Result<(), axum::Error>>) -> bool {
    matches!(timeout(WRITE_TIMEOUT, written).await, Ok(Ok(())))
}

struct Connection {
    api: Arc<Api>,
    credential: Result<Credential, CredentialError>,
    origin: Origin,
    client: Client,
    outgoing: mpsc::Sender<Message>,
    operations: Operations,
    /// What this connection counts as, for as long as it lasts.
    held: (Held<Holder>, Option<Held<Holder>>),
    is_ready: bool,
}

impl Connection {
    /// Serves until either side ends it. `Ok` means that there is nobody to say goodbye to.
    async fn run(&mut self, mut stream: SplitStream<WebSocket>) -> Result<(), Close> {
        let settings = &self.api.config.graphql;
        let init_deadline = Instant::now() + settings.connection_init_timeout;
        let mut ping = interval_at(Instant::now() + settings.ping_interval, settings.ping_interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.api.shutdown.clone();
        let mut is_silent = false;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(Close::Restart),
                () = self.outgoing.closed() => return Ok(()),
                message = stream.next() => {
                    is_silent = false;
                    match message {
                        Some(Ok(Message::Text(text))) => self.receive(text.as_str()).await?,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Binary(_))) => return Err(Close::BadRequest("Send text, not binary".into())),
                        Some(Ok(Message::Close(_))) | None => return Ok(()),
                        Some(Err(error)) => return Err(read_error(&error)),
                    }
                }
                () = sleep_until(init_deadline), if !self.is_ready => return Err(Close::InitTimeout),
                _ = ping.tick(), if self.is_ready => {
                    // Nothing came since the last ping: the client is gone, or as good as gone.
                    if std::mem::replace(&mut is_silent, true) {
                        return Ok(());
                    }
                    self.send(ServerMessage::Ping).await;
                }
                () = self.operations.reap() => {}
            }
        }
    }

    async fn receive(&mut self, text: &str) -> Result<(), Close> {
        let message = ClientMessage::parse(text).map_err(|error| Close::BadRequest(error.to_string()))?;
        match message {
            ClientMessage::ConnectionInit(payload) => self.init(payload).await,
            ClientMessage::Ping(payload) => {
                self.send(ServerMessage::Pong(payload)).await;
                Ok(())
            }
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { .. } if !self.is_ready => Err(Close::Unauthorized),
            ClientMessage::Subscribe { id, parameters } => {
                let credential = self.credential.clone().unwrap_or(Credential::None);
                self.operations.start(id, parameters, credential, self.client.clone())
            }
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    async fn init(&mut self, payload: Map<String, Json>) -> Result<(), Close> {
        if self.is_ready {
            return Err(Close::TooManyInits);
        }
        if let Some(credential) = credential_of(&payload) {
            self.credential = credential;
        }
        let credential = self.credential.clone().map_err(|error| Close::Forbidden(error.to_string()))?;
        if matches!(credential, Credential::Cookie(_)) && self.origin != Origin::Own {
            return Err(Close::Forbidden(CredentialError::ForeignOrigin.to_string()));
        }
        let identity = match self.api.identify(&credential, &self.client).await {
            Ok(identity) => identity,
            Err(error @ IdentityError::Ended) => return Err(Close::Forbidden(error.to_string())),
            Err(IdentityError::Service(error)) if error.retry_after().is_some() => {
                return Err(Close::TryLater(error.to_string()));
            }
            Err(IdentityError::Service(_)) => return Err(Close::Internal),
        };
        let maximum = self.api.config.graphql.max_connections_per_user;
        let held = self.api.connections.take(identity.holder(), maximum);
        self.held.1 = Some(held.ok_or_else(|| Close::TryLater(format!("At most {maximum} connections at a time")))?);
        self.is_ready = true;
        self.send(ServerMessage::ConnectionAck).await;
        Ok(())
    }

    async fn send(&self, message: ServerMessage<'_>) {
        // A writer that is gone is noticed by `run`.
        let _ = self.outgoing.send(message.into()).await;
    }
}

/// The credential in the payload of `connection_init`; header names have no case.
fn credential_of(payload: &Map<String, Json>) -> Option<Result<Credential, CredentialError>> {
    let (_, value) = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
    match value {
        Json::Null => None,
        Json::String(value) => Some(Credential::from_authorization(value)),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => Some(Err(CredentialError::NotBearer)),
    }
}

/// A frame that is too large can still be answered; after other errors nobody listens.
fn read_error(error: &axum::Error) -> Close {
    use std::error::Error as _;
    let is_capacity = std::iter::successors(error.source(), |error| (*error).source())
        .any(|source| source.to_string().contains("Space limit exceeded") || source.to_string().contains("too long"));
    if is_capacity { Close::TooBig } else { Close::BadRequest("Invalid frame".into()) }
}
