//! What every test stands on.
//!
//! - [`database`]: a migrated database of its own, in the one Postgres of this test binary
//! - [`executable`]: the `codecanvas` that was built with the tests

mod database;

use std::path::PathBuf;

pub use self::database::{TestDatabase, database, empty_database};

/// The `codecanvas` that was built with the tests.
pub fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_codecanvas"))
}
