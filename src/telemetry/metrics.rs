//! Figures for Prometheus, on a listener of their own: they are not for those who use the service.

use std::io;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// From a millisecond to minutes; each a bit more than the double of the last.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Where this process counts. The first call installs it; what was counted before is lost.
fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .expect("the list of buckets is not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("the figures of this process are counted elsewhere");
        }
        handle
    })
}

/// Serves `/metrics` until `shutdown`. `refresh` brings figures up to date that are not counted where
/// they happen.
pub async fn serve<F, R>(listener: TcpListener, refresh: F, shutdown: CancellationToken) -> io::Result<()>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let handle = handle();
    let refresh = Arc::new(refresh);
    let answer = move || {
        let refresh = Arc::clone(&refresh);
        async move {
            refresh().await;
            // Histograms are kept as they come until they are drained.
            handle.run_upkeep();
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
        }
    };
    let app = Router::new().route("/metrics", get(answer));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
