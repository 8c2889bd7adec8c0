//! The command line against servers that lie: whatever they answer, the terminal, the token and the
//! memory of the user are safe, and the exit code says whose fault it was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use serde_json::{Value, json};

use crate::cli_command::{Cli, Ended, blocking};

const SERVICE_TROUBLE: i32 = 69;

/// What one WebSocket connection does after `subscribe`.
#[derive(Clone)]
enum Act {
    Say(Value),
    Text(&'static str),
    Binary,
    Close(u16),
    /// Drops the connection without a word.
    Drop,
}

/// A server that answers by a script.
#[derive(Clone, Default)]
struct Script {
    /// By a word in the document.
    answers: Arc<HashMap<&'static str, Value>>,
    /// One list per connection, in order.
    connections: Arc<Mutex<Vec<Vec<Act>>>>,
    /// `variables.after` of each subscription.
    cursors: Arc<Mutex<Vec<Value>>>,
    /// The tokens that came.
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = (&'static str, Value)>, connections: Vec<Vec<Act>>) -> Self {
        Self {
            answers: Arc::new(answers.into_iter().collect()),
            connections: Arc::new(Mutex::new(connections)),
            ..Self::default()
        }
    }

    async fn start(&self) -> String {
        serve(Router::new().route("/graphql", get(upgrade).post(answer)).with_state(self.clone())).await
    }
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

/// A server that gives this answer to everything.
async fn always(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> String {
    serve(Router::new().fallback(move || {
        let answer = answer.clone();
        async move { answer() }
    }))
    .await
}

async fn answer(State(script): State<Script>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(token) = headers.get("authorization") {
        script.tokens.lock().unwrap().push(token.to_str().unwrap().to_owned());
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let document = body["query"].as_str().unwrap();
    let (_, answer) = script.answers.iter().find(|(word, _)| document.contains(*word)).expect("an answer for it");
    axum::Json(answer.clone()).into_response()
}

async fn upgrade(State(script): State<Script>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["graphql-transport-ws"]).on_upgrade(move |socket| play(script, socket))
}

async fn play(script: Script, mut socket: WebSocket) {
    let acts = {
        let mut connections = script.connections.lock().unwrap();
        if connections.is_empty() { vec![Act::Drop] } else { connections.remove(0) }
    };
    let mut receive = async || -> Value {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(receive().await["type"], "connection_init");
    socket.send(Message::text(json!({ "type": "connection_ack" }).to_string())).await.unwrap();
    let Some(Ok(Message::Text(text))) = socket.recv().await else { return };
    let subscribe: Value = serde_json::from_str(&text).unwrap();
    script.cursors.lock().unwrap().push(subscribe["payload"]["variables"]["after"].clone());
    for act in acts {
        let message = match act {
            Act::Say(event) => {
                let payload = json!({ "data": { "attemptEvents": event } });
                Message::text(json!({ "type": "next", "id": "1", "payload": payload }).to_string())
            }
            Act::Text(text) => Message::text(text),
            Act::Binary => Message::binary(vec![0, 1, 2]),
            Act::Close(code) => Message::Close(Some(CloseFrame { code, reason: "\x1b[2Jgo away".into() })),
            Act::Drop => return,
        };
        socket.send(message).await.unwrap();
    }
    // Whatever comes now is not answered; the client decides when it is over.
    while let Some(Ok(_)) = socket.recv().await {}
}

fn event(sequence: u64, kind: &str, more: &Value) -> Act {
    let mut event = json!({ "__typename": kind, "cursor": format!("c{sequence}"), "sequence": sequence });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Act::Say(event)
}

fn chunk(sequence: u64, offset: u64, base64: &str) -> Act {
    event(sequence, "OutputChunk", &json!({ "kind": "RUN", "stream": "STDOUT", "offset": offset, "bytes": base64 }))
}

/// The answers around a run: what the id is, and how it ended.
fn answers_of_a_run() -> Vec<(&'static str, Value)> {
    let size = json!({ "totalBytes": 2, "isTruncated": false });
    let step = json!({
        "kind": "RUN", "verdict": "RUNTIME_ERROR", "exitCode": 3, "signal": null, "cpuTimeMs": 1, "wallTimeMs": 1,
        "peakMemoryBytes": 1, "reason": null, "isCached": false, "stdout": size, "stderr": size,
    });
    let author = json!({ "username": "ada" });
    vec![
        (
            "query Find",
            json!({ "data": {
                "node": { "__typename": "Attempt", "id": "att_1", "state": "RUNNING",
                          "submission": { "id": "sub_1", "author": author } },
                "viewer": author,
            } }),
        ),
        (
            "query Outcome",
            json!({ "data": { "attempt": {
                "id": "att_1", "number": 1, "state": "FINISHED", "verdict": "RUNTIME_ERROR", "languageVersion": null,
                "queuedAt": "2026-11-23T12:00:00.000Z", "startedAt": null, "finishedAt": null,
                "submission": { "id": "sub_1", "language": "c", "author": author }, "steps": [step],
            } } }),
        ),
    ]
}

#[tokio::test]
async fn somebody_elses_program_cannot_command_a_terminal_but_a_file_gets_its_bytes() {
    // What the program wrote: ESC ] 0 ; x BEL
    let script = || {
        let mut answers = answers_of_a_run();
        answers[0].1["data"]["viewer"]["username"] = json!("grace");
        Script::new(answers, vec![vec![chunk(0, 0, "G10wO3gH"), event(1, "AttemptFinished", &json!({}))]])
    };
    let at_terminal = Cli::new(script().start().await, Some("secret")).at_terminal(&["watch", "att_1"]);
    let (screen, code) = at_terminal.end().await;
    assert_eq!(code, 3);
    assert!(screen.contains("␛]0;x␇") && !screen.contains("\x1b]0;"), "{screen:?}");
    assert!(screen.contains("! error, exit code 3"), "{screen:?}");
    let in_pipe = Cli::new(script().start().await, Some("secret")).run(&["watch", "att_1"]).await;
    assert_eq!(in_pipe.stdout, b"\x1b]0;x\x07");
}

async fn watch(connections: Vec<Vec<Act>>) -> (Ended, Script) {
    let script = Script::new(answers_of_a_run(), connections);
    let cli = Cli::new(script.start().await, Some("secret"));
    (cli.run(&["watch", "att_1"]).await, script)
}

#[tokio::test]
async fn an_answer_that_is_not_graphql_is_an_error_of_the_service() {
    for (status, body) in [
        (StatusCode::OK, "<html>Welcome to the hotel network</html>"),
        (StatusCode::OK, "{}"),
        (StatusCode::OK, r#"{"data":null}"#),
        (StatusCode::OK, r#"{"data":{"languages":[{"name":7}]}}"#),
        (StatusCode::NOT_FOUND, "nothing here"),
        (StatusCode::BAD_GATEWAY, "try later"),
    ] {
        let server = always(move || (status, body).into_response()).await;
        let ended = Cli::new(&server, None).run(&["langs"]).await;
        assert_eq!(ended.code, SERVICE_TROUBLE, "{body}: {ended:?}");
        assert!(ended.stdout.is_empty() && ended.stderr.contains(&server), "{body}: {ended:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let server = always(|| {
        let spaces = Bytes::from(vec![b' '; 1 << 20]);
        Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(spaces.clone()))).into_response()
    })
    .await;
    let ended = Cli::new(server, None).run(&["langs"]).await;
    assert_eq!(ended.code, SERVICE_TROUBLE);
    assert!(ended.stderr.contains("does not end"), "{ended:?}");
}

#[tokio::test]
async fn a_token_does_not_follow_a_redirection() {
    let elsewhere = Script::new([("query", json!({ "data": { "viewer": null } }))], Vec::new());
    let target = elsewhere.start().await;
    let server =
        always(move || (StatusCode::TEMPORARY_REDIRECT, [("location", format!("{target}/graphql"))]).into_response())
            .await;
    let ended = Cli::new(server, Some("secret")).run(&["whoami"]).await;
    assert_eq!(ended.code, SERVICE_TROUBLE, "{ended:?}");
    assert!(elsewhere.tokens.lock().unwrap().is_empty());
}

#[tokio::test]
async fn titles_names_and_messages_cannot_command_the_terminal() {
    let course = json!({ "id": "crs_1\x1b[2J", "title": "Intro\x1b]0;owned\x07\u{202e}", "isArchived": false, "viewerRole": "STUDENT" });
    let script = Script::new(
        [
            ("query Courses", json!({ "data": { "viewer": { "courses": [course] } } })),
            (
                "query Viewer",
                json!({ "errors": [{ "message": "no\x1b[31m\nway", "extensions": { "code": "FORBIDDEN" } }] }),
            ),
        ],
        Vec::new(),
    );
    let cli = Cli::new(script.start().await, Some("secret"));
    let listed = cli.run(&["courses"]).await.ok();
    assert!(!listed.stdout.contains(&0x1b) && listed.text().contains("Intro␛]0;owned␇\\u{202e}"), "{listed:?}");
    let json = cli.run(&["courses", "--json"]).await.ok();
    assert!(json.stdout.is_ascii() && !json.stdout.contains(&0x1b), "{json:?}");
    assert_eq!(json.json()[0]["title"], "Intro\x1b]0;owned\x07\u{202e}");
    let refused = cli.run(&["whoami"]).await;
    assert_eq!((refused.code, refused.stderr.as_str()), (77, "codecanvas: no␛[31m␊way\n"));
}

#[tokio::test]
async fn a_dropped_connection_is_resumed_behind_the_last_event() {
    let (ended, script) = watch(vec![
        vec![event(0, "StateChanged", &json!({ "state": "QUEUED" })), chunk(1, 0, "YQ=="), Act::Drop],
        vec![Act::Close(1012)],
        // A server that repeats what it said already, and then goes on.
        vec![chunk(1, 0, "YQ=="), chunk(2, 1, "Yg=="), event(3, "AttemptFinished", &json!({}))],
    ])
    .await;
    assert_eq!((ended.code, ended.text(), ended.stderr.as_str()), (3, "ab", ""));
    assert_eq!(*script.cursors.lock().unwrap(), [Value::Null, json!("c1"), json!("c1")]);
}

#[tokio::test]
async fn a_line_that_a_program_began_is_not_overwritten_while_the_connection_is_lost() {
    // "half", then a second without a connection, then " done" without an end of its line.
    let mut connections = vec![vec![chunk(0, 0, "aGFsZg=="), Act::Drop]];
    connections.extend(vec![vec![Act::Close(1012)]; 5]);
    connections.push(vec![chunk(1, 4, "IGRvbmU="), event(2, "AttemptFinished", &json!({}))]);
    let script = Script::new(answers_of_a_run(), connections);
    let cli = Cli::new(script.start().await, Some("secret"));
    let (screen, code) = cli.at_terminal(&["watch", "att_1"]).end().await;
    assert_eq!(code, 3, "{screen:?}");
    let (before, after) = screen.split_once("half").unwrap();
    // A spinner that went before is off the line when the program writes.
    assert!(before.is_empty() || before.ends_with("\x1b[2K"), "{screen:?}");
    assert!(after.starts_with("\r\n") && after.contains("the connection is lost"), "{screen:?}");
    let (_, after) = after.split_once(" done").unwrap();
    assert!(after.starts_with("\r\n! error, exit code 3"), "{screen:?}");
}

#[tokio::test]
async fn whoever_closes_the_output_ends_the_command_quietly() {
    let script = Script::new(
        answers_of_a_run(),
        vec![vec![chunk(0, 0, "eAo="), chunk(1, 2, "eAo="), event(2, "AttemptFinished", &json!({}))]],
    );
    let cli = Cli::new(script.start().await, Some("secret"));
    for arguments in [&["watch", "att_1"][..], &["completions", "bash"], &["man"], &["config", "print", "--defaults"]] {
        let (ours, theirs) = std::io::pipe().unwrap();
        drop(ours);
        let mut command = cli.command(arguments);
        command.stdout(theirs);
        let ended = Ended::from(blocking(move || command.output().unwrap()).await);
        assert_eq!((ended.code, ended.stderr.as_str()), (141, ""), "{arguments:?}");
    }
    // Not even the reason can be told.
    let (ours, theirs) = std::io::pipe().unwrap();
    drop(ours);
    let mut command = cli.command(&["run", "/nonexistent.py"]);
    command.stderr(theirs);
    assert_eq!(Ended::from(blocking(move || command.output().unwrap()).await).code, 64);
}

#[tokio::test]
async fn a_run_that_starts_again_after_a_lost_worker_is_not_printed_twice() {
    let (ended, _) = watch(vec![vec![
        event(0, "StateChanged", &json!({ "state": "QUEUED" })),
        event(1, "StateChanged", &json!({ "state": "RUNNING" })),
        chunk(2, 0, "YWI="),
        event(3, "StateChanged", &json!({ "state": "QUEUED" })),
        event(4, "StateChanged", &json!({ "state": "RUNNING" })),
        chunk(5, 0, "YQ=="),
        chunk(6, 1, "YmM="),
        event(7, "AttemptFinished", &json!({})),
    ]])
    .await;
    assert_eq!((ended.code, ended.text()), (3, "abc"));
    assert!(ended.stderr.contains("started again"), "{ended:?}");
}

#[tokio::test]
async fn nonsense_on_the_socket_is_an_error_of_the_service() {
    for nonsense in [
        vec![Act::Text("not json")],
        vec![Act::Text(r#"{"type":"dance"}"#)],
        vec![Act::Text(r#"{"type":"next","id":"1","payload":{}}"#)],
        vec![Act::Text(r#"{"type":"error","id":"1","payload":[]}"#)],
        vec![Act::Binary],
        vec![chunk(0, 0, "%%%")],
        vec![event(0, "StateChanged", &json!({ "state": "DANCING" }))],
        vec![Act::Close(4400)],
    ] {
        let (ended, _) = watch(vec![nonsense]).await;
        assert_eq!(ended.code, SERVICE_TROUBLE, "{ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.contains('\x1b'), "{ended:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_on_the_socket_is_told_as_such() {
    let (ended, _) = watch(vec![vec![Act::Close(4401)]]).await;
    assert_eq!(ended.code, 77);
    assert!(ended.stderr.contains("does not know the token of --token or CODECANVAS_TOKEN"), "{ended:?}");
}
