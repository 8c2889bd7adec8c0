//! Logs: for people on a terminal, one JSON object a line otherwise, always on standard error.
//!
//! Nobody logs source code, program output, tokens or passwords; secrets have no `Display` and their
//! `Debug` shows nothing ([`crate::config::Secret`]).

pub mod metrics;

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{EnvFilter, ParseError};

use crate::config::{Log, LogFormat};

/// `log.filter` is not a filter.
#[derive(Debug, thiserror::Error)]
#[error("wrong setting: log.filter {filter:?} is not a filter such as \"info\" or \"info,codecanvas::worker=debug\"")]
pub struct InvalidFilter {
    /// What was set.
    pub filter: String,
    /// What is wrong with it.
    pub source: ParseError,
}

/// Starts logging, once in the life of a process.
pub fn init(settings: &Log) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::builder()
        .parse(&settings.filter)
        .map_err(|source| InvalidFilter { filter: settings.filter.clone(), source })?;
    let is_human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if is_human {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
    } else {
        lines.json().flatten_event(true).with_current_span(false).init();
    }
    // A panic is a line of the log like any other, so that whoever reads JSON sees it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("panic");
        tracing::error!(message, place, "panicked");
    }));
    Ok(())
}
