//! Figures for Prometheus, on a listener of their own: they are not for those who use the service.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::figures::{self, Role};

/// From a millisecond to minutes; each a bit more than the double of the last.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Of events in one transaction.
const EVENTS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0];
/// How often what was counted is summed up although nobody asks: it is kept as it comes until then.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where this process counts. What was counted before the first call is lost.
fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), &EVENTS))
            .expect("no list of buckets is empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("the figures of this process are counted elsewhere");
        }
        handle
    })
}

/// `/metrics`, bound and not served yet.
#[derive(Debug)]
pub struct Exposition {
    listener: TcpListener,
}

impl Exposition {
    /// Listens, and counts from now on.
    pub async fn open(address: SocketAddr, role: Role) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        handle();
        figures::register(role);
        tracing::info!(address = %listener.local_addr()?, "serving metrics");
        Ok(Self { listener })
    }

    /// Serves until `shutdown`. `refresh` brings figures up to date that are not counted where they happen.
    pub async fn serve<F, R>(self, refresh: F, shutdown: CancellationToken) -> io::Result<()>
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let refresh = Arc::new(refresh);
        let answer = move || {
            let refresh = Arc::clone(&refresh);
            async move {
                refresh().await;
                handle().run_upkeep();
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle().render()).into_response()
            }
        };
        let app = Router::new().route("/metrics", get(answer));
        let serving = axum::serve(self.listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                handle().run_upkeep();
            }
        };
        tokio::join!(async { serving.await }, upkeep).0
    }
}

/// Brings the figures of a pool of connections up to date.
pub fn refresh_pool(pool: &PgPool) {
    metrics::gauge!("codecanvas_database_connections").set(f64::from(pool.size()));
    metrics::gauge!("codecanvas_database_idle_connections")
        .set(f64::from(u32::try_from(pool.num_idle()).unwrap_or(u32::MAX)));
}
