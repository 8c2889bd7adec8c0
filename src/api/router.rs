//! Which path is answered by what, and what every answer has in common: a request id, a line in the
//! log, and the headers that keep browsers from doing what pages of ours never need.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use futures_util::FutureExt as _;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;
use uuid::Uuid;

use super::identity::client_of;
use super::{Api, assets, export, health, protocol};
use crate::config::Config;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Everything that is served on the public listener.
pub fn router(api: Arc<Api>) -> Router {
    let graphql = on(MethodFilter::GET.or(MethodFilter::POST), protocol::http::graphql);
    let mut router = Router::new()
        .route("/graphql", graphql)
        .route("/playground", get(assets::playground))
        .route("/export/course/{file}", get(export::course))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(assets::app)
        .layer(CompressionLayer::new());
    if let Some(cors) = cors(&api.config) {
        router = router.layer(cors);
    }
    router.layer(middleware::from_fn_with_state(Arc::clone(&api), observe)).with_state(api)
}

/// Off unless the operator names other sites. Those use tokens: as credentials are not allowed, browsers keep
/// the cookie back.
fn cors(config: &Config) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        config.http.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    (!origins.is_empty()).then(|| {
        use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("last-event-id")])
            .expose_headers([X_REQUEST_ID])
    })
}

/// Gives the request an id and a span, logs how it ended, and completes the answer's headers. The query
/// string is not logged: it may hold a program.
async fn observe(
    State(api): State<Arc<Api>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    let span = tracing::info_span!(
        "request",
        request.id = id.to_str().unwrap_or_default(),
        http.method = %request.method(),
        http.path = request.uri().path(),
        client.address = %client_of(request.headers(), peer, &api.config).address(),
        // For the span that is exported: lines of the log have it in the message.
        http.status = tracing::field::Empty,
        // Leads to what the worker tells about the attempt that was asked for.
        attempt.id = tracing::field::Empty,
    );
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    let started = Instant::now();
    // The panic itself is in the log already.
    let handled = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
    let mut response = handled.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    complete(response.headers_mut(), &id);
    let status = response.status().as_u16();
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    metrics::histogram!("codecanvas_http_request_seconds", "status" => status.to_string()).record(started.elapsed());
    span.in_scope(|| {
        // Asked every few seconds by whatever watches over the process.
        if is_probe {
            tracing::debug!(http.status = status, elapsed_ms, "answered");
        } else {
            tracing::info!(http.status = status, elapsed_ms, "answered");
        }
    });
    span.record("http.status", status);
    response
}

/// The id that a proxy in front gave the request, where it is harmless to log; else one of our own.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |value: &&HeaderValue| {
        (1..=64).contains(&value.len()) && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    headers.get(X_REQUEST_ID).filter(is_plain).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().simple().to_string()).expect("hexadecimal digits are printable")
    })
}

fn complete(headers: &mut HeaderMap, id: &HeaderValue) {
    headers.insert(X_REQUEST_ID, id.clone());
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages bring a policy of their own; what is not a page needs nothing.
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"));
}
