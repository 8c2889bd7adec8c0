//! Pages, files, health, and the headers of every answer.

use reqwest::StatusCode;

use crate::support::{TestApp, client};

#[tokio::test]
async fn the_process_is_alive_and_ready_while_its_database_is() {
    let app = TestApp::start().await;
    let status = async |path: &str| client().get(app.url(path)).send().await.unwrap().status();
    assert_eq!(status("/healthz").await, StatusCode::OK);
    // Ready means that somebody would run what is handed in.
    assert_eq!(status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    app.database.pool.close().await;
    assert_eq!(status("/healthz").await, StatusCode::OK);
    assert_eq!(status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn every_answer_keeps_browsers_on_a_short_leash() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/graphql", "/nothing.js", "/", "/playground"] {
        let response = client().get(app.url(path)).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap_or_default();
        assert!(!scripts.contains("unsafe"), "{policy}");
        assert!(path == "/playground" || !policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(headers["x-request-id"].len(), 32, "{path}");
    }
}

#[tokio::test]
async fn a_request_id_of_the_proxy_is_kept_where_it_is_harmless() {
    let app = TestApp::start().await;
    let id = async |sent: &str| {
        let response = client().get(app.url("/healthz")).header("x-request-id", sent).send().await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("abc-123").await, "abc-123");
    assert_ne!(id("a b").await, "a b");
    assert_eq!(id(&"a".repeat(65)).await.len(), 32);
}

#[tokio::test]
async fn paths_lead_nowhere_but_to_files_of_the_build() {
    let app = TestApp::start().await;
    for path in ["/nothing.js", "/assets/../index.html.bak", "/assets/%2e%2e/Cargo.toml", "/..%2f..%2fetc/passwd.txt"] {
        let response = client().get(app.url(path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let response = client().post(app.url("/")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}
