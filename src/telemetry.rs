//! What the processes tell about themselves.
//!
//! Logs are for people on a terminal, one JSON object a line otherwise, always on standard error.
//! [`metrics`] are for Prometheus, [`traces`] for a collector that speaks OpenTelemetry; both are off
//! unless the operator asks for them.
//!
//! Nobody logs source code, program output, tokens or passwords, nor puts them into a span; secrets have no
//! `Display` and their `Debug` shows nothing ([`crate::config::Secret`]).

pub mod figures;
pub mod metrics;
pub mod traces;

use std::io::IsTerminal as _;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::figures::Role;
use self::traces::{Traces, TracesError};
use crate::config::{Config, Log, LogFormat};

/// Why nothing would be told.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.filter` is not a filter.
    #[error(
        "wrong setting: log.filter {filter:?} is not a filter such as \"info\" or \"info,codecanvas::worker=debug\""
    )]
    InvalidFilter {
        /// What was set.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The variables of OpenTelemetry do not do.
    #[error(transparent)]
    Traces(#[from] TracesError),
}

/// Starts logging, once in the life of a process.
pub fn init(settings: &Log) -> Result<(), TelemetryError> {
    install(settings, None)
}

/// Starts logging and, where the operator names a collector, sending spans to it until what is returned is
/// dropped. Call it outside any runtime, after the last change of user: it starts a thread.
pub fn init_with_traces(config: &Config, role: Role) -> Result<Option<Traces>, TelemetryError> {
    let traces = if config.traces { Some(Traces::start(role)?) } else { None };
    install(&config.log, traces.as_ref())?;
    Ok(traces)
}

fn install(settings: &Log, traces: Option<&Traces>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&settings.filter)
        .map_err(|source| TelemetryError::InvalidFilter { filter: settings.filter.clone(), source })?;
    let is_human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if is_human {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    };
    // One filter for all: with a filter per layer, a span can be lost to what was asked about another one before
    // (the registry keeps the answers of the last question on a thread, and none is asked for what is always on).
    tracing_subscriber::registry().with(filter).with(lines).with(traces.map(Traces::layer)).init();
    // A panic is a line of the log like any other, so that whoever reads JSON sees it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("panic");
        tracing::error!(message, place, "panicked");
    }));
    Ok(())
}
