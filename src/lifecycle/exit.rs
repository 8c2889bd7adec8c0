//! Exit codes, and errors as one line.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::postgres::PostgresError;
use crate::store::schema::SchemaError;
use crate::telemetry::TelemetryError;

/// Something is missing that doctor looks for.
pub const UNHEALTHY: u8 = 3;
/// The embedded Postgres does not start. A server that cannot be used has the codes 10 to 16, see
/// [`SchemaError::exit_code`].
pub const POSTGRES: u8 = 9;
/// A protection that is required cannot be had (`EX_NOPERM` of sysexits.h).
pub const UNPROTECTED: u8 = 77;
/// Wrong settings (`EX_CONFIG`).
pub const CONFIG: u8 = 78;

/// Nobody reads our output any more: what the shell reports for SIGPIPE.
pub const BROKEN_PIPE: u8 = 141;

/// Prints an error and its causes as one line, and finds the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        // Whoever closed the pipe has seen enough.
        return ExitCode::from(BROKEN_PIPE);
    }
    let mut line = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some errors of others repeat their cause.
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    // Whoever closed standard error does not want to know.
    let _ = writeln!(std::io::stderr(), "codecanvas: {line}");
    let code = if let Some(error) = error.downcast_ref::<SchemaError>() {
        error.exit_code()
    } else if error.is::<ConfigError>() || error.is::<TelemetryError>() {
        CONFIG
    } else if error.is::<PostgresError>() {
        POSTGRES
    } else {
        1
    };
    ExitCode::from(code)
}
