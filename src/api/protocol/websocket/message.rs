//! The messages of graphql-transport-ws and its close codes
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use serde_json::{Map, Value as Json, json};

use crate::api::protocol::operation::{ParameterError, Parameters};

/// The subprotocol's name.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// The first message; its payload may hold the credential.
    ConnectionInit(Map<String, Json>),
    /// Answered by a pong.
    Ping(Option<Json>),
    /// Answers our ping.
    Pong,
    /// Starts an operation.
    Subscribe {
        /// Chosen by the client.
        id: String,
        /// What is asked for.
        parameters: Parameters,
    },
    /// Ends an operation.
    Complete {
        /// Of the operation.
        id: String,
    },
}

/// Why a message is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// Not a JSON object with a known type.
    #[error("Invalid message received")]
    Malformed,
    /// A subscribe message whose payload is not a request.
    #[error("Invalid message received: {0}")]
    Parameters(#[source] ParameterError),
}

/// Longer ids are refused: they are kept as long as the operation runs.
const MAX_ID_BYTES: usize = 128;

impl ClientMessage {
    /// Reads a text frame.
    pub fn parse(text: &str) -> Result<Self, InvalidMessage> {
        let Ok(Json::Object(mut object)) = serde_json::from_str(text) else { return Err(InvalidMessage::Malformed) };
        let Some(Json::String(kind)) = object.remove("type") else { return Err(InvalidMessage::Malformed) };
        match kind.as_str() {
            "connection_init" => Ok(Self::ConnectionInit(payload(&mut object)?.unwrap_or_default())),
            "ping" => Ok(Self::Ping(payload(&mut object)?.map(Json::Object))),
            "pong" => payload(&mut object).map(|_| Self::Pong),
            "subscribe" => {
                let id = id(&mut object)?;
                let payload = object.remove("payload").ok_or(InvalidMessage::Malformed)?;
                let parameters = Parameters::from_json(payload).map_err(InvalidMessage::Parameters)?;
                Ok(Self::Subscribe { id, parameters })
            }
            "complete" => Ok(Self::Complete { id: id(&mut object)? }),
            _ => Err(InvalidMessage::Malformed),
        }
    }
}

fn payload(object: &mut Map<String, Json>) -> Result<Option<Map<String, Json>>, InvalidMessage> {
    match object.remove("payload") {
        Some(Json::Object(map)) => Ok(Some(map)),
        Some(Json::Null) | None => Ok(None),
        Some(_) => Err(InvalidMessage::Malformed),
    }
}

fn id(object: &mut Map<String, Json>) -> Result<String, InvalidMessage> {
    match object.remove("id") {
        Some(Json::String(id)) if (1..=MAX_ID_BYTES).contains(&id.len()) => Ok(id),
        Some(_) | None => Err(InvalidMessage::Malformed),
    }
}

/// What the server says.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerMessage<'a> {
    /// The connection is ready.
    ConnectionAck,
    /// Asks whether the client is still there.
    Ping,
    /// Answers a ping with its payload.
    Pong(Option<Json>),
    /// A result.
    Next(&'a str, Json),
    /// The operation failed and is over; the payload is a list of errors.
    Error(&'a str, Json),
    /// The operation is over.
    Complete(&'a str),
}

impl From<ServerMessage<'_>> for Message {
    fn from(message: ServerMessage<'_>) -> Self {
        let json = match message {
            ServerMessage::ConnectionAck => json!({ "type": "connection_ack" }),
            ServerMessage::Ping => json!({ "type": "ping" }),
            ServerMessage::Pong(None) => json!({ "type": "pong" }),
            ServerMessage::Pong(Some(payload)) => json!({ "type": "pong", "payload": payload }),
            ServerMessage::Next(id, payload) => json!({ "type": "next", "id": id, "payload": payload }),
            ServerMessage::Error(id, payload) => json!({ "type": "error", "id": id, "payload": payload }),
            ServerMessage::Complete(id) => json!({ "type": "complete", "id": id }),
        };
        Self::text(json.to_string())
    }
}

/// Why the server ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Close {
    /// The process stops; clients come back elsewhere.
    Restart,
    /// Too many connections; clients come back later.
    TryLater(String),
    /// A message that is not one.
    BadRequest(String),
    /// A subscribe message before the connection was acknowledged.
    Unauthorized,
    /// The credential was refused.
    Forbidden(String),
    /// The client speaks another subprotocol.
    SubprotocolNotAcceptable,
    /// No `connection_init` in time.
    InitTimeout,
    /// The id is in use.
    SubscriberExists(String),
    /// A second `connection_init`.
    TooManyInits,
    /// A message larger than is read.
    TooBig,
    /// Our fault.
    Internal,
}

/// A control frame holds 125 bytes, two of which are the code (RFC 6455, 5.5 and 5.5.1).
const MAX_REASON_BYTES: usize = 123;

impl From<Close> for CloseFrame {
    fn from(close: Close) -> Self {
        let (code, reason) = match close {
            Close::Restart => (1012, "Service restart".to_owned()),
            Close::TryLater(reason) => (1013, reason),
            Close::BadRequest(reason) => (4400, reason),
            Close::Unauthorized => (4401, "Unauthorized".to_owned()),
            Close::Forbidden(reason) => (4403, reason),
            Close::SubprotocolNotAcceptable => (4406, "Subprotocol not acceptable".to_owned()),
            Close::InitTimeout => (4408, "Connection initialisation timeout".to_owned()),
            Close::SubscriberExists(id) => (4409, format!("Subscriber for {id} already exists")),
            Close::TooManyInits => (4429, "Too many initialisation requests".to_owned()),
            Close::TooBig => (1009, "Message too big".to_owned()),
            Close::Internal => (1011, "Internal server error".to_owned()),
        };
        Self { code, reason: Utf8Bytes::from(&reason[..reason.floor_char_boundary(MAX_REASON_BYTES)]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_strictly() {
        assert_eq!(
            ClientMessage::parse(r#"{"type":"connection_init"}"#),
            Ok(ClientMessage::ConnectionInit(Map::new()))
        );
        assert_eq!(
            ClientMessage::parse(r#"{"type":"complete","id":"1"}"#),
            Ok(ClientMessage::Complete { id: "1".into() })
        );
        for wrong in [
            "",
            "7",
            "[]",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"start"}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"complete","id":""}"#,
            r#"{"type":"ping","payload":7}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":7,"payload":{"query":"{a}"}}"#,
        ] {
            assert_eq!(ClientMessage::parse(wrong), Err(InvalidMessage::Malformed), "{wrong}");
        }
        assert!(matches!(
            ClientMessage::parse(r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#),
            Err(InvalidMessage::Parameters(_))
        ));
    }

    #[test]
    fn a_close_reason_fits_into_its_frame() {
        let frame = CloseFrame::from(Close::SubscriberExists("é".repeat(64)));
        assert_eq!(frame.code, 4409);
        assert!(frame.reason.len() <= MAX_REASON_BYTES);
        assert!(frame.reason.starts_with("Subscriber for é"));
    }
}
