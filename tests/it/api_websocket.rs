//! graphql-transport-ws, message by message.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Socket, TestApp};

#[tokio::test]
async fn a_query_is_answered_and_completed() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    let mut socket = ada.socket().await;
    socket.subscribe("1", "{ viewer { username } }", Value::Null).await;
    let data = json!({ "viewer": { "username": "ada" } });
    assert_eq!(socket.receive().await, json!({ "type": "next", "id": "1", "payload": { "data": data } }));
    assert_eq!(socket.receive().await, json!({ "type": "complete", "id": "1" }));
}

#[tokio::test]
async fn an_invalid_document_ends_its_operation_and_nothing_else() {
    let app = TestApp::start().await;
    let mut socket = app.nobody().socket().await;
    for query in ["{", "{ nothing }", "query($id: ID!) { node(id: $id) { id } }", "subscription { a b }"] {
        socket.subscribe("1", query, Value::Null).await;
        let message = socket.receive().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], "INVALID_INPUT", "{message}");
    }
    socket.subscribe("1", "{ server { version } }", Value::Null).await;
    assert_eq!(socket.receive().await["type"], "next");
}

#[tokio::test]
async fn pings_are_answered_with_their_payload() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(app.address).await;
    // Also before the connection is acknowledged.
    socket.send(json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(socket.receive().await, json!({ "type": "pong", "payload": { "a": 1 } }));
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.receive().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn the_server_pings_and_drops_who_does_not_answer() {
    let app = TestApp::start_with(|config| config.graphql.ping_interval = Duration::from_millis(50)).await;
    let mut lively = app.nobody().socket().await;
    for _ in 0..3 {
        assert_eq!(lively.receive_any().await, json!({ "type": "ping" }));
        lively.send(json!({ "type": "pong" })).await;
    }
    let silent = app.nobody().socket().await;
    silent.dropped().await;
}

#[tokio::test]
async fn another_subprotocol_is_4406() {
    let app = TestApp::start().await;
    for headers in [&[][..], &[("sec-websocket-protocol", "graphql-ws")]] {
        // Clients may refuse the handshake by themselves where the server chose none of theirs.
        if let Ok(socket) = Socket::open_with(app.address, headers).await {
            assert_eq!(socket.closed().await, (4406, "Subprotocol not acceptable".into()));
        }
    }
}

#[tokio::test]
async fn what_is_no_message_is_4400() {
    let app = TestApp::start().await;
    for message in ["", "{", "[]", r#"{"type":"start"}"#, r#"{"type":"subscribe","id":"1"}"#] {
        let mut socket = app.nobody().socket().await;
        socket.send_raw(Message::text(message)).await;
        assert_eq!(socket.closed().await.0, 4400, "{message}");
    }
    let mut socket = app.nobody().socket().await;
    socket.send_raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.closed().await.0, 4400);
}

#[tokio::test]
async fn a_subscription_before_the_acknowledgement_is_4401() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(app.address).await;
    socket.subscribe("1", "{ viewer { id } }", Value::Null).await;
    assert_eq!(socket.closed().await, (4401, "Unauthorized".into()));
}

#[tokio::test]
async fn a_credential_that_opens_nothing_is_4403() {
    let app = TestApp::start().await;
    for authorization in [json!("Bearer ccs_gone"), json!("Basic YTpi"), json!(7)] {
        let mut socket = Socket::open(app.address).await;
        socket.send(json!({ "type": "connection_init", "payload": { "Authorization": authorization } })).await;
        assert_eq!(socket.closed().await.0, 4403, "{authorization}");
    }
}

