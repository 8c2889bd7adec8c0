//! The app and GraphiQL, built by `web/` and embedded into the executable.
//!
//! Every page gets a content security policy that allows scripts of this server only, and a nonce of
//! its own for the style sheets that the editor makes. Files below `/assets/` have a digest in their
//! name and are cached for good; pages are always asked for anew.

use std::path::Path;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `npm run build` in `web/` leaves behind. It may be missing where only the API is developed.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// What the build writes where the nonce belongs.
const NONCE: &str = "__CSP_NONCE__";

/// Where nothing else is: the app, and its files. Paths with a dot in the last part are files; all others
/// are pages of the app, which finds its way by itself.
pub async fn app(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, "Only GET works here.\n").into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    match Dist::get(path) {
        // Pages only go out through `page`, which completes them.
        Some(found) if is_file && !is_page(path) => file(path, &found, &headers),
        Some(_) | None if is_file => (StatusCode::NOT_FOUND, "There is no such file.\n").into_response(),
        Some(_) | None => page("index.html", &policy),
    }
}

/// GraphiQL.
pub async fn playground() -> Response {
    page("playground.html", &playground_policy)
}

fn is_page(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"))
}

fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// GraphiQL's editor writes style attributes and brings its icons as a font in its style sheet.
fn playground_policy(_nonce: &str) -> String {
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        .to_owned()
}

fn page(name: &str, policy: &dyn Fn(&str) -> String) -> Response {
    let Some(found) = Dist::get(name) else {
        let message = "The pages are not part of this build. The API is at /graphql.\n";
        return (StatusCode::NOT_FOUND, message).into_response();
    };
    let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
    let html = String::from_utf8_lossy(&found.data).replace(NONCE, &nonce);
    let mut response = html.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let policy = HeaderValue::from_str(&policy(&nonce)).expect("made of printable ASCII only");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}

fn file(path: &str, found: &EmbeddedFile, request: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(found.metadata.sha256_hash()));
    let is_known = request.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { found.data.to_vec().into_response() };
    let lifetime = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(found.metadata.mimetype()) {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(lifetime));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}
