//! A client of graphql-transport-ws that says exactly what the test wants, right or wrong.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Whatever takes longer will never come.
const PATIENCE: Duration = Duration::from_mins(1);

/// An open WebSocket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one that offers the subprotocol.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, &[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap()
    }

    /// Opens one with these headers.
    pub async fn open_with(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/graphql").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        }
        let (stream, _) = connect_async(request).await?;
        Ok(Self(stream))
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    /// Sends whatever it is.
    pub async fn send_raw(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    /// The next message, pings of the protocol left out.
    pub async fn receive(&mut self) -> Value {
        loop {
            let message = self.receive_any().await;
            if message["type"] != "ping" {
                return message;
            }
        }
    }

    /// The next message of any type.
    pub async fn receive_any(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("no message came") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    /// Sends whatever it is; `false` where the server has hung up.
    pub async fn offer(&mut self, message: Message) -> bool {
        self.0.send(message).await.is_ok()
    }

    /// The next message; else how it ended: the code of the server's goodbye, `None` where it was not heard.
    pub async fn receive_or_goodbye(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the server is silent") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                // Whoever hangs up while more comes in is reset by the kernel.
                Some(Ok(Message::Binary(_) | Message::Frame(_)) | Err(_)) | None => return Err(None),
            }
        }
    }

    /// The code and reason with which the server ends the connection; messages before it are dropped.
    pub async fn closed(mut self) -> (u16, String) {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the connection stays open") {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("the connection broke: {other:?}"),
            }
        }
    }

    /// Waits until the server drops the connection without a word.
    pub async fn dropped(mut self) {
        while let Some(Ok(_)) = timeout(PATIENCE, self.0.next()).await.expect("the connection stays open") {}
    }
}

impl Socket {
    /// Whether the server acknowledges the connection; `false` where it closes it.
    pub async fn receive_or_close(&mut self) -> bool {
        match timeout(PATIENCE, self.0.next()).await.expect("no message came") {
            Some(Ok(Message::Text(text))) => text.contains("connection_ack"),
            Some(Ok(_) | Err(_)) | None => false,
        }
    }
}
