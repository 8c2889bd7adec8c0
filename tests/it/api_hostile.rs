//! WebSockets from clients that mean no good: messages of graphql-transport-ws that are changed at random,
//! and bytes that are no frames at all. The same each time: the numbers come from a seed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Socket, TestApp};

const CONNECTIONS: usize = 150;
const MESSAGES: usize = 20;

/// What the protocol says to whoever breaks it.
const GOODBYES: [u16; 7] = [4400, 4401, 4403, 4409, 4429, 1009, 1002];

/// xorshift64*: good enough to be unpleasant.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A message that is right, or nearly.
fn message(random: &mut Random) -> Value {
    let queries = [
        "{ __typename }",
        "{ viewer { submissions(first: 2147483647) { nodes { id } } } }",
        "subscription { viewerActivity { cursor } }",
        "subscription { attemptEvents(attemptId: \"att_0\", after: \"e0\") { cursor } }",
        "mutation { updateProfile(input: { displayName: \"\\u202e\" }) { user { id } } }",
        "query Q($a: [ID!]!) { nodes(ids: $a) { id } }",
        "{ ...F } fragment F on Query { ...F }",
        "{ a: node(id: \"\\u0000\") { id } }",
        "subscription { a: viewerActivity { cursor } b: viewerActivity { cursor } }",
        "\u{feff}{ server { version } } # \u{1F980}",
    ];
    let id = *random.pick(&["1", "2", "3", "", "\u{0}"]);
    let variables = [Value::Null, json!({ "a": ["x"] }), json!({ "a": null }), json!({ "a": [[[]]] })];
    match random.below(8) {
        0 => json!({ "type": "connection_init", "payload": { "authorization": "Bearer ccs_x" } }),
        1 => json!({ "type": "ping", "payload": { "a": [1, 2.5e300, "\u{2028}"] } }),
        2 => json!({ "type": "pong" }),
        3 => json!({ "type": "complete", "id": id }),
        4 => json!({ "type": random.pick(&["next", "start", "connection_ack", "stop"]), "id": id }),
        _ => {
            let payload = json!({ "query": random.pick(&queries), "variables": random.pick(&variables) });
            json!({ "type": "subscribe", "id": id, "payload": payload })
        }
    }
}

/// The same with something wrong.
fn spoil(random: &mut Random, message: &Value) -> Message {
    let text = message.to_string();
    let at = |random: &mut Random| text.floor_char_boundary(random.below(text.len() + 1));
    match random.below(12) {
        0 => Message::text(&text[..at(random)]),
        1 => Message::text(format!("{}{}", &text[at(random)..], &text[..at(random)])),
        2 => Message::text(text.replacen('"', "\u{0}", 1 + random.below(4))),
        3 => Message::text(format!("{}{}{}", "[".repeat(random.below(400)), text, "]".repeat(random.below(400)))),
        4 => Message::text(
            text.replace("null", random.pick::<&str>(&["1e999", "-0", "true", "{}", "\"\"", "18446744073709551616"])),
        ),
        5 => Message::text(text.replace("{ ", &"{ a ".repeat(1 + random.below(60)))),
        6 => Message::binary(text.into_bytes()),
        7 => Message::text(text.replace("\"id\"", "\"ID\"")),
        8 => Message::Ping(vec![b'x'; random.below(126)].into()),
        // Most are left as they are, so that connections live long enough to be used.
        _ => Message::text(text),
    }
}

/// What may be heard on a connection: nothing of ours has broken.
fn check(message: &Value) {
    assert!(!message.to_string().contains("INTERNAL"), "{message}");
}

#[tokio::test]
async fn messages_that_are_spoilt_at_random_break_nothing() {
    let app = TestApp::start_with(|config| {
        config.graphql.max_connections_per_user = 10_000;
        config.http.body_limit = codecanvas::domain::units::Bytes::kib(64);
    })
    .await;
    let ada = app.student("ada").await;
    let mut random = Random(0x00C0_DECA_7A5A);
    let mut goodbyes = 0;
    for number in 0..CONNECTIONS {
        // Every third begins without having said who it is.
        let mut socket = match number % 3 {
            0 => Socket::open(app.address).await,
            1 => app.nobody().socket().await,
            _ => ada.socket().await,
        };
        for _ in 0..random.below(MESSAGES) {
            let message = message(&mut random);
            if !socket.offer(spoil(&mut random, &message)).await {
                break;
            }
        }
        // Whoever still listens answers; whoever does not has said why.
        socket.offer(Message::text(json!({ "type": "ping", "payload": { "number": number } }).to_string())).await;
        loop {
            match socket.receive_or_goodbye().await {
                Ok(message) if message["type"] == "pong" && message["payload"]["number"] == number => break,
                Ok(message) => check(&message),
                Err(Some(code)) => {
                    assert!(GOODBYES.contains(&code), "connection {number}: {code}");
                    goodbyes += 1;
                    break;
                }
                Err(None) => break,
            }
        }
    }
    assert!(goodbyes > CONNECTIONS / 10, "{goodbyes} of {CONNECTIONS} were told what is wrong");
    ada.ask("{ viewer { username } }", Value::Null).await;
    let mut socket = ada.socket().await;
    socket.subscribe("1", "{ viewer { username } }", Value::Null).await;
    assert_eq!(socket.receive().await["payload"]["data"]["viewer"]["username"], "ada");
}

const HANDSHAKE: &str = "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn bytes_that_are_no_frames_end_the_connection_and_nothing_else() {
    let app = TestApp::start().await;
    let mut random = Random(0x00C0_FFEE);
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        let mut bytes: Vec<u8> = (0..random.below(300)).map(|_| random.next().to_le_bytes()[0]).collect();
        if number % 2 == 0 {
            // A masked text frame of a length that is not true, and what is not UTF-8 in it.
            bytes.splice(0..0, [0x81, 0x80 | *random.pick(&[5, 125, 126, 127]), 1, 2, 3, 4, 0xFF]);
        }
        // The server may be gone before everything is sent.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "connection {number} stays open");
    }
    app.nobody().ask("{ server { version } }", Value::Null).await;
}