#[tokio::test]
async fn a_cookie_counts_for_pages_of_this_server_only() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    let cookie = format!("codecanvas={}", ada.token.unwrap());
    for (origin, is_own) in [(format!("http://{}", app.address), true), ("http://evil.example".into(), false)] {
        let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("cookie", &cookie), ("origin", &origin)];
        let mut socket = Socket::open_with(app.address, &headers).await.unwrap();
        socket.send(json!({ "type": "connection_init" })).await;
        if is_own {
            assert_eq!(socket.receive().await["type"], "connection_ack");
            socket.subscribe("1", "{ viewer { username } }", Value::Null).await;
            assert_eq!(socket.receive().await["payload"]["data"]["viewer"]["username"], "ada");
        } else {
            assert_eq!(socket.closed().await.0, 4403);
        }
    }
}

#[tokio::test]
async fn silence_is_4408() {
    let app = TestApp::start_with(|config| config.graphql.connection_init_timeout = Duration::from_millis(100)).await;
    let socket = Socket::open(app.address).await;
    assert_eq!(socket.closed().await, (4408, "Connection initialisation timeout".into()));
}

#[tokio::test]
async fn a_second_init_is_4429() {
    let app = TestApp::start().await;
    let mut socket = app.nobody().socket().await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, (4429, "Too many initialisation requests".into()));
}

#[tokio::test]
async fn connections_per_user_are_bounded() {
    let app = TestApp::start_with(|config| config.graphql.max_connections_per_user = 2).await;
    let (ada, bob) = (app.student("ada").await, app.student("bob").await);
    let (_one, two) = (ada.socket().await, ada.socket().await);
    let mut third = Socket::open(app.address).await;
    let authorization = format!("Bearer {}", ada.token.clone().unwrap());
    third.send(json!({ "type": "connection_init", "payload": { "authorization": authorization } })).await;
    assert_eq!(third.closed().await, (1013, "At most 2 connections at a time".into()));
    bob.socket().await;
    drop(two);
    // The place is free as soon as the server has noticed.
    loop {
        let mut again = Socket::open(app.address).await;
        again.send(json!({ "type": "connection_init", "payload": { "authorization": authorization } })).await;
        if again.receive_or_close().await {
            break;
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let app = TestApp::start().await;
    let socket = app.nobody().socket().await;
    app.begin_to_stop();
    assert_eq!(socket.closed().await, (1012, "Service restart".into()));
    app.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_1009() {
    let app = TestApp::start_with(|config| config.http.body_limit = codecanvas::domain::units::Bytes(1000)).await;
    let mut socket = app.nobody().socket().await;
    socket.subscribe("1", &" ".repeat(2000), Value::Null).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn a_session_that_has_ended_starts_nothing_more() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    let mut socket = ada.socket().await;
    ada.ask("mutation { signOut { isSignedOut } }", Value::Null).await;
    // Who it was is known from a moment ago: that it has ended is, too.
    for (id, operation) in [("1", "{ viewer { username } }"), ("2", ENDLESS)] {
        socket.subscribe(id, operation, Value::Null).await;
        let message = socket.receive().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
}

const ENDLESS: &str = "subscription { viewerActivity { cursor } }";

#[tokio::test]
async fn an_id_that_is_in_use_is_4409_and_free_again_when_its_operation_ends() {
    let app = TestApp::start().await;
    let mut socket = app.student("ada").await.socket().await;
    socket.subscribe("1", ENDLESS, Value::Null).await;
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("1", "{ __typename }", Value::Null).await;
    assert_eq!(socket.receive().await["type"], "next");
    assert_eq!(socket.receive().await["type"], "complete");
    socket.subscribe("1", ENDLESS, Value::Null).await;
    socket.subscribe("1", ENDLESS, Value::Null).await;
    assert_eq!(socket.closed().await, (4409, "Subscriber for 1 already exists".into()));
}

#[tokio::test]
async fn operations_at_the_same_time_are_bounded() {
    let app = TestApp::start_with(|config| config.graphql.max_subscriptions_per_connection = 2).await;
    let mut socket = app.student("ada").await.socket().await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, ENDLESS, Value::Null).await;
    }
    let message = socket.receive().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("3")));
    let extensions = &message["payload"][0]["extensions"];
    assert_eq!(*extensions, json!({ "code": "RATE_LIMITED", "retryAfterMs": 1000 }));
}
