//! The command line: one file per command.
//!
//! A command reads its settings, does its work and answers with an exit code. Errors come up to
//! [`main`], which prints them as one line.

mod admin;
mod api;
mod backup;
mod client;
mod config;
mod database;
mod doctor;
mod migrate;
mod schema;
mod serve;
mod settings;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::lifecycle::exit;

/// Run untrusted programs and stream their output over GraphQL
#[derive(Debug, Parser)]
#[command(name = "codecanvas", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Everything from login on is for users, and needs no service on this machine. \
Settings of the service come from flags, then from the environment (CODECANVAS_..., DATABASE_URL), then from a TOML \
file (--config). \"codecanvas config print --defaults\" lists all of them with their meaning.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Api(api::Api),
    Worker(worker::Worker),
    Migrate(migrate::Migrate),
    Doctor(doctor::Doctor),
    Schema(schema::Schema),
    Admin(admin::Admin),
    Config(config::ConfigCommand),
    #[command(flatten)]
    Client(client::ClientCommand),
}

/// Does what the arguments say.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(command) => command.run(),
        Command::Worker(command) => command.run(),
        Command::Api(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Migrate(command) => command.run(),
        Command::Admin(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Client(command) => return client::run(command, Cli::command()),
    };
    result.unwrap_or_else(|error| exit::report(&error))
}
