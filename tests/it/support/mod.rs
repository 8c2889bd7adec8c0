//! What every test stands on.
//!
//! - [`database`]: a migrated database of its own, in the one Postgres of this test binary
//! - [`TestApp`]: the api over HTTP and WebSockets, and people who use it
//! - [`desk`]: the use cases without a server in front
//! - [`service`]: `codecanvas serve` as a process
//! - [`leftovers`]: what workers leave on the host
//! - [`executable`]: the `codecanvas` that was built with the tests

mod app;
mod database;
pub mod desk;
mod event_stream;
pub mod leftovers;
pub mod service;
mod socket;
mod statements;
pub mod workshop;

use std::path::PathBuf;

pub use self::app::{AppWorker, PASSWORD, Person, TestApp, client, text};
pub use self::database::{TestDatabase, database, empty_database, settings};
pub use self::event_stream::EventStream;
pub use self::socket::Socket;
pub use self::statements::{statements, watch_statements};

/// The `codecanvas` that was built with the tests.
pub fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_codecanvas"))
}
