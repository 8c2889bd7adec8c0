//! What keeps other sites, other people's scripts and the curious out: cookies, origins, headers, and
//! answers that tell nothing about the server.

use codecanvas::domain::units::Bytes;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Person, Socket, TestApp, client};

const FOREIGN: &str = "http://evil.example";

/// Headers that every answer has.
const HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

fn cookie_of(person: &Person) -> String {
    format!("codecanvas={}", person.token.as_ref().unwrap())
}

/// The status of a request, and the code of its first error.
async fn outcome(request: RequestBuilder) -> (u16, Option<String>) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    (status, answer["errors"][0]["extensions"]["code"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_cookie_counts_only_with_json_from_a_page_of_this_server() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    let own = app.url("");
    let mutation = r#"{"query":"mutation { updateProfile(input: { displayName: \"Eve\" }) { user { id } } }"}"#;
    let post = |kind: &str, origin: Option<&str>| {
        let mut request = client().post(app.url("/graphql")).header("cookie", cookie_of(&ada));
        request = request.header("content-type", kind);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        outcome(request.body(mutation))
    };
    // What forms and scripts of other pages can send without asking.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for origin in [Some(own.as_str()), Some(FOREIGN), None] {
            assert_eq!(post(kind, origin).await.0, 415, "{kind} {origin:?}");
        }
    }
    // Another port, another scheme's default port, a name that begins alike.
    let likeness =
        [format!("{own}.evil.example"), format!("{own}0"), "null".into(), "http://127.0.0.1".into(), FOREIGN.into()];
    for origin in likeness.iter().map(|origin| Some(origin.as_str())).chain([None]) {
        let refused = (403, Some("FORBIDDEN".to_owned()));
        assert_eq!(post("application/json", origin).await, refused, "{origin:?}");
    }
    let name = ada.ask("{ viewer { displayName } }", Value::Null).await;
    assert_eq!(name["viewer"]["displayName"], "ada", "nothing of that was done");
    assert_eq!(post("application/json", Some(&own)).await, (200, None));
}

#[tokio::test]
async fn a_cookie_reads_nothing_for_a_page_of_another_site() {
    let app = TestApp::start().await;
    let teacher = app.teacher("teacher").await;
    let course = teacher.create_course("C").await;
    let export = format!("/export/course/{}.csv", course["id"].as_str().unwrap());
    let paths = ["/graphql?query=%7Bviewer%7Bid%7D%7D".to_owned(), export];
    for accept in ["application/json", "text/event-stream", "*/*"] {
        for path in &paths {
            let get = || client().get(app.url(path)).header("cookie", cookie_of(&teacher)).header("accept", accept);
            let refused = (403, Some("FORBIDDEN".to_owned()));
            assert_eq!(outcome(get().header("origin", FOREIGN)).await, refused, "{path} {accept}");
            // Links and EventSource of our own pages send no origin.
            assert_eq!(outcome(get()).await, (200, None), "{path} {accept}");
            assert_eq!(outcome(get().header("origin", app.url(""))).await, (200, None), "{path} {accept}");
        }
    }
    let cookie = cookie_of(&teacher);
    // A WebSocket can change things: there it takes the origin, not only the lack of a wrong one.
    for origin in [&[][..], &[("origin", FOREIGN)]] {
        let headers = [&[("sec-websocket-protocol", "graphql-transport-ws"), ("cookie", &cookie)], origin].concat();
        let mut socket = Socket::open_with(app.address, &headers).await.unwrap();
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.closed().await.0, 4403, "{origin:?}");
    }
}

#[tokio::test]
async fn a_token_needs_no_origin() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    let request = ada.request().header("origin", FOREIGN).json(&json!({ "query": "{ viewer { id } }" }));
    assert_eq!(outcome(request).await, (200, None));
}

#[tokio::test]
async fn other_sites_read_nothing_unless_the_operator_names_them() {
    const NAMED: &str = "https://school.example";
    let closed = TestApp::start().await;
    let open = TestApp::start_with(|config| config.http.allowed_origins = vec![NAMED.into()]).await;
    for (app, origin, is_allowed) in
        [(&closed, NAMED, false), (&closed, FOREIGN, false), (&open, FOREIGN, false), (&open, NAMED, true)]
    {
        for method in [Method::POST, Method::OPTIONS] {
            let request = client().request(method.clone(), app.url("/graphql")).header("origin", origin);
            let request = request
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,content-type");
            let response = request.json(&json!({ "query": "{ server { version } }" })).send().await.unwrap();
            let headers = response.headers();
            let allowed = headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(allowed, is_allowed.then_some(NAMED), "{method} {origin}");
            assert!(!headers.contains_key("access-control-allow-credentials"), "{method} {origin}");
        }
    }
}

