//! Submissions, attempts and streams as clients see them, with a real worker.

use serde_json::{Value, json};

use crate::support::{Socket, TestApp, text};

const SUBMIT: &str = "mutation($input: SubmitCodeInput!) { submitCode(input: $input) {
    submission { id language mainPath files { path text sizeBytes sha256 } author { username } attempt { id } }
    attempt { id number state verdict languageVersion
      steps { kind verdict exitCode signal cpuTimeMs wallTimeMs peakMemoryBytes reason stdout { text bytes totalBytes isTruncated } } } } }";

const EVENTS: &str = "subscription($id: ID!, $after: String) { attemptEvents(attemptId: $id, after: $after) {
    __typename cursor sequence at
    ... on StateChanged { state }
    ... on OutputChunk { kind stream offset text }
    ... on StepFinished { step { verdict exitCode } }
    ... on AttemptFinished { attempt { verdict } } } }";

/// The events of a stream until it ends.
async fn events(socket: &mut Socket, id: &str) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let mut message = socket.receive().await;
        match message["type"].as_str() {
            Some("next") => events.push(message["payload"]["data"]["attemptEvents"].take()),
            Some("complete") => return events,
            _ => panic!("{id}: {message}"),
        }
    }
}

#[tokio::test]
async fn a_program_is_handed_in_watched_and_found_again() {
    let app = TestApp::start().await;
    let worker = app.worker(&["bash"]).await;
    let ada = app.student("ada").await;
    let mut socket = ada.socket().await;
    let source = "echo one; sleep 0.2; echo two; exit 3";
    let handed_in = ada.ask(SUBMIT, json!({ "input": { "language": "sh", "source": source } })).await;
    let attempt = text(&handed_in["submitCode"]["attempt"]["id"]);
    assert_eq!(handed_in["submitCode"]["submission"]["language"], "bash");

    socket.subscribe("live", EVENTS, json!({ "id": attempt })).await;
    let live = events(&mut socket, "live").await;
    let sequences: Vec<_> = live.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.iter().copied().eq(0..live.len() as u64), "{sequences:?}");
    let output: Vec<_> = live.iter().filter(|event| event["__typename"] == "OutputChunk").collect();
    assert_eq!(output.iter().map(|chunk| text(&chunk["text"])).collect::<String>(), "one\ntwo\n");
    assert!(output.len() >= 2, "what is written slowly comes piece by piece");
    assert_eq!(live.last().unwrap()["attempt"]["verdict"], "RUNTIME_ERROR");

    let after = live[2]["cursor"].clone();
    socket.subscribe("rest", EVENTS, json!({ "id": attempt, "after": after })).await;
    assert_eq!(events(&mut socket, "rest").await, live[3..]);

    let history = ada
        .ask("{ viewer { submissions(first: 5) { totalCount nodes { attempt { id verdict state } } } } }", Value::Null)
        .await;
    let submissions = &history["viewer"]["submissions"];
    assert_eq!(submissions["totalCount"], 1);
    assert_eq!(
        submissions["nodes"][0]["attempt"],
        json!({ "id": attempt, "verdict": "RUNTIME_ERROR", "state": "FINISHED" })
    );
    worker.stop().await;
}

#[tokio::test]
async fn the_answer_can_wait_for_the_end() {
    let app = TestApp::start().await;
    let worker = app.worker(&["bash"]).await;
    let ada = app.student("ada").await;
    let input = json!({ "language": "bash", "source": "cat; echo \"$1\"", "stdin": "in\u{e9}", "arguments": ["arg"], "waitMs": 30000 });
    let answer = ada.ask(SUBMIT, json!({ "input": input })).await;
    let attempt = &answer["submitCode"]["attempt"];
    assert_eq!((&attempt["state"], &attempt["verdict"]), (&json!("FINISHED"), &json!("OK")), "{attempt:#}");
    let step = &attempt["steps"][0];
    assert_eq!(
        step["stdout"],
        json!({ "text": "inéarg\n", "bytes": "aW7DqWFyZwo=", "totalBytes": 8, "isTruncated": false })
    );
    assert_eq!(step["exitCode"], 0);
    worker.stop().await;
}

