//! One GraphQL subscription over one WebSocket, by the graphql-transport-ws protocol
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! A connection that is silent for longer than [`SILENCE`] although it was pinged counts as lost.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::failure::Failure;
use super::server::{AnswerError, Server};

/// How long opening and the acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so much silence a ping is sent.
const PING_AFTER: Duration = Duration::from_secs(10);
/// After so much silence the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(30);
/// The largest message that is taken, in bytes.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// An open subscription.
pub struct Subscription {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    server: Server,
}

#[derive(Serialize)]
struct Outgoing<'a, P> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Subscribe<'a, V> {
    query: &'a str,
    variables: V,
}

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Next<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<AnswerError>,
}

impl Subscription {
    /// Connects, introduces itself and subscribes.
    pub async fn open(server: &Server, query: &str, variables: impl Serialize) -> Result<Self, Failure> {
        let mut request = server
            .socket_url()
            .into_client_request()
            .map_err(|error| Failure::Usage(format!("the server's address cannot be used: {error}")))?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let connector = Connector::Rustls(server.tls());
        let connecting = connect_async_tls_with_config(request, Some(config), true, Some(connector));
        let (stream, _) = timeout(PATIENCE, connecting)
            .await
            .map_err(|_| lost(server, "it does not answer"))?
            .map_err(|error| handshake_failure(server, &error))?;
        let mut this = Self { stream, server: server.clone() };
        let identity = server.authorization().map(|value| serde_json::json!({ "authorization": value }));
        this.send(&Outgoing { kind: "connection_init", id: None, payload: identity }).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = timeout_at(deadline, this.receive())
                .await
                .map_err(|_| lost(server, "it does not acknowledge the connection"))??;
            match this.parse(&text)?.kind.as_str() {
                "connection_ack" => break,
                "ping" => this.pong().await?,
                "pong" => {}
                other => return Err(server.bad_answer(format!("`{other}` before `connection_ack`"))),
            }
        }
        this.send(&Outgoing { kind: "subscribe", id: Some("1"), payload: Some(Subscribe { query, variables }) })
            .await?;
        Ok(this)
    }

    /// The next value; `None` when the server completed the subscription.
    pub async fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, Failure> {
        loop {
            let text = self.receive().await?;
            let message = self.parse(&text)?;
            let payload = || message.payload.map_or("null", RawValue::get);
            match message.kind.as_str() {
                "next" => {
                    let next: Next<T> =
                        serde_json::from_str(payload()).map_err(|error| self.server.bad_answer(error.to_string()))?;
                    return match (next.errors.into_iter().next(), next.data) {
                        (Some(error), _) => Err(self.server.refused(error)),
                        (None, Some(data)) => Ok(Some(data)),
                        (None, None) => Err(self.server.bad_answer("an event without data")),
                    };
                }
                "error" => {
                    let errors: Vec<AnswerError> =
                        serde_json::from_str(payload()).map_err(|error| self.server.bad_answer(error.to_string()))?;
                    return Err(match errors.into_iter().next() {
                        Some(error) => self.server.refused(error),
                        None => self.server.bad_answer("an error without a reason"),
                    });
                }
                "complete" => return Ok(None),
                "ping" => self.pong().await?,
                "pong" => {}
                other => return Err(self.server.bad_answer(format!("a message of type `{other}`"))),
            }
        }
    }

    async fn pong(&mut self) -> Result<(), Failure> {
        self.send(&Outgoing::<()> { kind: "pong", id: None, payload: None }).await
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(message)
            .map_err(|error| Failure::Usage(format!("the request cannot be written: {error}")))?;
        self.stream.send(Message::text(text)).await.map_err(|error| lost(&self.server, &error.to_string()))
    }

    /// The next text message; pings in between while nothing comes.
    async fn receive(&mut self) -> Result<String, Failure> {
        let start = Instant::now();
        let mut ping_at = start + PING_AFTER;
        loop {
            let message = match timeout_at(ping_at, self.stream.next()).await {
                Err(_) if ping_at > start + SILENCE => return Err(lost(&self.server, "it went silent")),
                Err(_) => {
                    ping_at += PING_AFTER;
                    self.send(&Outgoing::<()> { kind: "ping", id: None, payload: None }).await?;
                    continue;
                }
                Ok(None) => return Err(lost(&self.server, "the connection was closed")),
                Ok(Some(Err(tungstenite::Error::Capacity(error)))) => {
                    return Err(self.server.bad_answer(error.to_string()));
                }
                Ok(Some(Err(tungstenite::Error::Utf8(error)))) => return Err(self.server.bad_answer(error)),
                Ok(Some(Err(error))) => return Err(lost(&self.server, &error.to_string())),
                Ok(Some(Ok(message))) => message,
            };
            match message {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => return Err(closed(&self.server, frame)),
                Message::Binary(_) => return Err(self.server.bad_answer("a binary message")),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn parse<'a>(&self, text: &'a str) -> Result<Incoming<'a>, Failure> {
        serde_json::from_str(text).map_err(|error| self.server.bad_answer(error.to_string()))
    }
}

fn lost(server: &Server, detail: &str) -> Failure {
    Failure::Unreachable { server: server.address().to_owned(), detail: detail.to_owned() }
}

/// What a refused upgrade means: a gateway without its server passes, a wrong address does not.
fn handshake_failure(server: &Server, error: &tungstenite::Error) -> Failure {
    if let tungstenite::Error::Http(response) = error {
        let status = response.status();
        return if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            lost(server, &format!("status {status}"))
        } else {
            server.bad_answer(format!("status {status} instead of a WebSocket"))
        };
    }
    if let tungstenite::Error::Protocol(error) = error {
        return server.bad_answer(error.to_string());
    }
    server.unreachable(error)
}

/// What a close code of the protocol means.
fn closed(server: &Server, frame: Option<CloseFrame>) -> Failure {
    let Some(frame) = frame else { return lost(server, "the connection was closed") };
    let refused = |code: &str, message: &str| Failure::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
        retry_after_ms: None,
        part: None,
    };
    match u16::from(frame.code) {
        4401 => server.unauthenticated(),
        4403 => refused("FORBIDDEN", "the service does not take this access token"),
        4429 => refused("RATE_LIMITED", "too many connections at once"),
        4400..=4499 => server.bad_answer(format!("closed with {}: {}", frame.code, frame.reason)),
        _ => lost(server, &format!("the connection was closed with {}", frame.code)),
    }
}
