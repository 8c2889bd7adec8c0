//! Spans on their way to a collector: a real one, as far as its HTTP goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use crate::support::Person;
use crate::support::service::{Service, data_dir};

/// What came in: the roles that sent, and their spans.
#[derive(Default)]
struct Received {
    raw: Vec<Bytes>,
    keys: Vec<String>,
    spans: Vec<(String, Span)>,
}

/// A collector on loopback.
async fn collector() -> (String, Arc<Mutex<Received>>) {
    let received = Arc::new(Mutex::new(Received::default()));
    let sink = Arc::clone(&received);
    let take = move |headers: HeaderMap, body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        let mut received = sink.lock().unwrap();
        received.raw.push(body);
        received.keys.push(headers["x-key"].to_str().unwrap().to_owned());
        for sent in request.resource_spans {
            let resource = sent.resource.unwrap_or_default();
            let role = attributes(&resource.attributes)["codecanvas.role"].clone();
            assert_eq!(attributes(&resource.attributes)["service.name"], "classroom");
            let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.spans.extend(spans.map(|span| (role.clone(), span)));
        }
        std::future::ready(())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (endpoint, received)
}

fn attributes(pairs: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> BTreeMap<String, String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair.value.clone().and_then(|value| value.value)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_both_processes_reach_the_collector_and_tell_nothing_of_the_program() {
    let (endpoint, received) = collector().await;
    let data = data_dir();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=4711"),
        ("OTEL_SERVICE_NAME", "classroom"),
        // What is left is sent at the end.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
    ];
    let mut service = Service::start_in(data.path(), &["--set", "worker.languages=c"], &environment);
    let url = service.wait_until_ready();
    let ada = Person::at(&url).register("ada", "battery-staple-4711-hush").await;
    let source = format!(
        "#include <stdio.h>\n/* source-4712-hush {} */\nint main(void) {{ printf(\"%d-output\\n\", 4713 * 1000); }}",
        std::process::id()
    );
    let query =
        "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { attempt { steps { stdout { text } } } } }";
    let input = json!({ "language": "c", "source": source, "stdin": "typed-hush", "waitMs": 30000 });
    let answer = ada.ask(query, json!({ "input": input })).await;
    assert_eq!(answer["submitCode"]["attempt"]["steps"][1]["stdout"]["text"], "4713000-output\n", "{answer}");
    service.stop();

    let received = received.lock().unwrap();
    assert!(received.keys.iter().all(|key| key == "4711"));
    let named = |role: &str, name: &str| -> Vec<&Span> {
        received.spans.iter().filter(|(of, span)| of == role && span.name == name).map(|(_, span)| span).collect()
    };
    let requests = named("api", "request");
    let submitted: Vec<_> =
        requests.iter().filter(|span| attributes(&span.attributes).contains_key("attempt.id")).collect();
    let [submitted] = submitted[..] else { panic!("{requests:#?}") };
    let of_request = attributes(&submitted.attributes);
    assert_eq!((of_request["http.status"].as_str(), of_request["http.path"].as_str()), ("200", "/graphql"));

    let attempts = named("worker", "attempt");
    let [attempt] = attempts[..] else { panic!("{attempts:#?}") };
    let of_attempt = attributes(&attempt.attributes);
    assert_eq!(of_attempt["attempt.id"], of_request["attempt.id"]);
    assert_eq!((of_attempt["language"].as_str(), of_attempt["verdict"].as_str()), ("c", "OK"));
    assert!(of_attempt.contains_key("worker.id"));
    let inside = |name: &str| -> Vec<&Span> {
        named("worker", name).into_iter().filter(|span| span.parent_span_id == attempt.span_id).collect()
    };
    assert_eq!(inside("claim").len(), 1);
    let steps: Vec<_> = inside("step").iter().map(|span| attributes(&span.attributes)).collect();
    assert_eq!(steps.iter().map(|step| step["step.verdict"].as_str()).collect::<Vec<_>>(), ["OK", "OK"]);
    assert!(inside("step").iter().all(|span| span.trace_id == attempt.trace_id && span.events.is_empty()));

    let token = ada.token.as_ref().unwrap().as_bytes();
    for secret in [b"-hush".as_slice(), b"4713000", b"printf", token] {
        let is_in = |body: &Bytes| body.windows(secret.len()).any(|window| window == secret);
        assert!(!received.raw.iter().any(is_in), "{}", String::from_utf8_lossy(secret));
    }
}

#[test]
fn a_collector_that_does_not_answer_costs_no_more_than_the_time_to_flush() {
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let data = data_dir();
    let mut service = Service::start_in(data.path(), &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]);
    service.wait_until_ready();
    let lines = service.stop();
    assert!(lines.iter().any(|line| line["message"] == "the last spans could not be sent"), "{lines:#?}");
}

#[test]
fn a_protocol_that_is_not_spoken_is_a_wrong_setting() {
    let output = std::process::Command::new(crate::support::executable())
        .args(["api", "--database-url", "postgres://nobody@127.0.0.1:1/none"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(78) && said.contains("http/protobuf"), "{said}");
}