#[tokio::test]
async fn an_output_is_asked_for_by_its_ends() {
    let app = TestApp::start().await;
    let worker = app.worker(&["bash"]).await;
    let ada = app.student("ada").await;
    let input = json!({ "language": "bash", "source": "echo αβγ; seq 1000", "waitMs": 30000 });
    let answer = ada.ask(SUBMIT, json!({ "input": input })).await;
    let id = &answer["submitCode"]["attempt"]["id"];
    let ends =
        "query($id: ID!, $last: Int) { attempt(id: $id) { steps { stdout { ...Ends totalBytes isTruncated } } } }
        fragment Ends on Output { first: text(first: 2) last: text(last: $last) }";
    let found = ada.ask(ends, json!({ "id": id, "last": 5 })).await;
    assert_eq!(
        found["attempt"]["steps"][0]["stdout"],
        json!({ "first": "αβ", "last": "1000\n", "totalBytes": 3900, "isTruncated": false })
    );
    // Whoever asks for all of one gets all.
    let found = ada.ask(ends, json!({ "id": id, "last": null })).await;
    assert_eq!(found["attempt"]["steps"][0]["stdout"]["last"].as_str().unwrap().len(), 3900);
    let both = "query($id: ID!) { attempt(id: $id) {
        steps { stdout { text(first: 1) } }
        events { ... on StepFinished { step { stdout { text bytes } } } }
    } }";
    let found = ada.ask(both, json!({ "id": id })).await;
    assert_eq!(found["attempt"]["steps"][0]["stdout"]["text"], "α");
    let finished = found["attempt"]["events"].as_array().unwrap().iter().find(|event| event["step"].is_object());
    assert_eq!(finished.unwrap()["step"]["stdout"]["text"].as_str().unwrap().len(), 3900);
    for (wrong, path) in [("first: -1", "first"), ("last: -1", "last"), ("first: 1, last: 1", "last")] {
        let query = format!("query($id: ID!) {{ attempt(id: $id) {{ steps {{ stdout {{ text({wrong}) }} }} }} }}");
        let refused = ada.refused(&query, json!({ "id": id })).await;
        assert_eq!((refused.code.as_str(), refused.path.as_deref()), ("INVALID_INPUT", Some(path)), "{wrong}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn an_interactive_program_is_typed_into() {
    let app = TestApp::start().await;
    let worker = app.worker(&["bash"]).await;
    let ada = app.student("ada").await;
    let source = "read -r name; echo \"hello $name\"; cat";
    let input = json!({ "language": "bash", "source": source, "isInteractive": true });
    let answer = ada.ask(SUBMIT, json!({ "input": input })).await;
    let id = text(&answer["submitCode"]["attempt"]["id"]);
    let mut socket = ada.socket().await;
    socket.subscribe("1", EVENTS, json!({ "id": id })).await;
    while socket.receive().await["payload"]["data"]["attemptEvents"]["__typename"] != "StepStarted" {}
    let write = async |input: Value| {
        let query = "mutation($input: WriteStdinInput!) { writeStdin(input: $input) { nextOffset } }";
        ada.ask(query, json!({ "input": input })).await["writeStdin"]["nextOffset"].clone()
    };
    assert_eq!(write(json!({ "attemptId": id, "text": "ada\n", "offset": 0 })).await, 4);
    assert_eq!(write(json!({ "attemptId": id, "text": "ada\n", "offset": 0 })).await, 4);
    assert_eq!(write(json!({ "attemptId": id, "bytes": "YnllCg==", "isEnd": true })).await, 8);
    let rest = events(&mut socket, "1").await;
    let said: String = rest.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(said, "hello ada\nbye\n");
    assert_eq!(rest.last().unwrap()["attempt"]["verdict"], "OK");
    worker.stop().await;
}

#[tokio::test]
async fn a_running_program_is_stopped_and_run_again() {
    let app = TestApp::start().await;
    let worker = app.worker(&["bash"]).await;
    let ada = app.student("ada").await;
    let answer =
        ada.ask(SUBMIT, json!({ "input": { "language": "bash", "source": "while :; do sleep 1; done" } })).await;
    let id = text(&answer["submitCode"]["attempt"]["id"]);
    let mut socket = ada.socket().await;
    socket.subscribe("1", EVENTS, json!({ "id": id })).await;
    while socket.receive().await["payload"]["data"]["attemptEvents"]["__typename"] != "StepStarted" {}
    let cancel = "mutation($input: CancelAttemptInput!) { cancelAttempt(input: $input) { attempt { id } } }";
    ada.ask(cancel, json!({ "input": { "attemptId": id } })).await;
    assert_eq!(events(&mut socket, "1").await.last().unwrap()["attempt"]["verdict"], "CANCELLED");
    ada.ask(cancel, json!({ "input": { "attemptId": id } })).await;
    let rerun =
        "mutation($input: RerunSubmissionInput!) { rerunSubmission(input: $input) { attempt { number verdict } } }";
    let submission = &answer["submitCode"]["submission"]["id"];
    let input = json!({ "submissionId": submission, "limits": { "wallTimeMs": 300 }, "waitMs": 30000 });
    let again = ada.ask(rerun, json!({ "input": input })).await;
    assert_eq!(again["rerunSubmission"]["attempt"], json!({ "number": 2, "verdict": "WALL_TIME_LIMIT" }));
    worker.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_its_place_and_a_sentence() {
    let app = TestApp::start().await;
    let worker = app.worker(&["bash"]).await;
    let ada = app.student("ada").await;
    let file = |path: &str| json!({ "path": path, "text": "x" });
    for (input, code, path, sentence) in [
        (json!({ "language": "cobol", "source": "x" }), "INVALID_INPUT", "language", "bash"),
        (json!({ "language": "bash", "source": "" }), "INVALID_INPUT", "source", ""),
        (json!({ "language": "bash", "source": "x".repeat(3_000_000) }), "INVALID_INPUT", "source", ""),
        (json!({ "language": "bash" }), "INVALID_INPUT", "source", ""),
        (json!({ "language": "bash", "source": "x", "files": [file("a")] }), "INVALID_INPUT", "", ""),
        (json!({ "language": "bash", "files": [file("/etc/passwd")] }), "INVALID_INPUT", "files.0.path", ""),
        (json!({ "language": "bash", "files": [file("a/../b")] }), "INVALID_INPUT", "files.0.path", ""),
        (json!({ "language": "bash", "files": [] }), "INVALID_INPUT", "files", ""),
        (json!({ "language": "bash", "files": [{ "path": "a" }] }), "INVALID_INPUT", "files.0", ""),
        (json!({ "language": "bash", "files": [file("..\\a")] }), "INVALID_INPUT", "files.0.path", "/"),
        (json!({ "language": "bash", "files": [file("a"), file("a")] }), "INVALID_INPUT", "files.1.path", "\"a\""),
        (
            json!({ "language": "bash", "files": [{ "path": "a", "bytes": "!" }] }),
            "INVALID_INPUT",
            "files.0.bytes",
            "base64 with padding",
        ),
        (
            json!({ "language": "bash", "source": "x", "limits": { "memoryBytes": -1 } }),
            "INVALID_INPUT",
            "limits.memoryBytes",
            "whole number",
        ),
        (json!({ "language": "bash", "source": "x", "stdin": 5 }), "INVALID_INPUT", "stdin", "String"),
        (
            json!({ "language": "bash", "source": "x", "limits": { "cpuTimeMs": 2_000_000_000 } }),
            "INVALID_INPUT",
            "limits.cpuTimeMs",
            "at most",
        ),
        (
            json!({ "language": "bash", "source": "x", "limits": { "processes": -1 } }),
            "INVALID_INPUT",
            "limits.processes",
            "at least 1",
        ),
        (json!({ "language": "bash", "source": "x", "waitMs": 60_001 }), "INVALID_INPUT", "waitMs", "60000"),
        (
            json!({ "language": "bash", "source": "x", "courseId": "crs_00000000000000000000000000000000" }),
            "NOT_FOUND",
            "",
            "",
        ),
        (json!({ "language": "bash", "source": "x", "courseId": "nonsense" }), "NOT_FOUND", "", ""),
    ] {
        let shown = input.to_string().chars().take(100).collect::<String>();
        let refusal = ada.refused(SUBMIT, json!({ "input": input })).await;
        assert_eq!(refusal.code, code, "{shown}: {refusal:?}");
        assert!(refusal.path.as_deref().unwrap_or_default().starts_with(path), "{shown}: {refusal:?}");
        assert!(refusal.message.contains(sentence), "{shown}: {refusal:?}");
    }
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM submissions").fetch_one(&app.database.pool).await.unwrap();
    assert_eq!(stored, 0);

    let input = |source: &str| json!({ "input": { "language": "bash", "source": source, "idempotencyKey": "k" } });
    let first = ada.ask(SUBMIT, input("echo 1")).await;
    assert_eq!(
        ada.ask(SUBMIT, input("echo 1")).await["submitCode"]["submission"]["id"],
        first["submitCode"]["submission"]["id"]
    );
    assert_eq!(ada.refused(SUBMIT, input("echo 2")).await.code, "CONFLICT");

    let id = text(&first["submitCode"]["attempt"]["id"]);
    let read = "query($id: ID!) { attempt(id: $id) { id } }";
    assert_eq!(app.student("bob").await.refused(read, json!({ "id": id })).await.code, "NOT_FOUND");
    assert_eq!(app.nobody().refused(read, json!({ "id": id })).await.code, "UNAUTHENTICATED");
    assert_eq!(ada.refused(read, json!({ "id": "att_00000000000000000000000000000000" })).await.code, "NOT_FOUND");
    worker.stop().await;
}
