//! Spans for a collector that speaks OpenTelemetry, where the operator names one by the usual variables.
//!
//! Which collector, how often, how many and under which name is read from those variables by the exporter
//! itself, as the specification of OpenTelemetry says. What leaves the process are the spans of this
//! project alone, without the lines of the log that were written in them:
//!
//! ```text
//!  api     request                       request.id, http.method, http.path, http.status, attempt.id
//!  worker  attempt ─┬─ claim             attempt.id, worker.id, language, verdict
//!                   └─ step × 1 or 2     step.kind, step.verdict
//! ```
//!
//! The exporter has a thread of its own and a bounded queue: a collector that is away costs spans, never
//! time.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::span::{Attributes, Id, Record};
use tracing::{Span, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::figures::Role;

/// How long a process that ends tries to send what is left.
const FLUSH: Duration = Duration::from_secs(3);
/// The name of the service where the operator gives none.
const SERVICE: &str = "codecanvas";

/// The variables of OpenTelemetry cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be exported as the OTEL_EXPORTER_OTLP_ variables say")]
pub struct TracesError(#[from] ExporterBuildError);

/// Sends spans to the collector. Dropped, it sends what is left, for three seconds at most.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the exporter.
    pub(super) fn start(role: Role) -> Result<Self, TracesError> {
        // For collectors behind HTTPS. It fails where somebody has chosen one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder().with_http().build()?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(role)).build();
        opentelemetry::global::set_tracer_provider(provider.clone());
        Ok(Self { provider })
    }

    /// What hands our spans to the exporter.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false);
        SpansOnly(layer)
    }
}

/// Passes on spans of this project, and nothing else: neither those of libraries nor lines of the log.
struct SpansOnly<L>(L);

impl<S, L> Layer<S> for SpansOnly<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        self.0.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target().starts_with(SERVICE) {
            self.0.on_new_span(attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.0.on_close(id, context);
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Sends a span below another one that began before it was known whose it is, and has ended.
pub fn record(name: &'static str, parent: &Span, began: SystemTime) {
    let tracer = opentelemetry::global::tracer(SERVICE);
    parent.in_scope(|| tracer.span_builder(name).with_start_time(began).start(&tracer).end());
}

/// Who sends.
fn resource(role: Role) -> Resource {
    let builder = || {
        Resource::builder().with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("codecanvas.role", role.as_str()),
        ])
    };
    let named = builder().build();
    let name = named.get(&Key::from_static_str("service.name"));
    // What the detectors say where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES has a name.
    let has_name = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if has_name { named } else { builder().with_service_name(SERVICE).build() }
}
