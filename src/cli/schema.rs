//! `codecanvas schema`

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use crate::api::graphql;

/// Print the GraphQL schema
#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    /// Runs the command.
    #[expect(clippy::unused_self, reason = "commands look alike")]
    pub fn run(self) -> anyhow::Result<ExitCode> {
        std::io::stdout().lock().write_all(graphql::sdl().as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
