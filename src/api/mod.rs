//! The network-facing side: the only part that listens. It starts no process and sees no program run.
//!
//! ```text
//!  request ─▶ router ─▶ protocol::{http, websocket, event_stream} ─▶ graphql (resolvers) ─▶ service
//!                ├────▶ assets (the app, GraphiQL)
//!                ├────▶ export
//!                └────▶ health
//!  Prometheus ─▶ metrics, on a listener of its own
//! ```
//!
//! - [`credential`], [`identity`]: who asks
//! - [`usage`]: who holds how many connections

pub mod assets;
pub mod credential;
pub mod export;
pub mod graphql;
pub mod health;
pub mod identity;
pub mod metrics;
pub mod protocol;
mod router;
pub mod usage;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::credential::SessionCookie;
use self::identity::Holder;
use self::protocol::document::DocumentLimits;
use self::usage::Usage;
use crate::config::Config;
use crate::service::{Services, upkeep};
use crate::store::listen::{Audience, listen};
use crate::telemetry::figures::Role;
use crate::telemetry::metrics::Exposition;

/// How long requests may take to end after the first signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What all requests share.
pub struct Api {
    config: Arc<Config>,
    services: Arc<Services>,
    schema: graphql::Schema,
    document_limits: DocumentLimits,
    cookie: SessionCookie,
    connections: Usage<Holder>,
    subscriptions: Usage<Holder>,
    /// Everything that runs beside the requests: WebSockets above all.
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Api {
    /// Connects the API with the use cases.
    pub fn new(config: Arc<Config>, services: Arc<Services>, shutdown: CancellationToken) -> Self {
        let document_limits = DocumentLimits {
            depth: config.graphql.max_depth,
            complexity: config.graphql.max_complexity,
            ..DocumentLimits::default()
        };
        let cookie = SessionCookie::new(&config);
        Self {
            schema: graphql::schema(Arc::clone(&services), cookie, document_limits.complexity),
            config,
            services,
            document_limits,
            cookie,
            connections: Usage::default(),
            subscriptions: Usage::default(),
            tasks: TaskTracker::new(),
            shutdown,
        }
    }

    /// The largest request that is read, in bytes.
    fn body_limit(&self) -> usize {
        usize::try_from(self.config.http.body_limit.0).unwrap_or(usize::MAX)
    }
}

/// Serves until `shutdown`, then lets requests end and tells WebSockets to come back elsewhere.
///
/// # Errors
/// A listener broke, or that of the metrics cannot be had; a single connection that does is no error.
pub async fn serve(
    listener: TcpListener,
    config: Arc<Config>,
    services: Arc<Services>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let (pool, hub) = (services.pool.clone(), services.hub.clone());
    let api = Arc::new(Api::new(config, Arc::clone(&services), shutdown.clone()));
    let tasks = api.tasks.clone();
    tasks.spawn(upkeep::run(services, shutdown.clone()));
    tasks.spawn(listen(pool, hub, Audience::Api, shutdown.clone()));
    if let Some(address) = api.config.metrics_listen {
        let exposition = Exposition::open(address, Role::Api).await?;
        let observed = Arc::clone(&api);
        tasks.spawn(exposition.serve(move || metrics::refresh(Arc::clone(&observed)), shutdown.clone()));
    }
    // An event is a small packet: Nagle's algorithm would hold it back until the client has acknowledged the one
    // before, which takes 40 ms where the client delays that; see tcp(7), TCP_NODELAY.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "packets to a client may be delayed");
        }
    });
    let app = router::router(api).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    let outcome = tokio::select! {
        outcome = async { server.await } => outcome,
        () = deadline => Ok(()),
    };
    tasks.close();
    // Whoever has not ended by now is cut off.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, tasks.wait()).await;
    outcome
}