#[tokio::test]
async fn refusals_of_every_kind_have_an_id_and_the_headers_of_all_answers() {
    let app = TestApp::start_with(|config| config.http.body_limit = Bytes::kib(1)).await;
    let post = || client().post(app.url("/graphql")).header("content-type", "application/json");
    let query = r#"{"query":"{ server { version } }"}"#;
    for (request, status) in [
        (post().body(query), 200),
        (post().body("{"), 400),
        (post().body(query).bearer_auth("ccs_gone"), 401),
        (post().body(query).header("cookie", "codecanvas=x"), 403),
        (client().get(app.url("/assets/nothing.js")), 404),
        (client().put(app.url("/graphql")), 405),
        (post().body(query).header("accept", "image/png"), 406),
        (post().body("x".repeat(2000)), 413),
        (client().post(app.url("/graphql")).body(query), 415),
        (client().get(app.url("/readyz")), 503),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let headers = response.headers();
        for (name, value) in HEADERS {
            assert_eq!(headers[name], value, "{status}: {name}");
        }
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; frame-ancestors 'none'"), "{status}: {policy}");
        assert_eq!(headers["x-request-id"].len(), 32, "{status}");
        assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"), "{status}");
    }
}

/// Words that only whoever runs the server may read.
const TELLTALES: [&str; 12] = [
    "relation",
    "column",
    "constraint",
    "select ",
    "insert ",
    "sql",
    "postgres",
    "pool",
    ".rs",
    "panic",
    "attempts",
    "/tmp",
];

fn assert_tells_nothing(text: &str) {
    let text = text.to_lowercase();
    let found = TELLTALES.iter().find(|word| text.contains(**word));
    assert_eq!(found, None, "{text}");
}

#[tokio::test]
async fn a_server_that_breaks_tells_nothing_of_how_it_is_made() {
    let app = TestApp::start().await;
    app.promise_bash().await;
    let teacher = app.admin("teacher").await;
    let course = teacher.create_course("C").await["id"].clone();
    let submit = "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } } }";
    let input = json!({ "input": { "language": "bash", "source": "echo", "courseId": course } });
    let submission = teacher.ask(submit, input.clone()).await["submitCode"]["submission"]["id"].clone();
    for statement in [
        "ALTER TABLE attempts RENAME TO gone",
        "ALTER TABLE activity DROP COLUMN state",
        "ALTER TABLE sources RENAME TO gone_too",
    ] {
        sqlx::query(statement).execute(&app.database.pool).await.unwrap();
    }
    let id = json!({ "id": submission, "course": course });
    for query in [
        "query($id: ID!) { submission(id: $id) { attempt { state } } }",
        "query($id: ID!) { submission(id: $id) { attempts { state } } }",
        "query($id: ID!) { submission(id: $id) { files { path } } }",
        "query($id: ID!) { submission(id: $id) { diff(from: $id) { path } } }",
        "query($course: ID!) { course(id: $course) { submissions(filter: { sourceContains: \"x\" }) { totalCount } } }",
        "mutation($id: ID!) { rerunSubmission(input: { submissionId: $id }) { attempt { id } } }",
    ] {
        let answer = teacher.answer(query, id.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{query}: {answer:#}");
        // The path of an error names fields of the question.
        assert_tells_nothing(&answer["errors"][0]["message"].to_string());
        assert_tells_nothing(&answer["errors"][0]["extensions"].to_string());
    }
    let watch = "subscription($course: ID!) { courseActivity(courseId: $course) { cursor } }";
    let event = teacher.event_stream(watch, id.clone()).await.next().await.unwrap();
    assert_eq!(event.data["errors"][0]["extensions"]["code"], "INTERNAL", "{event:?}");
    assert_tells_nothing(&event.data["errors"][0]["message"].to_string());
    let mut socket = teacher.socket().await;
    socket.subscribe("1", watch, id).await;
    let message = socket.receive().await;
    assert_eq!(message["payload"][0]["extensions"]["code"], "INTERNAL", "{message}");
    assert_tells_nothing(&message["payload"][0]["message"].to_string());
}
